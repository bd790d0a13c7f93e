"""Compacted topics, written and read by clients that know them from Kafka."""

import pathlib
import random
import re
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PythonPartition
from kafka_tools import tool  # noqa: E402
from millstream import Server, run  # noqa: E402
from servers import Kafka  # noqa: E402

PATIENCE = 60
KEYS = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Compacts what it has every 20 ms; the files of its log are checked at the end."""
    directory = tmp_path_factory.mktemp("compaction") / "data"
    with Server(directory, "--reconcile-interval-ms", "20") as server:
        yield server
    assert run("log", "fsck", directory).stdout.endswith("clean\n")


def make(address, topic, config):
    admin = AdminClient({"bootstrap.servers": address})  # a name of its own: it must outlive the future
    admin.create_topics([NewTopic(topic, 1, config=config)])[topic].result(PATIENCE)


def create(server, topic, **config):
    config = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "0", **config}
    make(server.kafka, topic, config)


def with_librdkafka(server, topic, isolation="read_committed"):
    """[(offset, key, value)] of all there is."""
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g", "enable.auto.commit": False, "isolation.level": isolation, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    out, deadline = [], time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, f"{len(out)} records and no end"
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            break
        out.append((message.offset(), message.key().decode(), message.value() and message.value().decode()))
    consumer.close()
    return out


def with_kafka_python(server, topic):
    consumer = KafkaConsumer(bootstrap_servers=server.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    at = PythonPartition(topic, 0)
    consumer.assign([at])
    end = consumer.end_offsets([at])[at]
    out, deadline = [], time.monotonic() + PATIENCE
    while consumer.position(at) < end:
        assert time.monotonic() < deadline, f"stands at {consumer.position(at)} of {end}"
        for records in consumer.poll(1000).values():
            out += [(r.offset, r.key.decode(), r.value and r.value.decode()) for r in records]
    consumer.close()
    return out


def with_java(server, topic, count):
    out = tool("console-consumer", "--bootstrap-server", server.kafka, "--topic", topic, "--from-beginning", "--max-messages", count, "--timeout-ms", 30000,
               "--formatter-property", "print.key=true", "--formatter-property", "print.offset=true")
    lines = [line.split("\t") for line in out.splitlines() if line.startswith("Offset:")]
    return [(int(offset.removeprefix("Offset:")), key, value) for offset, key, value in lines]


def wait_until_compacted(server, topic, expected):
    server.wait_for(lambda: with_librdkafka(server, topic) == expected, f"{topic} holds {len(expected)} records")


def test_every_client_reads_the_newest_of_each_key(server, topic):
    create(server, topic, **{"segment.bytes": "2000"})
    rng = random.Random(topic)
    newest = {}
    librdkafka = Producer({"bootstrap.servers": server.kafka, "compression.type": "gzip", "linger.ms": 5})
    python = KafkaProducer(bootstrap_servers=server.kafka, acks="all")
    for i in range(1500):
        key, value = f"k{rng.randrange(KEYS)}", None if rng.random() < 0.2 else f"v{i}"
        if i % 300 < 150:
            librdkafka.produce(topic, value, key)
            if i % 20 == 0:
                librdkafka.flush(PATIENCE)
        else:
            librdkafka.flush(PATIENCE)
            python.send(topic, value=value and value.encode(), key=key.encode()).get(PATIENCE)
        newest[key] = (i, key, value)
    assert librdkafka.flush(PATIENCE) == 0
    python.close()
    # One record more makes the last of the others subject to a further pass, which takes tombstones whose time has passed.
    for i in (1500, 1501):
        librdkafka.produce(topic, "end", "end")
        librdkafka.flush(PATIENCE)
        newest["end"] = (i, "end", "end")
    living = sorted(record for record in newest.values() if record[2] is not None)
    state = {key: value for _, key, value in living}

    def kept():
        found = {}
        records = with_librdkafka(server, topic)
        for _, key, value in records:
            found.update({key: value}) if value is not None else found.pop(key, None)
        assert found == state
        return [record for record in records if record[2] is not None]

    server.wait_for(lambda: kept() == living, "superseded records are gone")  # with the first of the ends gone nothing is left to compact
    records = with_librdkafka(server, topic)
    assert [r for r in records if r[2] is not None] == living
    assert with_kafka_python(server, topic) == records
    java = with_java(server, topic, len(records))
    assert [(offset, key, None if value == "null" else value) for offset, key, value in java] == records
    # An offset that is gone: the next one there is.
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g", "enable.auto.commit": False})
    gone = next(o for o in range(records[-1][0]) if o not in {r[0] for r in records})
    consumer.assign([TopicPartition(topic, 0, gone)])
    assert consumer.poll(PATIENCE).offset() == next(o for o, _, _ in records if o > gone)
    consumer.close()


def test_the_same_stays_as_in_apache_kafka(server, topic, tmp_path):
    """The same keyed records, tombstones and transactions into both; every record before the last one is compacted in both."""
    rng = random.Random(topic)
    batches = [[(f"k{rng.randrange(25)}", None if rng.random() < 0.2 else f"v{i}-{j}") for j in range(rng.randrange(1, 6))] for i in range(120)]
    aborts = [rng.random() < 0.3 for _ in batches]

    def write(address):
        plain = Producer({"bootstrap.servers": address, "enable.idempotence": True})
        transactional = Producer({"bootstrap.servers": address, "transactional.id": topic})
        transactional.init_transactions(PATIENCE)
        for i, batch in enumerate(batches):
            producer = transactional if i % 3 == 0 else plain
            if producer is transactional:
                producer.begin_transaction()
            for key, value in batch:
                producer.produce(topic, value, key)
            producer.flush(PATIENCE)
            if producer is transactional:
                producer.abort_transaction(PATIENCE) if aborts[i] else producer.commit_transaction(PATIENCE)
        plain.produce(topic, "end", "end", timestamp=int(time.time() * 1000) + 60_000)  # so late that Kafka opens another segment
        assert plain.flush(PATIENCE) == 0

    with Kafka(tmp_path / "kafka", settings=["log.cleaner.backoff.ms=100", "log.initial.task.delay.ms=100"]) as kafka:
        for address, config in ((server.kafka, {}), (kafka.kafka, {"segment.ms": "500", "max.compaction.lag.ms": "500"})):
            config = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.0001", "delete.retention.ms": "10000000", **config}
            make(address, topic, config)
        write(server.kafka)
        write(kafka.kafka)
        newest = {key: value for batch, i in zip(batches, range(len(batches)), strict=True) if i % 3 or not aborts[i] for key, value in batch}
        server.wait_for(lambda: len(with_librdkafka(server, topic)) == len(newest) + 1, "it is compacted")
        server.wait_for(lambda: len(with_librdkafka(kafka, topic)) == len(newest) + 1, "Kafka has compacted it")
        ours, theirs = with_librdkafka(server, topic), with_librdkafka(kafka, topic)
    # Kafka answers the end of a transaction before its markers are written, so offsets may differ by one.
    assert [record[1:] for record in ours] == [record[1:] for record in theirs]
    assert {key: value for _, key, value in ours} == {**newest, "end": "end"}


def test_aborted_records_go(server, topic):
    create(server, topic)
    producer = Producer({"bootstrap.servers": server.kafka, "transactional.id": topic})
    producer.init_transactions(PATIENCE)
    for i in range(20):
        producer.begin_transaction()
        producer.produce(topic, f"v{i}", f"k{i % 4}")
        producer.flush(PATIENCE)  # else an abort only forgets it
        producer.commit_transaction(PATIENCE) if i % 5 else producer.abort_transaction(PATIENCE)
    wait_until_compacted(server, topic, [(2 * i, f"k{i % 4}", f"v{i}") for i in (16, 17, 18, 19)])
    assert with_librdkafka(server, topic, "read_uncommitted") == with_librdkafka(server, topic) == with_kafka_python(server, topic)


def test_records_without_keys_are_refused(server, topic):
    create(server, topic)
    refused = []
    producer = Producer({"bootstrap.servers": server.kafka, "message.timeout.ms": PATIENCE * 1000})
    producer.produce(topic, "no key", on_delivery=lambda error, _: refused.append(error))
    producer.flush(PATIENCE)
    assert refused[0].code() == KafkaError.INVALID_RECORD
    producer.produce(topic, "v", "k")
    assert producer.flush(PATIENCE) == 0
    assert with_librdkafka(server, topic) == [(0, "k", "v")]


def test_features_keep_their_topic(server, topic, tmp_path):
    definitions = tmp_path / "views.yaml"
    definitions.write_text(f"""
