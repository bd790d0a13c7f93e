"""Ctrl-C on a real terminal and SIGTERM: what stops, how fast, what it says, and what it leaves behind."""

import datetime
import json
import re
import shutil
import signal
import socket
import struct
import threading
import time
import urllib.request

import confluent_kafka
import numpy as np
import payments
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from millstream import BINARY, Server, run
from terminal import CTRL_C, Terminal

STOP_SECONDS = 5  # the contract of docs/cli.md
USERS, EVENTS, SPINE_ROWS = 20, 5_000, 12_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server with payments, samples of its answers, and a spine that takes seconds."""
    directory = tmp_path_factory.mktemp("stop")
    with Server(directory / "data", "--samples-per-second", "1000000") as server:
        payments.define(server, directory, partitions=2)
        now = int(time.time() * 1000)
        payments.produce(server, [(f"user{n % USERS}", n / 8, now - EVENTS + n) for n in range(EVENTS)])
        assert server.stop() == 0
        server.stopped = directory / "stopped"  # a running server moves its files while they are copied
        shutil.copytree(server.directory, server.stopped)
        server.start()
        server.spine = directory / "spine.parquet"
        write_spine(server.spine, SPINE_ROWS, now)
        yield server


def write_spine(path, rows, end_ms):
    names = pa.array([f"user{n}" for n in range(USERS)])
    keys = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows, dtype=np.int32) % USERS), names)
    times = pa.array(end_ms * 1000 - rows + np.arange(rows, dtype=np.int64)).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"user": keys, "event_time": times}), path, compression="none")


def train_command(server, out, *options):
    return [BINARY, "train", "risk", "--spine", server.spine, "--out", out, *options]


def long_job(server, out):
    return {"service": "risk", "spine": str(server.spine), "out": str(out), "threads": 1}


def interrupt(terminal, how):
    if how == "ctrl-c":
        terminal.type(CTRL_C)
    else:
        terminal.process.send_signal(how)


INTERRUPTS = [("ctrl-c", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize("where", ["server", "dir"])
@pytest.mark.parametrize("how, status", INTERRUPTS, ids=["ctrl-c", "sigterm", "sighup"])
def test_an_interrupted_train_leaves_nothing(served, tmp_path, where, how, status):
    out = tmp_path / "out" / "set.parquet"
    out.parent.mkdir()
    options = [] if where == "server" else ["--dir", stopped_copy(served, tmp_path)]
    with Terminal(train_command(served, out, "--threads", "1", *options), {"MILLSTREAM_SERVER": f"http://{served.http}"}) as terminal:
        terminal.read_until(r"replaying +[1-9]\d* % \[#")
        assert [file.name for file in out.parent.iterdir()] == ["set.parquet.tmp"]  # it is in the middle of it
        interrupt(terminal, how)
        ended, seconds = terminal.wait()
    assert ended == status, terminal.text
    assert seconds < STOP_SECONDS
    assert list(out.parent.iterdir()) == []
    assert terminal.screen()[-1] == f"millstream: cancelled; nothing was written to {out}"
    if where == "server":
        job = served.get("/v1/jobs")["jobs"][0]
        assert (job["kind"], job["state"]) == ("training-set", "cancelled")


def stopped_copy(server, tmp_path):
    """The server's directory as an orderly stop left it, for a command that needs one without a server."""
    copy = tmp_path / "copy"
    shutil.copytree(server.stopped, copy)
    return copy


def test_an_interrupted_train_keeps_an_older_set(served, tmp_path):
    out = tmp_path / "set.parquet"
    out.write_bytes(b"an older one")
    with Terminal(train_command(served, out, "--threads", "1"), {"MILLSTREAM_SERVER": f"http://{served.http}"}) as terminal:
        terminal.read_until(r"replaying +[1-9]\d* %")
        terminal.type(CTRL_C)
        assert terminal.wait()[0] == 130
    assert [file.name for file in tmp_path.iterdir()] == ["set.parquet"] and out.read_bytes() == b"an older one"


