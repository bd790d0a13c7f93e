"""Each kind of finding, planted once; and histories that are in order."""

import checker
import compaction_checker
import group_checker
import pytest
import transaction_checker


def attempt(i, partition=0, by="p", **more):
    return {"what": "attempt", "by": by, "id": i, "partition": partition, **more}


def at(what, i, offset, partition=0, by="c"):
    return {"what": what, "by": by, "id": i, "partition": partition, "offset": offset}


def place(what, offset, partition=0, by="c", **more):
    return {"what": what, "by": by, "partition": partition, "offset": offset, "group": "g", **more}


def asks(by, partition=0, **more):
    return {"what": "asks", "by": by, "partition": partition, "group": "g", **more}


def kinds(found):
    return {finding.kind for finding in found}


def without(history, what, **more):
    return [e for e in history if not (e["what"] == what and all(e.get(k) == v for k, v in more.items()))]


def changed(history, what, change, **more):
    """The history with `change` made to the events that are asked for, of which there must be some."""
    assert any(e["what"] == what and all(e.get(k) == v for k, v in more.items()) for e in history)
    return [{**e, **change} if e["what"] == what and all(e.get(k) == v for k, v in more.items()) else e for e in history]


# ---- producers and consumers


def good():
    sent = [attempt(i) for i in range(4)]
    acks = [at("ack", i, i, by="p") for i in range(3)] + [{"what": "fail", "by": "p", "id": 3}]  # failed, and written all the same
    reads = [place("assigned", 0), *(at("poll", i, i) for i in range(4)), place("commit", 4)]
    return sent + acks + reads + [at("log", i, i) for i in range(4)]


def test_a_history_in_order():
    assert checker.check(good()) == []


def test_a_failed_write_may_be_missing():
    history = [e for e in good() if e.get("id") != 3 or e["what"] in ("attempt", "fail")]
    assert checker.check([e for e in history if e["what"] != "commit"]) == []


def test_gaps_without_records_are_no_skips():
    assert checker.check([attempt(0), attempt(1), place("assigned", 0), at("poll", 0, 0), at("poll", 1, 7), at("log", 0, 0), at("log", 1, 7)]) == []


def test_an_assignment_may_go_back():
    again = [place("assigned", 2), at("poll", 2, 2), at("poll", 3, 3)]
    assert checker.check(good() + again) == []