sources:
  events: {{topic: {topic}, format: json, time: {{field: ts, unit: ms}}, fields: {{user: int64}}, owner: tests}}
entities:
  user: {{key: [user]}}
views:
  counts: {{entity: user, from: events, features: {{n: {{count: {{over: [1h]}}}}}}, owner: tests}}
services:
  counts: {{features: [counts.*]}}
""")
    create(server, topic)
    assert "is compacted" in server.cli("plan", definitions, status=2).stderr
    admin = AdminClient({"bootstrap.servers": server.kafka})

    def set_policy(policy):
        change = ConfigResource(ResourceType.TOPIC, topic)
        change.add_incremental_config(ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET))
        admin.incremental_alter_configs([change])[change].result(PATIENCE)

    set_policy("delete")
    server.cli("apply", "--yes", definitions)
    with pytest.raises(Exception, match="POLICY_VIOLATION|not compacted"):
        set_policy("compact,delete")
    assert "not compacted" in server.cli("topic", "alter", topic, "--config", "cleanup.policy=compact", status=1).stderr


def test_what_kafkas_own_tool_checks_of_compaction(server):
    """It writes keys again and again, deletes some, waits, reads, and compares the last values."""
    said = tool("log-compaction-tester", "--bootstrap-server", server.kafka, "--messages", 2000, "--percent-deletes", 20, "--sleep", 2)
    assert re.search(r"Validated \d+ values, 0 mismatches", said), said
    produced, consumed = map(int, re.search(r"(\d+) rows of data produced, (\d+) rows of data consumed", said).groups())
    assert 0 < consumed < produced == 2000, "nothing was compacted"
