"""The command line tools of Apache Kafka. The jars are fetched by Maven on first use and kept in the user's cache."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = "org.apache.kafka.tools."
CLASSES = {
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
    pom = HERE / "pom.xml"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "millstream"
    home = cache / ("kafka-" + hashlib.sha256(pom.read_bytes()).hexdigest()[:12])
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "kafka.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            fresh = home.with_suffix(".part")
            shutil.rmtree(fresh, ignore_errors=True)
            command = ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
            subprocess.run(list(map(str, command)), check=True, timeout=900)
            fresh.rename(home)
    return home


SMALL = ("-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # starts sooner


def tool(name, *arguments, stdin=None, timeout=120, java=SMALL):
    """Runs one tool to its end; returns what it printed."""
    command = ["java", *java, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
               "-cp", f"{libraries()}/*", CLASSES[name], *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