def test_progress_fits_the_terminal_and_goes_away(served, tmp_path):
    small = tmp_path / "spine.parquet"
    write_spine(small, 2_000_000, int(time.time() * 1000))
    command = [BINARY, "train", "risk", "--spine", small, "--out", tmp_path / "set.parquet", "--threads", "1"]
    with Terminal(command, {"MILLSTREAM_SERVER": f"http://{served.http}"}, columns=80) as terminal:
        assert terminal.wait()[0] == 0
    frames = [frame for frame in re.split(r"\r|\x1b\[K|\n", terminal.text) if "%" in frame]
    assert frames and max(map(len, frames)) < 80, frames
    assert any(re.fullmatch(r"replaying +\d+ % \[#* *\] [\d,]+ of 2,000,000 rows, [\d,]+/s, .* left", frame) for frame in frames), frames
    done = [int(re.search(r"(\d+) %", frame)[1]) for frame in frames if frame.startswith("replaying")]
    assert done == sorted(done)
    assert [line for line in terminal.screen() if "%" in line] == []  # only the result stays
    assert terminal.screen()[0].startswith("2,000,000 rows x 4 features from 5,000 events in ")
    quiet = run(*command[1:], "--quiet", server=f"http://{served.http}")
    assert quiet.stderr == ""


