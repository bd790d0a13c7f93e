"""B12: state. Resident memory per entity of 20 windowed features, at 1, 10 and 100 events for each of 1,000,000 entities and 10,000 for each
of 10,000, over 7 days. bench/src/b12.cc drives one of the engine's shards; the peer is a Redis hash of the 20 results alone (list packs, as
by default; values that are null are left out), without persistence. All values are read back from Redis and compared."""

import pathlib
import tempfile

import harness
import servers

POINTS = ((1_000_000, 1), (1_000_000, 10), (1_000_000, 100), (10_000, 10_000))
QUICK_POINTS = ((100_000, 1), (100_000, 10), (100_000, 100), (1_000, 10_000))
GATED = 10


def run(quick):
    rows, also = [], []
    for entities, each in QUICK_POINTS if quick else POINTS:
        with tempfile.TemporaryDirectory(prefix="millstream-b12-") as directory, servers.Redis(pathlib.Path(directory) / "redis") as redis:
            result = servers.tool("b12", entities, each, redis.address, redis.pid)
        ours, theirs, counted = (result[name] / entities for name in ("ours_bytes", "redis_bytes", "own_count_bytes"))
        harness.note(f"  {each:>6} events each: {ours:10.1f} bytes per entity ({counted:.1f} by its own count), Redis {theirs:.1f}, {result['values'] / entities:.1f} values")
        row = harness.row(f"{each} event{'s' * (each > 1)} per entity", ours, theirs, "Redis hash", "bytes", result["equal"], larger_is_better=False)
        (rows if each == GATED else also).append(row)
    return {"id": "B12", "rows": rows, "also": also}
