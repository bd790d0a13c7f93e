"""B13: the log. Producers with acks=all and idempotence send JSON events to 4 partitions, 155 bytes or 1 KiB each, plain or lz4: with librdkafka (our
client, every record read back once and compared by checksum) and with Apache Kafka's own producer-perf and consumer-perf. `tail` is a
consumer that reads while the producer writes; the rest reads when all is written. Millstream
syncs every group to the disk before it acknowledges, Apache Kafka leaves that to the page cache (gated) or syncs too (in `also`).
Runs alternate, each with a new topic. The first rows have the settings that people tune; `defaults` the tools' own."""

import collections
import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import re
import statistics
import tempfile
import time

import harness
import servers

PARTITIONS = 4
TUNED = {"acks": "all", "enable.idempotence": "true", "linger.ms": "5"}
LIBRDKAFKA = {**TUNED, "batch.size": "262144", "queue.buffering.max.messages": "500000"}
JAVA = {**TUNED, "batch.size": "262144"}
SYNCS = "millstream_fdatasync_total"
TIMEOUT_SECONDS = 300

# bytes of a record: how many records for librdkafka (and `tail`) and for Java's tools; a quick run sends a fifth
RECORDS = {155: (5_000_000, 3_000_000), 1024: (1_000_000, 1_000_000)}
QUICK_SHARE = 5

FIGURES = [("produce", "produce", "records/s", True), ("produce CPU", "produce_cpu", "CPU s/GB", False), ("consume", "consume", "records/s", True),
           ("consume CPU", "consume_cpu", "CPU s/GB", False), ("CPU of both", "cpu", "CPU s/GB", False)]

Load = collections.namedtuple("Load", "client size codec")
SETTINGS = {"librdkafka": LIBRDKAFKA, "tail": LIBRDKAFKA, "java": JAVA, "java defaults": {"acks": "all"}}


def loads(quick):
    if quick:
        return [Load(client, 155, "none") for client in ("librdkafka", "tail", "java")]
    out = [Load(client, size, codec) for client in ("librdkafka", "java") for size in RECORDS for codec in ("none", "lz4")]
    out += [Load("tail", 155, codec) for codec in ("none", "lz4")]
    return out + [Load("java defaults", 155, "none")]


def write(server, load, topic, records):
    properties = [f"X.{name}={value}" for name, value in SETTINGS[load.client].items()]
    return servers.tool("kafka_load", "produce", server.kafka, topic, f"events={records}", f"size={load.size}", *properties, f"X.compression.type={load.codec}")


def read(server, topic, records):
    return servers.tool("kafka_load", "consume", server.kafka, topic, f"events={records}")


def same(sent, got):
    return got["records"] == sent["records"] and got["checksum"] == sent["checksum"]


def librdkafka(server, load, topic, records):
    with servers.spent(server) as produce:
        sent = write(server, load, topic, records)
    with servers.spent(server) as consume:
        got = read(server, topic, records)
    return {"produce": records / sent["seconds"], "consume": records / got["seconds"], "produce_cpu": produce.cpu, "consume_cpu": consume.cpu, "equal": same(sent, got)}


def tail(server, load, topic, records):
    """The consumer waits for the first record when the producer starts; its rate is from its first record to its last, the CPU that of both."""
    with concurrent.futures.ThreadPoolExecutor(1) as reader, servers.spent(server) as both:
        reading = reader.submit(read, server, topic, records)
        sent = write(server, load, topic, records)
        got = reading.result()
    return {"produce": records / sent["seconds"], "consume": records / got["reading_s"], "cpu": both.cpu, "equal": same(sent, got)}


