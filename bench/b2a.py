"""B2a: a row of 20 features out for every event, at the event's own time. 155-byte JSON events of 1,000,000 users (Zipf), times that do not
decrease; count, sum, avg and max over 1m, 10m, 1h, 24h and 7d. bench/src/b2a.cc reads the log's stream objects and drives the reader and
the state of the engine on one core. The peer is Apache Flink with its state on the heap (bench/peers/flink: one JVM of 6 GiB, parallel
collector, checkpoints every 10 s, object reuse, one value per user with a serializer by hand), the same lines from a file. Rates are events per
CPU second; Flink's first job warms the JVM and does not count. The checksum is over every value of every row."""

import pathlib
import statistics
import sys
import tempfile

import harness
import servers

sys.path.insert(0, str(servers.HERE / "peers" / "flink"))

EVENTS, QUICK_EVENTS = 10_000_000, 1_000_000
USERS = 1_000_000


def run(quick):
    import flink

    events, rounds = (QUICK_EVENTS, 2) if quick else (EVENTS, 3)
    with tempfile.TemporaryDirectory(prefix="millstream-b2a-") as directory:
        root = pathlib.Path(directory)
        servers.build_tools()
        harness.measure([servers.BUILD / "bin" / "bench_b2a", "write", root / "events.jsonl", events, USERS])
        ours, theirs = [], []
        for _ in range(1 if quick else 2):
            ours += servers.rounds("b2a", "run", root / f"log{len(ours)}", events, USERS, rounds)
            theirs += flink.run(root / "events.jsonl", root / "checkpoints", rounds + 1)[1:]
    for name, lines in (("Millstream", ours), ("Flink heap", theirs)):
        for line in lines:
            harness.note(f"  {name:<12}{events / line['cpu_s']:>12,.0f} events/CPU s, {line['wall_s']:.2f} s, {line['rows']:,} rows, checksum {line['checksum']}")
    equal = {(line["rows"], line["checksum"]) for line in ours + theirs} == {(events, ours[0]["checksum"])}
    rate, peer = (events / statistics.median(line["cpu_s"] for line in lines) for lines in (ours, theirs))
    return {"id": "B2a", "rows": [harness.row("20 features, a row out per event", rate, peer, "Flink heap", "events/s", equal, True)], "also": []}
