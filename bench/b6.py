"""B6: parity. Every aggregate in every window over every type (parity_cells.py), values of live replies taken through the HTTP port while events
come in, against the training path, bit by bit:

1. two shards, killed with -9 and started again in the middle: every reply equals `as_served` at its own instant;
2. the last replies of servers with 1, 2 and 8 shards, bound to the one or the other core, and of one whose events
   arrived shuffled and whose libraries take other machine code where they choose it, equal `as_known` at their instants as derived from the log of the first server;
3. `millstream verify`: the samples the servers kept themselves, derived again.

Void below 1,000 distinct cuts or above 1 % of rows in a recorded gap."""

import concurrent.futures
import contextlib
import os
import pathlib
import random
import tempfile
import time

import parity_cells
import parity_compare
import harness
import servers

ENTITIES, QUICK_ENTITIES = 100, 20
ROWS, QUICK_ROWS = 8, 1                 # of a request during ingest
REQUESTS, QUICK_REQUESTS = 2_000, 1_600  # spread over the ingest
LAST_ROWS, QUICK_LAST_ROWS = 9_300, 200  # from each server that has caught up
EVENTS, QUICK_EVENTS = 20_000, 6_000
SECONDS, QUICK_SECONDS = 60, 20          # of ingest
SPAN_US = 3 * 3600 * 1_000_000
CUTS_MIN, GAP_MAX = 1_000, 0.01
SETTLE_SECONDS = 1.5
BATCH = 10
# Libraries that look at the processor take other code with these; ours is compiled for one.
OTHER_CODE = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-FMA", "SIMDJSON_FORCE_IMPLEMENTATION": "fallback", "ARROW_USER_SIMD_LEVEL": "NONE"}
# (what, shards, core, environment, arrival in blocks of so many)
OTHERS = [
    ("1 shard, core 0", 1, 0, {}, parity_cells.BLOCK),
    ("8 shards, core 1", 8, 1, {}, parity_cells.BLOCK),
    ("2 shards, shuffled arrival, other machine code", 2, None, OTHER_CODE, None),
]


@contextlib.contextmanager
def environment(changes):
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def ask(server, users):
    return server.post("/v1/services/all/features?numbers=string", {"entities": [{"user": f"u{user}"} for user in users]})


def setup(server, directory):
    (directory / "b6.yaml").write_text(parity_cells.definitions())
    server.cli("topic", "create", "events", "--partitions", "4")
    server.cli("apply", "--yes", directory / "b6.yaml")


def wait_applied(server):
    while any(source["lag"] for source in server.get("/v1/status")["sources"]):
        time.sleep(0.05)


