"""librdkafka's own tests of a broker. A few on every change; all that are not in librdkafka_skipped.txt, with both group protocols, with --long."""

import os

import pytest
from librdkafka_suite import of_a_broker, run_suite, skipped
from millstream import Server

LONG = os.environ.get("MS_LONG") == "1"
SHORT = ("0001_multiobj", "0005_order", "0012_produce_consume", "0017_compression", "0030_offset_commit", "0054_offset_time", "0073_headers", "0099_commit_metadata",
         "0129_fetch_aborted_msgs", "0140_commit_metadata")
AT_A_TIME = 4
PROTOCOLS = ("classic", "consumer")


OPTIONS = {"default": ["--default-partitions", 4, "--reconcile-interval-ms", 1000],  # one of them waits for compaction
           "noautocreate": ["--auto-create-topics=false"]}  # what the tests expect of a broker


def failures(tmp_path, names, scenario="default", **options):
    with Server(tmp_path / "data", *OPTIONS[scenario]) as server:
        return run_suite(server.kafka, names, tmp_path / "suite", scenario=scenario, at_a_time=AT_A_TIME, **options)


def test_some(tmp_path):
    assert failures(tmp_path, SHORT) == {}


@pytest.mark.skipif(not LONG, reason="minutes; ./dev test --long runs it")
@pytest.mark.parametrize("group_protocol", PROTOCOLS)
@pytest.mark.parametrize("scenario", OPTIONS)
def test_all(tmp_path, scenario, group_protocol):
    names = [name for name in of_a_broker(scenario) if name not in skipped(group_protocol)]
    assert failures(tmp_path, names, scenario, group_protocol=group_protocol) == {}


def test_what_is_skipped_exists():
    names = {name for scenario in OPTIONS for name in of_a_broker(scenario)}
    for group_protocol in PROTOCOLS:
        assert set(skipped(group_protocol)) <= names
        assert not set(SHORT) & set(skipped(group_protocol))
