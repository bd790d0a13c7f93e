"""Frameworks on Kafka's clients, killed together with the server, and still exact: once in the short form, more often with MS_LONG=1."""

import contextlib
import json
import os
import pathlib
import re
import urllib.request
from collections import Counter, defaultdict

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from framework_programs import Jvm, class_path
from kafka_broker import KafkaBroker
from kafka_tools import programs
from millstream import Server
from ports import free_ports
from test_librdkafka import consumer, create, produce, take

LONG = os.environ.get("MS_LONG") == "1"
KILLS = 4 if LONG else 1
LINES = 1000 if LONG else 100  # between kills
CONNECT, STANDALONE = (f"org.apache.kafka.connect.cli.Connect{kind}" for kind in ("Distributed", "Standalone"))
MIRROR = "org.apache.kafka.connect.mirror.MirrorMaker"


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path / "data") as server:
        server.asked = ["--kafka", server.kafka, "--http", server.http]  # where it comes back, the clients find it
        yield server


def committed(kafka, topic, partitions=1):
    """Every (key, value) that a reader of committed records finds now."""
    reader = consumer(kafka, f"{topic}-reader", **{"isolation.level": "read_committed", "enable.partition.eof": True})
    found, ends = [], 0
    reader.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    while ends < partitions:
        message = reader.poll(10)
        if message is None or message.error():
            ends += 1
        else:
            found.append(((message.key() or b"").decode(), message.value().decode()))
    reader.close()
    return found


def values(kafka, topic):
    return [value for _, value in committed(kafka, topic)]


def restart(server):
    server.kill()
    server.start()


