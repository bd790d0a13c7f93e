"""B16: many small consumer groups. 1,000 connections in 500 groups of two members that read a topic of 4 partitions. A member leaves and
another one takes its place until both have their final partitions: one rebalance (bench/src/group_load.cc), with the classic protocol and
with that of KIP-848. `busy`: all groups at once; `alone`: one group at a time among idle ones. Nothing is pinned.

Apache Kafka keeps changes of groups in a topic (here without fsync), Millstream in memory. Kafka assigns at once here; by default at most once a
second (`also`). The first wait of a new group (group.initial.rebalance.delay.ms: none in this Kafka, 3 s by its default, 0.5 s in
Millstream) is in the seconds until all groups are formed and in no rebalance: a group that keeps a member does not wait.

Runs alternate, each with a new topic and new groups. An answer that is not the expected one ends the run, and all runs must end with the
same checksum: every group stable with two members, every partition with one of them, as they and the server say."""

import contextlib
import itertools
import pathlib
import statistics
import tempfile

import harness
import servers

GROUPS, PARTITIONS = 500, 4
PROTOCOLS = ("classic", "consumer")
PEER, DEFAULT_PEER = "Kafka no fsync", "Kafka defaults"
AT_ONCE = ("group.consumer.assignment.interval.ms=0",)
DEFAULTS = ("group.initial.rebalance.delay.ms=3000",)
SECONDS, WARM_UP, ALONE, HEAT = 8, 3, 3, 15
QUICK_SECONDS, QUICK_ALONE, QUICK_HEAT = 3, 1, 3
MB = 1 << 20

# What a run gives: name, unit, value.
RATE = ("busy", "/s", lambda r: r["rebalances_per_s"])
FORMED = ("all groups formed", "s", lambda r: r["formed_s"])
BEFORE = ("memory before", "MB", lambda r: r["memory_before"] / MB)
COSTS = (("busy, p50", "ms", lambda r: r["busy"]["p50"] / 1000), ("busy, p99", "ms", lambda r: r["busy"]["p99"] / 1000),
         ("alone, p50", "ms", lambda r: r["alone"]["p50"] / 1000), ("alone, p99", "ms", lambda r: r["alone"]["p99"] / 1000),
         ("broker CPU", "us each", lambda r: r["cpu_us"]), FORMED, ("memory with", "MB", lambda r: r["memory"] / MB),
         ("memory after", "MB", lambda r: r["memory_after"] / MB))


class Runs:
    def __init__(self, quick):
        self.seconds, self.alone, self.heat = (QUICK_SECONDS, QUICK_ALONE, QUICK_HEAT) if quick else (SECONDS, ALONE, HEAT)
        self.names = itertools.count()
        self.heated, self.measured = {}, {}  # by protocol and server: runs

    def heat_up(self, server, protocol):
        """A JVM is slow until it has compiled. The first of a server's runs sees its memory before there were any groups."""
        self.heated.setdefault((protocol, server.name), []).append(self.one(server, protocol, seconds=1, warmup=self.heat, alone=0))

    def measure(self, server, protocol):
        got = self.one(server, protocol, seconds=self.seconds, warmup=WARM_UP, alone=self.alone)
        self.measured.setdefault((protocol, server.name), []).append(got)
        harness.note(f"  {server.name:<16}{protocol:<9}{got['rebalances_per_s']:>7,.0f} rebalances/s, p99 {got['busy']['p99'] / 1000:.0f} ms; alone {got['alone']['p50'] / 1000:.2f} ms, "
                     f"p99 {got['alone']['p99'] / 1000:.2f} ms; CPU us: broker {got['cpu_us']:.0f}, client {got['client_cpu_us']:.0f}; {got['memory'] / MB:.0f} MB, formed in {got['formed_s']:.2f} s")

    def one(self, server, protocol, **how):
        topic = f"groups{next(self.names)}"
        servers.create_topic(server.kafka, topic, PARTITIONS)
        got = servers.tool("group_load", protocol, server.kafka, topic, f"pid={server.pid}", f"partitions={PARTITIONS}", f"groups={GROUPS}",
                           *(f"{name}={value}" for name, value in how.items()))
        servers.delete_topic(server.kafka, topic)
        return got

    def row(self, protocol, measure, peer, runs=None):
        what, unit, value = measure
        sides = [statistics.median(map(value, (runs or self.measured)[protocol, name])) for name in (servers.Millstream.name, peer)]
        return harness.row(f"{protocol}: {what}", *sides, peer, unit, self.equal(), measure is RATE)

    def equal(self):
        return len({r["checksum"] for runs in (*self.heated.values(), *self.measured.values()) for r in runs}) == 1


def run(quick):
    runs = Runs(quick)
    with tempfile.TemporaryDirectory(prefix="millstream-b16-", dir=harness.CACHE) as directory:
        root = pathlib.Path(directory)
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(server) for server in (servers.Millstream(root / "ours"), servers.Kafka(root / "kafka", settings=AT_ONCE))]
            for peer, protocol in itertools.product(peers, PROTOCOLS):
                runs.heat_up(peer, protocol)
            for _ in range(1 if quick else 3):
                for protocol, peer in itertools.product(PROTOCOLS, peers):
                    runs.measure(peer, protocol)
        with servers.Kafka(root / "defaults", settings=DEFAULTS) as kafka:
            kafka.name = DEFAULT_PEER
            for protocol in PROTOCOLS:
                runs.heat_up(kafka, protocol)
                runs.measure(kafka, protocol)
    also = [runs.row(PROTOCOLS[0], BEFORE, PEER, runs.heated)] + [runs.row(protocol, cost, PEER) for protocol in PROTOCOLS for cost in COSTS]
    also += [runs.row(protocol, measure, DEFAULT_PEER) for protocol in PROTOCOLS for measure in (RATE, FORMED)]
    return {"id": "B16", "rows": [runs.row(protocol, RATE, PEER) for protocol in PROTOCOLS], "also": also}