PLANTED = {
    checker.LOST: [e for e in good() if not (e.get("id") == 2 and e["what"] in ("log", "poll"))],
    checker.DUPLICATE: [*good(), at("log", 1, 4), at("poll", 1, 4)],
    checker.INCONSISTENT: [*good(), at("ack", 9, 2, by="q")],
    checker.UNSEEN: [e for e in good() if not (e.get("id") == 3 and e["what"] == "poll")],
    checker.SKIP: [e for e in good() if not (e.get("id") == 1 and e["what"] == "poll")],
    checker.NONMONOTONIC: [*good(), at("poll", 1, 1)],
    checker.PHANTOM: [*good(), at("log", 77, 4), at("poll", 77, 4)],
    checker.REORDERED: [attempt(1), attempt(0), *good()[4:]],
    checker.COMMIT: [*good(), place("commit", 5)],
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_is_found(kind):
    assert kind in kinds(checker.check(PLANTED[kind]))


def test_without_idempotence_a_record_may_be_twice():
    history = PLANTED[checker.DUPLICATE]
    assert checker.check(history, idempotent=False) == []


# ---- groups


def commit(offset, by):
    return [place("committing", offset, by=by), place("commit", offset, by=by)]


def owner(by, start, *offsets):
    """A member is assigned the partition, starts at `start` and commits."""
    return [asks(by), place("assigned", start, by=by), *(e for offset in offsets for e in commit(offset, by))]


HANDOVER = [*owner("a", 0, 3, 5), *owner("b", 5, 7), place("position", 7)]


@pytest.mark.parametrize(
    "history",
    [
        HANDOVER,
        [*owner("a", 0, 3), *owner("b", 3, 5), *owner("a", 5, 6), place("position", 6)],  # it comes back
        [*owner("a", 0, 3), place("committing", 5, by="a"), *owner("b", 3, 4), place("position", 4)],  # nobody was told: not taken ...
        [*owner("a", 0, 3), place("committing", 5, by="a"), *owner("b", 5, 6), place("position", 6)],  # ... or taken
        [*owner("a", 0, 3), place("committing", 4, by="a"), *commit(5, "a"), place("position", 4)],  # from a connection that was cut, and late
        # stopped between its question and what it was told; meanwhile another member is the owner
        [*owner("a", 0, 3), asks("b"), *owner("c", 3, 9), place("assigned", 3, by="b"), place("position", 9)],
        # the answer is written down late
        [*owner("a", 0, 3), place("committing", 5, by="a"), asks("b"), place("assigned", 5, by="b"), place("commit", 5, by="a"), place("position", 5)],
        [*owner("a", 0, 3), *owner("b", 3, 6), place("committing", 4, by="a"), place("position", 6)],  # a fenced member is refused
    ],
)
def test_a_handover_in_order(history):
    assert group_checker.check(history) == []


PLANTED_IN_GROUPS = [
    (group_checker.TWO_OWNERS, [*owner("a", 0, 3), *owner("b", 3, 6), *commit(4, "a")]),
    (group_checker.TWO_OWNERS, [*owner("a", 0), *owner("b", 0, 6), *commit(4, "a")]),  # its first commit is the late one
    (group_checker.TWO_OWNERS, [*owner("a", 0, 3), *owner("b", 3, 6), asks("a", again=True), place("assigned", 6, by="a"), *commit(8, "a")]),
    (group_checker.ELSEWHERE, [*owner("a", 0, 3, 5), *owner("b", 6)]),  # skipped
    (group_checker.ELSEWHERE, [*owner("a", 0, 3, 5), *owner("b", 3)]),  # forgotten
    (group_checker.ELSEWHERE, [*owner("a", 0, 3, 5), *owner("b", 0)]),
    (group_checker.ELSEWHERE, [*owner("a", 0, 3), place("committing", 5, by="a"), *owner("b", 3, 4), place("position", 5)]),  # taken after the handover
    (group_checker.ELSEWHERE, [*HANDOVER[:-1], place("position", 5)]),
]


@pytest.mark.parametrize("kind, history", PLANTED_IN_GROUPS)
def test_what_is_planted_in_groups_is_found(kind, history):
    assert kind in kinds(group_checker.check(history))


# ---- transactions


def ending(tx, how="commit", by="x1"):
    return {"what": "ending", "by": by, "tx": tx, "how": how}


def ended(tx, how="commit", by="x1"):
    return {"what": "ended", "by": by, "tx": tx, "how": how}


def init(by, tid="x"):
    return {"what": "init", "by": by, "tid": tid}


def written(tx, offset, by="x1", partitions=("in/0", "in/1")):
    """A transaction with one record at `offset` of each partition."""
    ids = [(f"{tx}@{p}", p) for p in partitions]
    return [attempt(i, p, by=by, tx=tx) for i, p in ids] + [at("ack", i, offset, p, by=by) for i, p in ids]


def found_at_the_end(committed, raw):
    """What readers find in all partitions: [(transaction, offset)]."""
    ids = {(f"{tx}@{p}", offset, p): tx for tx, offset in raw for p in ("in/0", "in/1")}
    reader = [place("assigned", 0, p, by="r") for p in ("in/0", "in/1")]
    polls = [at("poll", *i, by="r") for i, tx in ids.items() if tx in committed]
    return reader + polls + [at("log", *i) for i, tx in ids.items() if tx in committed] + [at("raw", *i) for i in ids]


COMMITTED = [init("x1"), *written("t1", 0), ending("t1"), ended("t1")]
ABORTED = [*written("t2", 2), ending("t2", "abort"), ended("t2", "abort")]
UNKNOWN = [*written("t3", 4), ending("t3"), ended("t3", "unknown")]
LEFT = written("t4", 6)
HEIR = [init("x2"), *written("t5", 8, by="x2"), ending("t5", by="x2"), ended("t5", by="x2")]
REFUSED = [attempt("t4@late", "in/0", by="x1", tx="t4"), ending("t4"), ended("t4", "unknown")]  # the zombie goes on
OF_ALL = [("t1", 0), ("t2", 2), ("t3", 4), ("t4", 6), ("t5", 8)]
TRANSACTIONS = [*COMMITTED, *ABORTED, *UNKNOWN, *LEFT, *HEIR, *REFUSED]


@pytest.mark.parametrize("committed", [("t1", "t5"), ("t1", "t3", "t5")], ids=["unknown and aborted", "unknown and committed"])
def test_transactions_in_order(committed):
    assert transaction_checker.check([*TRANSACTIONS, *found_at_the_end(committed, OF_ALL)]) == []


def plant(committed, changes=(), history=TRANSACTIONS):
    found = found_at_the_end(committed, OF_ALL)
    return [*history, *(e for e in found if not (e["what"] in ("log", "poll") and e["id"] in changes))]


def copied(tx, of, offset, position, by="y1", member="m"):
    """A transaction that copies records of in/0 to `out/0`, from `offset` on."""
    ids = [f"{tx}/{i}" for i in of]
    return [*(attempt(i, "out/0", by=by, tx=tx, of=source) for i, source in zip(ids, of, strict=True)), place("offsets", position, "in/0", by=member, tx=tx),
            ending(tx, by=by), ended(tx, by=by), *(at(what, i, offset + n, "out/0") for what in ("log", "raw", "poll") for n, i in enumerate(ids))]  # fmt: skip


def of_source(name, offset):
    i = f"{name}@in/0"
    told = at("poll", i, offset, "in/0", by="m"), at("log", i, offset, "in/0"), at("raw", i, offset, "in/0")
    return [*written(name, offset, partitions=("in/0",)), ending(name), ended(name), *told]


def source():
    """in/0 with committed records at 0, 2 and 4, read by the member m."""
    return [init("x1"), init("y1", "y"), asks("m", "in/0"), place("assigned", 0, "in/0", by="m"), *of_source("s0", 0), *of_source("s2", 2), *of_source("s4", 4)]


S0, S2, S4 = "s0@in/0", "s2@in/0", "s4@in/0"
COPIED = [*source(), *copied("c1", [S0, S2], 0, 3), *copied("c2", [S4], 3, 5), place("position", 5, "in/0")]


def test_copies_in_order():
    assert transaction_checker.check(COPIED) == []


def test_an_aborted_copy_is_no_copy():
    gone = [attempt("c0/" + S0, "out/0", by="y1", tx="c0", of=S0), place("offsets", 1, "in/0", by="m", tx="c0")]
    gone += [ending("c0", "abort", "y1"), ended("c0", "abort", "y1")]
    again = [asks("m", "in/0", again=True), place("assigned", 0, "in/0", by="m"), *(at("poll", i, o, "in/0", by="m") for i, o in ((S0, 0), (S2, 2), (S4, 4)))]
    assert transaction_checker.check([*source(), *gone, *again, *COPIED[len(source()) :]]) == []


# another member copies the first record, and the one from before goes on
TWO_COPIERS = [*source(), asks("n", "in/0"), place("assigned", 0, "in/0", by="n"), *copied("c1", [S0], 0, 1, by="z1", member="n"), *copied("c2", [S2, S4], 2, 5)]

PLANTED_IN_TRANSACTIONS = [
    (transaction_checker.ABORTED, plant(("t1", "t2", "t5"))),
    (transaction_checker.ABORTED, [*plant(("t1", "t5")), at("poll", "t3@in/0", 4, "in/0", by="r2")]),  # read once, and not there in the end
    (transaction_checker.ABORTED, [*COMMITTED, *LEFT, *found_at_the_end(("t1", "t4"), [("t1", 0), ("t4", 6)])]),  # nobody asked for its commit
    (transaction_checker.PARTIAL, plant(("t1", "t5"), ["t1@in/1"])),
    (transaction_checker.PARTIAL, plant(("t1", "t3", "t5"), ["t3@in/0"])),
    (transaction_checker.MISSING, plant(("t5",))),
    (transaction_checker.ZOMBIE, plant(("t1", "t4", "t5"))),
    (transaction_checker.ZOMBIE, [*TRANSACTIONS[:-1], ended("t4"), *found_at_the_end(("t1", "t5"), OF_ALL)]),  # told to be committed, and not there
    (transaction_checker.ZOMBIE, [*TRANSACTIONS, *written("t6", 10), *found_at_the_end(("t1", "t5"), [*OF_ALL, ("t6", 10)])]),  # written, if not committed
    (transaction_checker.TWICE, [*COPIED, *copied("c3", [S4], 5, 5)]),
    (transaction_checker.NOT_COPIED, [*source(), *copied("c1", [S0], 0, 1), *copied("c2", [S4], 3, 5)]),
    (transaction_checker.OFFSETS, changed(COPIED, "offsets", {"offset": 2}, tx="c1")),
    (transaction_checker.OFFSETS, without(COPIED, "offsets", tx="c2")),
    (transaction_checker.OFFSETS, changed(COPIED, "position", {"offset": 3})),
    (group_checker.ELSEWHERE, [*COPIED, asks("n", "in/0"), place("assigned", 3, "in/0", by="n")]),
    (group_checker.TWO_OWNERS, TWO_COPIERS),
    (checker.LOST, without(without(plant(("t1", "t5")), "raw", id="t2@in/0"), "log", id="t2@in/0")),
    (checker.DUPLICATE, [*plant(("t1", "t5")), at("raw", "t1@in/0", 20, "in/0")]),
    (checker.INCONSISTENT, changed(plant(("t1", "t5")), "raw", {"offset": 0}, id="t2@in/0")),
    (checker.PHANTOM, [*plant(("t1", "t5")), at("raw", "t9@in/0", 30, "in/0")]),
    (checker.REORDERED, changed(plant(("t1", "t5")), "raw", {"offset": 50}, id="t1@in/0")),
    (checker.UNSEEN, without(plant(("t1", "t5")), "poll", id="t5@in/1")),
    (checker.SKIP, without(plant(("t1", "t5")), "poll", id="t1@in/1")),
    (checker.NONMONOTONIC, [*plant(("t1", "t5")), at("poll", "t1@in/0", 0, "in/0", by="r")]),
    (checker.COMMIT, changed(COPIED, "offsets", {"offset": 9}, tx="c2")),
]


@pytest.mark.parametrize("kind, history", PLANTED_IN_TRANSACTIONS)
def test_what_is_planted_in_transactions_is_found(kind, history):
    assert kind in kinds(transaction_checker.check(history))


# ---- compaction

LAG_NS = 100


def scan(by, ns, end, *there):
    return [place("assigned", 0, by=by), *(at("poll", i, o, by=by) for i, o in there), {"what": "scanned", "by": by, "partition": 0, "offset": end, "ns": ns}]


def keyed(i, key, ns):
    return [attempt(i, key=key, ns=ns), at("ack", i, i, by="p")]


WRITTEN = [*keyed(0, "a", 0), *keyed(1, "b", 1), *keyed(2, "a", 2), *keyed(3, "a", 150)]
COMPACTED = [*WRITTEN, *scan("s1", 160, 4, (1, 1), (2, 2), (3, 3)), *scan("s2", 300, 4, (1, 1), (3, 3))]


def test_a_compacted_topic_in_order():
    assert compaction_checker.check(COMPACTED, LAG_NS) == []
    assert compaction_checker.has_compacted(COMPACTED)
    assert not compaction_checker.has_compacted([*WRITTEN, *scan("s1", 160, 4, (0, 0), (1, 1), (2, 2), (3, 3))])


def test_a_scan_need_not_hold_what_came_after_it_had_begun():
    late = [*WRITTEN[:-2], place("assigned", 0, by="s"), *WRITTEN[-2:], *scan("s", 160, 3, (1, 1), (2, 2))[1:]]
    assert compaction_checker.check(late, LAG_NS) == []


PLANTED_IN_COMPACTION = [
    (compaction_checker.STALE, [*WRITTEN, *scan("s", 300, 4, (1, 1), (2, 2))]),  # the newest is gone, an older one stands
    (compaction_checker.STALE, [*WRITTEN, *scan("s", 300, 4, (3, 3))]),  # a key is gone
    (compaction_checker.TOO_EARLY, [*WRITTEN, *scan("s", 160, 4, (0, 0), (1, 1), (3, 3)), *keyed(4, "a", 250), *scan("z", 240, 5, (1, 1), (4, 4))]),
    (checker.NONMONOTONIC, [*WRITTEN, *scan("s", 300, 4, (1, 1), (3, 3), (2, 2))]),
    (checker.INCONSISTENT, [*COMPACTED, *scan("s", 300, 4, (1, 1), (2, 3))]),
    (checker.PHANTOM, [*WRITTEN, *scan("s", 300, 4, (1, 1), (3, 3), (77, 3))]),
]


@pytest.mark.parametrize("kind, history", PLANTED_IN_COMPACTION)
def test_what_is_planted_in_compaction_is_found(kind, history):
    assert kind in kinds(compaction_checker.check(history, LAG_NS))
