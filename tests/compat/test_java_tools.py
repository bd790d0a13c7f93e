"""The command line tools of Apache Kafka 4.x, unchanged. A JVM takes a second or two to start, so few calls do much."""

import json
import pathlib
import re
import subprocess

import kafka_tools
import pytest
from confluent_kafka.admin import AdminClient, OffsetSpec
from kafka_tools import tool
from test_librdkafka import PATIENCE, TopicPartition, create, produce

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "kafka-compatibility.md").read_text()
CANNOT = PAGE[PAGE.index("### Command line tools that cannot work"):]


def test_topics_producer_consumer_groups(kafka, topic):
    at = ("--bootstrap-server", kafka)
    tool("topics", *at, "--create", "--topic", topic, "--partitions", 3, "--config", "retention.ms=1000000")
    described = tool("topics", *at, "--describe", "--topic", topic)
    assert "PartitionCount: 3" in described and "retention.ms=1000000" in described
    assert topic in tool("topics", *at, "--list").split()

    lines = [f"key{i}:line {i}" for i in range(50)]
    tool("console-producer", *at, "--topic", topic, "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
         "--compression-codec", "zstd", stdin="\n".join(lines) + "\n")
    out = tool("console-consumer", *at, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", 50, "--timeout-ms", 30000)
    assert sorted(out.split("\n")[:-1]) == sorted(f"line {i}" for i in range(50))

    groups = tool("consumer-groups", *at, "--describe", "--group", topic)
    lags = [line.split()[5] for line in groups.splitlines() if line.startswith(topic)]
    assert lags == ["0", "0", "0"], groups
    tool("consumer-groups", *at, "--group", topic, "--topic", topic, "--reset-offsets", "--to-earliest", "--execute")
    again = tool("console-consumer", *at, "--topic", topic, "--group", topic, "--max-messages", 50, "--timeout-ms", 30000)
    assert sorted(again.split("\n")) == sorted(out.split("\n"))
    assert topic in tool("consumer-groups", *at, "--list").split()
    tool("consumer-groups", *at, "--delete", "--group", topic)
    assert sum(int(line.rsplit(":", 1)[1]) for line in tool("get-offsets", *at, "--topic", topic).split()) == 50
    tool("topics", *at, "--alter", "--topic", topic, "--partitions", 4)
    tool("configs", *at, "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=5")
    assert "retention.ms=5" in tool("configs", *at, "--describe", "--entity-type", "topics", "--entity-name", topic)
    tool("topics", *at, "--delete", "--topic", topic)
    assert topic not in tool("topics", *at, "--list").split()


def test_perf_tools(kafka, topic):
    at = ("--bootstrap-server", kafka)
    sent = tool("producer-perf", *at, "--topic", topic, "--num-records", 50000, "--record-size", 200, "--throughput", -1,
                "--command-property", "acks=all")
    assert "50000 records sent" in sent
    read = tool("consumer-perf", *at, "--topic", topic, "--num-records", 50000, "--hide-header", "--timeout", 30000)
    assert int(float(read.strip().splitlines()[-1].split(",")[4])) >= 50000


def test_transactions(kafka, topic):
    """The producer of Apache Kafka 4.x takes the protocol of KIP-890 because the server says that it has it."""
    at, name = ("--bootstrap-server", kafka), f"x-{topic}"
    feature = "Feature: transaction.version SupportedMinVersion: 0 SupportedMaxVersion: 2 FinalizedVersionLevel: 2"
    assert feature in " ".join(tool("features", *at, "describe").split())
    sent = tool("producer-perf", *at, "--topic", topic, "--num-records", 20000, "--record-size", 100, "--throughput", -1,
                "--transactional-id", name, "--transaction-duration-ms", 50)
    assert "20000 records sent" in sent
    listed = [line.split() for line in tool("transactions", *at, "list").splitlines() if line.startswith(name)]
    assert len(listed) == 1 and listed[0][-1] == "CompleteCommit", listed
    row = tool("transactions", *at, "describe", "--transactional-id", name).splitlines()[1].split()
    assert row[2] == listed[0][-2], row  # the producer id
    assert int(row[3]) > 1  # the epoch of a producer that bumps it with every transaction
    producers = tool("transactions", *at, "describe-producers", "--topic", topic, "--partition", 0).splitlines()[1].split()
    assert producers[0] == listed[0][-2] and producers[-1] == "None", producers
    ends = tool("get-offsets", *at, "--topic", topic)
    markers = sum(int(line.rsplit(":", 1)[1]) for line in ends.split()) - 20000
    assert markers == int(row[3]), (markers, row)
    read = tool("console-consumer", *at, "--topic", topic, "--from-beginning", "--isolation-level", "read_committed", "--max-messages", 20000,
                "--timeout-ms", 30000)
    assert len(read.splitlines()) == 20000


def test_a_copier_of_transactions(kafka, topic):
    create(kafka, topic)
    create(kafka, topic + "-out")
    produce(kafka, topic, [str(i).encode() for i in range(30)])
    said = tool("transactional-message-copier", "--broker-list", kafka, "--input-topic", topic, "--input-partition", 0, "--output-topic", topic + "-out",
                "--transactional-id", f"x-{topic}", "--consumer-group", topic, "--max-messages", 30, "--transaction-size", 7)
    last = json.loads(said.splitlines()[-1])
    assert (last["stage"], last["totalProcessed"], last["remaining"]) == ("ShutdownComplete", 30, 0), said
    read = tool("console-consumer", "--bootstrap-server", kafka, "--topic", topic + "-out", "--from-beginning", "--isolation-level", "read_committed",
                "--max-messages", 30, "--timeout-ms", 30000)
    assert read.split() == [str(i) for i in range(30)]


def first_offsets(kafka, topic, partitions):
    asked = {TopicPartition(topic, partition): OffsetSpec.earliest() for partition in range(partitions)}
    admin = AdminClient({"bootstrap.servers": kafka})  # must live until the results are there
    found = admin.list_offsets(asked)
    return [found[partition].result(PATIENCE).offset for partition in asked]


def assignment_of(folder, topic, broker):
    """A file for kafka-reassign-partitions: partition 0 is to be on this broker."""
    path = folder / f"to-{broker}.json"
    path.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [broker]}]}))
    return path


