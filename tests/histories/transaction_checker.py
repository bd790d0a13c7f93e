"""Finds in a history of transactions what must not be. Pure; the events are those of checker.py and group_checker.py, and these:

    {"what": "init", "by": P, "tid": X}                              P is the producer of the transactional id X from now on, nobody else
    {"what": "attempt", ..., "tx": T, "of": I}                       an attempt of checker.py in the transaction T; a copy of the record I, if it is one
    {"what": "offsets", "by": C, "tx": T, "group": G, "partition": N, "offset": O}  the member C puts the group's position into T
    {"what": "ending", "by": P, "tx": T, "how": "commit" or "abort"} it asks for the end of T
    {"what": "ended", "by": P, "tx": T, "how": "commit", "abort" or "unknown"}  it was told so; or no one knows: fenced, out of time
    {"what": "raw", "id": I, "partition": N, "offset": O}            at the end: one record as readers of uncommitted records find it

`log` and `poll` are what readers of committed records found. A transaction that was told to be committed is there as a whole, one for which
nobody asked a commit, or that was told to be aborted, not at all, and every other one wholly or not at all."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import checker
import group_checker
from checker import Finding, pick

ABORTED = "aborted read"
PARTIAL = "part of a transaction"
MISSING = "committed and never seen"
ZOMBIE = "zombie"
TWICE = "copied twice"
NOT_COPIED = "not copied"
OFFSETS = "offsets beside the copies"


@dataclass
class Transaction:
    by: str = ""  # the producer
    member: str = ""  # the member of a group whose positions are in it
    sent: dict = field(default_factory=dict)  # {id: its attempt}
    offsets: dict = field(default_factory=dict)  # {(group, partition): offset}
    asked: int | None = None  # when a commit was first asked for, a place in the history
    how: str = "unknown"


def transactions_of(history):
    """{T: Transaction}"""
    out = defaultdict(Transaction)
    for i, e in enumerate(history):
        if e.get("tx") is None:
            continue
        tx = out[e["tx"]]
        if e["what"] == "offsets":
            tx.offsets[e["group"], e["partition"]] = e["offset"]
            tx.member = e["by"]
            continue
        tx.by = e["by"]
        if e["what"] == "attempt":
            tx.sent[e["id"]] = e
        elif e["what"] == "ending" and e["how"] == "commit" and tx.asked is None:
            tx.asked = i
        elif e["what"] == "ended":
            tx.how = e["how"]
    return dict(out)


def is_aborted(tx):
    return tx.how == "abort" or tx.asked is None


def fenced_at(history):
    """{P: place from which on another producer has its transactional id}"""
    owner, out = {}, {}
    for i, e in enumerate(history):
        if e["what"] == "init":
            before = owner.get(e["tid"])
            if before is not None and before != e["by"]:
                out.setdefault(before, i)
            owner[e["tid"]] = e["by"]
    return out


def seen(history, *whats):
    return {e["id"]: e for e in history if e["what"] in whats}


def aborted_reads(history):
    """A reader of committed records was given one that is not committed."""
    log = seen(history, "log")
    aborted = {i: name for name, tx in transactions_of(history).items() if is_aborted(tx) for i in tx.sent}
    found = []
    for e in history:
        if e["what"] in ("poll", "log") and (e["id"] in aborted or e["id"] not in log):
            says = f"is of {aborted[e['id']]}, which is aborted" if e["id"] in aborted else "is not there in the end"
            found.append(Finding(ABORTED, e["partition"], e["offset"], f"{e['id']} ({e['what']}) {says}"))
    return found


def parts(history):
    """Some records of a transaction can be read, and others cannot; or none of one that is committed."""
    log, found = seen(history, "log"), []
    for name, tx in transactions_of(history).items():
        there, absent = sorted(tx.sent.keys() & log.keys()), sorted(tx.sent.keys() - log.keys())
        if not absent or is_aborted(tx):
            continue
        where = tx.sent[absent[0]]["partition"]
        if there:
            found.append(Finding(PARTIAL, where, -1, f"{name} is there with {there[0]}, and {len(absent)} are not, {absent[0]} among them"))
        elif tx.how == "commit":
            found.append(Finding(MISSING, where, -1, f"{name} was committed, with {len(absent)} records"))
    return found


def zombies(history):
    """What a producer did after another one had its transactional id, and what was taken all the same."""
    fenced, log, sent, found = fenced_at(history), seen(history, "log"), {}, []
    for i, e in enumerate(history):
        if e["what"] == "attempt":
            sent[e["id"]] = i
        elif e["what"] == "ack" and sent[e["id"]] > fenced.get(e["by"], len(history)):
            found.append(Finding(ZOMBIE, e["partition"], e["offset"], f"{e['id']} was acknowledged"))
    for name, tx in transactions_of(history).items():
        late = tx.asked is not None and tx.asked > fenced.get(tx.by, len(history))
        there = sorted(tx.sent.keys() & log.keys())
        if late and (there or tx.how == "commit"):
            found.append(Finding(ZOMBIE, log[there[0]]["partition"] if there else "-", -1, f"{name} was committed"))
    return found


def copies(history):
    """Every committed record of a partition that is copied has one committed copy."""
    attempts = {e["id"]: e for e in pick(history, "attempt")}
    log = seen(history, "log")
    count = Counter(attempts[i]["of"] for i in log if i in attempts and "of" in attempts[i])
    copied = {e["partition"] for e in pick(history, "offsets")}
    found = []
    for i, e in log.items():
        if count[i] > 1:
            found.append(Finding(TWICE, e["partition"], e["offset"], f"{i} has {count[i]} copies"))
        elif not count[i] and e["partition"] in copied:
            found.append(Finding(NOT_COPIED, e["partition"], e["offset"], f"{i} has no copy"))
    return found


def offsets(history):
    """A committed transaction moves the group past what it copied and no further, and the group ends at the last one."""
    log, ends, found = seen(history, "log"), defaultdict(int), []
    for name, tx in transactions_of(history).items():
        if not tx.sent.keys() & log.keys():
            continue
        past = defaultdict(int)
        for e in tx.sent.values():
            if e.get("of") in log:
                source = log[e["of"]]
                past[source["partition"]] = max(past[source["partition"]], source["offset"] + 1)
        said = {partition: o for (_, partition), o in tx.offsets.items()}
        for partition in sorted(past.keys() | said.keys()):
            if past.get(partition) != said.get(partition):
                found.append(Finding(OFFSETS, partition, said.get(partition, -1), f"{name} copied up to {past.get(partition)}"))
        for place, o in tx.offsets.items():
            ends[place] = max(ends[place], o)
    for e in pick(history, "position"):
        place = e["group"], e["partition"]
        if place in ends and e["offset"] != ends[place]:
            found.append(Finding(OFFSETS, e["partition"], e["offset"], f"{e['group']} ends here, its last transaction says {ends[place]}"))
    return found


def as_commits(history):
    """The history with positions of transactions as the commits that they are: asked when they were put into it, taken when it was committed."""
    known, out = transactions_of(history), []
    for e in history:
        if e["what"] == "offsets":
            out.append({**e, "what": "committing"} if not is_aborted(known[e["tx"]]) else e)
        elif e["what"] == "ended" and e["how"] == "commit":
            tx = known[e["tx"]]
            out += [{"what": "commit", "by": tx.member, "group": g, "partition": p, "offset": o} for (g, p), o in tx.offsets.items()]
        else:
            out.append(e)
    return out


def as_log(history):
    """The history as readers of uncommitted records see it: what holds for every log holds for that one."""
    return [{**e, "what": "log"} if e["what"] == "raw" else e for e in history if e["what"] != "log"]


def check(history):
    """Everything that is wrong with a history of transactions."""
    raw, commits = as_log(history), as_commits(history)
    return (checker.inconsistent(raw) + checker.lost(raw) + checker.phantoms(raw) + checker.duplicates(raw) + checker.reordered(raw)
            + checker.unseen(history) + checker.polls(history) + checker.commits(commits) + group_checker.check(commits)
            + aborted_reads(history) + parts(history) + zombies(history) + copies(history) + offsets(history))  # fmt: skip
