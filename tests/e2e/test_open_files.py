"""More connections than the server takes, and no open files left: honest clients do not notice the first, and nothing that was
acknowledged is lost in the second."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import subprocess
import time
import urllib.request

import confluent_kafka
import pytest
from millstream import Server

PATIENCE = 60
KIB, MIB = 1 << 10, 1 << 20
CONNECTIONS_MAX = 10_000
FILES_NEEDED = 16_000


class Sender:
    """One stock producer, and what was acknowledged to it."""

    def __init__(self, server, record_bytes):
        self.producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "enable.idempotence": True, "message.timeout.ms": 10_000, "log_level": 0})
        self.record_bytes, self.number, self.acknowledged, self.error = record_bytes, 0, [], None

    def _delivered(self, error, message):
        self.error = error
        if error is None:
            self.acknowledged.append(message.value())

    def send(self):
        """One record; whether it was acknowledged."""
        self.number += 1
        self.producer.produce("events", b"%012d" % self.number + bytes(self.record_bytes), on_delivery=self._delivered)
        assert self.producer.flush(PATIENCE) == 0
        return self.error is None


def consumed(server, count):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server.kafka, "group.id": "reader", "enable.auto.commit": False})
    try:
        consumer.assign([confluent_kafka.TopicPartition("events", 0, confluent_kafka.OFFSET_BEGINNING)])
        values, deadline = [], time.monotonic() + PATIENCE
        while len(values) < count:
            assert time.monotonic() < deadline, f"{len(values)} of {count} records"
            values += [message.value() for message in consumer.consume(min(100, count - len(values)), 1.0) if message.error() is None]
        return values
    finally:
        consumer.close()


def metric(server, name):
    with urllib.request.urlopen(f"http://{server.http}/metrics", timeout=PATIENCE) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@contextlib.contextmanager
def soft_limit(files):
    """Of this process, and of what it starts meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def limits(server):
    with open(f"/proc/{server.process.pid}/limits") as lines:
        return re.search(r"Max open files +(\w+) +(\w+)", lines.read()).groups()


def test_more_connections_than_the_server_takes(tmp_path):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FILES_NEEDED:
        pytest.skip(f"needs {FILES_NEEDED} open files")
    with soft_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1]), Server(tmp_path / "data") as server, contextlib.ExitStack() as stack:
        sender = Sender(server, 100)
        assert sender.send()
        host, port = server.kafka.rsplit(":", 1)
        for _ in range(CONNECTIONS_MAX + 500):
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
        turned_away = [f'millstream_tcp_rejected_total{{reason="{reason}"}}' for reason in ("displaced", "connections")]
        server.wait_for(lambda: sum(metric(server, name) for name in turned_away) >= 500, "some have made room")
        assert metric(server, "millstream_tcp_connections") >= CONNECTIONS_MAX - 500
        assert sender.send(), sender.error  # by its old connection
        newcomer = Sender(server, 100)
        assert newcomer.send(), newcomer.error
        assert consumed(server, 3) == [*sender.acknowledged, *newcomer.acknowledged]


def test_no_open_files_left(tmp_path):
    with Server(tmp_path / "data", "--wal-segment-bytes", 2 * MIB, "--reconcile-interval-ms", 100) as server:
        sender = Sender(server, 100 * KIB)
        assert sender.send()
        before = limits(server)[0]
        open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--nofile={open_now}:"], check=True)
        refused = 0
        while refused < 3:
            assert sender.number < 500, "the log never needed another file"
            refused += not sender.send()
            assert server.process.poll() is None, server.log_text()
        assert re.search("event=log_cannot_grow error=.*Too many open files", pathlib.Path(server.log.name).read_text())
        subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--nofile={before}:"], check=True)
        server.wait_for(sender.send, "it takes records again")
        assert consumed(server, len(sender.acknowledged)) == sender.acknowledged
        server.kill()
        server.start()
        assert consumed(server, len(sender.acknowledged)) == sender.acknowledged


def test_the_soft_limit_is_raised(tmp_path):
    with soft_limit(256), Server(tmp_path / "data") as server:
        soft, hard = limits(server)
        assert soft == hard