def test_records_are_deleted(kafka, topic, tmp_path):
    create(kafka, topic, 2)
    produce(kafka, topic, [b"x"] * 40, partitioner="consistent")
    where = tmp_path / "offsets.json"
    where.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": 3}, {"topic": topic, "partition": 1, "offset": -1}]}))
    done = tool("delete-records", "--bootstrap-server", kafka, "--offset-json-file", where)
    low = dict(re.findall(rf"partition: {topic}-(\d)\tlow_watermark: (\d+)", done))
    assert low["0"] == "3" and 3 < int(low["1"]) < 40, done
    assert first_offsets(kafka, topic, 2) == [3, int(low["1"])]


def test_log_directories(kafka, topic):
    create(kafka, topic, 2)
    produce(kafka, topic, [b"0123456789" * 100] * 50)
    lines = tool("log-dirs", "--bootstrap-server", kafka, "--describe", "--topic-list", topic, "--broker-list", 1).splitlines()
    [broker] = json.loads(lines[-1])["brokers"]
    [directory] = broker["logDirs"]
    assert (broker["broker"], directory["logDir"], directory["error"]) == (1, "millstream", None), lines
    assert sorted(part["partition"] for part in directory["partitions"]) == [f"{topic}-0", f"{topic}-1"]
    assert sum(part["size"] for part in directory["partitions"]) > 0 and not any(part["isFuture"] or part["offsetLag"] for part in directory["partitions"])