class Worker(Jvm):
    """A distributed worker of Kafka Connect."""

    def __init__(self, folder, kafka):
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        settings = {
            "bootstrap.servers": kafka, "group.id": "connect", "listeners": f"http://{self.address}", "plugin.discovery": "service_load",
            "plugin.path": class_path("kafka").split(":")[1].removesuffix("/*"), "exactly.once.source.support": "enabled", "offset.flush.interval.ms": 200,
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "scheduled.rebalance.max.delay.ms": 0}
        settings |= {f"{side}.converter": "org.apache.kafka.connect.storage.StringConverter" for side in ("key", "value")}
        for what in ("config", "offset", "status"):
            settings |= {f"{what}.storage.topic": f"connect-{what}", f"{what}.storage.replication.factor": 1}
        (folder / "worker.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        super().__init__(folder / "worker.log", class_path("kafka"), CONNECT, folder / "worker.properties")

    def connect(self, name, of, **settings):
        config = {"connector.class": f"org.apache.kafka.connect.file.{of}Connector", "tasks.max": "1", **settings}
        request = urllib.request.Request(f"http://{self.address}/connectors/{name}/config", json.dumps(config).encode(), {"Content-Type": "application/json"}, method="PUT")
        self.wait_for(lambda: self.asked(request), f"connector {name} is there")

    @staticmethod
    def asked(request):
        with contextlib.suppress(OSError):  # not up yet, or in a rebalance
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status in (200, 201)  # the second time it is there
        return False


def test_connect_from_a_file_to_a_file(server, tmp_path):
    source, sink = tmp_path / "source.txt", tmp_path / "sink.txt"
    create(server.kafka, "lines")
    expected = []
    with Worker(tmp_path, server.kafka) as worker:
        worker.connect("source", "FileStreamSource", file=str(source), topic="lines")
        worker.connect("sink", "FileStreamSink", file=str(sink), topics="lines", **{"consumer.override.isolation.level": "read_committed"})
        for kill in range(KILLS + 1):
            fresh = [f"line {kill}.{i}" for i in range(LINES)]
            expected += fresh
            with open(source, "a") as file:
                file.writelines(line + "\n" for line in fresh)
            worker.wait_for(lambda: sink.exists() and fresh[-1] in sink.read_text().split("\n"), f"the sink has {fresh[-1]}")
            if kill < KILLS:
                worker.kill()
                restart(server)
                worker.start()
    assert values(server.kafka, "lines") == expected  # exactly once
    assert set(sink.read_text().split("\n")) - {""} == set(expected)  # at least once: a file is no transaction


def test_connect_standalone(server, tmp_path):
    """A worker for itself: it keeps in a file how far it has read."""
    source = tmp_path / "source.txt"
    source.write_text("".join(f"line {i}\n" for i in range(LINES)))
    settings = {"bootstrap.servers": server.kafka, "listeners": f"http://127.0.0.1:{free_ports(1)[0]}", "offset.storage.file.filename": tmp_path / "offsets",
                "plugin.discovery": "service_load", "plugin.path": class_path("kafka").split(":")[1].removesuffix("/*"), "offset.flush.interval.ms": 200}
    settings |= {f"{side}.converter": "org.apache.kafka.connect.storage.StringConverter" for side in ("key", "value")}
    connector = {"name": "source", "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": 1, "file": source, "topic": "lines"}
    files = {tmp_path / "worker.properties": settings, tmp_path / "source.properties": connector}
    for path, lines in files.items():
        path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    create(server.kafka, "lines")
    with Jvm(tmp_path / "worker.log", class_path("kafka"), STANDALONE, *files) as worker:
        worker.wait_for(lambda: len(values(server.kafka, "lines")) >= LINES, "all lines are there")
    assert values(server.kafka, "lines") == [f"line {i}" for i in range(LINES)]


def test_streams_counts_words_exactly_once(server, tmp_path):
    create(server.kafka, "lines")
    create(server.kafka, "counts")
    words = Counter()
    with Jvm(tmp_path / "streams.log", class_path("kafka"), "millstream.frameworks.WordCount", server.kafka, "count-words", "lines", "counts",
             tmp_path / "state") as streams:
        for kill in range(KILLS + 1):
            lines = [f"word{i % 7} word{i % 11} end{kill}" for i in range(LINES)]
            produce(server.kafka, "lines", lines)
            words.update(word for line in lines for word in line.split())
            last = (f"end{kill}", str(LINES))
            if kill < KILLS:  # in the middle of its work
                streams.wait_for(lambda: any(key == last[0] for key, _ in committed(server.kafka, "counts")), f"there is a count of {last[0]}")
                streams.kill()
                restart(server)
                streams.start()
            streams.wait_for(lambda: last in committed(server.kafka, "counts"), f"all of {last[0]} are counted")
        streams.wait_for(lambda: len(committed(server.kafka, "counts")) >= words.total(), "every word is counted")
    counts = defaultdict(list)
    for word, count in committed(server.kafka, "counts"):
        counts[word].append(int(count))
    assert counts == {word: list(range(1, count + 1)) for word, count in words.items()}


def test_mirror_maker_both_ways(server, tmp_path):
    with KafkaBroker(tmp_path / "kafka") as other:
        places = {"kafka": other.kafka, "millstream": server.kafka}
        lines = {"clusters": "kafka, millstream", "replication.factor": 1, "checkpoints.topic.replication.factor": 1, "heartbeats.topic.replication.factor": 1,
                 "offset-syncs.topic.replication.factor": 1, "offset.storage.replication.factor": 1, "status.storage.replication.factor": 1,
                 "config.storage.replication.factor": 1, "refresh.topics.interval.seconds": 1, "refresh.groups.interval.seconds": 1,
                 "sync.group.offsets.enabled": "true", "sync.group.offsets.interval.seconds": 1, "emit.checkpoints.interval.seconds": 1,
                 "offset.lag.max": 0, "sync.topic.acls.enabled": "false", "scheduled.rebalance.max.delay.ms": 0}
        lines |= {f"{name}.bootstrap.servers": address for name, address in places.items()}
        ways, expected = (("kafka", "millstream"), ("millstream", "kafka")), defaultdict(list)
        for source, target in ways:
            lines |= {f"{source}->{target}.enabled": "true", f"{source}->{target}.topics": f"from-{source}"}
        (tmp_path / "mirror.properties").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        for name, address in places.items():
            create(address, f"from-{name}")
        with Jvm(tmp_path / "mirror.log", class_path("kafka"), MIRROR, tmp_path / "mirror.properties") as mirror:
            for kill in range(KILLS + 1):
                fresh = {name: [f"{name} {kill}.{i}" for i in range(LINES)] for name in places}
                for source, lines in fresh.items():
                    expected[source] += lines
                    produce(places[source], f"from-{source}", lines)
                for source, target in ways:
                    wanted = fresh[source][0 if kill < KILLS else -1]
                    mirror.wait_for(lambda: wanted in values_if_there(places[target], f"{source}.from-{source}"), f"{target} has {wanted}")
                if kill < KILLS:  # in the middle of its work
                    mirror.kill()
                    restart(server)
                    mirror.start()
            for source, target in ways:
                group_moves_over(mirror, places[source], f"from-{source}", places[target], f"{source}.from-{source}")
        for source, target in ways:
            assert set(values(places[target], f"{source}.from-{source}")) == {*expected[source], "one more"}  # at least once


def group_moves_over(mirror, source, topic, target, mirrored):
    """A group that has read everything at the source finds at the target that it has, too, and goes on there."""
    here = consumer(source, "movers")
    here.commit(offsets=[TopicPartition(topic, 0, here.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)[1])], asynchronous=False)
    here.close()
    there, place = consumer(target, "movers"), TopicPartition(mirrored, 0)
    end = there.get_watermark_offsets(place, timeout=30)[1]
    mirror.wait_for(lambda: there.committed([place], timeout=30)[0].offset == end, f"the group is at {end} of {mirrored}")
    produce(source, topic, ["one more"])
    there.assign(there.committed([place], timeout=30))
    assert [message.value() for message in take(there, 1)] == [b"one more"]
    there.close()


