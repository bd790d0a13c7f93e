"""Finds in a history of clients what a log must not do. Pure: a list of events in, a list of findings out.

An event is a dict; a history is in the order in which things began ("attempt") or were told ("ack", "poll"):

    {"what": "attempt", "by": P, "id": I, "partition": N}            a producer sends record I
    {"what": "ack", "by": P, "id": I, "partition": N, "offset": O}   it was told that I lies at O
    {"what": "fail", "by": P, "id": I}                               it was told that I was not written; it may have been all the same
    {"what": "assigned", "by": C, "partition": N, "offset": O}       a consumer starts to read N at O (after a join, a seek)
    {"what": "poll", "by": C, "id": I, "partition": N, "offset": O}  a consumer was given I
    {"what": "commit", "by": C, "partition": N, "offset": O}         a group's position was taken by the coordinator
    {"what": "log", "id": I, "partition": N, "offset": O}            at the end: one record of the log, read from its start

A partition is whatever names one, here "topic/0". What was read in the end (`log`) is the truth that the others are held against;
`idempotent` says that no id may be there twice. Groups, transactions and compacted topics have checkers of their own beside this one."""

from collections import Counter, defaultdict
from dataclasses import dataclass

LOST = "lost write"
DUPLICATE = "duplicate"
INCONSISTENT = "inconsistent offset"
UNSEEN = "unseen record"
SKIP = "poll skip"
NONMONOTONIC = "nonmonotonic poll"
PHANTOM = "phantom record"
REORDERED = "reordered writes"
COMMIT = "commit ahead"


@dataclass(frozen=True)
class Finding:
    kind: str
    partition: str
    offset: int
    says: str


def pick(history, what):
    return [e for e in history if e["what"] == what]


def places(history):
    """{(partition, offset): {id}} of everything that anybody was told."""
    out = defaultdict(set)
    for e in history:
        if e["what"] in ("ack", "poll", "log"):
            out[e["partition"], e["offset"]].add(e["id"])
    return out


def inconsistent(history):
    """Two ids at one offset, whoever saw them."""
    return [Finding(INCONSISTENT, p, o, f"holds {sorted(ids)}") for (p, o), ids in sorted(places(history).items()) if len(ids) > 1]


def lost(history):
    """Acknowledged, and not in the log at the end."""
    there = {e["id"] for e in pick(history, "log")}
    return [Finding(LOST, e["partition"], e["offset"], f"{e['id']} was acknowledged") for e in pick(history, "ack") if e["id"] not in there]


def duplicates(history):
    """One id at several places of the log."""
    count = Counter(e["id"] for e in pick(history, "log"))
    return [Finding(DUPLICATE, e["partition"], e["offset"], f"{e['id']} is there {count[e['id']]} times") for e in pick(history, "log") if count[e["id"]] > 1]


def phantoms(history):
    """In the log or polled, and nobody sent it to this partition."""
    sent = {(e["id"], e["partition"]) for e in pick(history, "attempt")}
    return [Finding(PHANTOM, e["partition"], e["offset"], f"nobody sent {e['id']} ({e['what']})")
            for e in history if e["what"] in ("log", "poll") and (e["id"], e["partition"]) not in sent]


def reordered(history):
    """One producer's records of one partition lie in another order than it sent them (idempotent producers keep it)."""
    order = {e["id"]: (e["by"], place) for place, e in enumerate(pick(history, "attempt"))}
    last, found = {}, []
    for e in sorted(pick(history, "log"), key=lambda e: (e["partition"], e["offset"])):
        by, place = order.get(e["id"], (None, 0))
        before = last.get((by, e["partition"]), -1)
        if by is not None and place < before:
            found.append(Finding(REORDERED, e["partition"], e["offset"], f"{e['id']} lies after what {by} sent later"))
        last[by, e["partition"]] = max(before, place)
    return found


def unseen(history):
    """In the log, and no consumer was ever given it (asked of histories whose consumers read to the end)."""
    seen = {(e["partition"], e["offset"]) for e in pick(history, "poll")}
    return [Finding(UNSEEN, e["partition"], e["offset"], f"{e['id']} was given to nobody")
            for e in pick(history, "log") if (e["partition"], e["offset"]) not in seen]


def polls(history):
    """Within one assignment a consumer's offsets go up, and over no record of the log."""
    log = defaultdict(set)
    for e in pick(history, "log"):
        log[e["partition"]].add(e["offset"])
    at, found = {}, []
    for e in history:
        if e["what"] == "assigned":
            at[e["by"], e["partition"]] = e["offset"]
        elif e["what"] == "poll":
            key, o = (e["by"], e["partition"]), e["offset"]
            expected = at.get(key, o)
            if o < expected:
                found.append(Finding(NONMONOTONIC, e["partition"], o, f"{e['by']} was at {expected}"))
            over = [skipped for skipped in range(expected, o) if skipped in log[e["partition"]]]
            if over:
                found.append(Finding(SKIP, e["partition"], o, f"{e['by']} went from {expected} over {len(over)} records"))
            at[key] = o + 1
    return found


def commits(history):
    """A position is committed that nobody has read up to."""
    read, found = defaultdict(int), []
    for e in history:
        if e["what"] == "poll":
            read[e["partition"]] = max(read[e["partition"]], e["offset"] + 1)
        elif e["what"] == "commit" and e["offset"] > read[e["partition"]]:
            found.append(Finding(COMMIT, e["partition"], e["offset"], f"{e['by']} committed, {read[e['partition']]} was read"))
    return found


def check(history, idempotent=True):
    """Everything that is wrong with a history."""
    found = inconsistent(history) + lost(history) + phantoms(history) + unseen(history) + polls(history) + commits(history)
    return found + duplicates(history) + reordered(history) if idempotent else found
