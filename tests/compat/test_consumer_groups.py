"""Groups with the protocol of KIP-848 (group.protocol=consumer), from librdkafka and from Java."""

import time

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException
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


# A commit between a rebalance and the member's hearing of it is refused; the record comes again, to whom the partition belongs then.
NOT_YOURS = {KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.STALE_MEMBER_EPOCH}


class Reader:
    """A member that commits what it reads, record by record."""

    def __init__(self, kafka, topic, seen, refused, **config):
        self.seen, self.refused = seen, refused
        self.consumer = consumer(kafka, topic, **config)
        self.consumer.subscribe([topic])

    def read(self):
        for message in self.consumer.consume(100, 0.1):
            assert message.error() is None, message.error()
            self.seen.setdefault(message.partition(), []).append(message.offset())
            try:
                self.consumer.commit(message, asynchronous=False)
            except KafkaException as error:
                assert error.args[0].code() in NOT_YOURS, error
                self.refused.add((message.partition(), message.offset()))

    def partitions(self):
        return {p.partition for p in self.consumer.assignment()}


def classic(strategy):
    return {"group.protocol": "classic", "partition.assignment.strategy": strategy, "heartbeat.interval.ms": 300}


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_members_go_over_to_the_other_protocol_one_by_one_and_back(kafka, topic, strategy):
    at = ("--bootstrap-server", kafka)
    create(kafka, topic, 4)
    seen, refused, written, readers = {}, set(), 0, []

    def settle(kind):
        """Goes on until the readers share the partitions, while records come in; then asks the tools."""
        nonlocal written
        deadline = time.monotonic() + PATIENCE
        while sorted(p for r in readers for p in r.partitions()) != [0, 1, 2, 3] or not all(r.partitions() for r in readers):
            assert time.monotonic() < deadline, [r.partitions() for r in readers]
            produce(kafka, topic, [str(written + i).encode() for i in range(10)])
            written += 10
            for r in readers:
                r.read()
        assert topic in tool("consumer-groups", *at, "--list", "--type", kind).split()
        while (state := tool("consumer-groups", *at, "--describe", "--group", topic, "--state").split()[-2:]) != ["Stable", "2"]:
            assert time.monotonic() < deadline, state  # the last member has not said yet that it has what it was given
            for r in readers:
                r.read()
        members = tool("consumer-groups", *at, "--describe", "--group", topic, "--members")
        assert sorted(int(line.split()[-1]) for line in members.splitlines() if line.startswith(topic)) == [2, 2], members

    def start(**config):
        readers.append(Reader(kafka, topic, seen, refused, **config))

    def replace(**config):
        readers.pop(0).consumer.close()
        start(**config)

    try:
        start(**classic(strategy)), start(**classic(strategy)), settle("classic")
        replace(), settle("consumer")
        replace(), settle("consumer")
        replace(**classic(strategy)), settle("consumer")
        replace(**classic(strategy)), settle("classic")
        deadline = time.monotonic() + PATIENCE
        while sum(len(set(offsets)) for offsets in seen.values()) < written:
            assert time.monotonic() < deadline, (written, {p: len(offsets) for p, offsets in seen.items()})
            for r in readers:
                r.read()
    finally:  # one that is only dropped can hang the interpreter
        for r in readers:
            r.consumer.close()
    for partition, offsets in seen.items():
        assert set(offsets) == set(range(len(set(offsets))))  # none left out
        assert {(partition, offset) for offset in offsets if offsets.count(offset) > 1} <= refused  # none twice


def test_settings_of_a_group(kafka, topic):
    at = ("--bootstrap-server", kafka, "--entity-type", "groups", "--entity-name", topic)
    tool("configs", *at, "--alter", "--add-config", "consumer.session.timeout.ms=50000,consumer.heartbeat.interval.ms=6000")
    described = tool("configs", *at, "--describe")
    assert "consumer.session.timeout.ms=50000" in described and "consumer.heartbeat.interval.ms=6000" in described, described
    tool("configs", *at, "--alter", "--delete-config", "consumer.session.timeout.ms")
    described = tool("configs", *at, "--describe")
    assert "consumer.session.timeout.ms" not in described and "consumer.heartbeat.interval.ms=6000" in described, described
    with pytest.raises(AssertionError, match="45000 to 60000"):
        tool("configs", *at, "--alter", "--add-config", "consumer.session.timeout.ms=1000")
