"""B2b: features readable at any moment, on one core. bench/src/b2b.cc drives the engine's own path (the log's stream objects,
JSON decoding, prepared rows, shard state, one read per 1,000 events) over 155-byte events of 1,000,000 users (Zipf 1.0, 5 % late); the limit is
simdjson alone decoding the same fields of the same bytes in the same process, round about. Rates are events per CPU second."""

import statistics
import tempfile

import harness
import servers

EVENTS, QUICK_EVENTS = 10_000_000, 1_000_000
USERS = 1_000_000


def run(quick):
    events, rounds = (QUICK_EVENTS, 2) if quick else (EVENTS, 5)
    with tempfile.TemporaryDirectory(prefix="millstream-b2b-") as directory:
        lines = servers.rounds("b2b", directory, events, USERS, rounds)
    for line in lines:
        harness.note(f"  {events / line['ours_cpu_s']:>12,.0f} events/CPU s, simdjson alone {events / line['simdjson_cpu_s']:>12,.0f}")
    ours, alone = (events / statistics.median(line[f"{who}_cpu_s"] for line in lines) for who in ("ours", "simdjson"))
    row = harness.row("20 features, one core", ours, alone, "simdjson", "events/s", all(line["equal"] for line in lines), True)
    return {"id": "B2b", "rows": [row], "also": []}