def during_ingest(server, events, sizes, replies):
    """Reads while events come in; in the middle kill -9 and start again."""
    rng = random.Random(6)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for half in range(2):
            done = pool.submit(events.send, server, half * events.count // 2, (half + 1) * events.count // 2, parity_cells.BLOCK, events.count / sizes.seconds)
            began, between = time.monotonic(), sizes.seconds / sizes.requests
            for i in range(sizes.requests // 2):
                time.sleep(max(0, began + i * between - time.monotonic()))
                asked = [rng.randrange(events.entities) for _ in range(sizes.rows)]
                replies.add([f"u{user}" for user in asked], ask(server, asked))
            done.result()
            if half == 0:
                time.sleep(SETTLE_SECONDS)  # else the replies of the last instants before the kill are a recorded gap
                server.kill()
                server.start()


def last_replies(server, rows, entities, schema):
    wait_applied(server)
    replies = parity_compare.Replies(schema)
    for first in range(0, rows, BATCH):
        asked = [(first + i) % entities for i in range(BATCH)]
        replies.add([f"u{user}" for user in asked], ask(server, asked))
    time.sleep(SETTLE_SECONDS)
    return replies


class Sizes:
    def __init__(self, quick):
        self.entities, self.rows, self.requests, self.last_rows, self.events, self.seconds = (
            (QUICK_ENTITIES, QUICK_ROWS, QUICK_REQUESTS, QUICK_LAST_ROWS, QUICK_EVENTS, QUICK_SECONDS) if quick
            else (ENTITIES, ROWS, REQUESTS, LAST_ROWS, EVENTS, SECONDS)
        )  # fmt: skip


def run(quick):
    from millstream import Server

    sizes, total = Sizes(quick), Total()
    start_us = int(time.time()) * 1_000_000 - SPAN_US
    events = parity_cells.Events(sizes.events, sizes.entities, start_us, SPAN_US)
    with tempfile.TemporaryDirectory(prefix="millstream-b6-") as temporary:
        root = pathlib.Path(temporary)
        with Server(root / "two", "--shards", "2", "--samples-per-second", "1000") as first:
            setup(first, root)
            schema = trained(first, root, parity_compare.one_question(), "as_known").schema_arrow
            live = parity_compare.Replies(schema)
            during_ingest(first, events, sizes, live)
            wait_applied(first)
            time.sleep(SETTLE_SECONDS)
            total.cuts = len(live.cuts)
            total.add("during ingest, kill -9: as_served", live, trained(first, root, live.spine(), "as_served"))
            del live
            ours = last_replies(first, sizes.last_rows, events.entities, schema)
            total.add("2 shards: as_served", ours, trained(first, root, ours.spine(), "as_served"))
            total.add("2 shards: as_known", ours, trained(first, root, ours.spine(), "as_known"))
            del ours
            for what, shards, core, changes, block in OTHERS:
                with environment(changes), servers.pinned(core):
                    other = Server(root / f"shards-{shards}-{core}", "--shards", shards).start()
                try:
                    setup(other, root)
                    events.send(other, 0, events.count, block or events.count)
                    theirs = last_replies(other, sizes.last_rows, events.entities, schema)
                finally:
                    other.stop()
                total.add(f"{what}: as_known", theirs, trained(first, root, theirs.spine(), "as_known"))
            total.verified = first.cli("verify", "all").stdout.strip()  # exit 4 when a value differs
    return total.result()


def trained(server, root, spine, mode):
    import pyarrow.parquet as parquet

    parquet.write_table(spine, root / "spine.parquet")
    server.cli("train", "all", "--spine", root / "spine.parquet", "--out", root / "out.parquet", "--mode", mode, "--statuses", "--quiet", timeout=1800)
    return parquet.ParquetFile(root / "out.parquet")


class Total:
    def __init__(self):
        self.values = self.differing = self.gap_rows = self.rows = self.cuts = 0
        self.verified, self.parts = "", []

    def add(self, what, replies, derived):
        values, differing, gaps = parity_compare.compare(replies, derived)
        self.values, self.differing, self.gap_rows, self.rows = self.values + values, self.differing + differing, self.gap_rows + gaps, self.rows + replies.rows
        self.parts.append((what, differing, values))
        harness.note(f"  {what:<60} {values:>12,} values, {differing} differ, {gaps} of {replies.rows} rows in a gap")

    def result(self):
        void = self.cuts < CUTS_MIN or self.gap_rows > GAP_MAX * self.rows
        if void:
            harness.note(f"  void: {self.cuts} distinct cuts, {self.gap_rows} of {self.rows} rows in a gap")
        harness.note(f"  {self.cuts} distinct cuts; verify: {self.verified}")

        def row(what, differing, values, equal):
            return {"what": what, "ours": differing, "peer": values, "peer_name": "own limit", "ratio": differing, "unit": "values", "equal": equal}

        rows = [row("differing values", self.differing, self.values, self.differing == 0 and not void)]
        also = [row(what, differing, values, differing == 0) for what, differing, values in self.parts]
        also.append(row("distinct cuts during ingest", self.cuts, CUTS_MIN, self.cuts >= CUTS_MIN))
        return {"id": "B6", "rows": rows, "also": also}