def test_leaders_and_replicas_stay_where_they_are(kafka, topic, tmp_path):
    create(kafka, topic)
    at = ("--bootstrap-server", kafka)
    one = ("--topic", topic, "--partition", 0)
    for kind in ("preferred", "unclean"):
        assert f"Valid replica already elected for partitions {topic}-0" in tool("leader-election", *at, "--election-type", kind, *one)
    assert tool("reassign-partitions", *at, "--list").strip() == "No partition reassignments found."
    here = ("--reassignment-json-file", assignment_of(tmp_path, topic, 1))
    assert f"Successfully started partition reassignment for {topic}-0" in tool("reassign-partitions", *at, *here, "--execute")
    assert f"Reassignment of partition {topic}-0 is completed." in tool("reassign-partitions", *at, *here, "--verify", "--preserve-throttles")
    assert "reassignments are active" in tool("reassign-partitions", *at, *here, "--cancel", "--preserve-throttles")


def test_all_replicas_agree(kafka, topic):
    """This tool goes on for ever: it is ended after its first report."""
    create(kafka, topic)
    produce(kafka, topic, [b"x"] * 30)
    ask = kafka_tools.command("replica-verification", "--broker-list", kafka, "--topics-include", topic, "--time", -2, "--report-interval-ms", 500)
    process = subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = next(line for line in process.stdout if "max lag" in line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert f"max lag is 0 for partition {topic}-0 at offset 30 among 1 partitions" in said


def test_the_versions_of_the_page_are_those_that_the_tool_sees(kafka):
    seen = dict(re.findall(r"\w+\((\d+)\): ([\d to]+) \[usable: \d+\]", tool("broker-api-versions", "--bootstrap-server", kafka)))
    said = re.findall(r"^\| (\d+) \| \w+ \| ([\d-]+) \|", PAGE, re.MULTILINE)
    assert seen == {key: versions.replace("-", " to ") for key, versions in said}


def test_the_cluster(kafka):
    at = ("--bootstrap-server", kafka)
    admin = AdminClient({"bootstrap.servers": kafka})
    name = admin.describe_cluster().result(PATIENCE).cluster_id
    assert tool("cluster", "cluster-id", *at).strip() == f"Cluster ID: {name}"
    host, port = kafka.split(":")
    assert tool("cluster", "list-endpoints", *at).splitlines()[1].split() == ["1", host, port, "null", "unfenced", "broker"]


def of(printed, name):
    """The events of that name that a verifiable client printed."""
    return [event for event in map(json.loads, printed.splitlines()) if event["name"] == name]


def test_verifiable_clients_and_a_streams_application_that_starts_over(kafka, topic):
    at = ("--bootstrap-server", kafka)
    create(kafka, topic)
    changelog = f"{topic}-counts-changelog"  # as Kafka Streams names it
    create(kafka, changelog)
    sent = of(tool("verifiable-producer", *at, "--topic", topic, "--max-messages", 30, "--acks", -1), "producer_send_success")
    assert [(event["value"], event["offset"]) for event in sent] == [(str(i), i) for i in range(30)]

    read = tool("verifiable-consumer", *at, "--topic", topic, "--group-id", topic, "--group-protocol", "classic", "--max-messages", 30)
    assert sum(event["count"] for event in of(read, "records_consumed")) == 30
    done = of(read, "offsets_committed")[-1]
    assert done["success"] and done["offsets"] == [{"topic": topic, "partition": 0, "offset": 30}], done
    assert re.search(rf"^{topic}\s+Classic\s+consumer\s*$", tool("groups", *at, "--list"), re.MULTILINE)

    ask = ("--application-id", topic, "--input-topics", topic, "--to-offset", 7)
    assert f"Topic: {topic} Partition: 0 Offset: 7" in tool("streams-application-reset", *at, *ask)
    left = tool("verifiable-consumer", *at, "--topic", topic, "--group-id", topic, "--group-protocol", "consumer", "--max-messages", 23)
    assert [event["partitions"][0]["minOffset"] for event in of(left, "records_consumed")][0] == 7
    assert changelog not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=PATIENCE).topics


