"""aiokafka against a running server."""

import asyncio
import contextlib
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context

PATIENCE = 60
COPIED = 2


@contextlib.asynccontextmanager
async def started(client):
    await client.start()
    try:
        yield client
    finally:
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())


def at(bootstrap, **more):
    """Where the server is, and who asks."""
    if "MS_USER" not in os.environ:
        return {"bootstrap_servers": bootstrap, **more}
    return {"bootstrap_servers": bootstrap, "security_protocol": "SASL_SSL", "ssl_context": create_ssl_context(cafile=os.environ["MS_CA"]),
            "sasl_mechanism": os.environ["MS_MECHANISM"], "sasl_plain_username": os.environ["MS_USER"],
            "sasl_plain_password": os.environ["MS_PASSWORD"], **more}


def administrator(bootstrap):
    return started(AIOKafkaAdminClient(**at(bootstrap)))


def producer(bootstrap, **settings):
    return started(AIOKafkaProducer(**at(bootstrap, **settings), enable_idempotence=True))


def reader(bootstrap, **settings):
    return started(AIOKafkaConsumer(**at(bootstrap, **settings), auto_offset_reset="earliest", enable_auto_commit=False))


async def take(consumer, count):
    return [await asyncio.wait_for(consumer.getone(), PATIENCE) for _ in range(count)]


async def until(what, condition):
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.01)


async def administration(bootstrap, topic, count):
    async with administrator(bootstrap) as admin:
        new = NewTopic(topic, 3, 1, topic_configs={"retention.ms": "1234567"})
        refused(await admin.create_topics([new]), 0)
        refused(await admin.create_topics([new]), TopicAlreadyExistsError.errno)

        async def partitions():
            return len((await admin.describe_topics([topic]))[0]["partitions"])

        async def retention():
            answer = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None})])
            return answer[0].resources[0][4][0][1]

        assert await partitions() == 3
        assert await retention() == "1234567"
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "7654321"})])
        assert await retention() == "7654321"
        await admin.create_partitions({topic: NewPartitions(5)})
        assert await partitions() == 5
        await admin.delete_topics([topic])
        assert topic not in await admin.list_topics()


def refused(answer, code):
    assert [error[1] for error in answer.topic_errors] == [code], answer


