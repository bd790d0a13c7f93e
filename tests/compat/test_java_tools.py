"""The command line tools of Apache Kafka 4.x, unchanged. A JVM takes a second or two to start, so few calls do much."""

from kafka_tools import tool


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
