"""Old records that one may not read, asked for by every way back that a stock client has: nothing of them is seen, and what is
told is why. The same ways lead who may to the same records."""

import struct
import time
import uuid

import pytest
from confluent_kafka import (OFFSET_BEGINNING, OFFSET_END, OFFSET_STORED, Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException,
                             Producer, TopicPartition)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from kafka_tools import run
from millstream import Server
from test_security import PATIENCE, client, properties
from users import Raw, audit_events, audited, credential_line

TOPIC, OPEN, RECORDS = "payroll", "pay.in", [b"in a transaction", b"salary"]
DENIED, GROUP_DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
UNTOLD = DENIED, KafkaError._UNKNOWN_PARTITION, KafkaError._NOENT  # where the partition is: librdkafka's answer then is its own
LEVELS = "read_committed", "read_uncommitted"
# May not read it: nothing of it, only that it is there, everything but it. "groupless" may read it, in no group.
KEPT_OUT = "stranger", "describer", "denied"
SECURITY = """super_users: [admin]
users:
{users}
acls:
  - {{allow: [stranger, describer, denied], group_prefix: pay., operations: ALL}}
  - {{allow: [stranger, describer], topic_prefix: pay., operations: READ}}
  - {{allow: describer, topic: payroll, operations: DESCRIBE}}
  - {{allow: denied, topic: "*", operations: READ}}
  - {{deny: denied, topic: payroll, operations: READ}}
  - {{allow: groupless, topic: payroll, operations: READ}}
"""


def connect(kind, server, user, **more):
    return client(kind, server, user, user, **more)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    (folder / "security.yaml").write_text(SECURITY.format(users="".join(credential_line(user, user) for user in ("admin", *KEPT_OUT, "groupless"))))
    with Server(folder / "data", "--security", folder / "security.yaml") as server:
        admin = connect(AdminClient, server, "admin")
        for future in admin.create_topics([NewTopic(name, 1) for name in (TOPIC, OPEN)]).values():
            future.result(PATIENCE)
        producer = connect(Producer, server, "admin", **{"transactional.id": "old"})
        producer.init_transactions(PATIENCE)
        for value in RECORDS:
            producer.begin_transaction()
            producer.produce(TOPIC, value)
            producer.produce(OPEN, b"open")
            producer.commit_transaction(PATIENCE)
        yield server


# ---- ways back: each takes a consumer to the first record, at once or as often as what it returns is called


def to_the_beginning(consumer):
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])


def to_offset_0(consumer):
    consumer.assign([TopicPartition(TOPIC, 0, 0)])


def by_seeking(consumer):
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_END)])

    def seek():
        try:
            consumer.seek(TopicPartition(TOPIC, 0, 0))
        except KafkaException as refused:  # the client is not there yet
            assert refused.args[0].code() in (KafkaError._STATE, KafkaError._UNKNOWN_PARTITION, DENIED), refused
    return seek


def as_a_new_group(consumer):
    consumer.subscribe([TOPIC])


def to_what_the_group_committed(consumer):
    """Which is nothing: earliest."""
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_STORED)])


WAYS = [to_the_beginning, to_offset_0, by_seeking, as_a_new_group, to_what_the_group_committed]


def denials(server, user):
    return len(audit_events(server, event="access", outcome="denied", principal=f"User:{user}", resource=TOPIC))


def first(server, user, way, level, group=None, heedless=()):
    """What comes first: a value, or the code of an error that is not one of `heedless`. librdkafka does not say that it is kept from the partitions
    that it was told to read, when it may not even ask where they are: then it is the audit file that says so."""
    consumer = connect(Consumer, server, user, **{"group.id": group or f"pay.{uuid.uuid4().hex}", "auto.offset.reset": "earliest", "isolation.level": level,
                                                  "session.timeout.ms": 6000})  # so long close() looks for a coordinator that one may not see
    try:
        before, again, deadline = denials(server, user), way(consumer), time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            told = denials(server, user) > before
            message = consumer.poll(0.2)
            if message and not (message.error() and message.error().code() in heedless):
                return message.error().code() if message.error() else message.value()
            if told and user == "stranger" and way is not as_a_new_group:
                return DENIED
            if again:
                again()
        raise AssertionError(f"{user} is told nothing {way.__name__}")
    finally:
        consumer.close()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_closed_and_leads_to_the_records(server, way, level):
    for user in KEPT_OUT:
        before = denials(server, user)
        assert first(server, user, way, level) == DENIED, user
        server.wait_for(lambda: denials(server, user) > before, "the audit file says so")  # noqa: B023
    assert first(server, "admin", way, level) == RECORDS[0]


