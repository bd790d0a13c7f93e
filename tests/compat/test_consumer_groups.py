"""Groups with the protocol of KIP-848 (group.protocol=consumer), from librdkafka and from Java."""

import time

from confluent_kafka import Consumer, ConsumerGroupState
from confluent_kafka.admin import AdminClient
from kafka_tools import tool
from test_librdkafka import PATIENCE, create, produce, take


def consumer(kafka, group, **config):
    return Consumer({"bootstrap.servers": kafka, "group.id": group, "group.protocol": "consumer", "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, **config})


def until(condition, *consumers):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, [len(c.assignment()) for c in consumers]
        for c in consumers:
            c.poll(0.1)


def test_librdkafka_shares_partitions_and_goes_on_at_commits(kafka, topic):
    create(kafka, topic, 4)
    produce(kafka, topic, [str(i).encode() for i in range(40)])
    first, second = consumer(kafka, topic), consumer(kafka, topic)
    first.subscribe([topic])
    assert len(take(first, 40)) == 40
    first.commit(asynchronous=False)
    second.subscribe([topic])
    until(lambda: len(first.assignment()) == len(second.assignment()) == 2, first, second)
    assert not set((p.topic, p.partition) for p in first.assignment()) & set((p.topic, p.partition) for p in second.assignment())
    admin = AdminClient({"bootstrap.servers": kafka})  # its answers end with it
    described = admin.describe_consumer_groups([topic])[topic].result(PATIENCE)
    assert described.state == ConsumerGroupState.STABLE and len(described.members) == 2
    first.close()
    until(lambda: len(second.assignment()) == 4, second)
    produce(kafka, topic, [b"later"])
    assert take(second, 1)[0].value() == b"later"
    second.close()


def test_java_tools(kafka, topic):
    at = ("--bootstrap-server", kafka)
    create(kafka, topic, 3)
    produce(kafka, topic, [str(i).encode() for i in range(30)])
    out = tool("console-consumer", *at, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", 30, "--timeout-ms", 30000,
               "--command-property", "group.protocol=consumer")
    assert sorted(out.split()) == sorted(str(i) for i in range(30))
    groups = tool("consumer-groups", *at, "--describe", "--group", topic)
    assert [line.split()[5] for line in groups.splitlines() if line.startswith(topic)] == ["0", "0", "0"], groups
    assert "Empty" in tool("consumer-groups", *at, "--describe", "--group", topic, "--state")
    assert topic in tool("consumer-groups", *at, "--list", "--type", "consumer").split()
    tool("consumer-groups", *at, "--delete-offsets", "--group", topic, "--topic", f"{topic}:0")
    left = tool("consumer-groups", *at, "--describe", "--group", topic)
    assert sorted(line.split()[2] for line in left.splitlines() if line.startswith(topic)) == ["1", "2"], left
