"""A compacted topic is written and read from its start while it is compacted and everything fails."""

import time

import checker
import compaction_checker
import pytest
from clients import PATIENCE
from compaction_clients import KeyedWriter, Scanner
from faults import KINDS, LONG, run
from millstream import run as command

SECONDS = 60 if LONG else 0  # in the short form each fault once
PARTITIONS, KEYS = 2, 30
TOPIC = "history"
LAG_MS = 700
FORMS = [("kill", "restart"), ("pause", "delay", "drop", "cut"), KINDS] if LONG else [KINDS]


@pytest.mark.parametrize("kinds", FORMS, ids=lambda kinds: "-".join(kinds))
def test_every_reader_ends_with_the_newest_values(tmp_path, kinds):
    with run(tmp_path, f"compaction {kinds}", "--reconcile-interval-ms", "20", longest=4 if LONG else 1) as it:
        config = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0", "min.compaction.lag.ms": str(LAG_MS),
                  "delete.retention.ms": str(1000 * PATIENCE * 10)}  # fmt: skip
        it.create(TOPIC, PARTITIONS, **config)
        writers = [it.start(KeyedWriter, f"p{i}", TOPIC, partitions=PARTITIONS, keys=KEYS) for i in range(2)]
        scanner = it.start(Scanner, "s", TOPIC, partitions=PARTITIONS)
        names = list(kinds)  # each at least once
        it.rng.shuffle(names)
        until = time.monotonic() + SECONDS
        while names or time.monotonic() < until:
            it.wait_for_more("scanned", 2 * PARTITIONS)
            it.wait_for_more("ack", 50)
            it.faults.one(names.pop() if names else it.rng.choice(kinds))
        it.finish(*writers)
        it.wait_for_more("scanned", PARTITIONS)
        it.finish(scanner)
    events = it.history.events
    it.judge(compaction_checker.check(events, LAG_MS * 1_000_000))
    assert compaction_checker.has_compacted(events) and set(kinds) <= set(it.faults.done)
    assert not checker.pick(events, "fail"), it.said()
    assert command("log", "fsck", tmp_path / "data").stdout.endswith("clean\n")
