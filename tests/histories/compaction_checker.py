"""Finds in a history of a compacted topic what compaction must not do. Pure; the events are those of checker.py with more in them:

    {"what": "attempt", ..., "key": K, "ns": T}     the record has a key; T is the clock before it was sent, in nanoseconds
    {"what": "assigned", "by": S, ...}              the scan S starts at offset 0
    {"what": "poll", "by": S, ...}                  it is given a record
    {"what": "scanned", "by": S, "partition": N, "offset": O, "ns": T}  it has come to the end O

Every scan is a reader from the start, with a name of its own; each must end with the newest value of each key. Tombstones are records here:
histories keep them (delete.retention.ms) until they are over."""

import checker
from checker import Finding, pick

STALE = "stale value"
TOO_EARLY = "compacted within the lag"


def scans_of(history):
    """[(place of its start, end, ns of the end, partition, {offset: id})]"""
    started, out = {}, []
    for i, e in enumerate(history):
        key = e["by"], e.get("partition")
        if e["what"] == "assigned":
            started[key] = i, {}
        elif e["what"] == "poll":
            started[key][1][e["offset"]] = e["id"]
        elif e["what"] == "scanned":
            out.append((started[key][0], e["offset"], e["ns"], e["partition"], started[key][1]))
    return out


def known_records(history):
    """{(partition, offset): (id, place where somebody was told first)}"""
    out = {}
    for i, e in enumerate(history):
        if e["what"] in ("ack", "poll"):
            out.setdefault((e["partition"], e["offset"]), (e["id"], i))
    return out


def scans(history, lag_ns):
    """A scan misses the newest record of a key, or one that is younger than the lag."""
    attempts = {e["id"]: e for e in pick(history, "attempt")}
    known, found = known_records(history), []
    for start, end, ns, partition, there in scans_of(history):
        last = {attempts[i]["key"]: o for o, i in sorted(there.items()) if i in attempts}
        for (p, o), (i, told) in sorted(known.items()):
            if p != partition or o >= end or told > start or o in there or i not in attempts:
                continue
            if last.get(attempts[i]["key"], -1) < o:
                found.append(Finding(STALE, p, o, f"a scan ends without {i}, the newest of {attempts[i]['key']}"))
            elif ns - attempts[i]["ns"] < lag_ns:
                found.append(Finding(TOO_EARLY, p, o, f"{i} is gone after less than {(ns - attempts[i]['ns']) / 1e6:.0f} ms"))
    return found


def has_compacted(history):
    """Some scan did not find a record that another one, or its producer, knew of."""
    known = known_records(history)
    return any(p == partition and o < end and o not in there for _, end, _, partition, there in scans_of(history) for p, o in known)


def check(history, lag_ns):
    """Everything that is wrong with a history of a compacted topic."""
    return checker.inconsistent(history) + checker.phantoms(history) + checker.polls(history) + scans(history, lag_ns)
