"""Clients that mean ill on the TLS listener, before they have shown who they are. After each: memory is bounded, an honest
client gets in and through, and a counter has seen what happened. The listener in the clear is test_hostile.py's."""

import contextlib
import os
import random
import shutil
import socket
import ssl
import struct
import time
import urllib.request

import pytest
from certificates import Authority
from confluent_kafka import Producer
from ill_clients import send, until_closed
from millstream import Server

PATIENCE = 60
MIB = 1 << 20
HALF_HANDSHAKES = 1000
CONNECTS = 10_000


def client_hello(name="localhost"):
    """The first bytes of OpenSSL's client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


class Target:
    def __init__(self, folder):
        self.authority = Authority(folder / "ca")
        identity = self.authority.sign("server")
        self.server = Server(folder / "data", "--kafka-tls", "127.0.0.1:0", "--tls-certificate", identity.certificate, "--tls-key", identity.key)

    def memory(self, what):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))

    def count(self, prefix):
        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=PATIENCE) as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(prefix))

    def rejected(self, reason):
        return self.count(f'millstream_tcp_rejected_total{{reason="{reason}"}}')

    def connect(self):
        host, port = self.server.kafka_tls.rsplit(":", 1)
        return socket.create_connection((host, int(port)), PATIENCE)

    def session(self):
        """A connection whose handshake is over."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        return context.wrap_socket(self.connect(), server_hostname="localhost")

    def check_honest_client(self):
        failed = []
        producer = Producer({"bootstrap.servers": self.server.kafka_tls, "security.protocol": "ssl", "ssl.ca.location": str(self.authority.certificate)})
        for _ in range(10):
            producer.produce("events", "honest", on_delivery=lambda error, _: error and failed.append(error))
        assert producer.flush(PATIENCE) == 0 and not failed, failed


@pytest.fixture(scope="module")
def module_target(tmp_path_factory):
    made = Target(tmp_path_factory.mktemp("hostile_tls"))
    with made.server:
        made.check_honest_client()
        yield made


@pytest.fixture
def target(module_target):
    with open(f"/proc/{module_target.server.process.pid}/clear_refs", "w") as file:
        file.write("5")
    yield module_target
    module_target.check_honest_client()
    assert module_target.server.process.poll() is None


def test_noise(target):
    rng, before = random.Random(1), target.rejected("tls_handshake")
    for number in range(200):
        noise = rng.randbytes(rng.randrange(1, 3000))
        if number % 2:  # in records of a fitting length
            noise = b"\x16\x03\x01" + struct.pack(">H", len(noise)) + noise
        with target.connect() as connection:
            send(connection, noise)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            until_closed(connection)
    assert target.rejected("tls_handshake") >= before + 100 and target.rejected("plain_on_tls") >= 90


def test_a_handshake_byte_by_byte(target):
    """Slow is no crime within the time for a handshake."""
    with target.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client_hello():
            connection.sendall(bytes([byte]))
        assert connection.recv(5)[:3] == b"\x16\x03\x03"


def test_half_handshakes(target):
    """What somebody can make the server hold who has shown nothing: a small fixed amount for each connection, and not for long."""
    before, cut_off, hello = target.memory("VmRSS"), target.rejected("slow_handshake"), client_hello()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(target.connect()) for _ in range(HALF_HANDSHAKES)]
        for number, connection in enumerate(connections):
            send(connection, hello if number % 2 else hello[: len(hello) // 2])
        target.check_honest_client()
        for connection in connections:
            until_closed(connection)
    print(f"{(target.memory('VmHWM') - before) / HALF_HANDSHAKES / 1024:.0f} KiB for each")
    assert target.memory("VmHWM") < before + HALF_HANDSHAKES * 128 * 1024
    assert target.rejected("slow_handshake") >= cut_off + HALF_HANDSHAKES


def test_many_connects(target):
    before = target.memory("VmRSS")
    for number in range(CONNECTS):
        with target.connect() as connection:
            if number % 3 == 0:
                send(connection, b"\x16")
    target.server.wait_for(lambda: target.count("millstream_tcp_connections") < 10, "the connections are gone")
    assert target.memory("VmHWM") < before + 64 * MIB


def test_a_huge_client_hello(target):
    """A message that says 16 MiB, and messages without end after one that is good."""
    before, refused = target.memory("VmRSS"), target.rejected("tls_handshake")
    record = b"\x16\x03\x01" + struct.pack(">H", 1 << 14)
    huge = record + (b"\x01\xff\xff\xff\x03\x03" + bytes(32)).ljust(1 << 14, b"\0")
    ignored = b"\x14\x03\x03\x00\x01\x01" * 2000
    for first, rest in ((huge, record + bytes(1 << 14)), (client_hello(), record + bytes(1 << 14)), (client_hello(), ignored)):
        with target.connect() as connection:
            send(connection, first)
            for _ in range(1000):
                send(connection, rest)
            until_closed(connection)
    assert target.rejected("tls_handshake") == refused + 3
    assert target.memory("VmHWM") < before + 16 * MIB


def test_clients_that_never_read(target):
    """They have a session, ask for much and take nothing: what is sent is bounded, as in the clear."""
    filler = os.urandom(MIB // 2)
    producer = Producer({"bootstrap.servers": target.server.kafka})
    for _ in range(200):
        producer.produce("filler", filler)
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0
    before = target.memory("VmRSS")
    name = b"filler"
    with contextlib.ExitStack() as stack:
        for number in range(40):
            session = stack.enter_context(target.session())
            for i in range(50):
                body = struct.pack(">iiiibih", -1, 0, 1, 50 * MIB, 0, 1, len(name)) + name + struct.pack(">iiqi", 1, 0, (number * 5 + i) % 200, 50 * MIB)
                request = struct.pack(">hhih", 1, 4, i, 1) + b"h" + body
                session.sendall(struct.pack(">i", len(request)) + request)
        target.check_honest_client()
        assert target.memory("VmHWM") < before + 1024 * MIB, f"{target.memory('VmHWM') / MIB:.0f} MiB"


def test_idle_sessions(target):
    before = target.memory("VmRSS")
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(target.session())
        target.check_honest_client()
        each = (target.memory("VmRSS") - before) / 500 / 1024
        print(f"{each:.0f} KiB for each idle session")
        assert each < 96


def test_files_that_vanish(target, tmp_path):
    """The certificate stays in use when its file is gone."""
    certificate = target.authority.folder / "server.pem"
    shutil.move(certificate, tmp_path / "server.pem")
    deadline = time.monotonic() + PATIENCE
    while not target.count("millstream_tls_reloads_failed_total"):
        assert time.monotonic() < deadline
        target.check_honest_client()
    shutil.move(tmp_path / "server.pem", certificate)
