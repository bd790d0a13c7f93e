"""What an honest client sees beside clients that mean ill: every request of its one connection is answered, and its round trips are compared
with its own without them, in the same run. No time is bounded by itself."""

import contextlib
import socket
import statistics
import struct
import time

import pytest
from ill_clients import send
from millstream import Server
from test_hostile import MIB, address, ask, fetch_frame, frame, produce_frame, record_batch
from test_open_files import CONNECTIONS_MAX, enough_files, metric

PATIENCE = 60
ROUND_TRIPS = 100
SLOWER_MAX = 20  # times, of the median: somebody who waits for those who mean ill waits for seconds
ATTEMPTS = 3  # other work of the machine may fall upon one half of a comparison, and not upon the other
CONNECTIONS = "millstream_tcp_connections"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with enough_files(), Server(tmp_path_factory.mktemp("beside") / "data") as server:
        server.cli("topic", "create", "honest")
        server.cli("topic", "create", "filler")
        with connected(server) as connection:
            piece = produce_frame("filler", record_batch(record(bytes(MIB // 2))))
            for _ in range(80):
                assert error_of(ask(connection, piece), "filler") == 0
        yield server


def varint(number):
    """Zigzag, as in records."""
    number, out = number * 2, b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def record(value):
    inside = b"\0\0\0" + b"\1" + varint(len(value)) + value + b"\0"
    return varint(len(inside)) + inside


def connected(server):
    connection = socket.create_connection(address(server.kafka), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def error_of(answer, topic):
    """Of Produce v7, whose answer begins with the topic."""
    return struct.unpack_from(">h", answer, 4 + 2 + len(topic) + 4 + 4)[0]


class Honest:
    """One client, one connection: it writes a record and reads it back."""

    def __init__(self, server):
        self.connection = connected(server)

    def round_trip(self):
        began = time.perf_counter()
        answer = ask(self.connection, produce_frame("honest", record_batch(record(b"honest"))))
        assert error_of(answer, "honest") == 0
        offset = struct.unpack_from(">q", answer, 4 + 2 + 6 + 4 + 4 + 2)[0]
        fetched = ask(self.connection, fetch_frame("honest", offset, MIB))
        took = time.perf_counter() - began
        # throttle, topics, name, partitions, partition, error, high watermark
        error, end = struct.unpack_from(">hq", fetched, 4 + 4 + 2 + 6 + 4 + 4)
        assert error == 0 and end == offset + 1 and b"honest" in fetched[40:]
        return took

    def median(self, between=lambda: None):
        times = []
        for _ in range(ROUND_TRIPS):
            times.append(self.round_trip())
            between()
        return statistics.median(times)


class OneByteAtATime:
    """Whole requests, a byte of each connection between two round trips of the honest client."""

    count = 50

    def begin(self, server, stack):
        self.sockets, self.at, self.said = [stack.enter_context(connected(server)) for _ in range(self.count)], 0, frame(18, 0, b"") * ROUND_TRIPS

    def go_on(self):
        for connection in self.sockets:
            send(connection, self.said[self.at : self.at + 1])
        self.at += 1


class NeverReading:
    """Each has asked for all of the filler, many times, and takes nothing."""

    count = 40

    def begin(self, server, stack):
        for _ in range(self.count):
            connection = stack.enter_context(connected(server))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.send(fetch_frame("filler", 0, 50 * MIB) * 300)

    def go_on(self):
        pass


class Idle:
    count = 2000

    def begin(self, server, stack):
        for _ in range(self.count):
            stack.enter_context(connected(server))

    def go_on(self):
        pass


class TenThousand(Idle):
    """More than there are places for; some had to make room."""

    count = CONNECTIONS_MAX + 500


def times_slower(server, honest, attack):
    """The median beside the attack, which goes on all the while, in those without it."""
    alone, before = honest.median(), metric(server, CONNECTIONS)
    there = min(attack.count, CONNECTIONS_MAX - 500)
    with contextlib.ExitStack() as stack:
        attack.begin(server, stack)
        server.wait_for(lambda: metric(server, CONNECTIONS) >= there, "they are there")
        beside = honest.median(attack.go_on)
        assert metric(server, CONNECTIONS) >= there, "they left before the end"
    server.wait_for(lambda: metric(server, CONNECTIONS) <= before, "they have gone")
    print(f"{type(attack).__name__}: {alone * 1000:.2f} ms alone, {beside * 1000:.2f} ms beside them")
    return beside / alone


@pytest.mark.parametrize("kind", [OneByteAtATime, NeverReading, Idle, TenThousand])
def test_the_honest_client_goes_on(server, kind):
    honest = Honest(server)
    assert any(times_slower(server, honest, kind()) <= SLOWER_MAX for _ in range(ATTEMPTS))
    honest.connection.close()
    server.wait_for(lambda: metric(server, CONNECTIONS) == 0, "it has gone, too")
