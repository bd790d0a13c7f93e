"""Clients that mean ill, on a server that runs. After each: memory is bounded, a stock client produces and fetches, features
answer, and a counter has seen what happened. What single requests get is in kafka_server_test.cc and http_server_test.cc."""

import contextlib
import json
import os
import queue
import random
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from ill_clients import send, until_closed
from millstream import Server
from samples_file import crc32c

PATIENCE = 60
MIB = 1 << 20
# What hostile clients may make the server hold on top of what it had: its budgets for requests (512 MiB by default), for
# HTTP bodies and for one decompressed batch (256 MiB each, and never all at once here).
GROWTH_MAX = 1024 * MIB
ZEROS = bytes(64 * MIB), 16  # a piece and how often: 1 GiB, four times what one batch may become

DEFINITIONS = """
sources:
  events:
    topic: events
    format: json
    time: {field: ts, unit: ms}
    fields: {user: string}
    owner: tests
entities:
  user: {key: [user]}
views:
  seen:
    entity: user
    from: events
    features:
      events: {count: {over: [lifetime]}}
    owner: tests
services:
  seen: {features: [seen.*]}
"""


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


@contextlib.contextmanager
def connected(to):
    with socket.create_connection(address(to), PATIENCE) as connection:
        yield connection


def frame(api, version, body, client=b"hostile"):
    inside = struct.pack(">hhih", api, version, 1, len(client)) + client + body
    return struct.pack(">i", len(inside)) + inside


def record_batch(records, count=1, codec=0, timestamp=0):
    """A record batch around `records` (compressed already), its CRC and length right."""
    tail = struct.pack(">hiqqqhii", codec, count - 1, timestamp, timestamp, -1, -1, -1, count) + records
    return struct.pack(">qiiBI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def produce_frame(topic, batch):
    name = topic.encode()
    body = struct.pack(">hhiih", -1, -1, 30_000, 1, len(name)) + name + struct.pack(">iii", 1, 0, len(batch)) + batch
    return frame(0, 7, body)


def fetch_frame(topic, offset, max_bytes):
    name = topic.encode()
    body = struct.pack(">iiiibih", -1, 0, 1, max_bytes, 0, 1, len(name)) + name + struct.pack(">iiqi", 1, 0, offset, max_bytes)
    return frame(1, 4, body)


def ask(connection, request):
    """The answer to one request, without its length and correlation id."""
    connection.sendall(request)
    stream = connection.makefile("rb")
    (size,) = struct.unpack(">i", stream.read(4))
    return stream.read(size)[4:]


class Target:
    """The server under attack, and what an honest client and an outside observer see of it."""

    def __init__(self, server):
        self.server = server
        self.produced = 0
        self.base = self.memory("VmRSS")

    def memory(self, what):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))

    def forget_peak(self):
        with open(f"/proc/{self.server.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=PATIENCE) as reply:
            lines = reply.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))}

    def count(self, prefix):
        return sum(value for name, value in self.metrics().items() if name.startswith(prefix))

    @contextlib.contextmanager
    def counts(self, prefix, at_least=1):
        before = self.count(prefix)
        yield
        assert self.count(prefix) >= before + at_least, prefix

    def check_honest_client(self):
        failed, value = [], json.dumps({"user": "honest", "ts": int(time.time() * 1000) - 1000})
        producer = Producer({"bootstrap.servers": self.server.kafka, "enable.idempotence": True})
        for _ in range(10):
            producer.produce("events", value, on_delivery=lambda error, _: error and failed.append(error))
        assert producer.flush(PATIENCE) == 0 and not failed, failed
        self.produced += 10
        consumer = Consumer({"bootstrap.servers": self.server.kafka, "group.id": "honest", "enable.auto.commit": False})
        end = consumer.get_watermark_offsets(TopicPartition("events", 0), PATIENCE)[1]
        consumer.assign([TopicPartition("events", 0, end - 10)])
        got, deadline = [], time.monotonic() + PATIENCE
        while len(got) < 10:
            assert time.monotonic() < deadline, f"{len(got)} of 10 records"
            got += [message.value().decode() for message in consumer.consume(10 - len(got), 1) if message.error() is None]
        consumer.close()
        assert got == [value] * 10

    def check_features(self):
        self.server.wait_until_applied()
        reply = self.server.post("/v1/services/seen/features", {"entities": [{"user": "honest"}]})
        assert reply["rows"][0]["values"] == [self.produced]


