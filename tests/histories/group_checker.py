"""Finds in a history what a group of consumers must not do. Pure; the events are those of checker.py, and these, each with the name of
the group in `group`:

    {"what": "asks", "by": C, "partition": N}                        C was given N and asks where the group stands; "again": True when it had N
    {"what": "assigned", "by": C, "partition": N, "offset": O}       it was told O, and starts there
    {"what": "committing", "by": C, "partition": N, "offset": O}     C asks the coordinator to take O
    {"what": "commit", "by": C, "partition": N, "offset": O}         it was told that O is the group's position
    {"what": "position", "by": "the end", "partition": N, "offset": O}  what the group's position is when all is over

A commit without an answer may have been taken, or not. Nothing is concluded from what clients believe to own: one that was stopped learns
late that it owns nothing. What counts is which commits the coordinator took."""

from collections import defaultdict
from dataclasses import dataclass
from math import inf

from checker import Finding

TWO_OWNERS = "two owners"
ELSEWHERE = "position elsewhere"


@dataclass(frozen=True)
class Commit:
    """Taken at some time from `begun` on and, when it was answered, until `told` (places in the history)."""

    by: str
    offset: int
    begun: int
    told: float
    since: int  # when the owner asked for the position of the assignment that it commits in


def commits_of(history):
    """{(group, partition): [Commit]}, in the order in which they began."""
    told, open_, since, out = {}, {}, {}, defaultdict(list)
    for i, e in enumerate(history):
        if e["what"] not in ("asks", "committing", "commit"):
            continue
        place = e["group"], e["partition"]
        key = (*place, e["by"])
        if e["what"] == "asks":
            since[key] = since[key] if e.get("again") else i
        elif e["what"] == "committing":
            open_[key] = i
            out[place].append((i, e, since.get(key, -1)))
        else:
            told[open_.pop(key)] = i
    return {place: [Commit(e["by"], e["offset"], i, told.get(i, inf), asked) for i, e, asked in found] for place, found in out.items()}


def two_owners(history):
    """A member commits, another one does, and the first does again without having been assigned anew: both were owners at once."""
    found = []
    for (group, partition), commits in sorted(commits_of(history).items()):
        taken = [c for c in commits if c.told < inf]
        for late in taken:
            between = [c for c in taken if c.by != late.by and late.since < c.begun and c.told < late.begun]
            if between:
                other = between[-1]
                found.append(Finding(TWO_OWNERS, partition, late.offset, f"{group}: {late.by} committed in an assignment from before {other.by} committed {other.offset}"))
    return found


def replaces(later, earlier, before):
    """`later` was taken before the place `before`, and after `earlier` if that was taken at all."""
    after = later.begun > earlier.told or (earlier.told == inf and later.by != earlier.by and later.begun > earlier.begun)
    return after and later.told < before


def positions_elsewhere(history):
    """A new owner, or who looks at the end, is told a position that the group cannot have then."""
    commits, asked, found = commits_of(history), {}, []
    for i, e in enumerate(history):
        if e["what"] == "asks":
            asked[e["group"], e["partition"], e["by"]] = i
        elif e["what"] in ("assigned", "position"):
            group, partition = e["group"], e["partition"]
            there = [Commit("nobody", 0, -1, -1, -1), *(c for c in commits.get((group, partition), ()) if c.begun < i)]
            before = asked.get((group, partition, e["by"]), i)
            may_be = {c.offset for c in there if not any(replaces(later, c, before) for later in reversed(there))}
            if e["offset"] not in may_be:
                found.append(Finding(ELSEWHERE, partition, e["offset"], f"{group}: {e['by']} was told this, it may be {sorted(may_be)}"))
    return found


def check(history):
    """Everything that is wrong with the groups of a history, beside what checker.check finds."""
    return two_owners(history) + positions_elsewhere(history)
