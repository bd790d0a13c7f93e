"""Clients write and read while the broker is killed and stopped and the network between fails; the checkers judge what they saw."""

import time

import checker
import group_checker
import pytest
from clients import PATIENCE, Reader, Writer, note_positions, read_log
from faults import KINDS, LONG, run

SECONDS = 180 if LONG else 12
PARTITIONS = 3
TOPIC = "history"


@pytest.mark.parametrize("kinds", [("kill",), ("pause", "delay", "drop", "cut"), KINDS], ids=["crashes", "network", "everything"])
def test_what_clients_saw_is_a_log(tmp_path, kinds):
    with run(tmp_path, kinds) as it:
        it.create(TOPIC, PARTITIONS)
        writers = [it.start(Writer, f"p{i}", TOPIC, partitions=PARTITIONS) for i in range(2)]
        readers = [it.start(Reader, f"c{i}", TOPIC, group="readers") for i in range(2)]
        names = list(kinds)  # each at least once
        it.rng.shuffle(names)
        until = time.monotonic() + SECONDS
        while names or time.monotonic() < until:
            it.wait_for_more("ack", 100)
            it.faults.one(names.pop() if names else it.rng.choice(kinds))
            if LONG and it.rng.random() < 0.2:  # a member leaves, another one comes
                it.finish(readers.pop(0))
                readers.append(it.start(Reader, f"c{len(it.faults.done)}-later", TOPIC, group="readers"))
        it.finish(*writers)
        read_log(it.history, it.proxy.address, TOPIC, PARTITIONS)
        it.wait_until(it.history.has_polled_the_log, "the group has read everything")
        it.finish(*readers)
        note_positions(it.history, it.proxy.address, "readers", TOPIC, PARTITIONS)
    it.judge(checker.check(it.history.events) + group_checker.check(it.history.events))
    assert it.history.count("ack") > 100 and set(kinds) <= set(it.faults.done)
    assert it.history.count("fail") == 0, f"{it.said()}: writes failed within {PATIENCE} s"
