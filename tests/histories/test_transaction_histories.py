"""Transactions that commit, abort, are left, time out and are fenced, and a group that copies exactly once, while everything fails."""

import time

import pytest
import transaction_checker
from clients import Reader, note_positions, positions, read_log
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec
from faults import KINDS, LONG, SESSION_SECONDS, Pause, run
from transaction_clients import Copier, TransactionalWriter

SECONDS = 60 if LONG else 0  # in the short form each fault once
PARTITIONS = 3
SOURCE, SINK = "source", "sink"
FORMS = [("kill", "restart"), ("pause", "delay", "drop", "cut"), KINDS] if LONG else [KINDS]


class Clients:
    """Two of each kind; one of them, in a process of its own, is killed and stopped."""

    def __init__(self, it):
        self.it, self.number, self.pause = it, 0, None
        self.writers = [self.writer("w0", "writer-0"), self.writer("w1", "writer-1")]
        self.copiers = [self.copier("c0", "copier-0")]
        it.wait_for_more("init", 3)
        self.doomed_writer = self.writer("d0", "doomed-writer", elsewhere=True)
        self.doomed_copier = self.copier("d1", "doomed-copier", elsewhere=True)
        self.readers = [it.start(Reader, f"r{i}", [SOURCE, SINK], group="readers") for i in range(2)]

    def writer(self, name, tid, **more):
        return self.it.start(TransactionalWriter, name, SOURCE, partitions=PARTITIONS, tid=tid, **more)

    def copier(self, name, tid, **more):
        return self.it.start(Copier, name, SOURCE, sink=SINK, group="copiers", tid=tid, **more)

    def another(self):
        self.number += 1
        return f"e{self.number}"

    def kill_writer(self):
        """Its last transaction is aborted by the next one with its id, or by its timeout."""
        self.it.kill(self.doomed_writer)
        self.doomed_writer = self.writer(self.another(), self.it.rng.choice(["doomed-writer", f"doomed-{self.number}"]), elsewhere=True)

    def kill_copier(self):
        self.go_on()
        self.it.kill(self.doomed_copier)
        self.doomed_copier = self.copier(self.another(), "doomed-copier", elsewhere=True)

    def stop_copier(self):
        """For longer than its session: when it goes on, its partitions are another member's."""
        self.go_on()
        self.pause = Pause(self.doomed_copier, SESSION_SECONDS)

    def go_on(self):
        if self.pause:
            self.pause.end()
        self.pause = None


def is_stable(it, topic):
    """No transaction is open."""
    places = [TopicPartition(topic, p) for p in range(PARTITIONS)]

    def ends(level):
        asked = it.admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), isolation_level=level)
        return [asked[p].result().offset for p in places]

    return ends(IsolationLevel.READ_COMMITTED) == ends(IsolationLevel.READ_UNCOMMITTED)


def has_copied(it, ends):
    at = positions(it.proxy.address, "copiers", SOURCE, PARTITIONS)
    return all(at[p] >= end for p, end in ends.items())


def read_all(it, topic):
    """What is committed, and what there is; returns the offset after the last committed record of each partition."""
    it.wait_until(lambda: is_stable(it, topic), f"no transaction is open in {topic}")
    read_log(it.history, it.proxy.address, topic, PARTITIONS)
    read_log(it.history, it.proxy.address, topic, PARTITIONS, "raw", "read_uncommitted")
    logs = [e for e in it.history.events if e["what"] == "log"]
    return {p: max((e["offset"] + 1 for e in logs if e["partition"] == f"{topic}/{p}"), default=0) for p in range(PARTITIONS)}


@pytest.mark.parametrize("kinds", FORMS, ids=lambda kinds: "-".join(kinds))
def test_transactions_are_whole_and_copies_exact(tmp_path, kinds):
    with run(tmp_path, f"transactions {kinds}", longest=4 if LONG else 1.5) as it:
        it.create(SOURCE, PARTITIONS)
        it.create(SINK, PARTITIONS)
        clients = Clients(it)
        moves = [clients.kill_writer, clients.kill_copier, clients.stop_copier]
        names, next_moves = list(kinds), list(moves)  # each at least once
        it.rng.shuffle(names), it.rng.shuffle(next_moves)
        until = time.monotonic() + SECONDS
        while names or next_moves or time.monotonic() < until:
            it.wait_for_more("ended", 20)
            it.faults.one(names.pop() if names else it.rng.choice(kinds))
            if next_moves or it.rng.random() < 0.3:
                (next_moves.pop() if next_moves else it.rng.choice(moves))()
        it.finish(*clients.writers, clients.doomed_writer)
        clients.go_on()
        ends = read_all(it, SOURCE)
        it.wait_until(lambda: has_copied(it, ends), "everything is copied")
        it.finish(*clients.copiers, clients.doomed_copier)
        read_all(it, SINK)
        it.wait_until(it.history.has_polled_the_log, "the group has read everything")
        it.finish(*clients.readers)
        for group, topic in (("copiers", SOURCE), ("readers", SOURCE), ("readers", SINK)):
            note_positions(it.history, it.proxy.address, group, topic, PARTITIONS)
    it.judge(transaction_checker.check(it.history.events))
    ended = {e["how"] for e in it.history.events if e["what"] == "ended"}
    assert ended >= {"commit", "abort"} and set(kinds) <= set(it.faults.done)
