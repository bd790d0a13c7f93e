"""kafka-python against a running server."""

import contextlib
import os
import sys
import threading
import time

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError, TopicAuthorizationFailedError

PATIENCE = 60
COPIED = 2


def at(bootstrap, **more):
    """Where the server is, and who asks."""
    if "MS_USER" not in os.environ:
        return {"bootstrap_servers": bootstrap, **more}
    return {"bootstrap_servers": bootstrap, "security_protocol": "SASL_SSL", "ssl_cafile": os.environ["MS_CA"], "sasl_mechanism": os.environ["MS_MECHANISM"],
            "sasl_plain_username": os.environ["MS_USER"], "sasl_plain_password": os.environ["MS_PASSWORD"], **more}


def administrator(bootstrap):
    return contextlib.closing(KafkaAdminClient(**at(bootstrap)))


def producer(bootstrap, **settings):
    return contextlib.closing(KafkaProducer(**at(bootstrap, **settings), enable_idempotence=True))


def reader(bootstrap, **settings):
    return contextlib.closing(KafkaConsumer(**at(bootstrap, **settings), auto_offset_reset="earliest", enable_auto_commit=False,
                                            consumer_timeout_ms=PATIENCE * 1000))


def take(consumer, count):
    return [next(consumer) for _ in range(count)]


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def raises(kind):
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def administration(bootstrap, topic, count):
    with administrator(bootstrap) as admin:
        new = {topic: {"num_partitions": 3, "replication_factor": 1, "configs": {"retention.ms": "1234567"}}}
        admin.create_topics(new)
        with raises(TopicAlreadyExistsError):
            admin.create_topics(new)

        def partitions():
            return len(admin.describe_topics([topic])[0]["partitions"])

        def retention():
            described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            return next(iter(described.values()))[topic]["retention.ms"]["value"]

        assert partitions() == 3
        assert retention() == "1234567"
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "7654321"})])
        assert retention() == "7654321"
        admin.create_partitions({topic: 5})
        assert partitions() == 5
        admin.delete_topics([topic])
        assert topic not in admin.list_topics()


