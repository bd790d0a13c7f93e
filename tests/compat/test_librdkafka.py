"""librdkafka by way of confluent-kafka: produce, consume, groups, administration."""

import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType

PATIENCE = 60


def create(kafka, topic, partitions=1, config=None):
    admin = AdminClient({"bootstrap.servers": kafka})  # must live until the result is there
    admin.create_topics([NewTopic(topic, partitions, config=config or {})])[topic].result(PATIENCE)


def produce(kafka, topic, values, **config):
    failed = []
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, **config})
    for i, value in enumerate(values):
        producer.produce(topic, value, key=str(i), on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0
    assert not failed


def consumer(kafka, group, **config):
    return Consumer({"bootstrap.servers": kafka, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **config})


def take(c, count):
    """The next `count` records."""
    out, deadline = [], time.monotonic() + PATIENCE
    while len(out) < count:
        assert time.monotonic() < deadline, f"{len(out)} of {count} records"
        for message in c.consume(count - len(out), 1.0):
            assert message.error() is None, message.error()
            out.append(message)
    return out


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_round_trip_with_every_compression(kafka, topic, codec):
    create(kafka, topic)
    values = [f"value {i} ".encode() * (i % 50) for i in range(2000)]
    produce(kafka, topic, values, **{"compression.type": codec})
    c = consumer(kafka, topic)
    c.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    messages = take(c, len(values))
    assert [m.value() for m in messages] == values
    assert [m.offset() for m in messages] == list(range(len(values)))
    c.close()


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(kafka, topic, acks):
    create(kafka, topic)
    produce(kafka, topic, [b"x"] * 100, **{"acks": acks, "enable.idempotence": acks == "all"})
    c = consumer(kafka, topic)
    c.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert len(take(c, 100)) == 100
    c.close()


def test_group_shares_partitions_and_rebalances(kafka, topic):
    create(kafka, topic, 4)
    first, second = consumer(kafka, topic), consumer(kafka, topic)
    first.subscribe([topic])
    deadline = time.monotonic() + PATIENCE
    while len(first.assignment()) != 4 and time.monotonic() < deadline:
        first.poll(0.2)
    assert len(first.assignment()) == 4
    second.subscribe([topic])
    while not (len(first.assignment()) == len(second.assignment()) == 2) and time.monotonic() < deadline:
        first.poll(0.2)
        second.poll(0.2)
    assert len(first.assignment()) == len(second.assignment()) == 2
    second.close()  # leaves: the first takes over at once
    while len(first.assignment()) != 4 and time.monotonic() < deadline:
        first.poll(0.2)
    assert len(first.assignment()) == 4
    first.close()


def test_committed_offsets_are_where_a_new_member_starts(kafka, topic):
    create(kafka, topic)
    produce(kafka, topic, [str(i).encode() for i in range(20)])
    first = consumer(kafka, topic)
    first.subscribe([topic])
    seen = take(first, 8)
    first.commit(message=seen[-1], asynchronous=False)
    first.close()
    second = consumer(kafka, topic)
    second.subscribe([topic])
    assert [m.value() for m in take(second, 12)] == [str(i).encode() for i in range(8, 20)]
    part = TopicPartition(topic, 0, 3, "the metadata")
    second.commit(offsets=[part], asynchronous=False)
    committed = second.committed([TopicPartition(topic, 0)], PATIENCE)[0]
    assert (committed.offset, committed.metadata) == (3, "the metadata")
    second.close()


def test_offsets_by_time_and_watermarks(kafka, topic):
    create(kafka, topic)
    producer = Producer({"bootstrap.servers": kafka})
    for i in range(10):
        producer.produce(topic, str(i), timestamp=1_700_000_000_000 + i * 1000)
        producer.flush(PATIENCE)  # a batch each
    c = consumer(kafka, topic)
    assert c.get_watermark_offsets(TopicPartition(topic, 0), PATIENCE) == (0, 10)
    found = c.offsets_for_times([TopicPartition(topic, 0, 1_700_000_004_500)], PATIENCE)
    assert found[0].offset == 5
    assert c.offsets_for_times([TopicPartition(topic, 0, 1_800_000_000_000)], PATIENCE)[0].offset in (-1, 10)
    c.close()
    admin = AdminClient({"bootstrap.servers": kafka})
    latest = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()})
    assert next(iter(latest.values())).result(PATIENCE).offset == 9


def test_a_long_poll_is_woken(kafka, topic):
    create(kafka, topic)
    c = consumer(kafka, topic, **{"fetch.wait.max.ms": 20_000, "session.timeout.ms": 45_000})
    c.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert c.poll(1.0) is None
    thread = threading.Thread(target=produce, args=(kafka, topic, [b"now"]))
    started = time.monotonic()
    thread.start()
    assert take(c, 1)[0].value() == b"now"
    thread.join()
    assert time.monotonic() - started < 15  # far below the wait: it was woken, not timed out
    c.close()


def test_topic_administration(kafka, topic):
    admin = AdminClient({"bootstrap.servers": kafka})
    create(kafka, topic, 2, {"retention.ms": "123456"})
    with pytest.raises(KafkaException) as again:
        create(kafka, topic)
    assert again.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(PATIENCE)
    assert len(admin.list_topics(topic, PATIENCE).topics[topic].partitions) == 5
    resource = ConfigResource(ResourceType.TOPIC, topic)
    values = admin.describe_configs([resource])[resource].result(PATIENCE)
    assert values["retention.ms"].value == "123456"
    assert not values["retention.ms"].is_default
    assert values["cleanup.policy"].value == "delete"
    change = ConfigResource(ResourceType.TOPIC, topic)
    change.add_incremental_config(ConfigEntry("retention.ms", "777", incremental_operation=AlterConfigOpType.SET))
    admin.incremental_alter_configs([change])[change].result(PATIENCE)
    assert admin.describe_configs([resource])[resource].result(PATIENCE)["retention.ms"].value == "777"
    bad = ConfigResource(ResourceType.TOPIC, topic)
    bad.add_incremental_config(ConfigEntry("no.such.key", "1", incremental_operation=AlterConfigOpType.SET))
    with pytest.raises(KafkaException):
        admin.incremental_alter_configs([bad])[bad].result(PATIENCE)
    admin.delete_topics([topic])[topic].result(PATIENCE)
    assert topic not in admin.list_topics(timeout=PATIENCE).topics


def test_group_administration(kafka, topic):
    admin = AdminClient({"bootstrap.servers": kafka})
    create(kafka, topic)
    produce(kafka, topic, [b"x"])
    c = consumer(kafka, topic)
    c.subscribe([topic])
    c.commit(message=take(c, 1)[0], asynchronous=False)
    described = admin.describe_consumer_groups([topic])[topic].result(PATIENCE)
    assert len(described.members) == 1
    with pytest.raises(KafkaException):  # it still has a member
        admin.delete_consumer_groups([topic])[topic].result(PATIENCE)
    c.close()
    assert topic in {g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid}
    admin.delete_consumer_groups([topic])[topic].result(PATIENCE)
    assert topic not in {g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid}


def test_cluster(kafka):
    admin = AdminClient({"bootstrap.servers": kafka})
    cluster = admin.describe_cluster().result(PATIENCE)
    assert len(cluster.nodes) == 1
    assert f"{cluster.nodes[0].host}:{cluster.nodes[0].port}" == kafka


def test_transactions_are_refused_at_once(kafka):
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": "tx"})
    with pytest.raises(KafkaException):
        producer.init_transactions(5)
