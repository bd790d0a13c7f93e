"""B13: the log. A librdkafka producer with acks=all and idempotence sends 155-byte JSON events to 4 partitions, once to Millstream,
which syncs every group to the disk before it acknowledges, once to Apache Kafka, which leaves that to the page cache (and, in
`also`, to one that syncs). Runs alternate, each with a new topic; every record is read back once and compared by checksum."""

import contextlib
import itertools
import os
import pathlib
import statistics
import tempfile

import harness
import servers

EVENTS, QUICK_EVENTS = 5_000_000, 1_000_000
PARTITIONS = 4
BYTES = 155
PRODUCER = {"acks": "all", "enable.idempotence": "true", "linger.ms": "5", "batch.size": "262144", "queue.buffering.max.messages": "500000"}
SYNCS = "millstream_fdatasync_total"


class Runs:
    def __init__(self):
        self.rate, self.cpu_per_gb, self.read_rate, self.busy, self.equal, self.syncs = [], [], [], [], True, []


def one(server, events, codec, topic, runs):
    servers.create_topic(server.kafka, topic, PARTITIONS)
    os.sync()
    properties = [f"X.{name}={value}" for name, value in PRODUCER.items()]
    syncs = server.metric(SYNCS) if isinstance(server, servers.Millstream) else None
    cpu = server.cpu()
    sent = servers.tool("kafka_load", "produce", server.kafka, topic, f"events={events}", *properties, f"X.compression.type={codec}")
    cpu = server.cpu() - cpu
    if syncs is not None:
        runs.syncs.append(server.metric(SYNCS) - syncs)
    got = servers.tool("kafka_load", "consume", server.kafka, topic, f"events={events}")
    servers.delete_topic(server.kafka, topic)
    runs.rate.append(events / sent["seconds"])
    runs.cpu_per_gb.append(cpu / (events * BYTES / 1e9))
    runs.read_rate.append(events / got["seconds"])
    runs.busy.append(cpu / sent["seconds"])
    runs.equal &= got["records"] == events and got["checksum"] == sent["checksum"]
    harness.note(f"  {server.name:<16}{codec:<6}{runs.rate[-1]:>12,.0f} records/s {runs.cpu_per_gb[-1]:6.2f} broker CPU s/GB, client {sent['cpu_s']:.1f} CPU s, "
                 f"read {runs.read_rate[-1]:,.0f}/s" + (f", {runs.syncs[-1]:.0f} syncs" if runs.syncs else ""))


def run(quick):
    events, rounds = (QUICK_EVENTS, 1) if quick else (EVENTS, 3)
    codecs = ["none"] if quick else ["none", "lz4"]
    with tempfile.TemporaryDirectory(prefix="millstream-b13-") as directory:
        root = pathlib.Path(directory)
        peers = [servers.Kafka(root / "kafka")] + ([] if quick else [servers.Kafka(root / "kafka-fsync", fsync=True)])
        results, numbers = {}, itertools.count()
        with servers.Millstream(root / "ours") as ours:
            # One server at a time is under load; an idle one costs next to nothing.
            with contextlib.ExitStack() as stack:
                for peer in peers:
                    stack.enter_context(peer)
                for server in [ours, *peers]:
                    one(server, min(events, 1_000_000), "none", f"warm{next(numbers)}", Runs())
                for codec in codecs:
                    for _ in range(rounds):
                        for server in [ours, *peers]:
                            one(server, events, codec, f"load{next(numbers)}", results.setdefault((server.name, codec), Runs()))
    return result(results, codecs)


def result(results, codecs):
    ours = results["Millstream", "none"]

    def compare(codec, peer):
        mine, theirs = results["Millstream", codec], results[peer, codec]
        equal = mine.equal and theirs.equal
        m = statistics.median
        return [harness.row(f"produce {BYTES} B {codec}", m(mine.rate), m(theirs.rate), peer, "records/s", equal, True),
                harness.row("broker CPU per GB" if codec == "none" else f"broker CPU per GB {codec}", m(mine.cpu_per_gb), m(theirs.cpu_per_gb), peer, "CPU s", equal, False),
                harness.row(f"consume {BYTES} B {codec}", m(mine.read_rate), m(theirs.read_rate), peer, "records/s", equal, True)]

    first = compare("none", "Kafka no fsync")
    also = first[2:]
    for codec in codecs:
        for peer in ("Kafka no fsync", "Kafka fsync"):
            if (peer, codec) in results and (codec, peer) != ("none", "Kafka no fsync"):
                also += compare(codec, peer)
    if ours.syncs:
        syncs = statistics.median(ours.syncs)
        also.append({"what": "fdatasync calls per run", "ours": syncs, "peer": 0, "peer_name": "Kafka no fsync", "ratio": 0, "unit": "calls", "equal": True})
    return {"id": "B13", "rows": first[:2], "also": also}
