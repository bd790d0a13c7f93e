"""Members join a group, leave, are killed and stopped and go over to the other protocol, while records come in and everything fails."""

import time

import checker
import group_checker
import pytest
from clients import CLASSIC, COOPERATIVE, NEXT, Reader, Writer, note_positions, read_log
from faults import KINDS, LONG, SEED, SESSION_SECONDS, Pause, run

SECONDS = 60 if LONG else 0  # in the short form each fault and each move once
PARTITIONS = 4
TOPIC, GROUP = "history", "movers"
FORMS = [("kill", "restart"), ("pause", "delay", "drop", "cut"), KINDS] if LONG else [KINDS]
BOTH = [CLASSIC, COOPERATIVE]


class Group:
    """At least two members, in processes of their own; which one moves is drawn."""

    MOVES = ("join", "leave", "kill", "stop", "change", "change_back")

    def __init__(self, it, classic):
        self.it, self.classic, self.number = it, classic, 0
        self.members, self.pause = [], None
        self.join(classic), self.join(classic)

    def join(self, protocol=None):
        self.number += 1
        protocol = protocol or self.it.rng.choice([self.classic, NEXT])
        self.members.append((self.it.start(Reader, f"m{self.number}", TOPIC, elsewhere=True, group=GROUP, protocol=protocol), protocol))

    def take(self, protocol):
        """A member of the protocol, if there is one and another member beside it, which is a member no more."""
        able = [m for m in self.members if m[1] == protocol and not (self.pause and self.pause.client is m[0])]
        if not able or len(self.members) < 2:
            return None
        member = self.it.rng.choice(able)
        self.members.remove(member)
        return member[0]

    def leave(self):
        member = self.take(self.it.rng.choice([self.classic, NEXT])) or self.take(self.classic) or self.take(NEXT)
        self.it.finish(member)
        self.join()

    def kill(self):
        """A member of the new protocol keeps its partitions for 45 s: that is for the long form."""
        member = self.take(self.it.rng.choice([self.classic, NEXT]) if LONG else self.classic)
        if member:
            self.it.kill(member)
        self.join(self.classic)

    def stop(self):
        """One is stopped while the next faults come; when it goes on, its session is over or its group is forgotten."""
        self.go_on()
        self.pause = Pause(self.it.rng.choice(self.members)[0], SESSION_SECONDS)

    def go_on(self):
        if self.pause:
            self.pause.end()
        self.pause = None

    def change(self, before=None, after=NEXT):
        """One goes over to the other protocol."""
        member = self.take(before or self.classic)
        self.join(after)
        if member:
            self.it.finish(member)

    def change_back(self):
        self.change(NEXT, self.classic)

    def finish(self):
        self.it.finish(*(member for member, _ in self.members))


@pytest.mark.parametrize("classic", BOTH if LONG else [BOTH[SEED % 2]], ids=lambda classic: "eager" if classic == CLASSIC else "cooperative")
@pytest.mark.parametrize("kinds", FORMS, ids=lambda kinds: "-".join(kinds))
def test_every_partition_has_one_owner(tmp_path, kinds, classic):
    with run(tmp_path, f"groups {kinds}", longest=4 if LONG else 1.5) as it:
        it.create(TOPIC, PARTITIONS)
        writer = it.start(Writer, "p", TOPIC, partitions=PARTITIONS, pause=0.2)
        group = Group(it, classic)
        names, moves = list(kinds), ["join", *Group.MOVES]  # each at least once
        it.rng.shuffle(names), it.rng.shuffle(moves)
        until = time.monotonic() + SECONDS
        while names or moves or time.monotonic() < until:
            getattr(group, moves.pop() if moves else it.rng.choice(Group.MOVES))()
            it.wait_for_more("commit", 8)
            if names or not moves:
                it.faults.one(names.pop() if names else it.rng.choice(kinds))
        it.finish(writer)
        group.go_on()
        read_log(it.history, it.proxy.address, TOPIC, PARTITIONS)
        it.wait_until(it.history.has_polled_the_log, "the group has read everything")
        group.finish()
        note_positions(it.history, it.proxy.address, GROUP, TOPIC, PARTITIONS)
    it.judge(checker.check(it.history.events) + group_checker.check(it.history.events))
    assert it.history.count("commit") > 40 and set(kinds) <= set(it.faults.done)
