"""Each kind of finding, planted once; and histories that are in order."""

import checker
import pytest


def attempt(i, partition=0, by="p"):
    return {"what": "attempt", "by": by, "id": i, "partition": partition}


def at(what, i, offset, partition=0, by="c"):
    return {"what": what, "by": by, "id": i, "partition": partition, "offset": offset}


def place(what, offset, partition=0, by="c"):
    return {"what": what, "by": by, "partition": partition, "offset": offset}


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
    assert kind in {finding.kind for finding in checker.check(PLANTED[kind])}


def test_without_idempotence_a_record_may_be_twice():
    history = PLANTED[checker.DUPLICATE]
    assert checker.check(history, idempotent=False) == []
