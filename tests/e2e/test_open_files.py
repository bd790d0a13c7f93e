"""More connections than the server takes, and no open files left: honest clients do not notice the first, and nothing that was
acknowledged is lost in the second."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import subprocess

import pytest
from millstream import Server
from sender import Sender, consumed
from users import ask_http, credential_line

PATIENCE = 60
KIB, MIB = 1 << 10, 1 << 20
CONNECTIONS_MAX = 10_000
FILES_NEEDED = 16_000


class NumberedSender(Sender):
    def __init__(self, server, record_bytes=100, **settings):
        super().__init__(server, "events", **{"enable.idempotence": True, "message.timeout.ms": 10_000, **settings})
        self.padding = bytes(record_bytes)

    def one(self):
        """Whether it was acknowledged."""
        return self.send(b"%012d" % self.number + self.padding)


def metric(server, name):
    """As the user admin, if there are users."""
    lines = ask_http(server, "/metrics", ("admin", "admin"))[1].decode().splitlines()
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


@contextlib.contextmanager
def enough_files():
    """The hard limit is raised where that is allowed, and not lowered again: who may raise it needs no less."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < FILES_NEEDED:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_NEEDED, FILES_NEEDED))
        except (ValueError, OSError):
            pytest.skip(f"needs {FILES_NEEDED} open files")
    with soft_limit(max(hard, FILES_NEEDED)):
        yield


@contextlib.contextmanager
def crowd(server):
    """More connections than the server takes."""
    host, port = server.kafka.rsplit(":", 1)
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX + 500):
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
        yield


def turned_away(server, *more):
    rejected = [f'millstream_tcp_rejected_total{{reason="{reason}"}}' for reason in ("displaced", "connections")]
    return sum(metric(server, name) for name in (*rejected, *more))


def test_more_connections_than_the_server_takes(tmp_path):
    with enough_files(), Server(tmp_path / "data") as server:
        sender = NumberedSender(server)
        assert sender.one()
        with crowd(server):
            server.wait_for(lambda: turned_away(server) >= 500, "some have made room")
            assert metric(server, "millstream_tcp_connections") >= CONNECTIONS_MAX - 500
            assert sender.one(), sender.error  # by its old connection
            newcomer = NumberedSender(server)
            assert newcomer.one(), newcomer.error
            assert consumed(server, "events", 3) == [*sender.acknowledged, *newcomer.acknowledged]


def test_more_strangers_than_the_server_takes(tmp_path):
    """Of a server with users: those who have logged in stay, and others log in. Strangers go after ten seconds in any case."""
    (tmp_path / "security.yaml").write_text(f"super_users: [admin]\nusers:\n{credential_line('admin', 'admin')}")
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "admin", "sasl.password": "admin"}
    with enough_files(), Server(tmp_path / "data", "--security", tmp_path / "security.yaml") as server:
        sender = NumberedSender(server, **login)
        assert sender.one()
        with crowd(server):
            server.wait_for(lambda: turned_away(server, 'millstream_kafka_requests_refused_total{reason="login_timeout"}') >= 500, "some have made room")
            assert sender.one(), sender.error
            newcomer = NumberedSender(server, **login)
            assert newcomer.one(), newcomer.error
            assert consumed(server, "events", 3, **login) == [*sender.acknowledged, *newcomer.acknowledged]


def test_no_open_files_left(tmp_path):
    with Server(tmp_path / "data", "--wal-segment-bytes", 2 * MIB, "--reconcile-interval-ms", 100) as server:
        sender = NumberedSender(server, 100 * KIB)
        assert sender.one()
        before = limits(server)[0]
        open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--nofile={open_now}:"], check=True)
        refused = 0
        while refused < 3:
            assert sender.number < 500, "the log never needed another file"
            refused += not sender.one()
            assert server.process.poll() is None, server.log_text()
        assert re.search("event=log_cannot_grow error=.*Too many open files", pathlib.Path(server.log.name).read_text())
        subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--nofile={before}:"], check=True)
        server.wait_for(sender.one, "it takes records again")
        assert consumed(server, "events", len(sender.acknowledged)) == sender.acknowledged
        server.kill()
        server.start()
        assert consumed(server, "events", len(sender.acknowledged)) == sender.acknowledged


def test_the_soft_limit_is_raised(tmp_path):
    with soft_limit(256), Server(tmp_path / "data") as server:
        soft, hard = limits(server)
        assert soft == hard
