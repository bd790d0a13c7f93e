"""The checker of test_crash.py finds every kind of fault, planted one at a time."""

from crash_check import faults

SENT = {0: [0, 2, 4], 1: [1, 3]}
FINAL = [(0, 0, 0), (0, 1, 2), (0, 2, 4), (1, 0, 1), (1, 1, 3)]


def test_nothing_wrong():
    assert faults(SENT, FINAL, FINAL[:3], FINAL) == []
    assert faults(SENT, FINAL[:2], [], [r for r in FINAL if r != (0, 2, 4)]) == []  # the last one was never acknowledged


def test_a_lost_record():
    assert "record 4 was acknowledged at 0/2 and is lost" in faults(SENT, FINAL, [], [r for r in FINAL if r != (0, 2, 4)])


def test_a_record_that_a_reader_saw_and_that_is_gone():
    assert any("seen by the reader" in f for f in faults(SENT, [], FINAL, FINAL[:4]))


def test_a_doubled_record():
    final = [(0, 0, 0), (0, 1, 2), (0, 2, 2), (0, 3, 4), (1, 0, 1), (1, 1, 3)]
    assert any("more than once" in f for f in faults(SENT, [], [], final))


def test_a_hole_in_the_offsets():
    assert any("0, 1, 2" in f for f in faults(SENT, [], [], [(0, 0, 0), (0, 2, 4), (1, 0, 1), (1, 1, 3)]))


def test_a_swapped_order():
    assert any("order" in f for f in faults(SENT, [], [], [(0, 0, 2), (0, 1, 0), (0, 2, 4), (1, 0, 1), (1, 1, 3)]))


def test_another_record_at_an_acknowledged_offset():
    assert any("where record 2 stands now" in f for f in faults(SENT, [(0, 1, 4)], [], FINAL))


def test_a_record_from_nowhere():
    assert any("never sent" in f for f in faults(SENT, [], [], [*FINAL, (1, 2, 99)]))