def payloads(size):
    """10,000 events, one a line, for the tools."""
    path = harness.CACHE / f"b13-{size}.jsonl"
    if not path.exists():
        lines = (f'{{"user_id":"u{i * 7919 % 1_000_000:06}","item":{i * 104_729 % 100_000:05},"amount":{i * 31 % 10_000 / 100:.2f},"country":"{"DE FR US JP".split()[i % 4]}","ref":"'
                 for i in range(10_000))
        path.write_text("".join((line + " ".join(f"{n * 2_654_435_761 % 2**32:08x}" if n % 3 else "click" for n in range(i, i + size // 6)))[:size - 2] + '"}\n'
                                for i, line in enumerate(lines)))
    return path


def java(server, load, topic, records):
    import kafka_tools

    settings = [f"{name}={value}" for name, value in SETTINGS[load.client].items()] + [f"compression.type={load.codec}"]
    jvm = ("-Xmx512M", "-XX:+UseG1GC")
    with servers.spent(server) as produce:
        text = kafka_tools.tool("producer-perf", "--bootstrap-server", server.kafka, "--topic", topic, "--num-records", records, "--payload-file", payloads(load.size),
                                "--throughput", -1, "--warmup-records", records // 4, "--command-property", *settings, timeout=TIMEOUT_SECONDS, java=jvm)
    with servers.spent(server) as consume:
        report = kafka_tools.tool("consumer-perf", "--bootstrap-server", server.kafka, "--topic", topic, "--num-records", records, "--hide-header",
                                  "--timeout", TIMEOUT_SECONDS * 1000, timeout=TIMEOUT_SECONDS, java=jvm)
    fields = [field.strip() for field in report.strip().splitlines()[-1].split(",")]
    return {"produce": float(re.search(r"steady state records sent, ([\d.]+) records/sec", text)[1]), "consume": float(fields[9]), "produce_cpu": produce.cpu,
            "consume_cpu": consume.cpu, "equal": int(fields[4]) >= records and servers.records_in(server.kafka, topic, PARTITIONS) == records}


def one(server, load, topic, records):
    servers.create_topic(server.kafka, topic, PARTITIONS)
    os.sync()
    syncs = server.metric(SYNCS) if isinstance(server, servers.Millstream) else None
    run = {"librdkafka": librdkafka, "tail": tail}.get(load.client, java)(server, load, topic, records)
    run["syncs"] = server.metric(SYNCS) - syncs if syncs is not None else 0
    servers.delete_topic(server.kafka, topic)
    gigabytes = records * load.size / 1e9
    for what in run.keys() & {"produce_cpu", "consume_cpu", "cpu"}:
        run[what] /= gigabytes
    cpu = ", ".join(f"{what.replace('_', ' ')} {run[what]:.2f}" for _, what, _, _ in FIGURES if "cpu" in what and what in run)
    harness.note(f"  {server.name:<16}{load.client:<14}{load.size:>5} B {load.codec:<5}{run['produce']:>11,.0f} records/s, read {run['consume']:>11,.0f}/s, "
                 f"broker s/GB: {cpu}, {run['syncs']:.0f} syncs")
    return run


def run(quick):
    rounds, share = (1, QUICK_SHARE) if quick else (3, 1)
    results, numbers, started = {}, itertools.count(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="millstream-b13-", dir=harness.CACHE) as directory, contextlib.ExitStack() as stack:
        root = pathlib.Path(directory)
        peers = [servers.Millstream(root / "ours"), servers.Kafka(root / "kafka")] + ([] if quick else [servers.Kafka(root / "kafka-fsync", fsync=True)])
        for peer in peers:  # one server at a time is under load; an idle one costs next to nothing
            stack.enter_context(peer)
            one(peer, loads(quick)[0], f"warm{next(numbers)}", RECORDS[155][0] // QUICK_SHARE)
        for load in loads(quick):
            records = RECORDS[load.size][load.client.startswith("java")] // share
            for _ in range(rounds):
                for peer in peers:
                    results.setdefault((peer.name, load), []).append(one(peer, load, f"load{next(numbers)}", records))
            harness.note(f"  {load.client} {load.size} B {load.codec}: done, {time.monotonic() - started:.0f} s so far")
    return {"id": "B13", "rows": table(results, "Kafka no fsync"), "also": table(results, "Kafka fsync") + syncs_of(results)}


def table(results, peer):
    rows = []
    for load in [load for name, load in results if name == peer]:
        ours, theirs = results["Millstream", load], results[peer, load]
        equal = all(r["equal"] for r in ours + theirs)
        where = f"{load.client} {load.size} B {load.codec}"
        for what, key, unit, larger in (figure for figure in FIGURES if figure[1] in ours[0]):
            mine, other = (statistics.median(r[key] for r in runs) for runs in (ours, theirs))
            rows.append(harness.row(f"{what}, {where}", mine, other, peer, unit, equal, larger))
    return rows


def syncs_of(results):
    return [{"what": f"fdatasyncs, {load.client} {load.size} B {load.codec}", "ours": statistics.median(r["syncs"] for r in runs), "peer": 0, "peer_name": "none", "ratio": 0, "unit": "a run",
             "equal": True} for (name, load), runs in results.items() if name == "Millstream"]
