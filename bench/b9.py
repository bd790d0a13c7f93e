"""B9: freshness. While librdkafka (acks=all) loads a topic at 10,000 and 200,000 events/s, a probe sends one event of its own user to the
same topic, waits for the acknowledgement, and then reads that user's count over HTTP until the event is in it. Gated: the p99 of the time
from the acknowledgement to the first read that shows the event, its round trip included, against the p99 of the acknowledgement itself in
the same run. Server and clients are pinned to different cores; every record is read back once and compared by checksum."""

import concurrent.futures
import ctypes
import http.client
import json
import pathlib
import random
import tempfile
import time

import harness
import servers
import spending

RATES = (10_000, 200_000)
SECONDS, QUICK_SECONDS = 30, 8
PARTITIONS = 4
USERS = 100_000
PROBE = 1_000_000_000  # a user that the load does not have
PROBES_MIN = 100
ASK_MAX_SECONDS = 30
PAUSE_MAX_S = 0.01  # between probes, at random, so that they do not fall in step with the load

DEFINITIONS = spending.definitions(["sum", "min", "max"], ["1h", "6h", "24h", "7d", "30d"], counted=["7d", "30d", "1h", "6h", "24h"])


class Probe:
    """One probe after the other; times in seconds."""

    def __init__(self, server):
        from confluent_kafka import Producer

        self.producer = Producer({"bootstrap.servers": server.kafka, "acks": "all", "linger.ms": "0"})
        self.connection = http.client.HTTPConnection(server.http, timeout=ASK_MAX_SECONDS)
        self.question = json.dumps({"entities": [{"user": PROBE}]})
        self.hash = ctypes.CDLL("libxxhash.so.0").XXH3_64bits_withSeed
        self.hash.argtypes, self.hash.restype = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64], ctypes.c_uint64
        self.sent, self.checksum, self.acks, self.beyond, self.reads = 0, 0, [], [], 0

    def count(self):
        self.connection.request("POST", "/v1/services/spending/features", self.question, {"Content-Type": "application/json"})
        reply = json.loads(self.connection.getresponse().read())
        self.reads += 1
        return reply["rows"][0]["values"][reply["features"].index("payments_count_7d")]

    def once(self):
        answers = []
        value = json.dumps({"user": PROBE, "ts": int(time.time() * 1000) - 1_000, "amount": self.sent}).encode()
        start = time.perf_counter()
        self.producer.produce("payments", value, on_delivery=lambda error, _: answers.append(error))
        while not answers:
            self.producer.poll(1)
        acknowledged = time.perf_counter()
        if answers[0]:
            raise RuntimeError(f"probe {self.sent}: {answers[0]}")
        self.sent += 1
        self.checksum = (self.checksum + self.hash(value, len(value), 1)) % 2**64
        while self.count() < self.sent:
            if time.perf_counter() > acknowledged + ASK_MAX_SECONDS:
                raise RuntimeError(f"probe {self.sent} is not visible after {ASK_MAX_SECONDS} s")
        self.acks.append(acknowledged - start)
        self.beyond.append(time.perf_counter() - acknowledged)


def at_rate(root, rate, seconds):
    events = rate * seconds
    with servers.Millstream(root / f"ours-{rate}", core=servers.SERVER_CORE) as server, servers.pinned(servers.CLIENT_CORE):
        servers.create_topic(server.kafka, "payments", PARTITIONS)
        definitions = root / "b9.yaml"
        definitions.write_text(DEFINITIONS)
        server.server.cli("apply", "--yes", definitions)
        probe, rng = Probe(server), random.Random(9)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            start_ms = int(time.time() * 1000) - 3_600_000
            load = pool.submit(servers.tool, "kafka_load", "produce", server.kafka, "payments", f"events={events}", f"users={USERS}", f"start_ms={start_ms}", "span_ms=1800000",
                               f"rate={rate}", "X.acks=all", "X.linger.ms=1", core=servers.CLIENT_CORE)
            while server.server.get("/v1/status")["sources"][0]["records"] < rate // 2 and not load.done():
                time.sleep(0.01)  # the load makes its events first
            probe.once()
            probe.acks.clear(), probe.beyond.clear()
            while not load.done():
                probe.once()
                probe.producer.poll(rng.random() * PAUSE_MAX_S)
        sent = load.result()
        total = events + probe.sent
        got = servers.tool("kafka_load", "consume", server.kafka, "payments", f"events={total}")
        equal = got["records"] == total and int(got["checksum"], 16) == (int(sent["checksum"], 16) + probe.checksum) % 2**64
        equal &= probe.count() == probe.sent
    if len(probe.acks) < PROBES_MIN:
        raise RuntimeError(f"{len(probe.acks)} probes at {rate} events/s, wanted {PROBES_MIN}: the machine is too busy")
    harness.note(f"  asked for {rate:,} events/s, sent {events / sent['seconds']:,.0f}; {len(probe.acks)} probes, {probe.reads / probe.sent:.2f} reads each")
    return probe, equal


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))] * 1e3


def run(quick):
    rows, also = [], []
    with tempfile.TemporaryDirectory(prefix="millstream-b9-") as directory:
        for rate in RATES:
            probe, equal = at_rate(pathlib.Path(directory), rate, QUICK_SECONDS if quick else SECONDS)
            for q, name, where in ((0.99, "p99", rows), (0.5, "p50", also)):
                where.append(harness.row(f"{rate:,} events/s, {name} beyond the ack", quantile(probe.beyond, q), quantile(probe.acks, q), "own limit", "ms", equal, False))
    return {"id": "B9", "rows": rows, "also": also}