def test_end_to_end_latency(kafka, topic):
    said = tool("e2e-latency", "--bootstrap-server", kafka, "--topic", topic, "--num-records", 200, "--producer-acks", "all", "--record-size", 100,
                "--record-key-size", 10, "--num-headers", 2, "--record-header-key-size", 5, "--record-header-size", 8)
    assert re.search(r"^Avg latency: \d+\.\d+ ms$", said, re.MULTILINE), said


def test_what_kafkas_own_client_checks_of_a_broker(kafka, topic):
    has = [word for name in ("offsets-for-times", "cluster-id", "create-topics", "describe-acls", "describe-configs", "idempotent-producer")
           for word in (f"--{name}-supported", "True")]
    said = tool("client-compatibility", "--bootstrap-server", kafka, "--topic", topic, "--num-cluster-nodes", 1, *has,
                "--expect-record-too-large-exception", "False")
    assert said.strip().endswith("SUCCESS."), said


def test_nobody_subscribes_to_what_clients_measure(kafka):
    assert tool("client-metrics", "--bootstrap-server", kafka, "--list").strip() == ""


# Each with what it says: one clear sentence and, as these tools are, one stack trace of Java's. The page has the reasons.
NOT_SERVED = "The node does not support "
TOO_FEW = "only the configuration of topics and groups can be changed"
HERE = object()  # the address of the server
AT = object()  # --bootstrap-server with it: before a subcommand or after it
REFUSALS = [
    ("metadata-quorum", (AT, "describe", "--status"), NOT_SERVED + "DESCRIBE_QUORUM"),
    ("cluster", ("unregister", AT, "--id", 1), "The target cluster does not support the broker unregistration API."),
    ("cluster", ("list-endpoints", "--bootstrap-controller", HERE), "endpoint type 2 is not served, only brokers (1)"),
    ("features", (AT, "upgrade", "--feature", "group.version=1"), NOT_SERVED + "UPDATE_FEATURES"),
    ("features", (AT, "downgrade", "--feature", "transaction.version=1"), NOT_SERVED + "UPDATE_FEATURES"),
    ("delegation-tokens", (AT, "--describe", "--command-config", "/dev/null"), NOT_SERVED + "DESCRIBE_DELEGATION_TOKEN"),
    ("client-metrics", (AT, "--alter", "--generate-name", "--metrics", "org.apache.kafka.", "--interval", 1000), TOO_FEW),
    ("configs", (AT, "--alter", "--entity-type", "brokers", "--entity-name", 1, "--add-config", "log.retention.ms=5"), TOO_FEW),
    ("share-groups", (AT, "--describe", "--group", "any"), NOT_SERVED + "SHARE_GROUP_DESCRIBE"),
    ("console-share-consumer", (AT, "--topic", "any", "--timeout-ms", 1000), NOT_SERVED + "SHARE_GROUP_HEARTBEAT"),
    ("share-consumer-perf", (AT, "--topic", "any", "--num-records", 1, "--timeout", 1000), NOT_SERVED + "SHARE_GROUP_HEARTBEAT"),
    ("verifiable-share-consumer", (AT, "--topic", "any", "--group-id", "any", "--max-messages", 1), NOT_SERVED + "SHARE_GROUP_HEARTBEAT"),
    ("streams-groups", (AT, "--describe", "--group", "any"), NOT_SERVED + "STREAMS_GROUP_DESCRIBE"),
]
EXITS_WITH_0 = {("cluster", "unregister"), ("share-groups", "--bootstrap-server"), ("console-share-consumer", "--bootstrap-server"),
               ("verifiable-share-consumer", "--bootstrap-server")}  # whatever comes back


def refused(name, *arguments, says):
    done = kafka_tools.run(name, *arguments)
    said = done.stdout + done.stderr
    assert says in said and len(said.splitlines()) < 50, said
    assert (done.returncode == 0) == ((name, arguments[0]) in EXITS_WITH_0), said


