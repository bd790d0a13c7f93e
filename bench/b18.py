"""B18: appending with group commit against the disk alone. One thread appends record batches to a log of one partition, many in flight;
the groups that the log makes of them are then written again, the same sizes in the same order, by a loop of one write and one fdatasync
into a preallocated file. Rounds alternate, in one process on one core."""

import pathlib
import statistics
import tempfile

import harness
import servers

# what, bytes of a batch, in flight, batches (quick, full)
CASES = (("1 KiB batches, 64 in flight", 1 << 10, 64, (50_000, 400_000)), ("256 KiB batches, 16 in flight", 256 << 10, 16, (1_000, 4_000)))


def run(quick):
    rows, also = [], []
    for what, size, in_flight, batches in CASES:
        count = batches[0] if quick else batches[1]
        with tempfile.TemporaryDirectory(prefix="millstream-b18-", dir=harness.CACHE) as directory:
            runs = servers.rounds("b18", pathlib.Path(directory), size, in_flight, count, 1 if quick else 5)
        for one in runs:
            harness.note(f"  {what}: {one['syncs']} syncs of {one['written'] / one['syncs'] / 1024:.0f} KiB, log {one['log_s']:.3f} s, disk alone {one['alone_s']:.3f} s")
        rate = {name: statistics.median(r["written"] / r[f"{name}_s"] / 1e6 for r in runs) for name in ("log", "alone")}
        rows.append(harness.row(what, rate["log"], rate["alone"], "write + fdatasync", "MB/s", all(r["equal"] for r in runs), True))
        also.append(harness.row(f"bytes per sync, {what}", statistics.median(r["written"] / r["syncs"] for r in runs), 1, "a sync for each byte", "bytes", True, True))
    return {"id": "B18", "rows": rows, "also": also}
