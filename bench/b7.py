"""B7: serving. 20 features of random entities out of 1,000,000, one or 100 per request, over 1 or 8 connections, each in a closed
loop. Redis holds the same values as hash fields (copied from our own replies) and is asked by pipelined HMGETs. One client for
both (bench/src/serve_load.cc), pinned to one core, the server to the other; runs alternate."""

import datetime
import pathlib
import statistics
import tempfile
import time

import harness
import servers
import spending

ENTITIES, QUICK_ENTITIES = 1_000_000, 50_000
EVENTS_PER_ENTITY = 3
FEATURES = 20
SECONDS, QUICK_SECONDS = 5, 1
POINTS = [(1, 8), (100, 8), (1, 1), (100, 1)]  # entities per request, connections
CAUGHT_UP_SECONDS = 300
# All events lie in the half hour before the run and no window is shorter than 2 h, so the values stand still during the run.
SPAN_MS = 30 * 60 * 1000

DEFINITIONS = spending.definitions(["sum", "min", "max"], ["2h", "6h", "24h", "7d", "30d"])


def load(server, directory, entities):
    """Every entity has its events, which came in through the Kafka port."""
    events = entities * EVENTS_PER_ENTITY
    servers.create_topic(server.kafka, "payments", 4)
    definitions = directory / "b7.yaml"
    definitions.write_text(DEFINITIONS)
    server.server.cli("apply", "--yes", definitions)
    start = int(datetime.datetime.now().timestamp() * 1000) - SPAN_MS - 10_000
    servers.tool("kafka_load", "produce", server.kafka, "payments", f"events={events}", f"users={entities}", "uniform=1", "late=0",
                 f"start_ms={start}", f"span_ms={SPAN_MS}", "X.acks=all", "X.linger.ms=5", "X.batch.size=262144")
    deadline = time.monotonic() + CAUGHT_UP_SECONDS
    while sum(source["records"] for source in server.server.get("/v1/status")["sources"]) < events:
        if time.monotonic() > deadline:
            raise RuntimeError("the engine has not caught up")
        time.sleep(0.1)


class Point:
    def __init__(self):
        self.rows, self.cpu_per_row, self.p50, self.p99, self.client = [], [], [], [], []

    def add(self, server, client):
        before, wall = server.cpu(), time.monotonic()
        result = client()
        self.rows.append(result["rows_per_s"])
        self.cpu_per_row.append((server.cpu() - before) / (time.monotonic() - wall) / result["rows_per_s"] * 1e6)
        self.p50.append(result["p50_us"]), self.p99.append(result["p99_us"]), self.client.append(result["client_cpu_share"])
        return result


def run(quick):
    entities, seconds, rounds = (QUICK_ENTITIES, QUICK_SECONDS, 1) if quick else (ENTITIES, SECONDS, 3)
    with tempfile.TemporaryDirectory(prefix="millstream-b7-") as directory:
        root = pathlib.Path(directory)
        with servers.Redis(root / "redis", core=servers.SERVER_CORE) as redis, servers.Millstream(root / "ours", core=servers.SERVER_CORE) as ours:
            load(ours, root, entities)
            targets = {"Millstream": (ours, ["http", f"{ours.http}/spending", "user"]), "Redis HMGET": (redis, ["redis", redis.address, FEATURES])}
            servers.tool("serve_load", *targets["Millstream"][1], "copy", entities, redis.address)
            equal = same(targets, entities)
            points = {}
            for _ in range(rounds):
                for batch, connections in POINTS:
                    for name, (server, target) in targets.items():
                        point = points.setdefault((name, batch, connections), Point())
                        result = point.add(server, lambda: servers.tool("serve_load", *target, "read", batch, connections, seconds, entities, core=servers.CLIENT_CORE))
                        harness.note(f"  {name:<12} {batch:>4} entities, c={connections}: {result['rows_per_s']:>10,.0f} rows/s, p50 {result['p50_us']} us, p99 {result['p99_us']} us, "
                                     f"{point.cpu_per_row[-1]:.2f} server CPU us/row, client {result['client_cpu_share']:.0%}, {result['bytes_per_row']:.0f} bytes/row")
            equal &= same(targets, entities)
    return summary(points, equal)


def same(targets, entities):
    sums = [servers.tool("serve_load", *target, "sum", entities) for _, target in targets.values()]
    return sums[0] == sums[1] and sums[0]["values"] == entities * FEATURES


def summary(points, equal):
    rows, also = [], []
    m = statistics.median
    for batch, connections in POINTS:
        ours, redis = points["Millstream", batch, connections], points["Redis HMGET", batch, connections]
        what = f"{batch} {'entity' if batch == 1 else 'entities'}, {FEATURES} features, c={connections}"
        (rows if connections == 8 else also).append(harness.row(what, m(ours.rows), m(redis.rows), "Redis HMGET", "rows/s", equal, True))
        also.append(harness.row(what + " cpu", m(ours.cpu_per_row), m(redis.cpu_per_row), "Redis HMGET", "us/row", equal, False))
        also.append(harness.row(what + " p50", m(ours.p50), m(redis.p50), "Redis HMGET", "us", equal, False))
        also.append(harness.row(what + " p99", m(ours.p99), m(redis.p99), "Redis HMGET", "us", equal, False))
    return {"id": "B7", "rows": rows, "also": also}
