"""The whole server under kill -9: an idempotent librdkafka producer and a reader go on while it is killed at random moments and
started again. An outside checker then compares what clients were told with what is there, and the features with a clean run.

20 kills; 200 with MS_LONG=1 (./dev test --long)."""

import datetime
import json
import os
import random
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from crash_check import faults
from millstream import Server, run
from ports import free_ports

KILLS = 200 if os.environ.get("MS_LONG") == "1" else 20
TOPIC, PARTITIONS, USERS = "payments", 3, 40
RECORDS_BETWEEN_KILLS = (1, 8_000)
KILL_DELAY_SECONDS = 0.03  # after the acknowledgement that was waited for; the random part of the moment
PROGRESS_SECONDS = 120
KILLS_RIGHT_AFTER_START = 0.2  # a share

DEFINITIONS = """
sources:
  payments:
    topic: payments
    format: json
    time: {field: ts, unit: ms}
    fields: {user: int64, amount: int64, price: float64}
    owner: tests
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: payments
    features:
      payments: {count: {over: [1h, lifetime]}}
      amount:
        sum: {of: amount, over: [1h, lifetime]}
        max: {of: amount, over: [1h]}
        last: {of: amount, over: [1h]}
        count_distinct: {of: amount, over: [1h]}
      price:
        avg: {of: price, over: [10m, lifetime]}
        stddev: {of: price, over: [1h]}
    owner: tests
services:
  spending: {features: [spending.*]}
"""


def event(number, rng):
    """Numbers that do not add up exactly in binary, times up to 20 minutes back."""
    ts = int(time.time() * 1000) - rng.randrange(20 * 60 * 1000) - 1000
    return json.dumps({"n": number, "user": rng.randrange(USERS), "ts": ts, "amount": rng.randrange(10**6), "price": rng.randrange(10**6) / 1000})


class Writer:
    """Sends without end from a thread of its own; knows what it sent and what was acknowledged."""

    def __init__(self, address, seed):
        self.rng = random.Random(seed)
        self.producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "acks": "all", "linger.ms": 2, "message.timeout.ms": 0,
                                  "log_level": 0, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20})
        self.sent = {p: [] for p in range(PARTITIONS)}
        self.values = {}
        self.acknowledged, self.failed = [], []
        self.changed = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _delivered(self, number):
        def report(error, message):
            with self.changed:
                if error:
                    self.failed.append((number, error))
                else:
                    self.acknowledged.append((message.partition(), message.offset(), number))
                self.changed.notify_all()

        return report

    def _run(self):
        number = 0
        while not self.stopping:
            if len(self.producer) > 2_000:
                self.producer.poll(0.01)
                continue
            partition = self.rng.randrange(PARTITIONS)
            value = event(number, self.rng)
            self.sent[partition].append(number)
            self.values[number] = value
            self.producer.produce(TOPIC, value, partition=partition, on_delivery=self._delivered(number))
            self.producer.poll(0)
            number += 1
        assert self.producer.flush(PROGRESS_SECONDS) == 0

    def wait_for(self, more):
        with self.changed:
            goal = len(self.acknowledged) + more
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= goal or self.failed, PROGRESS_SECONDS), "no acknowledgements"
            assert not self.failed, self.failed[:3]

    def stop(self):
        self.stopping = True
        self.thread.join()


class Reader:
    """Reads all partitions from the start, over all crashes."""

    def __init__(self, address):
        self.consumer = Consumer({"bootstrap.servers": address, "group.id": "crash", "enable.auto.commit": False, "auto.offset.reset": "error",
                                  "log_level": 0, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "fetch.wait.max.ms": 50, "fetch.error.backoff.ms": 20})
        self.consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
        self.seen, self.errors = [], []
        self.stopping = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.stopping:
            for message in self.consumer.consume(1_000, 0.05):
                if message.error() is None:
                    self.seen.append((message.partition(), message.offset(), json.loads(message.value())["n"]))
                elif not message.error().retriable() and message.error().name() not in ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"):
                    self.errors.append(str(message.error()))

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.consumer.close()


def read_all(address):
    consumer = Consumer({"bootstrap.servers": address, "group.id": "final", "enable.auto.commit": False})
    ends = {p: consumer.get_watermark_offsets(TopicPartition(TOPIC, p), 20)[1] for p in range(PARTITIONS)}
    consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
    out, deadline = [], time.monotonic() + PROGRESS_SECONDS
    while len(out) < sum(ends.values()):
        assert time.monotonic() < deadline, f"only {len(out)} of {sum(ends.values())} records can be read"
        messages = consumer.consume(10_000, 0.2)
        if messages:
            deadline = time.monotonic() + PROGRESS_SECONDS
        for message in messages:
            assert message.error() is None, message.error()
            out.append((message.partition(), message.offset(), json.loads(message.value())["n"]))
    consumer.close()
    return out