@pytest.mark.parametrize("how, status", INTERRUPTS[:2], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_verify(served, tmp_path, how, status):
    # The job waits behind another one, so that it is certainly not done when the signal comes.
    other = served.post("/v1/training-sets", long_job(served, tmp_path / "busy.parquet"))["id"]
    with Terminal([BINARY, "verify", "risk"], {"MILLSTREAM_SERVER": f"http://{served.http}"}) as terminal:
        terminal.read_until(r"waiting for another job to end")
        interrupt(terminal, how)
        ended, seconds = terminal.wait()
    assert (ended, seconds < STOP_SECONDS) == (status, True), terminal.text
    assert terminal.screen()[-1] == "millstream: cancelled; nothing is known about the answers"
    assert served.get(f"/v1/jobs/{other}")["state"] == "running"  # nobody waited for it
    served.delete(f"/v1/jobs/{other}")
    while served.get(f"/v1/jobs/{other}?wait_ms=1000")["state"] == "running":
        pass
    assert list(tmp_path.iterdir()) == []


class Clients:
    """Clients that sit there: idle Kafka and HTTP connections, half a request of each kind, consumers whose fetch waits a minute."""

    def __init__(self, server):
        def connected(address):
            host, port = address.rsplit(":", 1)
            return socket.create_connection((host, int(port)), timeout=30)

        self.idle = [connected(address) for address in (server.kafka, server.http) for _ in range(20)]
        self.half = [connected(server.kafka), connected(server.http)]
        self.half[0].sendall(struct.pack(">i", 1000) + b"\0\1")
        self.half[1].sendall(b"POST /v1/services/risk/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        self.enough = threading.Event()
        self.polls = [threading.Thread(target=self._poll, args=(server,), daemon=True) for _ in range(2)]
        for poll in self.polls:
            poll.start()
        server.wait_for(lambda: self._fetches(server) >= len(self.polls), "every consumer's fetch has come")

    @staticmethod
    def _fetches(server):
        with urllib.request.urlopen(f"http://{server.http}/metrics", timeout=60) as reply:
            found = re.search(r'^millstream_kafka_requests_total\{api="Fetch"\} (\d+)', reply.read().decode(), re.M)
        return int(found[1]) if found else 0

    def _poll(self, server):
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": server.kafka, "group.id": "idle", "auto.offset.reset": "latest", "fetch.wait.max.ms": 60_000, "fetch.min.bytes": 1_000_000,
             "socket.timeout.ms": 70_000, "log_level": 0}
        )  # fmt: skip
        try:
            consumer.assign([confluent_kafka.TopicPartition(payments.TOPIC, 0, confluent_kafka.OFFSET_END)])
            while not self.enough.is_set():
                consumer.poll(0.1)
        finally:
            consumer.close()

    def watch(self, server, path):
        host, port = server.http.rsplit(":", 1)
        self.idle.append(socket.create_connection((host, int(port)), timeout=30))
        self.idle[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def close(self):
        self.enough.set()
        for connection in self.idle + self.half:
            connection.close()
        for poll in self.polls:
            poll.join(30)


@pytest.mark.parametrize("how", ["ctrl-c", signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_serve_stops_in_order_under_idle_clients(served, tmp_path, how):
    with Server(tmp_path / "data") as server:
        payments.define(server, tmp_path, partitions=1)
        payments.produce(server, [("ann", 1.5, int(time.time() * 1000) - 1000)])
        before = payments.read(server, "ann")["rows"][0]["values"]
    command = [BINARY, "serve", "--dir", tmp_path / "data", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with Terminal(command) as terminal:
        ready = terminal.read_until(r"^ready kafka=(\S+) http=(\S+) dir=")
        server.kafka, server.http = ready.groups()
        server.process = terminal.process
        clients = Clients(server)
        # A training set that takes longer than the stop may, one that waits behind it, and somebody who watches that one.
        running, waiting = (server.post("/v1/training-sets", long_job(served, tmp_path / f"{name}.parquet"))["id"] for name in ("running", "waiting"))
        server.wait_for(lambda: server.get(f"/v1/jobs/{running}")["phase"] == "replaying", "the training set is under way")
        clients.watch(server, f"/v1/jobs/{waiting}?wait_ms=10000")
        assert payments.read(server, "ann")["rows"][0]["values"] == before
        interrupt(terminal, how)
        status, seconds = terminal.wait()
        clients.close()
    assert status == 0, terminal.text
    assert seconds < STOP_SECONDS
    assert "stop_too_slow" not in terminal.text and "stopped" in terminal.text
    assert not list(tmp_path.glob("*.parquet*"))
    # In order: the next start has nothing to recover from and knows everything.
    with Server(tmp_path / "data") as again:
        again.wait_until_applied()
        assert payments.read(again, "ann")["rows"][0]["values"] == before


def test_train_from_a_directory_and_from_files(tmp_path):
    with Server(tmp_path / "data") as server:
        payments.define(server, tmp_path, partitions=2)
        now = int(time.time() * 1000)
        events = [(f"user{n % 3}", n * 0.1, now - 3_600_000 + n * 1000) for n in range(300)]
        payments.produce(server, events)
        spine = tmp_path / "spine.csv"
        at = datetime.datetime.fromtimestamp(now / 1000, datetime.timezone.utc).isoformat()
        spine.write_text("row,user,event_time\n" + "".join(f"{n},user{n % 4},{at}\n" for n in range(40)))
        server.cli("train", "risk", "--spine", spine, "--out", tmp_path / "server.parquet")
        assert f"process id {server.process.pid}" in run("train", "risk", "--spine", spine, "--out", tmp_path / "no.parquet", "--dir", server.directory, status=2).stderr
    expected = pq.read_table(tmp_path / "server.parquet")
    assert expected["payments_count_1h"].to_pylist()[:4] == [100, 100, 100, 0]

    made = json.loads(run("train", "risk", "--spine", spine, "--out", tmp_path / "dir.parquet", "--dir", tmp_path / "data", "--json").stdout)
    assert (made["rows"], made["events"]) == (40, 300)
    assert pq.read_table(tmp_path / "dir.parquet").equals(expected)

    # The same history as a file instead of the log.
    table = pa.table({"user": [e[0] for e in events], "amount": [e[1] for e in events], "at": pa.array([e[2] for e in events], pa.timestamp("ms", tz="UTC"))})
    pq.write_table(table, tmp_path / "payments.parquet")
    common = ["train", "risk", "--spine", spine, "--dir", tmp_path / "data", "--events"]
    run(*common, f"payments={tmp_path / 'payments.parquet'}", "--out", tmp_path / "file.parquet")
    assert pq.read_table(tmp_path / "file.parquet").equals(expected)
    manifest = json.loads((tmp_path / "file.parquet.manifest.json").read_text())
    assert "payments.parquet" in json.dumps(manifest)

    refused = run(*common, f"refunds={tmp_path / 'payments.parquet'}", "--out", tmp_path / "no.parquet", status=2)
    assert "no source 'refunds'" in refused.stderr
    assert "SOURCE=FILE" in run(*common, "payments", "--out", tmp_path / "no.parquet", status=2).stderr
    assert not (tmp_path / "no.parquet").exists()