def refusal(call):
    with pytest.raises(KafkaException) as refused:
        call()
    return refused.value.args[0].code()


def test_where_the_records_are(server):
    """ListOffsets asks for DESCRIBE: who has that knows the offsets, and nothing more."""
    where = TopicPartition(TOPIC, 0)
    for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.for_timestamp(0)):
            stranger, describer = (connect(AdminClient, server, user) for user in ("stranger", "describer"))
            assert refusal(lambda: stranger.list_offsets({where: spec}, isolation_level=level)[where].result(PATIENCE)) in UNTOLD
            assert describer.list_offsets({where: spec}, isolation_level=level)[where].result(PATIENCE).offset >= 0
    consumer = connect(Consumer, server, "stranger", **{"group.id": "pay.times"})
    assert refusal(lambda: consumer.offsets_for_times([TopicPartition(TOPIC, 0, 0)], PATIENCE)) in UNTOLD
    consumer.close()


def test_an_expression_finds_no_more(server):
    """^pay is both topics to who may; a group of a stranger has the other one alone, from its first record to its last."""
    consumer = connect(Consumer, server, "stranger", **{"group.id": "pay.pattern", "auto.offset.reset": "earliest", "enable.partition.eof": True})
    consumer.subscribe(["^pay.*"])
    seen, deadline = [], time.monotonic() + PATIENCE
    while not seen or not seen[-1].error():
        assert time.monotonic() < deadline
        if message := consumer.poll(1):
            seen.append(message)
    assert seen[-1].error().code() == KafkaError._PARTITION_EOF
    assert [message.value() for message in seen[:-1]] == [b"open"] * len(RECORDS)
    assert {partition.topic for partition in consumer.assignment()} == {OPEN}
    consumer.close()


def test_offsets_of_a_topic_that_one_may_not_read(server):
    """Neither committed nor looked up, in a group that one may use."""
    admin = connect(AdminClient, server, "admin")
    admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("pay.kept", [TopicPartition(TOPIC, 0, 0)])])["pay.kept"].result(PATIENCE)
    for user in KEPT_OUT:
        consumer = connect(Consumer, server, user, **{"group.id": "pay.kept"})
        committed = [TopicPartition(TOPIC, 0, 1)]
        assert refusal(lambda: consumer.commit(offsets=committed, asynchronous=False)) == DENIED, user
        consumer.close()
    stranger = connect(Consumer, server, "stranger", **{"group.id": "pay.kept"})
    (looked_up,) = stranger.committed([TopicPartition(TOPIC, 0)], PATIENCE)
    assert looked_up.error.code() == DENIED
    stranger.close()
    (kept,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("pay.kept")])["pay.kept"].result(PATIENCE).topic_partitions
    assert (kept.topic, kept.offset) == (TOPIC, 0)


def test_a_topic_without_its_group(server):
    """READ on the topic alone: by itself yes, in a group no, and no group's place is moved."""
    assert first(server, "groupless", to_offset_0, LEVELS[0], heedless=(GROUP_DENIED,)) == RECORDS[0]
    assert first(server, "groupless", as_a_new_group, LEVELS[0], "pay.new") == GROUP_DENIED
    raw, text = Raw(server), lambda value: struct.pack(">h", len(value)) + value.encode()  # librdkafka does not get as far: it asks for the coordinator
    assert raw.handshake("PLAIN") == 0 and raw.authenticate(b"\0groupless\0groupless")[0] == 0
    commit = text("pay.kept") + struct.pack(">i", -1) + text("") + struct.pack(">qi", -1, 1) + text(TOPIC) + struct.pack(">iiq", 1, 0, 1) + text("")
    assert struct.unpack(">h", raw.call(8, 2, commit)[-2:]) == (GROUP_DENIED,)
    audited(server, event="access", outcome="denied", principal="User:groupless", resource="pay.kept", request="OffsetCommit")


def test_the_console_consumer_of_java(server, tmp_path):
    for user in ("stranger", "describer"):
        config = "--bootstrap-server", server.kafka, "--consumer.config", properties(tmp_path, user, user)
        ended = run("console-consumer", *config, "--topic", TOPIC, "--from-beginning", "--group", f"pay.{user}", "--timeout-ms", PATIENCE * 1000)
        assert f"Not authorized to access topics: [{TOPIC}]" in ended.stdout + ended.stderr
        assert not any(value.decode() in ended.stdout + ended.stderr for value in RECORDS)
