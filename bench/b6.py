"""B6: parity. Values of live replies, taken through the HTTP port while events come in, against the training path, bit by bit:

1. two shards, killed with -9 and started again in the middle: every reply equals `as_served` at its own instant;
2. the last replies of servers with 1, 2 and 8 shards, and of one whose events arrived shuffled, equal `as_known` at their instants
   as derived from the log of the first server;
3. `millstream verify`: the samples the servers kept themselves, derived again.

Void below 1,000 distinct cuts or above 1 % of rows in a recorded gap."""

import concurrent.futures
import datetime
import pathlib
import random
import struct
import tempfile
import time

import harness
import servers

ENTITIES = 5_000
BATCH = 100
REQUESTS, QUICK_REQUESTS = 4_000, 1_800  # during ingest; a request is 100 entities x 25 values
LAST_READS, QUICK_LAST_READS = 10, 2     # of all entities, from each server that has caught up
EVENTS, QUICK_EVENTS = 2_000_000, 200_000
SPAN_MS = 3 * 3600 * 1000
CUTS_MIN, GAP_MAX = 1_000, 0.01
SETTLE_SECONDS = 1.5
NEARLY = 1_000  # events come in blocks of so many, shuffled inside: some 5 s of event time out of order. No two have one time,
                # so that first and last do not depend on the offsets, which differ between the servers.

DEFINITIONS = """
sources:
  payments:
    topic: payments
    format: json
    time: {field: ts, unit: ms}
    fields: {user: int64, amount: int64, country: string, channel: string}
    derived: {price: "amount * 0.01"}
    owner: bench
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: payments
    features:
      payments: {count: {over: [10m, 1h, 2h]}}
      amount:
        sum: {of: amount, over: [10m, 1h, lifetime]}
        min: {of: amount, over: [1h]}
        max: {of: amount, over: [1h, "sliding(30m, exact)"]}
        count_distinct: {of: amount, over: [1h]}
      price:
        sum: {of: price, over: [10m, 2h, "sliding(30m, exact)"]}
        avg: {of: price, over: [1h, lifetime]}
        stddev: {of: price, over: [1h, "tumbling(10m)"]}
        first: {of: price, over: [1h]}
        last: {of: price, over: [2h]}
      small: {count_if: {of: "amount < 5000", over: [1h, "tumbling(10m)"]}}
      country:
        last: {of: country, over: [2h]}
        count_distinct: {of: country, over: [2h]}
      channel: {first: {of: channel, over: [1h]}}
      payment: {time_since_last: {over: [2h]}}
    owner: bench
services:
  spending: {features: [spending.*]}
"""


class Replies:
    """What live reads said: keys, instants and values, column by column."""

    def __init__(self):
        self.users, self.times, self.columns, self.cuts, self.features = [], [], None, set(), None

    def add(self, asked, reply):
        if self.columns is None:
            self.features, self.columns = reply["features"], [[] for _ in reply["features"]]
        as_of = reply["as_of"]
        self.cuts.add(tuple((c["shard"], c["publish"]) for c in reply["cut"]))
        self.users += asked
        self.times += [as_of] * len(asked)
        for column, values in zip(self.columns, zip(*(row["values"] for row in reply["rows"]), strict=True), strict=True):
            column += values

    def values(self):
        return len(self.users) * len(self.features)


def bits(live, derived):
    """Both as comparable bits, with their types."""
    if isinstance(derived, float) and isinstance(live, float):
        return struct.pack("<d", live), struct.pack("<d", derived)
    return (type(live), live), (type(derived), derived)


