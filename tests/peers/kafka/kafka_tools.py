"""The command line tools of Apache Kafka. The jars are fetched by Maven on first use and kept in the user's cache."""

import pathlib
import subprocess

from fetched import once

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = "org.apache.kafka.tools."
CLASSES = {
    "acls": TOOLS + "AclCommand",
    "console-consumer": TOOLS + "consumer.ConsoleConsumer",
    "console-producer": TOOLS + "ConsoleProducer",
    "consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "consumer-perf": TOOLS + "ConsumerPerformance",
    "configs": "kafka.admin.ConfigCommand",
    "get-offsets": TOOLS + "GetOffsetShell",
    "producer-perf": TOOLS + "ProducerPerformance",
    "features": TOOLS + "FeatureCommand",
    "topics": TOOLS + "TopicCommand",
    "transactions": TOOLS + "TransactionsCommand",
}


def libraries():
    """The folder with the jars."""
    return once("kafka", [HERE / "pom.xml"], copy_jars)


def copy_jars(folder):
    command = ["mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    subprocess.run(list(map(str, command)), check=True, timeout=900)


SMALL = ("-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # starts sooner


def tool(name, *arguments, stdin=None, timeout=120, java=SMALL):
    """Runs one tool to its end; returns what it printed."""
    command = ["java", *java, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
               "-cp", f"{libraries()}/*", CLASSES[name], *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