def compressions(bootstrap, topic, count):
    codecs, sent = (None, "gzip", "snappy", "lz4", "zstd"), []
    for codec in codecs:
        with producer(bootstrap, compression_type=codec, linger_ms=5) as p:
            values = [f"{codec} {i} ".encode() * (i % 20) for i in range(count)]
            acks = [p.send(topic, value, key=str(i).encode(), partition=0, headers=[("codec", str(codec).encode())]) for i, value in enumerate(values)]
            for ack in acks:
                ack.get(PATIENCE)
            sent += values
    with reader(bootstrap) as c:
        c.assign([TopicPartition(topic, 0)])
        for i, record in enumerate(take(c, len(sent))):
            assert (record.key, record.value, record.offset) == (str(i % count).encode(), sent[i], i)
            assert list(record.headers) == [("codec", str(codecs[i // count]).encode())]


def times(bootstrap, topic, count):
    first, place = 1_700_000_000_000, TopicPartition(topic, 0)
    with producer(bootstrap) as p:
        for i in range(10):
            p.send(topic, str(i).encode(), partition=0, timestamp_ms=first + 1000 * i).get(PATIENCE)
    with reader(bootstrap) as c:
        assert c.offsets_for_times({place: first + 4500})[place].offset == 5
        assert c.offsets_for_times({place: first + 100_000})[place] is None
        assert (c.beginning_offsets([place]), c.end_offsets([place])) == ({place: 0}, {place: 10})
        with administrator(bootstrap) as admin:
            admin.delete_records({place: 4})
        assert c.beginning_offsets([place]) == {place: 4}


class Owner(ConsumerRebalanceListener):
    """A member in a thread of its own: it knows what it was given, and commits what it reads."""

    def __init__(self, bootstrap, topic):
        self.owned, self.seen, self.stopping, self.error = set(), set(), threading.Event(), None
        self.consumer = KafkaConsumer(**at(bootstrap), group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False, heartbeat_interval_ms=300)
        self.consumer.subscribe([topic], listener=self)
        self.thread = threading.Thread(target=self.run)

    def on_partitions_assigned(self, assigned):
        self.owned = {place.partition for place in assigned}

    def on_partitions_revoked(self, revoked):
        self.owned = set()

    def run(self):
        try:
            while not self.stopping.is_set():
                records = [r for some in self.consumer.poll(timeout_ms=200).values() for r in some]
                self.seen |= {record.value for record in records}
                if records:
                    with contextlib.suppress(KafkaError):  # refused in a rebalance: the next member reads them again
                        self.consumer.commit()
            self.consumer.close()
        except Exception as error:  # a thread cannot fail by itself
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        if self.error:
            raise self.error


def group(bootstrap, topic, count):
    with administrator(bootstrap) as admin:

        def all_is_committed():
            return sum(committed.offset for committed in admin.list_group_offsets(topic)[topic].values()) == count

        with Owner(bootstrap, topic) as first:
            until("one member owns all", lambda: len(first.owned) == 4)
            with Owner(bootstrap, topic) as second:
                until("two members share", lambda: len(first.owned) == len(second.owned) == 2)
                assert not first.owned & second.owned
                with producer(bootstrap) as p:
                    for i in range(count):
                        p.send(topic, str(i).encode(), partition=i % 4)
                until("both have read everything", lambda: len(first.seen | second.seen) == count)
                described = admin.describe_groups([topic])[topic]
                assert described["group_state"] == "Stable" and len(described["members"]) == 2, described
            until("the other one takes over", lambda: len(first.owned) == 4)
            until("all is committed", all_is_committed)
        assert topic in {listed["group_id"] for listed in admin.list_groups()}
        admin.delete_groups([topic])


def transactions(bootstrap, topic, count):
    with producer(bootstrap, transactional_id=topic) as p:
        p.init_transactions()
        for i in range(4):
            p.begin_transaction()
            p.send(topic, str(i).encode(), partition=0).get(PATIENCE)
            (p.abort_transaction if i % 2 else p.commit_transaction)()
    expect(bootstrap, topic, "read_committed", b"0", b"2")
    expect(bootstrap, topic, "read_uncommitted", b"0", b"1", b"2", b"3")
    with producer(bootstrap, transactional_id=topic + "-copy") as p, reader(bootstrap, group_id=topic, isolation_level="read_committed") as c:
        p.init_transactions()
        c.subscribe([topic])
        for record in take(c, COPIED):
            p.begin_transaction()
            p.send(topic + "-out", b"copy of " + record.value, partition=0)
            p.send_offsets_to_transaction({TopicPartition(topic, 0): OffsetAndMetadata(record.offset + 1, "", -1)}, c.group_metadata())
            p.commit_transaction()
        assert c.committed(TopicPartition(topic, 0)) == 5  # 0 mark 1 mark 2: the one after 2 is at 5
    expect(bootstrap, topic + "-out", "read_committed", b"copy of 0", b"copy of 2")


def expect(bootstrap, topic, isolation, *values):
    with reader(bootstrap, isolation_level=isolation) as c:
        c.assign([TopicPartition(topic, 0)])
        assert [record.value for record in take(c, len(values))] == list(values)


def secure(bootstrap, topic, count):
    group(bootstrap, topic, count)
    with raises(KafkaTimeoutError):  # it tries again and again, and keeps to itself why; the server's audit file has it
        KafkaAdminClient(**at(bootstrap, sasl_plain_password="wrong", bootstrap_timeout_ms=5000))
    with producer(bootstrap) as p, raises(TopicAuthorizationFailedError):
        p.send("forbidden", b"x").get(PATIENCE)


def survive(bootstrap, topic, count):
    """Produces and consumes until a line comes in, and then until every acknowledged record was seen."""
    enough = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), enough.set()), daemon=True).start()
    acknowledged = 0
    with producer(bootstrap, delivery_timeout_ms=300_000, max_block_ms=300_000) as p, Owner(bootstrap, topic) as owner:
        while not enough.is_set():
            p.send(topic, str(acknowledged).encode(), partition=acknowledged % 2).get(300)
            print("acknowledged", acknowledged, flush=True)
            acknowledged += 1
        until("every acknowledged record was seen", lambda: len(owner.seen) == acknowledged)


if __name__ == "__main__":
    bootstrap, scenario, topic, count, _ = sys.argv[1:]
    globals()[scenario](bootstrap, topic, int(count))
    print("ok")
