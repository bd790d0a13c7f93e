"""librdkafka's own tests of a broker. A few on every change; all that are not in librdkafka_skipped.txt, with both group protocols, with --long."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from librdkafka_suite import PROTOCOLS, RUNS, in_source, of_run, run_suite, skipped, subtests_of
from millstream import Server
from users import credential_line

LONG = os.environ.get("MS_LONG") == "1"
SHORT = ("0001_multiobj", "0005_order", "0012_produce_consume", "0017_compression", "0030_offset_commit", "0054_offset_time", "0073_headers", "0099_commit_metadata",
         "0129_fetch_aborted_msgs", "0140_commit_metadata")
RIGHTS = """super_users: [admin]
users:
{users}
acls:
  - {{allow: suite, topic: "*", group: "*", transactional_id: "*", cluster: true, operations: ALL}}
"""
CLIENT = """security.protocol=SASL_PLAINTEXT
sasl.mechanism=SCRAM-SHA-256
sasl.username={user}
sasl.password={user}-secret
"""
JAVA = """security.protocol=SASL_PLAINTEXT
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="admin-secret";
"""


def failures(tmp_path, names, run=RUNS["default"], **options):
    options_of_server = run.options
    if run.login:
        rights, java = tmp_path / "security.yaml", tmp_path / "java.properties"
        rights.write_text(RIGHTS.format(users="".join(credential_line(user, f"{user}-secret") for user in ("admin", "suite"))))
        java.write_text(JAVA)
        options_of_server = (*options_of_server, "--security", rights)
        options |= {"client": CLIENT.format(user=run.login), "java_client": java}
    with Server(tmp_path / "data", *options_of_server) as server:
        return run_suite(server.kafka, names, tmp_path / "suite", run=run, **options)


def test_some(tmp_path):
    assert failures(tmp_path, SHORT, quick=True) == {}


@pytest.fixture(scope="module")
def running(request, tmp_path_factory):
    """The runs of all tests that were chosen, two at a time: they wait more than they work."""
    chosen = [item.callspec.params for item in request.session.items if item.originalname == "test_all"]
    with ThreadPoolExecutor(2) as pool:
        yield {(p["name"], p["group_protocol"]): pool.submit(run_of, tmp_path_factory.mktemp(p["name"]), p["name"], p["group_protocol"]) for p in chosen}


def run_of(folder, name, group_protocol):
    return failures(folder, of_run(RUNS[name], group_protocol), RUNS[name], group_protocol=group_protocol, quick=group_protocol in RUNS[name].quick)


@pytest.mark.skipif(not LONG, reason="minutes; ./dev test --long runs it")
@pytest.mark.parametrize("group_protocol", PROTOCOLS)
@pytest.mark.parametrize("name", RUNS)
def test_all(running, name, group_protocol):
    assert running[name, group_protocol].result() == {}


def test_every_test_of_the_source_runs_or_is_skipped_with_a_reason():
    every = set(in_source())
    for group_protocol in PROTOCOLS:
        left_out = {name for name in skipped(group_protocol) if ":" not in name}
        runs = [name for run in RUNS.values() for name in set(of_run(run, group_protocol))]
        assert left_out <= every and set(runs) == every - left_out
        assert not set(SHORT) & left_out
        local = {name for name, (flags, _) in in_source().items() if "TEST_F_LOCAL" in flags}
        assert local == {name for name, reason in skipped(group_protocol).items() if reason == "local"}


def test_every_subtest_runs_or_is_skipped_with_a_reason():
    """Where a test does not run as a whole."""
    in_parts = {name for run in RUNS.values() for name in run.tests if run.subtests != ("",)}
    for name in in_parts:
        chosen = [word for run in RUNS.values() if name in run.tests for word in run.subtests]
        run = {function for function in subtests_of(name) if any(word in function + ":" for word in chosen)}
        assert {f"{name}:{function}" for function in subtests_of(name) - run} == {other for other in skipped("classic") if other.startswith(name + ":")}
