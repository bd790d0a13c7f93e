"""Transactional producers that commit, abort, leave and are fenced, and members that copy exactly once (transaction_checker.py judges)."""

import time

from clients import PATIENCE, Client, Member, id_of, settings, where
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

TRANSACTION_MS = 8000


def calm():
    """First thing in a callback: confluent-kafka calls them with the exception of a fatal error pending, at which some call fails, whichever
    looks first. Were that the taking of a lock, nobody would ever give it back. Another exception, caught here, takes its place."""
    try:
        raise RuntimeError("instead of what is pending")
    except Exception:
        return  # the producer keeps its error


def called(function, *arguments):
    """A call in which callbacks run; when `calm` was needed in one of them the error is told here."""
    try:
        return function(*arguments)
    except SystemError as error:
        raise KafkaException(KafkaError(KafkaError._FATAL, "a fatal error, seen by a callback", True)) from error


def drop(producer):
    """An instance that is over, with a transaction or without one. What is left of its callbacks is called here, not by the garbage collector
    under whatever locks are held then."""
    producer.purge()
    try:
        called(producer.flush, 5)
    except KafkaException:
        pass  # it is over


class Transactional:
    """What both have: instances of a producer under one transactional id, each of which fences the one before."""

    instance = transaction = 0
    producer = None

    def open(self):
        """A new instance; what the one before has left open is aborted then. Returns the one before."""
        before = self.producer
        self.instance += 1
        self.me = f"{self.name}.{self.instance}"
        self.producer = Producer(settings(self.brokers, transactional_id=self.tid, transaction_timeout_ms=TRANSACTION_MS, linger_ms=2))
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.producer.init_transactions(10)
                break
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
        self.history.add("init", self.me, tid=self.tid)
        return before

    def reopen(self):
        drop(self.open())

    def begin(self):
        self.producer.begin_transaction()
        self.transaction += 1
        return f"{self.me}-{self.transaction}"

    def send(self, producer, me, tx, topic, partition, identity, **more):
        def told(error, message):
            calm()
            if error is None:
                self.history.add("ack", me, id=identity, partition=where(message), offset=message.offset())
            else:
                self.history.add("fail", me, id=identity, error=str(error))

        self.history.add("attempt", me, tx=tx, id=identity, partition=f"{topic}/{partition}", **more)
        producer.produce(topic, identity.encode() + b" " + b"x" * self.rng.randrange(300), partition=partition, on_delivery=told)

    def ask(self, producer, me, tx, how, seconds):
        """Asks for the end of a transaction; raises when it is not told within `seconds`, or refused. It asks once: librdkafka 2.16 sends another
        EndTxn when it is called again while one is under way, and fails at an assertion of its own when both are answered."""
        self.history.add("ending", me, tx=tx, how=how)
        try:
            called(producer.commit_transaction if how == "commit" else producer.abort_transaction, seconds)
        except KafkaException:
            self.history.add("ended", me, tx=tx, how="unknown")
            raise
        self.history.add("ended", me, tx=tx, how=how)

    def recover(self, error, tx):
        """What a good client does: abort when it is told to, else begin anew."""
        if tx and not error.args[0].fatal() and error.args[0].txn_requires_abort():
            try:
                return self.ask(self.producer, self.me, tx, "abort", 10)
            except KafkaException:
                pass
        self.reopen()


class TransactionalWriter(Transactional, Client):
    """Small transactions over several partitions, most of them committed."""

    FATES = ("commit", "abort", "leave", "haste", "zombie")

    def __init__(self, *arguments, partitions, rng, tid, weights=(12, 4, 1, 2, 1)):
        self.partitions, self.rng, self.tid, self.weights = partitions, rng, tid, weights
        super().__init__(*arguments)

    def write(self, producer, me, tx):
        for n in range(self.rng.randrange(1, 8)):
            self.send(producer, me, tx, self.topic, self.rng.randrange(self.partitions), f"{tx}-{self.transaction}.{n}")

    def commit(self, tx):
        self.ask(self.producer, self.me, tx, "commit", PATIENCE)

    def abort(self, tx):
        if self.rng.random() < 0.7:
            called(self.producer.flush, 5)  # else most of it never leaves
        self.ask(self.producer, self.me, tx, "abort", PATIENCE)

    def leave(self, tx):
        called(self.producer.flush, 5)
        self.reopen()

    def haste(self, tx):
        """Does not wait for the answer; the next instance ends what is not over."""
        called(self.producer.flush, 5)
        try:
            self.ask(self.producer, self.me, tx, "commit", self.rng.choice([0.0005, 0.002, 0.01]))
        except KafkaException:
            self.reopen()

    def zombie(self, tx):
        """Another instance comes, and this one goes on as if nothing had been."""
        me = self.me
        called(self.producer.flush, 5)
        old = self.open()
        try:
            self.transaction += 1  # names of records
            self.write(old, me, tx)
            if self.rng.random() < 0.5:
                called(old.flush, 5)
            self.ask(old, me, tx, "commit", 10)
        except KafkaException:
            pass  # fenced
        drop(old)

    def work(self):
        self.open()
        while not self.enough.is_set():
            tx = None
            try:
                tx = self.begin()
                self.write(self.producer, self.me, tx)
                fate = self.rng.choices(self.FATES, self.weights)[0]
                getattr(self, fate)(tx)
            except KafkaException as error:
                self.recover(error, tx)
            self.enough.wait(self.rng.random() * 0.05)


class Copier(Transactional, Member):
    """A member that copies every record to the partition of the same number, in transactions that hold the group's position too."""

    def __init__(self, *arguments, sink, tid, **more):
        self.sink, self.tid = sink, tid
        super().__init__(*arguments, **more)

    def copy(self, consumer, messages, tx):
        past = {}
        for m in messages:
            past[m.topic(), m.partition()] = m.offset() + 1
            self.send(self.producer, self.me, tx, self.sink, m.partition(), f"{tx}/{id_of(m)}", of=id_of(m))
        places = [TopicPartition(*at, o) for at, o in past.items()]
        for place in places:
            self.history.add("offsets", self.name, tx=tx, group=self.group, partition=where(place), offset=place.offset)
        self.producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), TRANSACTION_MS / 1000)
        if self.rng.random() < 0.1:
            called(self.producer.flush, 5)
            self.ask(self.producer, self.me, tx, "abort", PATIENCE)
            return False
        self.ask(self.producer, self.me, tx, "commit", PATIENCE)
        return True

    def go_back(self, consumer):
        """To where the group stands, in all partitions that are still ours."""
        mine = consumer.assignment()
        if not mine:
            return
        for place in self.committed(consumer, mine, again=True):
            try:
                consumer.seek(place)
            except KafkaException:
                pass  # it is not ours any more; whoever has it asks for itself

    def work(self):
        self.open()
        consumer = self.join_group()
        while not self.enough.is_set():
            messages = self.read(consumer, self.rng.randrange(1, 60), 0.1)
            if not messages:
                continue
            tx = None
            try:
                tx = self.begin()
                copied = self.copy(consumer, messages, tx)
            except KafkaException as error:
                self.recover(error, tx)
                copied = False
            if not copied:
                self.go_back(consumer)
        self.leave_group(consumer)