def values_if_there(kafka, topic):
    listing = consumer(kafka, "listing")
    there = topic in listing.list_topics(timeout=30).topics
    listing.close()
    return values(kafka, topic) if there else []


def test_flink_copies_exactly_once(server, tmp_path):
    create(server.kafka, "input")
    create(server.kafka, "output")
    checkpoints, expected = tmp_path / "checkpoints", []
    flink = Jvm(tmp_path / "flink.log", class_path("flink"), "millstream.frameworks.Copy", server.kafka, "copy", "input", "output", checkpoints,
                options=["--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.time=ALL-UNNAMED"])
    with flink:
        for kill in range(KILLS + 1):
            fresh = [f"{kill}.{i}" for i in range(LINES)]
            expected += fresh
            produce(server.kafka, "input", fresh)
            flink.wait_for(lambda: fresh[0 if kill < KILLS else -1] in values(server.kafka, "output"), "the copy goes on")
            if kill < KILLS:
                flink.kill()
                restart(server)
                flink.start(latest(checkpoints))
        flink.wait_for(lambda: len(values(server.kafka, "output")) >= len(expected), "everything is copied")
    assert Counter(values(server.kafka, "output")) == Counter(expected)


def latest(checkpoints):
    """The newest checkpoint that is whole."""
    done = list(pathlib.Path(checkpoints).glob("*/chk-*/_metadata"))
    return "file://" + str(max(done, key=lambda path: path.stat().st_mtime_ns).parent)


def test_every_program_of_connect_is_run():
    folder = pathlib.Path(class_path("kafka").split(":")[1].removesuffix("/*"))
    names = [programs(jar) for jar in (*folder.glob("connect-runtime-*"), *folder.glob("connect-mirror-[0-9]*"))]
    tools = {name for name in set().union(*names) if re.search(r"\.cli\.|Maker$", name)}  # the others print a page of Kafka's documentation
    assert tools == {CONNECT, STANDALONE, MIRROR}
