"""librdkafka producers and members of groups that write down what they do and what they are told (checker.py says how)."""

import faulthandler
import json
import threading
import time
from collections import Counter, defaultdict

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

PATIENCE = 120
CLASSIC = {"group.protocol": "classic", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
COOPERATIVE = {**CLASSIC, "partition.assignment.strategy": "cooperative-sticky"}
NEXT = {"group.protocol": "consumer"}


def settings(brokers, **more):
    """What all clients have in common: they notice soon that the broker is away, and say nothing about it. Without a strategy librdkafka 2.16
    forgets its brokers when all are away: a request for a coordinator among them then waits for ever, and a consumer whose OffsetForLeaderEpoch
    is under way can lock itself up (its issue 5476; Apache Kafka behind the same proxy shows it, too)."""
    return {"bootstrap.servers": brokers, "socket.timeout.ms": 3000, "reconnect.backoff.max.ms": 500, "log_level": 0, "metadata.recovery.strategy": "none",
            **{name.replace("_", "."): value for name, value in more.items()}}  # fmt: skip


def where(place):
    """The name that a history has for the partition of a message or of a TopicPartition."""
    topic, partition = (place.topic, place.partition) if isinstance(place, TopicPartition) else (place.topic(), place.partition())
    return f"{topic}/{partition}"


def id_of(message):
    return message.value().split(b" ")[0].decode()


def passes(error):
    """What librdkafka tells and goes on by itself: the broker is away, the group of a classic member goes over to the other protocol."""
    return error.retriable() or error.code() < 0 or error.code() == KafkaError.REBALANCE_IN_PROGRESS


class History:
    """What all clients saw, in one order: that of the machine's clock, which all of its processes have in common."""

    def __init__(self):
        self._changed = threading.Condition()
        self._counts, self._places = Counter(), defaultdict(set)
        self._events = []

    def add(self, what, by, **more):
        with self._changed:
            self._take({"ns": time.monotonic_ns(), "what": what, "by": by, **more})

    def take(self, event):
        """An event that another process has added to its history."""
        with self._changed:
            self._take(event)

    def _take(self, event):
        self._events.append(event)
        self._counts[event["what"]] += 1
        if "offset" in event:
            self._places[event["what"]].add((event["partition"], event["offset"]))
        self._changed.notify_all()

    @property
    def events(self):
        with self._changed:
            return sorted(self._events, key=lambda e: e["ns"])

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
        with open(path, "w") as out:
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
        if self.is_alive():
            faulthandler.dump_traceback(2)  # of all threads, on stderr
        assert not self.is_alive(), f"{self.name} does not end"
        if self.raised:
            raise self.raised


class Writer(Client):
    """An idempotent producer, `partitions` in turn, some hundred records a second."""

    def __init__(self, *arguments, partitions, rng, pause=0.05):
        self.partitions, self.rng, self.pause = partitions, rng, pause
        super().__init__(*arguments)

    def told(self, error, message):
        if error is None:
            self.history.add("ack", self.name, id=id_of(message), partition=where(message), offset=message.offset())
        else:
            self.history.add("fail", self.name, id=id_of(message), error=str(error))

    def work(self):
        producer = Producer(settings(self.brokers, enable_idempotence=True, linger_ms=2, message_timeout_ms=PATIENCE * 1000,
                                     compression_type=self.rng.choice(["none", "lz4", "zstd"])))  # fmt: skip
        number = 0
        while not self.enough.is_set():
            for _ in range(self.rng.randrange(1, 20)):
                identity, partition = f"{self.name}-{number}", self.rng.randrange(self.partitions)
                self.history.add("attempt", self.name, id=identity, partition=f"{self.topic}/{partition}")
                producer.produce(self.topic, identity.encode() + b" " + b"x" * self.rng.randrange(500), partition=partition, on_delivery=self.told)
                number += 1
            producer.poll(self.rng.random() * self.pause)
        assert producer.flush(PATIENCE) == 0, f"{self.name} has records that nobody answers"


class Member(Client):
    """A member of a group: starts where the group stands."""

    def __init__(self, *arguments, rng, group, protocol=CLASSIC):
        self.rng, self.group, self.protocol = rng, group, protocol
        self.positions = {}  # {(topic, partition): the offset after the last record that was given}
        super().__init__(*arguments)

    def note(self, what, partition, offset=None, **more):
        self.history.add(what, self.name, group=self.group, partition=partition, **({} if offset is None else {"offset": offset}), **more)

    def committed(self, consumer, partitions, **more):
        """The places where the group stands."""
        for place in partitions:
            self.note("asks", where(place), **more)
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
            self.note("assigned", where(place), place.offset)
        return places

    def start_at(self, consumer, partitions):
        places = self.committed(consumer, partitions) if partitions else []
        (consumer.assign if self.protocol == CLASSIC else consumer.incremental_assign)(places)

    def give_up(self, consumer, partitions):
        for place in partitions:
            self.positions.pop((place.topic, place.partition), None)

    def join_group(self):
        consumer = Consumer(settings(self.brokers, group_id=self.group, enable_auto_commit=False, auto_offset_reset="error",
                                     isolation_level="read_committed") | self.protocol)  # fmt: skip
        topics = self.topic if isinstance(self.topic, list) else [self.topic]
        consumer.subscribe(topics, on_assign=self.start_at, on_revoke=self.revoke, on_lost=self.give_up)
        return consumer

    def leave_group(self, consumer):
        """Gives up what it has before it closes: a revocation that is only seen by `close`, with a group that is over by then, waits for ever
        (librdkafka's issue 4041; with Apache Kafka, too)."""
        consumer.unsubscribe()
        while self.read(consumer, 200, 0):
            pass  # what came before the revocation
        consumer.close()

    def revoke(self, consumer, partitions):
        self.give_up(consumer, partitions)

    def read(self, consumer, most, seconds):
        """The messages of one call, written down."""
        messages = []
        for m in consumer.consume(most, seconds):
            if m.error() is None:
                self.history.add("poll", self.name, id=id_of(m), partition=where(m), offset=m.offset())
                self.positions[m.topic(), m.partition()] = m.offset() + 1
                messages.append(m)
            else:
                assert passes(m.error()), m.error()
        return messages


STOPPED_SECONDS = 3  # so long does nothing here take by itself


class Reader(Member):
    """Commits after some of its polls, mostly what it is told to give up, and at once when it has been stopped: its partitions may be another's."""

    def commit(self, consumer, positions):
        for (topic, partition), offset in positions.items():
            self.note("committing", f"{topic}/{partition}", offset)
        try:
            for place in consumer.commit(offsets=[TopicPartition(*at, o) for at, o in positions.items()], asynchronous=False):
                if place.error is None:
                    self.note("commit", where(place), place.offset)
        except KafkaException:
            return  # the broker is away, or the group goes on without us: whoever is next reads it again

    def revoke(self, consumer, partitions):
        given = {(p.topic, p.partition) for p in partitions}
        held = {at: o for at, o in self.positions.items() if at in given}
        if held and self.rng.random() < 0.7:
            self.commit(consumer, held)
        self.give_up(consumer, partitions)

    def work(self):
        consumer = self.join_group()
        before = time.monotonic()
        while not self.enough.is_set():
            stopped = time.monotonic() - before > STOPPED_SECONDS
            before = time.monotonic()
            if not stopped:
                self.read(consumer, 200, 0.1)
            if self.positions and (stopped or self.rng.random() < 0.3):
                self.commit(consumer, self.positions)
        self.leave_group(consumer)


def read_to_the_end(brokers, topic, partitions, isolation="read_committed"):
    """[message] of all there is, in the order of each partition; {partition: end} beside it."""
    consumer = Consumer(settings(brokers, group_id="the-log", enable_auto_commit=False, isolation_level=isolation, enable_partition_eof=True))
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    out, ends, deadline = [], {}, time.monotonic() + PATIENCE
    while len(ends) < partitions:
        assert time.monotonic() < deadline, f"{len(out)} records of {topic} and no end"
        for m in consumer.consume(10_000, 0.2):
            if m.error() is None:
                out.append(m)
            elif m.error().code() == KafkaError._PARTITION_EOF:
                ends[m.partition()] = m.offset()
            else:
                assert passes(m.error()), m.error()
    consumer.close()
    return out, ends


def read_log(history, brokers, topic, partitions, what="log", isolation="read_committed"):
    """Adds what the log holds at the end; returns {partition: end}."""
    messages, ends = read_to_the_end(brokers, topic, partitions, isolation)
    for m in messages:
        history.add(what, "the log", id=id_of(m), partition=where(m), offset=m.offset())
    return ends


def positions(brokers, group, topic, partitions):
    """{partition: where the group stands}"""
    consumer = Consumer(settings(brokers, group_id=group))
    places = consumer.committed([TopicPartition(topic, p) for p in range(partitions)], PATIENCE)
    consumer.close()
    return {place.partition: max(place.offset, 0) for place in places}


def note_positions(history, brokers, group, topic, partitions):
    for partition, offset in positions(brokers, group, topic, partitions).items():
        history.add("position", "the end", group=group, partition=f"{topic}/{partition}", offset=offset)