def answers(server):
    return server.post("/v1/services/spending/features", {"entities": [{"user": user} for user in range(USERS)]})


def spine(path, replies):
    times = [datetime.datetime.fromisoformat(reply["as_of"]) for reply in replies for _ in range(USERS)]
    pq.write_table(pa.table({"user": list(range(USERS)) * len(replies), "event_time": pa.array(times, pa.timestamp("us", tz="UTC"))}), path)
    return path


def trained(server, spine_path, out, mode):
    server.cli("train", "spending", "--spine", spine_path, "--out", out, "--mode", mode, "--statuses")
    return pq.read_table(out).to_pylist()


def differences(replies, rows, gaps_allowed=False):
    """Values of replies that differ from derived rows, in type or bits; and how many rows lie in a recorded gap."""
    out, gaps = [], 0
    for reply, first in zip(replies, range(0, len(rows), USERS), strict=True):
        for live, row in zip(reply["rows"], rows[first : first + USERS], strict=True):
            if gaps_allowed and row[reply["features"][0] + "__status"] == "GAP":
                gaps += 1
                continue
            again = [row[name] for name in reply["features"]]
            for name, one, other in zip(reply["features"], live["values"], again, strict=True):
                if repr(one) != repr(other):
                    out.append((reply["as_of"], row["user"], name, one, other))
    return out, gaps


@pytest.fixture
def crashed(tmp_path):
    """A server that was killed KILLS times under load, and what everybody saw meanwhile."""
    kafka, http = free_ports(2)
    server = Server(tmp_path / "data", "--checkpoint-interval-ms", "200", "--reconcile-interval-ms", "300", "--wal-segment-bytes", str(1 << 20),
                    kafka=f"127.0.0.1:{kafka}", http=f"127.0.0.1:{http}")
    with server:
        server.cli("topic", "create", TOPIC, "--partitions", PARTITIONS)
        definitions = tmp_path / "spending.yaml"
        definitions.write_text(DEFINITIONS)
        server.cli("apply", "--yes", definitions)
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        writer, reader = Writer(server.kafka, seed), Reader(server.kafka)
        replies = []
        try:
            for _ in range(KILLS):
                if rng.random() > KILLS_RIGHT_AFTER_START:
                    replies.append(answers(server))
                    writer.wait_for(rng.randint(*RECORDS_BETWEEN_KILLS))
                    replies.append(answers(server))  # mostly too late for the timeline: a gap
                time.sleep(rng.random() * KILL_DELAY_SECONDS)
                server.kill()
                server.start()
            writer.wait_for(100)
        finally:
            writer.stop()
            reader.stop()
        yield server, writer, reader, replies


def test_kill_9_at_random_moments(crashed, tmp_path):
    server, writer, reader, replies = crashed
    final = read_all(server.kafka)
    assert not writer.failed and not reader.errors
    assert faults(writer.sent, writer.acknowledged, reader.seen, final) == []
    assert len(final) == len(writer.acknowledged)  # the producer waited for every one

    # Served answers, also those between two kills, are what the log and the timeline say.
    server.wait_until_applied()
    replies.append(answers(server))
    time_line = trained(server, spine(tmp_path / "served.parquet", replies), tmp_path / "served-out.parquet", "as_served")
    different, gaps = differences(replies, time_line, gaps_allowed=True)
    assert different == []
    assert differences(replies[-1:], time_line[-USERS:]) == ([], 0)  # and that one in no gap

    # A server that never crashed, with the same records in the same partitions, knows the same at the same instant.
    with Server(tmp_path / "clean") as clean:
        clean.cli("topic", "create", TOPIC, "--partitions", PARTITIONS)
        clean.cli("apply", "--yes", tmp_path / "spending.yaml")
        producer = Producer({"bootstrap.servers": clean.kafka, "enable.idempotence": True})
        for partition, _, number in final:
            producer.produce(TOPIC, writer.values[number], partition=partition)
            producer.poll(0)
            if len(producer) > 50_000:
                producer.flush(PROGRESS_SECONDS)
        assert producer.flush(PROGRESS_SECONDS) == 0
        rows = trained(clean, spine(tmp_path / "last.parquet", replies[-1:]), tmp_path / "last-out.parquet", "as_known")
    assert differences(replies[-1:], rows) == ([], 0)
    server.stop()
    checked = json.loads(run("log", "fsck", "--json", server.directory).stdout)
    assert checked["clean"] and checked["checked"]["records"] == len(final) and checked["checked"]["objects"] > 0
    print(f"{KILLS} kills, {len(final)} records, {len(replies) * USERS} answers of which {gaps} in a gap")
