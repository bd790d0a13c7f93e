"""More connections than the server takes, and no open files left: honest clients do not notice the first, and nothing that was
acknowledged is lost in the second."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import subprocess
import urllib.request

import pytest
from millstream import Server
from sender import Sender, consumed

PATIENCE = 60
KIB, MIB = 1 << 10, 1 << 20
CONNECTIONS_MAX = 10_000
FILES_NEEDED = 16_000


class NumberedSender(Sender):
    def __init__(self, server, record_bytes=100):
        super().__init__(server, "events", **{"enable.idempotence": True, "message.timeout.ms": 10_000})
        self.padding = bytes(record_bytes)

    def one(self):
        """Whether it was acknowledged."""
        return self.send(b"%012d" % self.number + self.padding)


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
        sender = NumberedSender(server)
        assert sender.one()
        host, port = server.kafka.rsplit(":", 1)
        for _ in range(CONNECTIONS_MAX + 500):
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
        turned_away = [f'millstream_tcp_rejected_total{{reason="{reason}"}}' for reason in ("displaced", "connections")]
        server.wait_for(lambda: sum(metric(server, name) for name in turned_away) >= 500, "some have made room")
        assert metric(server, "millstream_tcp_connections") >= CONNECTIONS_MAX - 500
        assert sender.one(), sender.error  # by its old connection
        newcomer = NumberedSender(server)
        assert newcomer.one(), newcomer.error
        assert consumed(server, "events", 3) == [*sender.acknowledged, *newcomer.acknowledged]


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