@pytest.mark.parametrize("name, arguments, says", REFUSALS, ids=[name for name, _, _ in REFUSALS])
def test_a_tool_that_cannot_work_says_so(kafka, name, arguments, says):
    means = {HERE: (kafka,), AT: ("--bootstrap-server", kafka)}
    refused(name, *(word for argument in arguments for word in means.get(argument, (argument,))), says=says)


def test_no_replica_goes_elsewhere(kafka, topic, tmp_path):
    create(kafka, topic)
    ask = ("reassign-partitions", "--bootstrap-server", kafka, "--reassignment-json-file")
    refused(*ask, assignment_of(tmp_path, topic, 7), "--execute", says="Unknown broker id 7")
    refused(*ask, assignment_of(tmp_path, topic, 1), "--verify", says=TOO_FEW)  # brokers have no throttles to clear
    refused(*ask, assignment_of(tmp_path, topic, 1), "--cancel", says=TOO_FEW)


# What has a main() and asks no broker, with its name on the page.
ASK_NO_BROKER = {
    "kafka.Kafka": "kafka-server-start",
    "kafka.docker.KafkaDockerWrapper": "KafkaDockerWrapper",
    "kafka.server.KafkaConfig": "KafkaConfig",
    "kafka.tools.StorageTool": "kafka-storage",
    "kafka.tools.TestRaftServer": "TestRaftServer",
    kafka_tools.TOOLS + "ConnectPluginPath": "connect-plugin-path",
    kafka_tools.TOOLS + "DumpLogSegments": "kafka-dump-log",
    kafka_tools.TOOLS + "JmxTool": "kafka-jmx",
    kafka_tools.TOOLS + "OAuthCompatibilityTool": "OAuthCompatibilityTool",
}


def test_every_program_of_kafka_is_run_or_asks_no_broker():
    jars = [jar for name in ("kafka-tools-[0-9]*", "kafka_2*") for jar in kafka_tools.libraries().glob(name)]
    found = set().union(*map(kafka_tools.programs, jars))
    assert found - set(ASK_NO_BROKER) == set(kafka_tools.CLASSES.values())
    assert set(ASK_NO_BROKER) <= found
    no_broker = PAGE[PAGE.index("### Tools that ask no broker"):]
    assert [name for name in ASK_NO_BROKER.values() if f"`{name}`" not in no_broker] == []


def refused_on_page():
    """[[tool, argument, ...]] of the first column of the page's table, such as ["features", "upgrade"]."""
    rows = re.findall(r"^\| (`.*?) \|", CANNOT[:CANNOT.index("### Tools that ask no broker")], re.MULTILINE)
    return [words.removeprefix("kafka-").split() for row in rows for words in re.findall(r"`(.*?)`", row)]


def test_the_page_lists_the_refusals_and_no_others():
    elsewhere = ("reassign-partitions", (), "")  # test_no_replica_goes_elsewhere
    for name, *words in refused_on_page():
        assert any(name == one and set(words) <= set(arguments) for one, arguments, _ in [*REFUSALS, elsewhere]), f"no test runs kafka-{name} {words}"
    for name, arguments, _ in REFUSALS:
        assert any(name == one and set(words) <= set(arguments) for one, *words in refused_on_page()), f"the page does not list kafka-{name} {arguments}"


def test_the_page_lists_the_tools_that_work_and_no_others():
    row = re.search(r"^\| Kafka's command line tools \|[^|]*\| (.*?); and ", PAGE, re.MULTILINE)[1]
    work = re.sub(r" \(.*?\)", "", row).split(", ")
    assert work == sorted(set(kafka_tools.CLASSES) - {name for name, *words in refused_on_page() if not words} | {"reassign-partitions"})
    texts = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("*.py"))
    assert [name for name in work if not re.search(rf'(tool|command)\(\s*"{name}"', texts)] == [], "no test runs them"
