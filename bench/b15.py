"""B15: many small requests. 16 librdkafka producers, each waiting for every acknowledgement, so a request carries one record of 155 bytes, over
1,000 partitions in turn (acks=all). Millstream syncs before it acknowledges; Apache Kafka with an fsync per append (gated) and without
(in `also`). Nothing is pinned; runs alternate, each with a new topic. Every record must be in its partition."""

import itertools
import os
import pathlib
import statistics
import tempfile

import harness
import servers

PRODUCERS, PARTITIONS = 16, 1_000
SECONDS, QUICK_SECONDS, WARM_UP = 8, 3, 2


def one(server, topic, seconds):
    servers.create_topic(server.kafka, topic, PARTITIONS)
    os.sync()
    cpu = server.cpu()
    got = servers.tool("kafka_pace", "sync", server.kafka, topic, f"producers={PRODUCERS}", f"seconds={seconds}", f"warmup={WARM_UP}", "X.acks=all",
                       "X.linger.ms=0")
    got["cpu_us"] = (server.cpu() - cpu) / got["records"] * 1e6
    got["equal"] = servers.records_in(server.kafka, topic, PARTITIONS) == got["records"]
    servers.delete_topic(server.kafka, topic)
    harness.note(f"  {server.name:<16}{got['records_per_s']:>10,.0f} records/s, ack p50 {got['ack']['p50'] / 1000:.2f} p99 {got['ack']['p99'] / 1000:.2f} ms, {got['cpu_us']:.0f} broker CPU us/record")
    return got


def run(quick):
    seconds, count = (QUICK_SECONDS, 1) if quick else (SECONDS, 3)
    results, names = {}, itertools.count()
    with tempfile.TemporaryDirectory(prefix="millstream-b15-", dir=harness.CACHE) as directory, servers.logs(pathlib.Path(directory)) as peers:
        for peer in peers:
            one(peer, f"warm{next(names)}", QUICK_SECONDS)
        for _ in range(count):
            for peer in peers:
                results.setdefault(peer.name, []).append(one(peer, f"small{next(names)}", seconds))
    return {"id": "B15", "rows": table(results, "Kafka fsync"), "also": table(results, "Kafka no fsync")}


def table(results, peer):
    ours, theirs = results["Millstream"], results[peer]
    equal = all(r["equal"] for r in ours + theirs)

    def row(what, of, unit, larger):
        return harness.row(what, *(statistics.median(map(of, runs)) for runs in (ours, theirs)), peer, unit, equal, larger)

    return [row("one record a request", lambda r: r["records_per_s"], "records/s", True), row("ack p50", lambda r: r["ack"]["p50"] / 1000, "ms", False),
            row("ack p99", lambda r: r["ack"]["p99"] / 1000, "ms", False), row("broker CPU", lambda r: r["cpu_us"], "us/record", False)]
