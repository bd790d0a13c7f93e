"""librdkafka's own tests: fetched with the npm package that holds librdkafka's sources, built once into the user's cache, and run
against a server. librdkafka_skipped.txt says which do not run, and why."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from client_programs import node_and_npm, run
from fetched import CACHE, once
from kafka_tools import CLASSES, libraries

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE, SHA256 = "@confluentinc/kafka-javascript@1.10.1", "ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66"
SKIPPED = HERE / "librdkafka_skipped.txt"
SCRIPTS = ("topics", "configs")  # of Kafka's distribution, which some tests call
SLOWER = 4  # how much longer tests may take than on the machines they were written for, if several run at a time


def suite():
    """The folder of the tests, with `test-runner`."""
    return once("librdkafka-tests", [pathlib.Path(__file__)], build) / "librdkafka" / "tests"


def build(folder):
    run([*node_and_npm(), "pack", PACKAGE, "--cache", CACHE / "npm", "--pack-destination", folder], folder, os.environ)
    (archive,) = folder.glob("*.tgz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256, f"{archive.name} is not the file that was looked at: check it, then change SHA256"
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.name.startswith("package/deps/librdkafka/")]
        tar.extractall(folder, members, filter="data")
    archive.unlink()
    source = folder / "librdkafka"
    shutil.move(folder / "package" / "deps" / "librdkafka", source)
    shutil.rmtree(folder / "package")
    run(["./configure", "--cc=clang-19", "--cxx=clang++-19", "--disable-gssapi", "--disable-curl"], source, os.environ)
    run(["make", "-j2", "libs"], source, os.environ)
    run(["make", "-j2", "-C", "tests", "test-runner"], source, os.environ)
    for rest in [*source.rglob("*.o"), *source.rglob("*.a")]:
        rest.unlink()


def scripts(folder):
    """Kafka's scripts under the names that its distribution gives them."""
    (folder / "bin").mkdir(parents=True)
    for name in SCRIPTS:
        script = folder / "bin" / f"kafka-{name}.sh"
        script.write_text(f'#!/bin/sh\nexec java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "{libraries()}/*" {CLASSES[name]} "$@"\n')
        script.chmod(0o755)
    return folder


def of_a_broker(scenario="default"):
    """The names of the tests that need a broker, in a scenario: `default`, or `noautocreate` where topics are not created by the first record."""
    listed = (suite() / "test.c").read_text().split("struct test tests[] = {")[1].split("{NULL}")[0]
    names = []
    for entry in listed.split("_TEST(")[1:]:
        name, flags = re.match(r"(\w+),\s*([\w |]+)", entry).groups()
        in_scenario = re.findall(r'\.scenario = "(\w+)"', entry) or ["default"]
        known_issue = re.search(r"TEST_F_KNOWN_ISSUE\b", flags)
        if "TEST_F_LOCAL" not in flags and "TEST_F_MANUAL" not in flags and not known_issue and scenario in in_scenario:
            names.append(name)
    return names


def skipped(group_protocol):
    """{name: reason}"""
    lines = [line for line in SKIPPED.read_text().splitlines() if line and not line.startswith("#")]
    reasons = dict(re.split(r"\s+", line, maxsplit=1) for line in lines)
    return {name.split("@")[0]: reason for name, reason in reasons.items() if "@" not in name or name.endswith("@" + group_protocol)}


def run_suite(kafka, names, folder, group_protocol="classic", scenario="default", at_a_time=1):
    """{name: what went wrong} of the tests that did not pass. folder/output.txt is what they printed."""
    folder.mkdir()
    (folder / "test.conf").write_text(f"bootstrap.servers={kafka}\n")
    report = folder / "report.json"
    shared = ":".join(str(suite().parent / name) for name in ("src", "src-cpp"))
    environment = os.environ | {"LD_LIBRARY_PATH": shared, "RDKAFKA_TEST_CONF": str(folder / "test.conf"), "TEST_REPORT": str(report), "TEST_KAFKA_VERSION": "4.1.0",
                                "TEST_CONSUMER_GROUP_PROTOCOL": group_protocol, "KAFKA_PATH": str(scripts(folder / "kafka")), "BROKERS": kafka,
                                "TESTS": ",".join(names), "TEST_LEVEL": "1", "TEST_CPU_CALIBRATION": str(SLOWER)}
    with open(folder / "output.txt", "wb") as output:
        subprocess.run([suite() / "test-runner", "-L", "-K", "-E", "-Q", "-s", scenario, f"-p{at_a_time}"], cwd=suite(), env=environment, stdin=subprocess.DEVNULL,
                       stdout=output, stderr=subprocess.STDOUT, timeout=3600)
    states = json.loads(report.read_text())["tests"]
    return {name: f"{states[name]['state']} {states[name]['extra']}" for name in names if states[name]["state"] != "PASSED"}
