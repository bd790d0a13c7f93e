"""Runs librdkafka's own tests against a server. librdkafka_skipped.txt says which do not run, and why; all others do, in one of RUNS."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess

from kafka_tools import CLASSES, libraries
from librdkafka_build import suite

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = HERE / "librdkafka_skipped.txt"
SCRIPTS = ("acls", "configs", "topics")  # of Kafka's distribution, which some tests call
SLOWER = 4  # how much longer tests may take than on the machines they were written for, if several run at a time
PROTOCOLS = ("classic", "consumer")


@dataclasses.dataclass(frozen=True)
class Run:
    """Tests that run together, and what they expect of a server."""
    scenario: str = "default"  # of the suite: which of its tests are meant
    tests: tuple = ()  # none: all that no other run has
    subtests: tuple = ("",)  # one after another, each whatever has this in its name
    options: tuple = ()  # of the server
    login: str = ""  # a user of a server that has users
    at_a_time: int = 4
    quick: tuple = ()  # the group protocols with which the suite leaves out what it calls slow
    patient: bool = False  # three times as long until a test has failed, and all its pauses are as long: Kafka's tools are slow to start


ADMINISTRATION = ("unclean", "Topics", "CreatePartitions", "Acls", "DescribeConfigs", "DeleteRecords", "Groups", "AlterConsumerGroupOffsets",
                  "ListConsumerGroupOffsets", "ListOffsets", "DescribeCluster")
RUNS = {
    "default": Run(options=("--default-partitions", 4, "--reconcile-interval-ms", 1000), quick=("consumer",)),  # one of them waits for compaction
    "noautocreate": Run(scenario="noautocreate", options=("--auto-create-topics=false",), quick=("consumer",)),
    "administration": Run(tests=("0081_admin",), subtests=ADMINISTRATION, options=("--default-partitions", 4), at_a_time=1),  # shorter pauses
    "rebalances": Run(tests=("0113_cooperative_rebalance",), quick=PROTOCOLS),
    "credentials": Run(tests=("0081_admin",), subtests=("UserScramCredentials",), login="admin", at_a_time=1),
    "permissions": Run(tests=("0109_auto_create_topics", "0119_consumer_auth"), login="suite", patient=True),
    "passwords": Run(tests=("0135_sasl_credentials",), subtests=("do_test:",), login="suite"),
    "sockets": Run(tests=("0049_consume_conn_close", "0068_produce_timeout", "0075_retry", "0076_produce_retry", "0088_produce_metadata_timeout",
                          "0094_idempotence_msg_timeout"), at_a_time=1),  # they bend the sockets of whatever runs beside them
}


def in_source():
    """{name: (flags, scenarios)} of all tests that the source has."""
    listed = (suite() / "test.c").read_text().split("struct test tests[] = {")[1].split("{NULL}")[0]
    found = {}
    for entry in listed.split("_TEST(")[1:]:
        name, flags = re.match(r"(\w+),\s*([\w |]+)", entry).groups()
        (scenarios,) = re.findall(r'\.scenario = "([\w,]+)"', entry) or ["default"]
        found[name] = (flags, scenarios.split(","))
    return found


def of_run(run, group_protocol):
    """The names of the tests of a run that are not skipped."""
    elsewhere = {name for other in RUNS.values() for name in other.tests}
    chosen = run.tests or [name for name, (_, scenarios) in in_source().items() if run.scenario in scenarios and name not in elsewhere]
    return [name for name in chosen if name not in skipped(group_protocol)]


def subtests_of(name):
    """The names of the functions that are subtests of a test."""
    (path,) = suite().glob(f"{name.partition('_')[0]}-*.c*")
    functions = {found[1]: found[0] for found in re.finditer(r"^(?:static )?(?:void|int)\s+(\w+)\(.*?^}", path.read_text(), re.MULTILINE | re.DOTALL)}

    def called_by(function):
        for called in set(re.findall(r"\b(\w+)\(", functions[function].partition("{")[2])) & set(functions):
            yield from [called] if "SUB_TEST" in functions[called] else called_by(called)

    return set(called_by("main_" + name))


def skipped(group_protocol):
    """{name: reason}; the name may be TEST:SUBTEST"""
    lines = [line for line in SKIPPED.read_text().splitlines() if line and not line.startswith("#")]
    reasons = dict(re.split(r"\s+", line, maxsplit=1) for line in lines)
    return {name.split("@")[0]: reason for name, reason in reasons.items() if "@" not in name or name.endswith("@" + group_protocol)}


def scripts(folder, login):
    """Kafka's scripts under the names that its distribution gives them; they log in as the file `login` says."""
    (folder / "bin").mkdir(parents=True)
    (folder / "libs").symlink_to(libraries())
    java = "#!/bin/sh\nexec java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp"
    texts = {f"kafka-{name}.sh": f'{java} "{libraries()}/*" {CLASSES[name]} {f"--command-config {login} " if login else ""}"$@"\n' for name in SCRIPTS}
    texts["kafka-run-class.sh"] = f'{java} "$CLASSPATH:{libraries()}/*" "$@"\n'
    for name, text in texts.items():
        script = folder / "bin" / name
        script.write_text(text)
        script.chmod(0o755)
    return folder


def run_suite(kafka, names, folder, run=RUNS["default"], group_protocol="classic", quick=False, client="", java_client=None):
    """{name: what went wrong} of the tests that did not pass. In folder, output.txt is what they printed, and report.json how long each took.
    `client`: lines for their configuration, `java_client`: the file that Kafka's tools take for theirs."""
    assert names, "without names the runner takes all of them"
    folder.mkdir()
    (folder / "test.conf").write_text(f"bootstrap.servers={kafka}\n{client}")
    shared = ":".join(str(suite().parent / name) for name in ("src", "src-cpp"))
    environment = os.environ | {"LD_LIBRARY_PATH": shared, "RDKAFKA_TEST_CONF": str(folder / "test.conf"), "TEST_KAFKA_VERSION": "4.1.0",
                                "TEST_CONSUMER_GROUP_PROTOCOL": group_protocol, "KAFKA_PATH": str(scripts(folder / "kafka", java_client)), "BROKERS": kafka,
                                "TESTS": ",".join(names), "TEST_LEVEL": "1", "TEST_CPU_CALIBRATION": str(SLOWER)}
    environment |= {"CI": "1"} if run.patient else {}
    command = ["setpriv", "--pdeathsig", "KILL", suite() / "test-runner", "-L", *(["-Q"] if quick else []), "-s", run.scenario, f"-p{run.at_a_time}"]
    failed = {}
    for subtests in run.subtests:
        report = folder / f"report{subtests.strip(':')}.json"
        chosen = {"TEST_REPORT": str(report)} | ({"SUBTESTS": subtests} if subtests else {})
        with open(folder / "output.txt", "ab") as output:
            subprocess.run(command, cwd=suite(), env=environment | chosen, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=3600)
        states = json.loads(report.read_text())["tests"]
        failed |= {f"{name} {subtests}".strip(): f"{states[name]['state']} {states[name]['extra']}" for name in names if states[name]["state"] != "PASSED"}
    return failed
