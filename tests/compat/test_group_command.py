"""`millstream group` and kafka-consumer-groups.sh say the same about the same server, and move groups to the same offsets."""

import json

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka_tools import tool
from millstream import run
from test_librdkafka import create


def described(kafka, group):
    shown = json.loads(run("group", "describe", group, "--kafka", kafka, "--json").stdout)
    dash = lambda value: "-" if value is None else str(value)
    return {(p["topic"], p["partition"]): tuple(map(dash, (p["current_offset"], p["log_end"], p["lag"], p["member"]))) for p in shown["partitions"]}


def described_by_kafka(kafka, group):
    out = tool("consumer-groups", "--bootstrap-server", kafka, "--describe", "--group", group)
    rows = [line.split() for line in out.splitlines() if line.startswith(group + " ")]
    return {(row[1], int(row[2])): tuple(row[3:7]) for row in rows}


def fill(kafka, topic):
    create(kafka, topic, 3)
    producer = Producer({"bootstrap.servers": kafka})
    for i in range(30):
        producer.produce(topic, str(i), partition=i % 2, timestamp=1767225600000 + 1000 * i)  # partition 2 stays empty
    assert producer.flush(60) == 0


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_describe_is_that_of_kafka(kafka, topic, protocol):
    fill(kafka, topic)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic, "group.protocol": protocol, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    records = []
    while len(records) < 30:
        records += consumer.consume(30 - len(records), timeout=1)
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)  # partitions 1 and 2: nothing committed
    ours = described(kafka, topic)
    assert ours == described_by_kafka(kafka, topic) and len(ours) == 3, ours
    assert ours[topic, 0][:3] == ("4", "15", "11")
    consumer.close()
    ours = described(kafka, topic)
    assert ours == described_by_kafka(kafka, topic) and ours == {(topic, 0): ("4", "15", "11", "-")}
    assert tool("consumer-groups", "--bootstrap-server", kafka, "--list").split().count(topic) == 1


@pytest.mark.parametrize("ours, theirs", [
    ("start", ["--to-earliest"]),
    ("end", ["--to-latest"]),
    ("7", ["--to-offset", "7"]),
    ("1000", ["--to-offset", "1000"]),
    ("-2", ["--shift-by", "-2"]),
    ("+100", ["--shift-by", "100"]),
    ("2026-01-01T00:00:07Z", ["--to-datetime", "2026-01-01T00:00:07.000Z"]),
])  # fmt: skip
def test_seek_goes_where_kafka_goes(kafka, topic, ours, theirs):
    fill(kafka, topic)
    for group in ("ours", "theirs"):
        run("group", "seek", f"{topic}-{group}", "--to", "5", "--topics", topic, "--create", "--kafka", kafka)
    run("group", "seek", f"{topic}-ours", "--to", ours, "--kafka", kafka)
    tool("consumer-groups", "--bootstrap-server", kafka, "--group", f"{topic}-theirs", "--topic", topic, "--reset-offsets", *theirs, "--execute")
    assert described(kafka, f"{topic}-ours") == described(kafka, f"{topic}-theirs")
