"""B17: the life of a broker. From the start of its process in an empty directory to the first acknowledged record (Kafka's formatting of the
directory included); kill -9 under a load of 400,000 records/s, then from the start to the first fetched record; resident memory when
idle, and with 10,000 partitions that have records. Apache Kafka has a session of 1 s, so that it does not wait for its own ghost. Every
record that was acknowledged before the kill must be there."""

import contextlib
import itertools
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import harness
import servers
from ports import free_ports

IMPATIENT = {"reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 20, "retry.backoff.ms": 5, "topic.metadata.refresh.fast.interval.ms": 10, "log_level": 0}
KAFKA_SETTINGS = ("broker.session.timeout.ms=1000", "broker.heartbeat.interval.ms=250")
RATE, PARTITIONS = 400_000, 4
KILL_AFTER, QUICK_KILL_AFTER = 3_000_000, 600_000  # records
TOPICS, PARTITIONS_EACH = 10, 1_000
WAIT_SECONDS = 120
IDLE_SECONDS = 5


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no VmRSS")


def first_acknowledgement(address):
    from confluent_kafka import Producer

    answers = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "linger.ms": 0, **IMPATIENT})
    producer.produce("first", b"x", on_delivery=lambda error, _: answers.append(error))
    deadline = time.monotonic() + WAIT_SECONDS
    while not answers:
        producer.poll(0.01)
        if time.monotonic() > deadline:
            raise RuntimeError(f"no acknowledgement from {address}")
    if answers[0]:
        raise RuntimeError(str(answers[0]))


def first_record(address):
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": address, "group.id": "bench", "enable.auto.commit": False, "fetch.error.backoff.ms": 5, **IMPATIENT})
    consumer.assign([TopicPartition("load", 0, 0)])  # a logical offset would wait half a second in librdkafka
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        message = consumer.poll(0.01)
        if message is not None and not message.error():
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"no record from {address}")
    consumer.close()


def seconds_until(event, server, stack):
    """From the start of the server's process until `event` of a client that has been trying all the while. The server lives in `stack`."""
    done = []
    begin = time.monotonic()
    client = threading.Thread(target=lambda: (event(f"127.0.0.1:{server.port}"), done.append(time.monotonic() - begin)))
    client.start()
    stack.enter_context(server)
    client.join()
    if not done:
        raise RuntimeError(f"{server.name}: {event.__name__} failed")
    return done[0]


def kill_under_load(server, records):
    """Gives how many records were there, acknowledged, shortly before the kill."""
    servers.create_topic(server.kafka, "load", PARTITIONS)
    servers.build_tools()
    load = subprocess.Popen([str(servers.BUILD / "bin" / "bench_kafka_load"), "produce", server.kafka, "load", f"events={2 * KILL_AFTER}", f"rate={RATE}", "X.acks=all",
                             "X.linger.ms=5", "X.log_level=0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while (seen := servers.records_in(server.kafka, "load", PARTITIONS)) < records:
            if load.poll() is not None:
                raise RuntimeError(f"the load ended early with {seen} records")
            time.sleep(0.05)
        server.kill()
    finally:
        load.kill()
        load.wait()
    return seen


def life(make, records):
    with contextlib.ExitStack() as stack:
        server = make()
        out = {"start": seconds_until(first_acknowledgement, server, stack)}
        time.sleep(IDLE_SECONDS)
        out["idle"] = resident_mb(server.pid)
        seen = kill_under_load(server, records)
        out["recover"] = seconds_until(first_record, server, stack)
        out["equal"] = servers.records_in(server.kafka, "load", PARTITIONS) >= seen
    harness.note(f"  {server.name:<16}first acknowledgement after {out['start']:.3f} s, idle {out['idle']:.0f} MB; kill -9 with {seen:,} records, first fetch after {out['recover']:.3f} s")
    return out


def with_partitions(root):
    """Megabytes of Millstream with 10,000 partitions, before and after 100 records in each."""
    with servers.Millstream(root / "many") as server:
        for t in range(TOPICS):
            servers.create_topic(server.kafka, f"many{t}", PARTITIONS_EACH)
        empty = resident_mb(server.pid)
        for t in range(TOPICS):
            servers.tool("kafka_load", "produce", server.kafka, f"many{t}", f"events={100 * PARTITIONS_EACH}", "X.acks=all", "X.linger.ms=50")
        return empty, resident_mb(server.pid)


def run(quick):
    records, count = (QUICK_KILL_AFTER, 1) if quick else (KILL_AFTER, 3)
    results, numbers = {}, itertools.count()
    with tempfile.TemporaryDirectory(prefix="millstream-b17-", dir=harness.CACHE) as directory:
        root = pathlib.Path(directory)

        def ours():
            server = servers.Millstream(root / f"ours{next(numbers)}", port=(port := free_ports(1)[0]))
            server.port = port
            return server

        def kafka():
            return servers.Kafka(root / f"kafka{next(numbers)}", port=free_ports(1)[0], settings=KAFKA_SETTINGS)

        for _ in range(count):
            for make in (ours, kafka):
                one = life(make, records)
                results.setdefault(make, []).append(one)
        empty, full = with_partitions(root)
    equal = all(r["equal"] for runs in results.values() for r in runs)

    def row(what, key, unit):
        return harness.row(what, *(statistics.median(r[key] for r in results[make]) for make in (ours, kafka)), "Kafka no fsync", unit, equal, False)

    rows = [row("start to first acknowledgement", "start", "s"), row("kill -9 to first fetch", "recover", "s"),
            harness.row("resident, idle", statistics.median(r["idle"] for r in results[ours]), 50, "the bar", "MB", True, False),
            harness.row("resident, 10,000 partitions", full, 300, "the bar", "MB", True, False)]
    return {"id": "B17", "rows": rows, "also": [row("resident, idle", "idle", "MB"), harness.row("the same, no records", empty, 300, "the bar", "MB", True, False)]}
