"""librdkafka by way of confluent-kafka: produce, consume, groups, administration."""

import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType
from millstream import Server

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


def test_incremental_changes_of_a_configuration(kafka, topic):
    admin = AdminClient({"bootstrap.servers": kafka})
    create(kafka, topic, config={"retention.ms": "1000"})

    def alter(name, value, how, **options):
        change = ConfigResource(ResourceType.TOPIC, topic)
        change.add_incremental_config(ConfigEntry(name, value, incremental_operation=how))
        admin.incremental_alter_configs([change], **options)[change].result(PATIENCE)

    def value(name):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entry = admin.describe_configs([resource])[resource].result(PATIENCE)[name]
        return entry.value, entry.is_default

    alter("retention.ms", "2000", AlterConfigOpType.SET, validate_only=True)
    assert value("retention.ms") == ("1000", False)
    alter("retention.ms", None, AlterConfigOpType.DELETE)
    assert value("retention.ms") == ("604800000", True)
    alter("cleanup.policy", "delete", AlterConfigOpType.APPEND)
    alter("cleanup.policy", "compact", AlterConfigOpType.SUBTRACT)
    assert value("cleanup.policy")[0] == "delete"
    for how in (AlterConfigOpType.APPEND, AlterConfigOpType.SUBTRACT):
        with pytest.raises(KafkaException) as refused:
            alter("retention.ms", "5", how)
        assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG and "not a list" in refused.value.args[0].str()


def test_topics_to_validate_and_assigned_by_hand(kafka, topic):
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 3)], validate_only=True)[topic].result(PATIENCE)
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic(topic, 3, config={"retention.ms": "soon"})], validate_only=True)[topic].result(PATIENCE)
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG
    assert topic not in admin.list_topics(timeout=PATIENCE).topics
    node = admin.describe_cluster().result(PATIENCE).nodes[0].id
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic(topic, 2, replica_assignment=[[node], [node + 1]])])[topic].result(PATIENCE)
    assert refused.value.args[0].code() == KafkaError.INVALID_REPLICA_ASSIGNMENT
    admin.create_topics([NewTopic(topic, 2, replica_assignment=[[node], [node]])])[topic].result(PATIENCE)
    assert len(admin.list_topics(topic, PATIENCE).topics[topic].partitions) == 2


def test_the_configuration_of_the_broker(kafka):
    admin = AdminClient({"bootstrap.servers": kafka})
    broker = ConfigResource(ResourceType.BROKER, str(admin.describe_cluster().result(PATIENCE).nodes[0].id))
    values = admin.describe_configs([broker])[broker].result(PATIENCE)
    assert values["auto.create.topics.enable"].value == "true" and values["num.partitions"].is_read_only


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
    with pytest.raises(KafkaException) as gone:
        admin.delete_consumer_groups([topic])[topic].result(PATIENCE)
    assert gone.value.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND
    assert topic not in {g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid}


def test_cluster(kafka):
    admin = AdminClient({"bootstrap.servers": kafka})
    cluster = admin.describe_cluster().result(PATIENCE)
    assert len(cluster.nodes) == 1
    assert f"{cluster.nodes[0].host}:{cluster.nodes[0].port}" == kafka


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_subscribed_consumer_goes_on_after_a_restart(tmp_path, topic, how):
    with Server(tmp_path / "data") as server:
        server.asked = ["--kafka", server.kafka, "--http", server.http]  # where it comes back, the clients find it
        create(server.kafka, topic, 2)
        before, after = ([f"{when} {i}".encode() for i in range(50)] for when in ("before", "after"))
        produce(server.kafka, topic, before)
        c = consumer(server.kafka, topic, **{"session.timeout.ms": 45_000, "heartbeat.interval.ms": 300, "log_level": 0})
        c.subscribe([topic])
        assert sorted(m.value() for m in take(c, 50)) == sorted(before)
        c.commit(asynchronous=False)
        getattr(server, how)()
        server.start()
        produce(server.kafka, topic, after)
        # The coordinator knows no member any more: the consumer joins again by itself and goes on at its committed offsets.
        seen, deadline = [], time.monotonic() + PATIENCE
        while len(set(seen)) < 50 or not commits(c):
            assert time.monotonic() < deadline, f"{len(set(seen))} records, and no commit"
            seen += [m.value() for m in c.consume(50, 0.5) if m.error() is None]
        assert set(seen) == set(after)
        admin = AdminClient({"bootstrap.servers": server.kafka})
        members = admin.describe_consumer_groups([topic])[topic].result(PATIENCE).members
        assert len(members) == 1 and len(members[0].assignment.topic_partitions) == 2
        assert sum(p.offset for p in c.committed([TopicPartition(topic, 0), TopicPartition(topic, 1)], PATIENCE)) == 100
        c.close()


def commits(c):
    """Whether the coordinator takes a commit: not from a member of a generation that it does not know."""
    try:
        c.commit(asynchronous=False)
        return True
    except KafkaException as refused:
        assert refused.args[0].code() in (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS, KafkaError._NO_OFFSET), refused
        return False
