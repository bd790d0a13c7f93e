"""A disk that fails to sync, under a real server: strace lets its fdatasync and fsync fail. What was asked for is not acknowledged, the
server ends at once, as nobody knows what the disk has kept, and a restart finds everything that was acknowledged before."""

import contextlib
import pathlib
import shutil
import signal
import struct
import subprocess

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AclBindingFilter, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType
from millstream import Server
from sender import Sender
from users import Raw

PATIENCE = 60
EVENTS = "events"


@contextlib.contextmanager
def failing_syncs(process):
    """Every fdatasync and fsync of the process says EIO, and does nothing."""
    if not shutil.which("strace"):
        pytest.skip("this machine has no strace")
    command = ["strace", "-f", "-p", str(process.pid), "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        try:
            if "attached" not in (said := strace.stderr.readline()):
                pytest.skip(f"strace may not: {said}")
            yield
        finally:
            strace.terminate()  # it lets go of the process


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def short(answer, at):
    return struct.unpack_from(">h", answer, at)[0]


class Changes:
    """Requests that change something, each at a number of its own; they return the error code, None: no answer. What was acknowledged is kept."""

    def __init__(self, server):
        self.server, self.raw, self.sender, self.acknowledged = server, None, None, []
        self.values, self.unknown = [], []  # of records that were acknowledged, and of those that may or may not be there

    def connect(self):
        """And one transaction that is open."""
        self.raw = Raw(self.server)
        self.sender = Sender(self.server, EVENTS, acks="all", retries=0, **{"linger.ms": 0})
        self.server.wait_for(lambda: self.begin("transaction")[0] == 0, "the transaction before is over")
        self.producer = self.begin("transaction")[1]
        partitions = struct.pack(">i", 1) + text(EVENTS) + struct.pack(">ii", 1, 0)
        assert short(self.raw.call(24, 1, text("transaction") + self.producer + partitions), -2) == 0
        assert self.produce(-1) == 0  # its first connection is there

    def begin(self, transactional_id):
        """(error code, id and epoch) of InitProducerId."""
        answer = self.raw.call(22, 1, text(transactional_id) + struct.pack(">i", PATIENCE * 1000))
        return (short(answer, 4), answer[6:16]) if answer else (None, None)

    def ask(self, api, version, body, at):
        answer = self.raw.call(api, version, body)
        return None if answer is None else short(answer, at)

    def produce(self, number):
        sent = self.sender.send(b"%d" % number)
        (self.values if sent else self.unknown).append(str(number))
        return 0 if sent else self.sender.error.code()

    def commit_offset(self, number):
        partition = text(EVENTS) + struct.pack(">iiq", 1, 0, number) + text("")
        return self.ask(8, 2, text(f"group-{number}") + struct.pack(">i", -1) + text("") + struct.pack(">qi", -1, 1) + partition, -2)

    def create_topic(self, number):
        name = text(f"topic-{number}")
        return self.ask(19, 4, struct.pack(">i", 1) + name + struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 30_000, 0), 8 + len(name))

    def add_partitions(self, number):
        return self.ask(37, 0, struct.pack(">i", 1) + text("wide") + struct.pack(">iiib", number + 2, -1, 30_000, 0), 8 + len(text("wide")))

    def configure(self, number):
        change = struct.pack(">ib", 1, 2) + text("wide") + struct.pack(">i", 1) + text("retention.ms") + b"\0" + text(str(1_000_000 + number)) + b"\0"
        return self.ask(44, 0, change, 8)

    def begin_a_producer(self, number):
        return self.begin(f"producer-{number}")[0]

    def end_a_transaction(self, _):
        return self.ask(26, 1, text("transaction") + self.producer + b"\1", 4)

    def create_acl(self, number):
        return self.ask(30, 1, struct.pack(">ib", 1, 2) + text(f"acl-{number}") + b"\3" + text("User:somebody") + text("*") + b"\3\3", 8)

    def set_quota(self, number):
        entity = struct.pack(">ii", 1, 1) + text("client-id") + text(f"client-{number}")
        return self.ask(49, 0, entity + struct.pack(">i", 1) + text("producer_byte_rate") + struct.pack(">db", 1e9, 0) + b"\0", 8)

    def do(self, kind, number):
        error = getattr(self, kind)(number)
        if error == 0:
            self.acknowledged.append((kind, number))
        return error

    def numbers(self, kind):
        return {number for done, number in self.acknowledged if done == kind}

    def check(self):
        """Everything that was acknowledged is there."""
        admin = AdminClient({"bootstrap.servers": self.server.kafka, "log_level": 0})
        records = self.server.get(f"/v1/topics/{EVENTS}/records?limit=10000")["records"]
        assert [record["value"] for record in records if record["value"] not in self.unknown] == self.values
        groups = [ConsumerGroupTopicPartitions(f"group-{number}") for number in self.numbers("commit_offset")]
        for group in groups:
            (kept,) = admin.list_consumer_group_offsets([group])[group.group_id].result(PATIENCE).topic_partitions
            assert f"group-{kept.offset}" == group.group_id
        assert {f"topic-{number}" for number in self.numbers("create_topic")} <= set(admin.list_topics(timeout=PATIENCE).topics)
        assert self.server.get("/v1/topics/wide")["partitions"] >= 2 + max(self.numbers("add_partitions"), default=-1)
        assert int(self.server.get("/v1/topics/wide")["config"]["retention.ms"]["value"]) >= 1_000_000 + max(self.numbers("configure"), default=-1)
        every = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
        assert {f"acl-{number}" for number in self.numbers("create_acl")} <= {acl.name for acl in admin.describe_acls(every).result(PATIENCE)}
        quotas = self.raw.call(48, 0, struct.pack(">ib", 0, 0))
        assert all(text(f"client-{number}") in quotas for number in self.numbers("set_quota"))


KINDS = ["produce", "commit_offset", "create_topic", "add_partitions", "configure", "begin_a_producer", "end_a_transaction", "create_acl", "set_quota"]


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("failing") / "data") as server:
        for name in (EVENTS, "wide"):
            server.cli("topic", "create", name)
        yield Changes(server)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_acknowledged_that_was_not_synced(changes, kind):
    server, number = changes.server, 20 * KINDS.index(kind)
    changes.connect()
    for each, done in enumerate(KINDS):
        assert changes.do(done, number + each) == 0, done
    changes.connect()
    log = pathlib.Path(server.log.name)
    told = log.stat().st_size
    with failing_syncs(server.process):
        assert changes.do(kind, number + 9) != 0
        assert server.process.wait(PATIENCE) == -signal.SIGABRT
    assert b'event=log_failed error="fdatasync' in log.read_bytes()[told:]
    server.start()
    changes.connect()
    changes.check()
    assert changes.do(kind, number + 10) == 0
    changes.check()
