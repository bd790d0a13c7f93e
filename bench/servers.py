"""The servers of the benchmarks: Millstream, Apache Kafka, Redis. Each in its own directory, on free loopback ports, ended by
its process id, with its CPU seconds. Also our own clients (bench/src, built on demand) and where everything is pinned."""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import harness

for folder in ("support", "peers/kafka"):
    sys.path.insert(0, str(harness.ROOT / "tests" / folder))
import scratch  # noqa: E402
from ports import free_ports  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
BUILD = harness.ROOT / "build" / "release"
TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, CLIENT_CORE = 0, 1  # client and server never share a core
START_SECONDS = 90
READY_SECONDS = 60
STOP_SECONDS = 60


def pin(core):
    return lambda: os.sched_setaffinity(0, {core})


@contextlib.contextmanager
def pinned(core):
    """Processes started inside are pinned to `core` (None: not pinned)."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@functools.cache
def build_tools():
    subprocess.run(["ninja", "-C", str(BUILD), "--quiet", "bench_tools"], check=True, stdout=sys.stderr)


def tool(name, *arguments, core=None):
    """Runs one of our clients; its last line is JSON."""
    build_tools()
    with pinned(core):
        done = subprocess.run([str(BUILD / "bin" / f"bench_{name}"), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"bench_{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def rounds(name, *arguments):
    """Runs one of our benchmarks in one process, pinned to a core; it prints a JSON line per round and fails when results are not equal."""
    build_tools()
    with pinned(SERVER_CORE):
        done = subprocess.run([str(BUILD / "bin" / f"bench_{name}"), *map(str, arguments)], capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines or done.returncode not in (0, 1) or done.returncode == 1 and all(line.get("equal", True) for line in lines):
        raise RuntimeError(f"bench_{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return lines


def cpu_seconds(pid):
    """User and system time of a process and its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class spent:
    """`with spent(server) as s:` - s.cpu is the CPU seconds the server used meanwhile."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.before = self.server.cpu()
        return self

    def __exit__(self, *_):
        self.cpu = self.server.cpu() - self.before


class Millstream:
    name = "Millstream"

    def __init__(self, directory, *options, core=None, port=0):
        from millstream import Server

        self.server = Server(directory, *options, kafka=f"127.0.0.1:{port}")
        self.core = core

    def __enter__(self):
        with pinned(self.core):
            self.server.start()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    kafka = property(lambda self: self.server.kafka)
    http = property(lambda self: self.server.http)
    pid = property(lambda self: self.server.process.pid)

    def cpu(self):
        return cpu_seconds(self.pid)

    def kill(self):
        self.server.kill()

    def metric(self, name):
        """The sum of a counter over its labels; None when the server has no such counter."""
        import urllib.request

        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=30) as reply:
            lines = [line.split() for line in reply.read().decode().splitlines() if line.startswith(name)]
        values = [float(line[-1]) for line in lines if line[0].split("{")[0] == name]
        return sum(values) if values else None


class Process:
    """A peer in the foreground of its own directory."""

    def __init__(self, directory, core=None):
        self.directory, self.core, self.process = pathlib.Path(directory), core, None

    def start(self, command, ready):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / "server.log"
        with pinned(self.core), open(self.log, "ab") as log:
            self.process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)
        deadline = time.monotonic() + START_SECONDS
        while not ready(self.log.read_text(errors="replace")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    pid = property(lambda self: self.process.pid)

    def cpu(self):
        return cpu_seconds(self.pid)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Redis(Process):
    """Debian's redis-server without persistence."""

    def __enter__(self):
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.start(["redis-server", "--port", self.address.split(":")[1], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
                   lambda log: "Ready to accept connections" in log)
        return self


class Kafka(Process):
    """One Apache Kafka broker (KRaft, 1 GiB heap, G1), of the version in tests/peers/kafka/pom.xml. Entered again after kill(), it goes on
    with what it has on disk."""

    def __init__(self, directory, fsync=False, core=None, port=0, settings=()):
        super().__init__(directory, core)
        self.fsync, self.port, self.settings = fsync, port, list(settings)
        self.name = "Kafka fsync" if fsync else "Kafka no fsync"

    def __enter__(self):
        import kafka_tools

        port, controller = free_ports(2)
        self.kafka = f"127.0.0.1:{self.port or port}"
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "server.log").unlink(missing_ok=True)
        lines = [(HERE / "peers" / "kafka" / "broker.properties").read_text(), *self.settings, f"log.dirs={self.directory / 'log'}",
                 f"listeners=PLAINTEXT://{self.kafka},CONTROLLER://127.0.0.1:{controller}", f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}"]
        if self.fsync:
            lines.append("log.flush.interval.messages=1")
        properties = self.directory / "broker.properties"
        properties.write_text("\n".join(lines) + "\n")
        java = [*scratch.java(), f"-Dlog4j2.configurationFile={HERE / 'peers' / 'kafka' / 'log4j2.properties'}", "-cp", f"{kafka_tools.libraries()}/*"]
        if not (self.directory / "log").exists():
            subprocess.run([*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", "bWlsbHN0cmVhbS1iZW5jaA", "-c", properties],
                           check=True, capture_output=True)
        self.start([java[0], "-Xms1G", "-Xmx1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", *java[1:], "kafka.Kafka", properties],
                   lambda log: "Kafka Server started" in log)
        return self


@contextlib.contextmanager
def logs(directory):
    """Millstream, Apache Kafka with an fsync per append, and without: started, in this order."""
    with contextlib.ExitStack() as stack:
        made = Millstream(directory / "ours"), Kafka(directory / "kafka-fsync", fsync=True), Kafka(directory / "kafka")
        yield [stack.enter_context(server) for server in made]


def create_topic(server, name, partitions):
    """Through the Kafka protocol, so the same for every server; returns when every partition has a leader that answers."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": server, "log_level": 0})
    admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])[name].result(60)
    deadline = time.monotonic() + READY_SECONDS
    while records_in(server, name, partitions) is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"topic {name} is not ready after {READY_SECONDS} s")
        time.sleep(0.05)


def records_in(server, topic, partitions):
    """The records of all partitions together; None while one has no leader."""
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec

    admin = AdminClient({"bootstrap.servers": server, "log_level": 0})
    offsets = admin.list_offsets({TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)})
    try:
        return sum(future.result(60).offset for future in offsets.values())
    except KafkaException:
        return None


def delete_topic(server, name):
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": server})  # a name of its own: it must outlive the future
    admin.delete_topics([name])[name].result(30)
