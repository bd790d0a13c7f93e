"""The same random histories of requests to Apache Kafka and to Millstream: answers are equal field by field, but for what
docs/kafka-compatibility.md says is meant. A failure names its seed; MS_DIFFERENTIAL_SEED=N runs that one alone."""

import os
import re

import pytest
from compare import Difference, differences
from deviations import DEVIATIONS
from random_histories import History
from kafka_broker import KafkaBroker
from millstream import ROOT, Server
from protocol import Reader, Writer, messages
from sides import PATIENCE, Side, ready

LONG = os.environ.get("MS_LONG") == "1"
SEEDS = [int(os.environ["MS_DIFFERENTIAL_SEED"])] if "MS_DIFFERENTIAL_SEED" in os.environ else range(1, 401 if LONG else 31)
STEPS = 150
# The histories' timestamps are long ago: Kafka would delete their records whenever it looks, in the midst of a history. It looks when it starts, and a day later;
# so for groups, of which it drops those that are empty but for members that were told to come again with an id, and its cleaner, which takes what is too
# old from topics that are both compacted and deleted.
NO_RETENTION = {"log.initial.task.delay.ms": 0, "log.retention.check.interval.ms": 86_400_000, "offsets.retention.check.interval.ms": 86_400_000,
                "log.cleaner.backoff.ms": 86_400_000}  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(Kafka, Millstream, {API: versions that both serve})"""
    home = tmp_path_factory.mktemp("differential")
    with KafkaBroker(home / "kafka", **NO_RETENTION) as broker, Server(home / "millstream") as server:
        sides = [Side("Kafka", broker.kafka, PATIENCE), Side("Millstream", server.kafka)]
        yield from ready(*sides)


@pytest.mark.parametrize("seed", SEEDS)
def test_same_answers(both, seed):
    history = History(seed, *both)
    history.run(STEPS)
    assert not history.found, history.told()


def test_documents_list_the_deviations():
    document = (ROOT / "docs" / "kafka-compatibility.md").read_text()
    table = document.split("## Answers that differ from Kafka's")[1].split("\n## ")[0]
    listed = re.findall(r"^\| ([a-zA-Z' ]+) \|", table, re.M)[1:]  # without the head
    assert listed == sorted({d.name for d in DEVIATIONS})


def test_a_planted_difference_is_seen():
    kafka = {"Topics": [{"Name": "a", "ErrorCode": 0}, {"Name": "b", "ErrorCode": 3}]}
    ours = {"Topics": [{"Name": "b", "ErrorCode": 3}, {"Name": "a", "ErrorCode": 36}]}
    assert list(differences("CreateTopics", 7, kafka, ours)) == [Difference("CreateTopics", 7, "Topics.ErrorCode", 0, 36)]


@pytest.mark.parametrize("version", range(4, 8))
def test_messages_come_back(version):
    (request, _) = messages()["CreateTopics"]
    asked = {"Topics": [{"Name": "t", "NumPartitions": 3, "ReplicationFactor": 1, "Assignments": [{"PartitionIndex": 0, "BrokerIds": [1, 2]}],
                         "Configs": [{"Name": "retention.ms", "Value": None}]}], "timeoutMs": 5, "validateOnly": True}
    writer = Writer(version, version in request.flexible)
    writer.struct(request.fields, asked)
    assert Reader(writer.out, version, version in request.flexible).struct(request.fields) == asked
