"""librdkafka producers and a consumer group that write down what they do and what they are told (checker.py says how)."""

import json
import threading
import time
from collections import Counter, defaultdict

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

PATIENCE = 120


class History:
    """What all clients saw, in one order."""

    def __init__(self):
        self._changed = threading.Condition()
        self._counts, self._places = Counter(), defaultdict(set)
        self.events = []

    def add(self, what, by, **more):
        with self._changed:
            self.events.append({"what": what, "by": by, **more})
            self._counts[what] += 1
            if "offset" in more:
                self._places[what].add((more["partition"], more["offset"]))
            self._changed.notify_all()

    def wait(self, seconds):
        """Until something is added, at most so long."""
        with self._changed:
            self._changed.wait(seconds)

    def count(self, what):
        return self._counts[what]

    def has_polled_the_log(self):
        with self._changed:
            return self._places["log"] <= self._places["poll"]

    def save(self, path):
        with self._changed, open(path, "w") as out:
            out.writelines(json.dumps(e) + "\n" for e in self.events)


class Client(threading.Thread):
    """A thread that works until `enough` is set; what it raised is raised again by `finish`."""

    def __init__(self, name, history, brokers, topic):
        super().__init__(name=name, daemon=True)
        self.history, self.brokers, self.topic = history, brokers, topic
        self.enough = threading.Event()
        self.raised = None
        self.start()

    def run(self):
        try:
            self.work()
        except BaseException as error:  # a thread cannot fail a test by itself
            self.raised = error

    def finish(self):
        self.enough.set()
        self.join(PATIENCE)
        assert not self.is_alive(), f"{self.name} does not end"
        if self.raised:
            raise self.raised


class Writer(Client):
    """An idempotent producer, `partitions` in turn, some hundred records a second."""

    def __init__(self, *arguments, partitions, rng):
        self.partitions, self.rng = partitions, rng
        super().__init__(*arguments)

    def told(self, error, message):
        identity = message.value().split(b" ")[0].decode()
        if error is None:
            self.history.add("ack", self.name, id=identity, partition=message.partition(), offset=message.offset())
        else:
            self.history.add("fail", self.name, id=identity, error=str(error))

    def work(self):
        producer = Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": PATIENCE * 1000,
                             "socket.timeout.ms": 3000, "reconnect.backoff.max.ms": 500, "compression.type": self.rng.choice(["none", "lz4", "zstd"]),
                             "log_level": 0})
        number = 0
        while not self.enough.is_set():
            for _ in range(self.rng.randrange(1, 20)):
                identity, partition = f"{self.name}-{number}", self.rng.randrange(self.partitions)
                self.history.add("attempt", self.name, id=identity, partition=partition)
                producer.produce(self.topic, identity.encode() + b" " + b"x" * self.rng.randrange(500), partition=partition, on_delivery=self.told)
                number += 1
            producer.poll(self.rng.random() * 0.05)
        assert producer.flush(PATIENCE) == 0, f"{self.name} has records that nobody answers"


class Reader(Client):
    """A member of the group: starts where the group committed, commits after some of its polls."""

    def __init__(self, *arguments, rng):
        self.rng = rng
        super().__init__(*arguments)

    def start_at(self, consumer, partitions):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                places = consumer.committed(partitions, 5)
                break
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
        for place in places:
            assert place.error is None, place.error
            place.offset = max(place.offset, 0)
            self.history.add("assigned", self.name, partition=place.partition, offset=place.offset)
        consumer.assign(places)

    def commit(self, consumer, positions):
        try:
            for place in consumer.commit(offsets=[TopicPartition(self.topic, p, o) for p, o in positions.items()], asynchronous=False):
                if place.error is None:
                    self.history.add("commit", self.name, partition=place.partition, offset=place.offset)
        except KafkaException:
            return  # the broker is away, or the group goes on without us: whoever is next reads it again

    def work(self):
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": self.topic, "enable.auto.commit": False, "auto.offset.reset": "error",
                             "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "socket.timeout.ms": 3000, "reconnect.backoff.max.ms": 500,
                             "log_level": 0})
        positions = {}

        def forget(*_):
            positions.clear()

        consumer.subscribe([self.topic], on_assign=self.start_at, on_revoke=forget, on_lost=forget)
        while not self.enough.is_set():
            for m in consumer.consume(200, 0.1):
                if m.error() is None:
                    self.history.add("poll", self.name, id=m.value().split(b" ")[0].decode(), partition=m.partition(), offset=m.offset())
                    positions[m.partition()] = m.offset() + 1
                else:
                    assert m.error().retriable() or m.error().code() < 0, m.error()
            if positions and self.rng.random() < 0.3:
                self.commit(consumer, positions)
        consumer.close()


def read_log(history, brokers, topic, partitions):
    """Adds what the log holds at the end."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "the-log", "enable.auto.commit": False})
    wanted = sum(consumer.get_watermark_offsets(TopicPartition(topic, p), PATIENCE)[1] for p in range(partitions))
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    read = 0
    while read < wanted:
        messages = consumer.consume(min(10_000, wanted - read), 30)
        assert messages, f"{read} of {wanted} records can be read"
        for m in messages:
            assert m.error() is None, m.error()
            history.add("log", "log", id=m.value().split(b" ")[0].decode(), partition=m.partition(), offset=m.offset())
        read += len(messages)
    consumer.close()
