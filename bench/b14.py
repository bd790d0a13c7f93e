"""B14: latency of the log at fixed rates. An open loop of 155-byte records (acks=all, linger 0 and 5 ms, 4 partitions): from each record's due
time until its acknowledgement, and until a consumer has it. Millstream syncs before it acknowledges; Apache Kafka with an fsync per append
(gated) and without (in `also`: the goal). Nothing is pinned; runs alternate, each with a new topic; the
consumer must see every record once."""

import itertools
import os
import pathlib
import statistics
import tempfile

import harness
import servers

RATES = (1_000, 10_000, 50_000)
LINGERS = (0, 5)
SECONDS, QUICK_SECONDS, WARM_UP = 5, 2, 2
PARTITIONS = 4
WHAT = ("ack", "e2e")
PERCENTILES = ("p50", "p99")


def one(server, topic, rate, linger, seconds):
    servers.create_topic(server.kafka, topic, PARTITIONS)
    os.sync()
    got = servers.tool("kafka_pace", "latency", server.kafka, topic, f"rate={rate}", f"seconds={seconds}", f"warmup={WARM_UP}", "X.acks=all",
                       f"X.linger.ms={linger}", "X.queue.buffering.max.messages=500000")
    servers.delete_topic(server.kafka, topic)
    figures = " ".join(f"{what} {p} {got[what][p] / 1000:.2f} ms" for what in WHAT for p in PERCENTILES)
    harness.note(f"  {server.name:<16}{rate:>7}/s linger {linger}  {figures}")
    return got


def run(quick):
    seconds, count = (QUICK_SECONDS, 1) if quick else (SECONDS, 3)
    results, names = {}, itertools.count()
    with tempfile.TemporaryDirectory(prefix="millstream-b14-", dir=harness.CACHE) as directory, servers.logs(pathlib.Path(directory)) as peers:
        for peer in peers:  # a JVM is slow until it has compiled
            one(peer, f"warm{next(names)}", RATES[1], 0, seconds)
        for rate, linger in itertools.product(RATES, LINGERS):
            for _ in range(count):
                for peer in peers:
                    results.setdefault((rate, linger, peer.name), []).append(one(peer, f"pace{next(names)}", rate, linger, seconds))
    return {"id": "B14", "rows": table(results, "Kafka fsync"), "also": table(results, "Kafka no fsync")}


def table(results, peer):
    rows = []
    for rate, linger in itertools.product(RATES, LINGERS):
        ours, theirs = results[rate, linger, "Millstream"], results[rate, linger, peer]
        equal = all(r["lost"] == r["doubled"] == 0 for r in ours + theirs)
        for what, p in itertools.product(WHAT, PERCENTILES):
            mine, other = (statistics.median(r[what][p] / 1000 for r in runs) for runs in (ours, theirs))
            rows.append(harness.row(f"{what} {p}, {rate:,}/s, linger {linger}", mine, other, peer, "ms", equal, False))
    return rows
