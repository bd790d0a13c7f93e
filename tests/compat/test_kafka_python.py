"""kafka-python, a client that shares no code with librdkafka or the Java one: what its program in clients/ does not do."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

PATIENCE_MS = 30_000


def test_produce_consume_commit(kafka, topic):
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for i in range(100):
        producer.send(topic, value=f"v{i}".encode(), key=b"k", headers=[("h", b"1")], timestamp_ms=1_700_000_000_000 + i)
    producer.flush(30)
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=kafka, group_id=topic, auto_offset_reset="earliest",
                             enable_auto_commit=False, consumer_timeout_ms=PATIENCE_MS)
    records = [next(consumer) for _ in range(100)]
    assert [r.value for r in records] == [f"v{i}".encode() for i in range(100)]
    assert records[0].headers in ([("h", b"1")], (("h", b"1"),))
    consumer.commit()
    assert consumer.committed(TopicPartition(topic, 0)) == 100
    found = consumer.offsets_for_times({TopicPartition(topic, 0): 1_700_000_000_050})
    assert found[TopicPartition(topic, 0)].offset == 50
    consumer.close()


def test_topics_are_listed(kafka, topic):
    producer = KafkaProducer(bootstrap_servers=kafka)
    producer.send(topic, b"x").get(30)  # creates it
    producer.close()
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    assert topic in admin.list_topics()
    admin.close()
