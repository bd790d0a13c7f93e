"""The command line tools of Apache Kafka, by the names of their scripts without kafka- and .sh, or as they name themselves. The jars are fetched
by Maven on first use and kept in the user's cache."""

import pathlib
import subprocess
import zipfile

import scratch
from fetched import once

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = "org.apache.kafka.tools."
CLASSES = {
    "acls": TOOLS + "AclCommand",
    "broker-api-versions": TOOLS + "BrokerApiVersionsCommand",
    "client-compatibility": TOOLS + "ClientCompatibilityTest",
    "client-metrics": TOOLS + "ClientMetricsCommand",
    "cluster": TOOLS + "ClusterTool",
    "console-consumer": TOOLS + "consumer.ConsoleConsumer",
    "console-producer": TOOLS + "ConsoleProducer",
    "console-share-consumer": TOOLS + "consumer.ConsoleShareConsumer",
    "consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "consumer-perf": TOOLS + "ConsumerPerformance",
    "configs": "kafka.admin.ConfigCommand",
    "delegation-tokens": TOOLS + "DelegationTokenCommand",
    "delete-records": TOOLS + "DeleteRecordsCommand",
    "e2e-latency": TOOLS + "EndToEndLatency",
    "features": TOOLS + "FeatureCommand",
    "get-offsets": TOOLS + "GetOffsetShell",
    "groups": TOOLS + "GroupsCommand",
    "leader-election": TOOLS + "LeaderElectionCommand",
    "log-compaction-tester": TOOLS + "LogCompactionTester",
    "log-dirs": TOOLS + "LogDirsCommand",
    "metadata-quorum": TOOLS + "MetadataQuorumCommand",
    "producer-perf": TOOLS + "ProducerPerformance",
    "reassign-partitions": TOOLS + "reassign.ReassignPartitionsCommand",
    "replica-verification": TOOLS + "ReplicaVerificationTool",
    "share-consumer-perf": TOOLS + "ShareConsumerPerformance",
    "share-groups": TOOLS + "consumer.group.ShareGroupCommand",
    "streams-application-reset": TOOLS + "StreamsResetter",
    "streams-groups": TOOLS + "streams.StreamsGroupCommand",
    "topics": TOOLS + "TopicCommand",
    "transactional-message-copier": TOOLS + "TransactionalMessageCopier",
    "transactions": TOOLS + "TransactionsCommand",
    "verifiable-consumer": TOOLS + "VerifiableConsumer",
    "verifiable-producer": TOOLS + "VerifiableProducer",
    "verifiable-share-consumer": TOOLS + "VerifiableShareConsumer",
}


def libraries():
    """The folder with the jars."""
    return once("kafka", [HERE / "pom.xml"], copy_jars)


def copy_jars(folder):
    command = ["mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    subprocess.run(list(map(str, command)), check=True, timeout=900)


SMALL = ("-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # starts sooner


def tool(name, *arguments, **how):
    """Runs one tool to its end; returns what it printed."""
    done = run(name, *arguments, **how)
    assert done.returncode == 0, f"{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run(name, *arguments, stdin=None, timeout=120, java=SMALL):
    """The finished process of one tool."""
    return subprocess.run(command(name, *arguments, java=java), input=stdin, capture_output=True, text=True, timeout=timeout)


def command(name, *arguments, java=SMALL):
    return [*scratch.java(), *java, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{libraries()}/*", CLASSES[name], *map(str, arguments)]


def programs(jar):
    """The names of the classes in a jar that have a main()."""
    with zipfile.ZipFile(jar) as classes:
        texts = {name: classes.read(name) for name in classes.namelist() if name.endswith(".class") and "$" not in name}
    return {name.removesuffix(".class").replace("/", ".") for name, text in texts.items() if b"\x00\x04main" in text and b"([Ljava/lang/String;)V" in text}