@pytest.fixture(scope="module")
def module_target(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    with Server(directory / "data", "--tail-cache-bytes", 32 * MIB, "--reconcile-interval-ms", 500) as server:
        server.cli("topic", "create", "events", "--config", f"max.message.bytes={32 * MIB}")
        (directory / "seen.yaml").write_text(DEFINITIONS)
        server.cli("apply", "--yes", directory / "seen.yaml")
        target = Target(server)
        target.check_honest_client()
        yield target


@pytest.fixture
def target(module_target):
    module_target.forget_peak()
    yield module_target
    module_target.check_honest_client()
    module_target.check_features()
    print(f"{module_target.memory('VmHWM') / MIB:.0f} MiB at the peak")
    assert module_target.memory("VmHWM") < module_target.base + GROWTH_MAX, f"{module_target.memory('VmHWM') / MIB:.0f} MiB at the peak"
    assert module_target.server.process.poll() is None


def test_noise_on_the_kafka_port(target):
    rng = random.Random(1)
    with target.counts("millstream_kafka_requests_refused_total", 100), target.counts("millstream_tcp_rejected_total", 50):
        for number in range(200):
            with connected(target.server.kafka) as connection:
                noise = rng.randbytes(rng.randrange(1, 3000))
                if number % 2:  # in frames of a fitting length
                    noise = struct.pack(">i", len(noise)) + noise
                else:
                    noise = bytes([0x80 | noise[0]]) + noise + b"????"
                send(connection, noise)
                connection.shutdown(socket.SHUT_WR)
                until_closed(connection)


def test_lengths_that_lie(target):
    with target.counts("millstream_tcp_rejected_total{reason=\"oversized\"}", 4), target.counts("millstream_kafka_requests_refused_total"):
        for length in (2**31 - 1, -1, -(2**31), 2**30, 0):
            with connected(target.server.kafka) as connection:
                connection.sendall(struct.pack(">i", length))
                assert until_closed(connection) == b""


def test_announced_frames_that_never_come(target):
    """They take the whole memory budget of requests; others must not wait for them long."""
    with contextlib.ExitStack() as stack, target.counts("millstream_tcp_rejected_total{reason=\"stalled\"}"):
        for length in [100 * MIB] * 5 + [12 * MIB]:
            connection = stack.enter_context(connected(target.server.kafka))
            connection.sendall(struct.pack(">i", length))
        deadline = time.monotonic() + PATIENCE
        while True:  # the first records may be there before all announcements are
            target.check_honest_client()
            if target.count("millstream_tcp_rejected_total{reason=\"stalled\"}"):
                break
            assert time.monotonic() < deadline


class Dribblers(threading.Thread):
    """Connections that send one byte each whenever an honest client has got an acknowledgement; what they say is whole requests."""

    def __init__(self, requests):
        """requests: (where, bytes), one connection for each."""
        super().__init__(daemon=True)
        self.connections = [(socket.create_connection(address(where), PATIENCE), said) for where, said in requests]
        self.steps = queue.SimpleQueue()
        for connection, _ in self.connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        for at in iter(self.steps.get, None):
            for connection, said in self.connections:
                send(connection, said[at % len(said) :][:1])

    def answers(self):
        """What each was told, read to the end."""
        self.steps.put(None)
        self.join()
        for connection, _ in self.connections:
            with contextlib.suppress(OSError):  # it is over already
                connection.shutdown(socket.SHUT_WR)
            yield until_closed(connection)
            connection.close()


def test_one_byte_at_a_time(target):
    """Beside them an honest client gets every acknowledgement, each within a request of its own; and they get their answers."""
    versions, status, times = frame(18, 0, b""), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 3
    drops = max(len(versions), len(status)) * times
    dribblers = Dribblers([(target.server.kafka, versions)] * 20 + [(target.server.http, status)] * 20)
    dribblers.start()
    acknowledged = acknowledgements(target, drops, lambda step: dribblers.steps.put(step))
    assert acknowledged == drops
    answers = list(dribblers.answers())
    for answer in answers[:20]:
        whole = 0
        while answer:
            (size,) = struct.unpack_from(">i", answer)
            error, count = struct.unpack_from(">hi", answer, 8)
            assert error == 0 and count > 20
            answer, whole = answer[4 + size :], whole + 1
        assert whole == drops // len(versions)
    assert [answer.count(b"HTTP/1.1 200") for answer in answers[20:]] == [times] * 20


@pytest.mark.skipif(os.environ.get("MS_LONG") != "1", reason="a frame may take a minute")
def test_frames_that_never_end(target):
    """Each byte comes, but not enough of them: the connections are cut off, and an honest client never notices."""
    announced = struct.pack(">i", MIB) + bytes(MIB)
    dribblers = Dribblers([(target.server.kafka, announced)] * 20)
    dribblers.start()
    with target.counts('millstream_tcp_rejected_total{reason="slow"}', 20):
        before, step = target.count('millstream_tcp_rejected_total{reason="slow"}'), 0
        deadline = time.monotonic() + 3 * PATIENCE
        while target.count('millstream_tcp_rejected_total{reason="slow"}') < before + 20:
            assert acknowledgements(target, 100, lambda more: dribblers.steps.put(step + more)) == 100
            assert time.monotonic() < deadline
            step += 100
    assert set(dribblers.answers()) == {b""}


def acknowledgements(target, count, then):
    """Of `count` records of an honest producer, one request each, how many the server acknowledged; then(number) after each."""
    got = []
    producer = Producer({"bootstrap.servers": target.server.kafka, "enable.idempotence": True, "linger.ms": 0})
    for number in range(count):
        producer.produce("honest", str(number), on_delivery=lambda error, _: got.append(error))
        assert producer.flush(PATIENCE) == 0
        then(number)
    return got.count(None)


def test_batches_that_are_damaged(target):
    record = b"\x10\x00\x00\x00\x01\x06abc\x00"[:9]
    batch = record_batch(record)
    damaged = batch[:-1] + bytes([batch[-1] ^ 1])
    with connected(target.server.kafka) as connection, target.counts("millstream_kafka_batches_refused_total", 4):
        for bad in (damaged, batch[:40], batch[:16] + b"\x01" + batch[17:], batch + batch):
            answer = ask(connection, produce_frame("events", bad))
            (error,) = struct.unpack_from(">h", answer, 4 + 2 + len("events") + 4 + 4)
            assert error in (2, 87)


def bombs():
    piece, times = ZEROS
    for number, name in ((1, "gzip"), (3, "lz4"), (4, "zstd")):
        yield name, number, pa.Codec(name).compress(piece, asbytes=True) * times
    yield "snappy", 2, b"\xff\xff\xff\xff\x0f" + bytes(1000)  # says 4 GiB


def test_batches_that_grow(target):
    """The log takes them unopened. Whoever opens one refuses it: the engine writes a dead letter and goes on."""
    packed, soon = list(bombs()), int(time.time() * 1000) + 60_000
    with target.counts("millstream_dead_letters_total", len(packed)):
        for name, number, records in packed:
            with connected(target.server.kafka) as connection:
                end = target.server.get("/v1/topics/events/records?limit=1")["high_watermark"]
                answer = ask(connection, produce_frame("events", record_batch(records, 1, number, soon)))
                (error,) = struct.unpack_from(">h", answer, 4 + 2 + len("events") + 4 + 4)
                assert error == 0, name
                # A lookup by time has to look inside.
                listed = ask(connection, frame(2, 1, struct.pack(">iih", -1, 1, 6) + b"events" + struct.pack(">iiq", 1, 0, soon)))
                assert struct.unpack_from(">h", listed, 4 + 2 + 6 + 4 + 4)[0] == 0
            with contextlib.suppress(urllib.error.HTTPError):
                target.server.get(f"/v1/topics/events/records?offset={end}&limit=10")
        target.server.wait_until_applied()


def test_clients_that_never_read(target):
    """Each asks for much again and again, over its own part of the log, and takes nothing."""
    filler = random.Random(2).randbytes(MIB // 2)
    producer = Producer({"bootstrap.servers": target.server.kafka})
    for _ in range(400):
        producer.produce("filler", filler)
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0
    with contextlib.ExitStack() as stack:
        for number in range(40):
            connection = stack.enter_context(connected(target.server.kafka))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.send(b"".join(fetch_frame("filler", (number * 10 + i) % 400, 50 * MIB) for i in range(500)))
        target.check_honest_client()
        assert target.memory("VmHWM") < target.base + GROWTH_MAX, f"{target.memory('VmHWM') / MIB:.0f} MiB"


def test_idle_connections(target):
    before = target.memory("VmRSS")
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(connected(target.server.kafka))
            stack.enter_context(connected(target.server.http))
        target.check_honest_client()
        target.check_features()
        assert target.count("millstream_tcp_connections") >= 1000
        assert target.memory("VmHWM") < before + 128 * MIB


def http(target, data):
    """All answers to `data`, after which the connection is over."""
    with connected(target.server.http) as connection:
        send(connection, data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return until_closed(connection)


def test_noise_on_the_http_port(target):
    rng = random.Random(3)
    with target.counts("millstream_http_refused_total", 50):
        for _ in range(100):
            http(target, rng.randbytes(rng.randrange(1, 3000)) + b"\r\n\r\n")


def test_http_requests_that_are_too_large(target):
    post = b"POST /v1/services/seen/features HTTP/1.1\r\nHost: localhost\r\n"
    with target.counts("millstream_http_refused_total", 5):
        assert http(target, b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * MIB + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
        assert http(target, b"GET /" + b"a" * MIB).startswith(b"HTTP/1.1 431")
        for length in (2**63, 2**63 - 1, 17 * MIB):
            assert http(target, post + b"Content-Length: %d\r\n\r\n" % length)[:12] in (b"HTTP/1.1 413", b"HTTP/1.1 400")
        endless = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
        assert http(target, post + b"Transfer-Encoding: chunked\r\n\r\n" + endless * 20).startswith(b"HTTP/1.1 413")


def test_http_bodies_that_hold_much(target):
    """Bodies that arrive and wait for their last byte are bounded over all connections; JSON that nests is refused."""
    post = b"POST /v1/topics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(target.server.http)) for _ in range(40)]
        for connection in connections:
            send(connection, post % (15 * MIB) + bytes(15 * MIB - 1))
        assert target.memory("VmHWM") < target.base + GROWTH_MAX
    size = 15 * MIB
    for body in (b"[" * size, b'{"a":' * (size // 5), b'{"name": ' + b"[" * (size - 9), b'{"a":1e999}', b'{"name":"\xff\xfe"}', b"\xff" * size, b"[" + b"0," * (size // 2 - 1)):
        for path in (b"/v1/topics", b"/v1/services/seen/features", b"/v1/plan", b"/v1/apply"):
            request = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            answer = http(target, request + body)
            assert answer[:10] == b"HTTP/1.1 4", (path, body[:10], answer[:300])


def test_pipelines_that_make_no_sense(target):
    good = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with target.counts("millstream_http_refused_total", 2):
        answers = http(target, good * 3 + b"NONSENSE\r\n\r\n" + good * 3)
        assert answers.count(b"HTTP/1.1 200") == 3 and answers.count(b"HTTP/1.1 400") == 1
        smuggled = b"POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        assert http(target, smuggled + good).count(b"HTTP/1.1 200") == 0


def test_http_clients_that_never_read(target):
    many = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20_000
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(connected(target.server.http))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.send(many)
        target.check_honest_client()
        target.check_features()


def test_a_definition_that_never_ends(target):
    for text in (", *a]\nb: *a\n", "a: &a [" + "[" * 100_000, "\x00" * 1000):
        with pytest.raises(urllib.error.HTTPError) as refused:
            target.server.post("/v1/plan", {"files": [{"name": "f.yaml", "text": text}]})
        assert refused.value.code in (400, 422)


def text(value):
    return struct.pack(">h", len(value)) + value


def test_names_as_long_as_the_protocol_allows(target):
    """They come back within messages and ids."""
    longest = b"n" * 32_760
    create = struct.pack(">i", 1) + text(b"u") + struct.pack(">ihii", 1, 1, 0, 1) + text(longest) + text(b"1") + struct.pack(">ib", 1000, 0)
    join = text(b"g") + struct.pack(">ii", 10_000, 10_000) + text(b"") + struct.pack(">h", -1) + text(b"consumer")
    join += struct.pack(">i", 1) + text(b"range") + struct.pack(">i", 1) + b"x"
    with connected(target.server.kafka) as connection:
        assert ask(connection, frame(19, 4, create))
        assert ask(connection, frame(11, 5, join, client=b"c" * 32_767))


def test_refused_batches_beside_small_ones(target):
    """The cache keeps what was accepted, not the requests that brought it."""
    good, size = record_batch(b"\x12\x00\x00\x00\x01\x06abc\x00"), 60 * MIB
    bad = struct.pack(">qiiBI", 0, size - 12, -1, 2, 0) + bytes(size - 21)
    body = struct.pack(">hhi", -1, -1, 30_000) + struct.pack(">i", 1) + text(b"pair") + struct.pack(">i", 2)
    body += struct.pack(">ii", 0, len(good)) + good + struct.pack(">ii", 1, size) + bad
    target.server.cli("topic", "create", "pair", "--partitions", 2)
    with connected(target.server.kafka) as connection:
        for _ in range(20):
            assert struct.unpack_from(">h", ask(connection, frame(0, 3, body)), 4 + 2 + 4 + 4 + 4) == (0,)
    assert target.memory("VmHWM") < target.base + GROWTH_MAX


def test_answers_that_would_be_huge(target):
    target.server.cli("topic", "create", "wide", "--partitions", 1000)
    with target.counts('millstream_kafka_requests_refused_total{reason="answer_too_large"}'), connected(target.server.kafka) as connection:
        send(connection, frame(3, 4, struct.pack(">i", 5000) + text(b"wide") * 5000 + b"\0"))
        assert until_closed(connection) == b""


def test_sessions_of_many_partitions(target):
    partitions = b"".join(struct.pack(">iiqqi", i, -1, 0, -1, 1) for i in range(100_000))
    body = struct.pack(">iiiibii", -1, 0, 0, 1000, 0, 0, 0) + struct.pack(">i", 1) + text(b"nosuch") + struct.pack(">i", 100_000)
    with connected(target.server.kafka) as connection:
        for _ in range(90):
            assert ask(connection, frame(1, 11, body + partitions + struct.pack(">i", 0) + text(b"")))
    # All of them would be 930 MiB; the server keeps the 128 MiB that were used last, beside what the tests before left to its allocator.
    assert target.memory("VmHWM") < target.base + 640 * MIB, f"{target.memory('VmHWM') / MIB:.0f} MiB at the peak"
