"""Transactions with librdkafka: exactly-once copying, abort, fencing, and what the two isolation levels read."""
import uuid

import pytest
from confluent_kafka import Consumer, IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from millstream import Server


def make_topic(kafka, name, partitions=1):
    admin = AdminClient({"bootstrap.servers": kafka})  # must live until the result is there
    admin.create_topics([NewTopic(name, partitions)])[name].result(30)


def make_producer(kafka, transactional_id, **more):
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": transactional_id, **more})
    producer.init_transactions(30)
    return producer


def read(kafka, topic, isolation, partitions=1):
    """Every value up to the end that the isolation level has, read by a consumer without a group."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"g-{uuid.uuid4().hex}", "isolation.level": isolation,
                         "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
        values, ends = [], 0
        while ends < partitions:
            message = consumer.poll(30)
            assert message is not None, f"nothing came after {values}"
            if message.error() is None:
                values.append(message.value().decode())
            else:
                ends += 1
        return values
    finally:
        consumer.close()


def send(producer, topic, *values, partition=0):
    for value in values:
        producer.produce(topic, value, partition=partition)
    producer.flush(30)


@pytest.fixture
def transactional_id():
    return f"x-{uuid.uuid4().hex[:12]}"


def test_commit_and_abort(kafka, topic, transactional_id):
    make_topic(kafka, topic, 2)
    producer = make_producer(kafka, transactional_id)
    for number, ends in enumerate(["commit", "abort", "commit", "abort"]):
        producer.begin_transaction()
        for partition in (0, 1):
            send(producer, topic, f"{ends} {number}.{partition}", partition=partition)
        producer.commit_transaction(30) if ends == "commit" else producer.abort_transaction(30)
    committed = [f"commit {n}.{p}" for p in (0, 1) for n in (0, 2)]
    aborted = [f"abort {n}.{p}" for p in (0, 1) for n in (1, 3)]
    assert sorted(read(kafka, topic, "read_committed", 2)) == sorted(committed)
    assert sorted(read(kafka, topic, "read_uncommitted", 2)) == sorted(committed + aborted)


def test_an_open_transaction_holds_back_committed_reads(kafka, topic, transactional_id):
    make_topic(kafka, topic)
    producer = make_producer(kafka, transactional_id)
    producer.begin_transaction()
    send(producer, topic, "open")
    plain = Producer({"bootstrap.servers": kafka})
    send(plain, topic, "behind")
    assert read(kafka, topic, "read_committed") == []
    assert read(kafka, topic, "read_uncommitted") == ["open", "behind"]
    admin = AdminClient({"bootstrap.servers": kafka})

    def end(isolation):
        place = TopicPartition(topic, 0)
        return admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=isolation)[place].result(30).offset

    assert end(IsolationLevel.READ_COMMITTED) == 0
    assert end(IsolationLevel.READ_UNCOMMITTED) == 2
    producer.commit_transaction(30)
    assert read(kafka, topic, "read_committed") == ["open", "behind"]
    assert end(IsolationLevel.READ_COMMITTED) == 3


def test_a_zombie_is_fenced_and_what_it_left_is_aborted(kafka, topic, transactional_id):
    make_topic(kafka, topic)
    zombie = make_producer(kafka, transactional_id)
    zombie.begin_transaction()
    send(zombie, topic, "of the zombie")
    heir = make_producer(kafka, transactional_id)
    assert read(kafka, topic, "read_committed") == []
    with pytest.raises(KafkaException) as refused:
        zombie.commit_transaction(30)
    assert refused.value.args[0].fatal()
    heir.begin_transaction()
    send(heir, topic, "of the heir")
    heir.commit_transaction(30)
    assert read(kafka, topic, "read_committed") == ["of the heir"]


def test_consume_transform_produce(kafka, topic, transactional_id):
    source, sink, group = topic, topic + "-out", f"g-{topic}"
    make_topic(kafka, source)
    make_topic(kafka, sink)
    send(Producer({"bootstrap.servers": kafka}), source, *[str(n) for n in range(20)])
    settings = {"bootstrap.servers": kafka, "group.id": group, "isolation.level": "read_committed", "enable.auto.commit": False,
                "auto.offset.reset": "earliest"}

    def copy(count, commit):
        consumer, producer = Consumer(settings), make_producer(kafka, transactional_id)
        try:
            consumer.subscribe([source])
            producer.begin_transaction()
            for _ in range(count):
                message = consumer.poll(30)
                assert message is not None and message.error() is None
                producer.produce(sink, f"copy of {message.value().decode()}")
            producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 30)
            producer.flush(30)  # an abort would drop what was not sent yet
            producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        finally:
            consumer.close()

    copy(5, commit=True)
    copy(7, commit=False)
    copy(15, commit=True)
    assert read(kafka, sink, "read_committed") == [f"copy of {n}" for n in range(20)]
    assert len(read(kafka, sink, "read_uncommitted")) == 27
    consumer = Consumer(settings)
    assert consumer.committed([TopicPartition(source, 0)], 30)[0].offset == 20
    consumer.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_open_transaction_survives_a_restart(tmp_path, topic, transactional_id, how):
    with Server(tmp_path / "data") as server:
        server.asked = ["--kafka", server.kafka, "--http", server.http]  # where it comes back, the producer finds it
        make_topic(server.kafka, topic)
        producer = make_producer(server.kafka, transactional_id, log_level=0)
        producer.begin_transaction()
        send(producer, topic, "aborted before")
        producer.abort_transaction(30)
        producer.begin_transaction()
        send(producer, topic, "before")
        getattr(server, how)()
        server.start()
        assert read(server.kafka, topic, "read_committed") == []
        send(producer, topic, "after")
        producer.commit_transaction(30)
        assert read(server.kafka, topic, "read_committed") == ["before", "after"]
        assert read(server.kafka, topic, "read_uncommitted") == ["aborted before", "before", "after"]


def test_a_transaction_that_is_open_too_long_is_aborted(kafka, topic, transactional_id):
    make_topic(kafka, topic)
    producer = make_producer(kafka, transactional_id, **{"transaction.timeout.ms": 1000, "socket.timeout.ms": 1000})
    producer.begin_transaction()
    send(producer, topic, "too slow")
    send(Producer({"bootstrap.servers": kafka}), topic, "behind")
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic, "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(60)  # waits for the abort, which the server does by itself
    assert message.value() == b"behind"
    consumer.close()
    with pytest.raises(KafkaException) as refused:
        producer.commit_transaction(30)
    assert refused.value.args[0].fatal() or refused.value.args[0].txn_requires_abort()
