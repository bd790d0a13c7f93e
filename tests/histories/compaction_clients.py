"""A producer of keyed records and readers from the start, for compacted topics (compaction_checker.py judges)."""

from clients import PATIENCE, Client, passes, settings, where
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

TOMBSTONES = 0.15  # so many of the records


def id_of(message):
    return dict(message.headers())["id"].decode()  # tombstones have no value that could hold it


class KeyedWriter(Client):
    """An idempotent producer of new values for a few keys, each in a partition of its own."""

    def __init__(self, *arguments, partitions, keys, rng):
        self.partitions, self.keys, self.rng = partitions, keys, rng
        super().__init__(*arguments)

    def when_told(self, identity):
        def told(error, message):  # which has no headers any more
            if error is None:
                self.history.add("ack", self.name, id=identity, partition=where(message), offset=message.offset())
            else:
                self.history.add("fail", self.name, id=identity, error=str(error))

        return told

    def work(self):
        producer = Producer(settings(self.brokers, enable_idempotence=True, linger_ms=2, message_timeout_ms=PATIENCE * 1000))
        number = 0
        while not self.enough.is_set():
            for _ in range(self.rng.randrange(1, 10)):
                identity, key = f"{self.name}-{number}", self.rng.randrange(self.keys)
                partition = key % self.partitions
                self.history.add("attempt", self.name, id=identity, key=f"k{key}", partition=f"{self.topic}/{partition}")
                value = None if self.rng.random() < TOMBSTONES else b"x" * self.rng.randrange(300)
                producer.produce(self.topic, value, f"k{key}", partition=partition, headers={"id": identity}, on_delivery=self.when_told(identity))
                number += 1
            producer.poll(self.rng.random() * 0.1)
        assert producer.flush(PATIENCE) == 0, f"{self.name} has records that nobody answers"


class Scanner(Client):
    """Reads the topic from its start to its end, again and again; one more time after it has been told that it is enough."""

    def __init__(self, *arguments, partitions, rng):
        self.partitions, self.rng = partitions, rng
        super().__init__(*arguments)

    def scan(self, name):
        consumer = Consumer(settings(self.brokers, group_id="scans", enable_auto_commit=False, auto_offset_reset="error", enable_partition_eof=True))
        begin = [TopicPartition(self.topic, p, 0) for p in range(self.partitions)]
        for place in begin:
            self.history.add("assigned", name, partition=where(place), offset=0)
        consumer.assign(begin)
        ended = set()
        while len(ended) < self.partitions:
            for m in consumer.consume(1000, 0.1):
                if m.error() is None:
                    if m.partition() not in ended:
                        self.history.add("poll", name, id=id_of(m), partition=where(m), offset=m.offset())
                elif m.error().code() == KafkaError._PARTITION_EOF:
                    if m.partition() not in ended:
                        self.history.add("scanned", name, partition=where(m), offset=m.offset())
                    ended.add(m.partition())
                else:
                    assert passes(m.error()), m.error()
        consumer.close()

    def work(self):
        number, last = 0, False
        while not last:
            last = self.enough.is_set()
            self.scan(f"{self.name}-{number}")
            number += 1
            self.enough.wait(self.rng.random() * 0.5)
