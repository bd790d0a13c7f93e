"""B1: decoding. bench/src/b1.cc takes six of the eight fields of 155-byte events in memory, on one core: our decoder into columns, simdjson
on demand alone into variables, in turn, the same checksum. Rates are events per CPU second."""

import statistics

import harness
import servers

EVENTS, QUICK_EVENTS = 10_000_000, 2_000_000


def run(quick):
    events, rounds = (QUICK_EVENTS, 3) if quick else (EVENTS, 7)
    lines = servers.rounds("b1", events, rounds)
    for line in lines:
        harness.note(f"  {events / line['ours_cpu_s']:>12,.0f} events/CPU s, simdjson alone {events / line['simdjson_cpu_s']:>12,.0f}")
    ours, alone = (events / statistics.median(line[f"{who}_cpu_s"] for line in lines) for who in ("ours", "simdjson"))
    row = harness.row("decode 6 of 8 fields, 155 B", ours, alone, "simdjson", "events/s", all(line["equal"] for line in lines), True)
    return {"id": "B1", "rows": [row], "also": []}