async def compressions(bootstrap, topic, count):
    codecs, sent = (None, "gzip", "snappy", "lz4", "zstd"), []
    for codec in codecs:
        async with producer(bootstrap, compression_type=codec, linger_ms=5) as p:
            values = [f"{codec} {i} ".encode() * (i % 20) for i in range(count)]
            acks = [await p.send(topic, value, key=str(i).encode(), partition=0, headers=[("codec", str(codec).encode())]) for i, value in enumerate(values)]
            await asyncio.gather(*acks)
            sent += values
    async with reader(bootstrap) as c:
        c.assign([TopicPartition(topic, 0)])
        for i, record in enumerate(await take(c, len(sent))):
            assert (record.key, record.value, record.offset) == (str(i % count).encode(), sent[i], i)
            assert record.headers == (("codec", str(codecs[i // count]).encode()),)


async def times(bootstrap, topic, count):
    first, place = 1_700_000_000_000, TopicPartition(topic, 0)
    async with producer(bootstrap) as p:
        for i in range(10):
            await p.send_and_wait(topic, str(i).encode(), partition=0, timestamp_ms=first + 1000 * i)
    async with reader(bootstrap) as c:
        assert (await c.offsets_for_times({place: first + 4500}))[place].offset == 5
        assert (await c.offsets_for_times({place: first + 100_000}))[place] is None
        assert (await c.beginning_offsets([place]), await c.end_offsets([place])) == ({place: 0}, {place: 10})
        async with administrator(bootstrap) as admin:
            await admin.delete_records({place: RecordsToDelete(4)})
        assert await c.beginning_offsets([place]) == {place: 4}


class Owner(ConsumerRebalanceListener):
    """A member that knows what it was given, and commits what it reads."""

    def __init__(self, bootstrap, topic):
        self.owned, self.seen = set(), set()
        self.consumer = AIOKafkaConsumer(**at(bootstrap), group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False,
                                         heartbeat_interval_ms=300)
        self.consumer.subscribe([topic], listener=self)

    async def on_partitions_assigned(self, assigned):
        self.owned = {place.partition for place in assigned}

    async def on_partitions_revoked(self, revoked):
        self.owned = set()

    async def __aenter__(self):
        await self.consumer.start()
        self.task = asyncio.create_task(self.poll())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.consumer.stop()

    async def poll(self):
        while True:
            records = [r for some in (await self.consumer.getmany(timeout_ms=200)).values() for r in some]
            self.seen |= {record.value for record in records}
            if records:
                with contextlib.suppress(KafkaError):  # refused in a rebalance: the next member reads them again
                    await self.consumer.commit()


async def group(bootstrap, topic, count):
    async with administrator(bootstrap) as admin:

        async def all_is_committed():
            offsets = await admin.list_consumer_group_offsets(topic)
            return sum(committed.offset for committed in offsets.values()) == count

        async with Owner(bootstrap, topic) as first:
            await until("one member owns all", lambda: len(first.owned) == 4)
            async with Owner(bootstrap, topic) as second:
                await until("two members share", lambda: len(first.owned) == len(second.owned) == 2)
                assert not first.owned & second.owned
                async with producer(bootstrap) as p:
                    await asyncio.gather(*[await p.send(topic, str(i).encode(), partition=i % 4) for i in range(count)])
                await until("both have read everything", lambda: len(first.seen | second.seen) == count)
                described = (await admin.describe_consumer_groups([topic]))[0].groups[0]
                assert described[2] == "Stable" and len(described[5]) == 2, described
            await until("the other one takes over", lambda: len(first.owned) == 4)
            deadline = asyncio.get_running_loop().time() + PATIENCE
            while not await all_is_committed():
                assert asyncio.get_running_loop().time() < deadline, "not everything was committed"


async def transactions(bootstrap, topic, count):
    async with producer(bootstrap, transactional_id=topic) as p:
        for i in range(4):
            await p.begin_transaction()
            await p.send_and_wait(topic, str(i).encode(), partition=0)
            await (p.abort_transaction() if i % 2 else p.commit_transaction())
    await expect(bootstrap, topic, "read_committed", b"0", b"2")
    await expect(bootstrap, topic, "read_uncommitted", b"0", b"1", b"2", b"3")
    async with producer(bootstrap, transactional_id=topic + "-copy") as p, \
            reader(bootstrap, group_id=topic, isolation_level="read_committed") as c:
        c.subscribe([topic])
        for record in await take(c, COPIED):
            async with p.transaction():
                await p.send(topic + "-out", b"copy of " + record.value, partition=0)
                await p.send_offsets_to_transaction({TopicPartition(topic, 0): record.offset + 1}, topic)
        assert await c.committed(TopicPartition(topic, 0)) == 5  # 0 mark 1 mark 2: the one after 2 is at 5
    await expect(bootstrap, topic + "-out", "read_committed", b"copy of 0", b"copy of 2")


async def expect(bootstrap, topic, isolation, *values):
    async with reader(bootstrap, isolation_level=isolation) as c:
        c.assign([TopicPartition(topic, 0)])
        assert [record.value for record in await take(c, len(values))] == list(values)


async def secure(bootstrap, topic, count):
    await group(bootstrap, topic, count)
    with raises(KafkaError, "bootstrap"):
        async with producer(bootstrap, sasl_plain_password="wrong"):
            pass
    async with producer(bootstrap) as p:
        with raises(TopicAuthorizationFailedError):
            await p.send_and_wait("forbidden", b"x")


@contextlib.contextmanager
def raises(kind, text=""):
    try:
        yield
    except kind as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"no {kind.__name__}")


async def survive(bootstrap, topic, count):
    """Produces and consumes until a line comes in, and then until every acknowledged record was seen."""
    line = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    acknowledged = 0
    async with producer(bootstrap, request_timeout_ms=300_000) as p, Owner(bootstrap, topic) as owner:
        while not line.done():
            await p.send_and_wait(topic, str(acknowledged).encode(), partition=acknowledged % 2)
            print("acknowledged", acknowledged, flush=True)
            acknowledged += 1
        await until("every acknowledged record was seen", lambda: len(owner.seen) == acknowledged)


if __name__ == "__main__":
    bootstrap, scenario, topic, count, _ = sys.argv[1:]
    asyncio.run(globals()[scenario](bootstrap, topic, int(count)))
    print("ok")