def compare(replies, path):
    """(values compared, values that differ, rows in a gap) against a training set over the same keys and instants."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    first = table[replies.features[0] + "__status"].to_pylist()
    gaps = {i for i, status in enumerate(first) if status == "GAP"}
    differing = 0
    for name, live in zip(replies.features, replies.columns, strict=True):
        again = table[name].to_pylist()
        if len(again) != len(live):
            raise RuntimeError(f"{path}: {len(again)} rows, asked for {len(live)}")
        for i, (a, b) in enumerate(zip(live, again)):
            if i in gaps:
                continue
            one, other = bits(a, b)
            if one != other:
                differing += 1
                if differing <= 5:
                    harness.note(f"  DIFFERS {name} of user {replies.users[i]} at {replies.times[i]}: live {a!r}, derived {b!r}")
    return (len(first) - len(gaps)) * len(replies.features), differing, len(gaps)


def spine(path, replies):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    times = {text: datetime.datetime.fromisoformat(text) for text in set(replies.times)}
    parquet.write_table(pa.table({"user": pa.array(replies.users, pa.int64()), "event_time": pa.array([times[t] for t in replies.times], pa.timestamp("us", tz="UTC"))}), path)
    return path


def ask(server, users):
    return server.post("/v1/services/spending/features", {"entities": [{"user": user} for user in users]})


def setup(server, directory):
    definitions = directory / "b6.yaml"
    definitions.write_text(DEFINITIONS)
    server.cli("topic", "create", "payments", "--partitions", "4")
    server.cli("apply", "--yes", definitions)


def wait_applied(server):
    while server.get("/v1/status")["sources"][0]["lag"] != 0:
        time.sleep(0.05)


def produce(server, first, until, start_ms, events, rate=0, shuffled=NEARLY):
    servers.tool("kafka_load", "produce", server.kafka, "payments", f"events={events}", f"users={ENTITIES}", f"first={first}", f"until={until}", f"start_ms={start_ms}",
                 f"span_ms={SPAN_MS}", f"rate={rate}", "keyed=1", "late=0", f"shuffled={shuffled}", "X.acks=all", "X.linger.ms=2")


def during_ingest(server, requests, events, start_ms, replies):
    """Reads while events come in; in the middle kill -9 and start again."""
    rng = random.Random(6)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for half in range(2):
            done = pool.submit(produce, server, half * events // 2, (half + 1) * events // 2, start_ms, events, events // 60)
            for _ in range(requests // 2):
                asked = [rng.randrange(ENTITIES) for _ in range(BATCH)]
                replies.add(asked, ask(server, asked))
            done.result()
            if half == 0:
                time.sleep(SETTLE_SECONDS)  # else the replies of the last instants before the kill are a recorded gap
                server.kill()
                server.start()


def last_replies(server, requests):
    wait_applied(server)
    replies = Replies()
    for _ in range(requests):
        for first in range(0, ENTITIES, 10 * BATCH):
            asked = list(range(first, first + 10 * BATCH))
            replies.add(asked, ask(server, asked))
    time.sleep(SETTLE_SECONDS)
    return replies


def run(quick):
    requests, last, events = (QUICK_REQUESTS, QUICK_LAST_READS, QUICK_EVENTS) if quick else (REQUESTS, LAST_READS, EVENTS)
    start_ms = int(datetime.datetime.now().timestamp() * 1000) - SPAN_MS
    from millstream import Server

    total = Total()
    with tempfile.TemporaryDirectory(prefix="millstream-b6-") as temporary:
        root = pathlib.Path(temporary)
        with Server(root / "two", "--samples-per-second", "1000") as first:
            setup(first, root)
            live = Replies()
            during_ingest(first, requests, events, start_ms, live)
            wait_applied(first)
            time.sleep(SETTLE_SECONDS)
            total.cuts = len(live.cuts)
            total.add("during ingest, kill -9: as_served", live, trained(first, root, live, "as_served"))
            ours = last_replies(first, last)
            total.add("2 shards: as_served", ours, trained(first, root, ours, "as_served"))
            total.add("2 shards: as_known", ours, trained(first, root, ours, "as_known"))
            for shards, shuffled, name in ((1, NEARLY, "1 shard"), (8, NEARLY, "8 shards"), (2, events, "shuffled arrival")):
                with Server(root / name.replace(" ", "-"), "--shards", shards) as other:
                    setup(other, root)
                    produce(other, 0, events, start_ms, events, shuffled=shuffled)
                    theirs = last_replies(other, last)
                    total.add(f"{name}: as_known of the first log", theirs, trained(first, root, theirs, "as_known"))
            total.verified = first.cli("verify", "spending").stdout.strip()  # exit 4 when a value differs
    return total.result()


def trained(server, root, replies, mode):
    out = root / "out.parquet"
    server.cli("train", "spending", "--spine", spine(root / "spine.parquet", replies), "--out", out, "--mode", mode, "--statuses", "--quiet")
    return out


class Total:
    def __init__(self):
        self.values = self.differing = self.gap_rows = self.rows = self.cuts = 0
        self.verified, self.parts = {}, []

    def add(self, what, replies, path):
        values, differing, gaps = compare(replies, path)
        self.values, self.differing, self.gap_rows, self.rows = self.values + values, self.differing + differing, self.gap_rows + gaps, self.rows + len(replies.users)
        self.parts.append((what, differing, values))
        harness.note(f"  {what:<50} {values:>12,} values, {differing} differ, {gaps} of {len(replies.users)} rows in a gap")

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
