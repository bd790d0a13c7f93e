"""Quotas as stock clients meet them: set with Kafka's tools, told in throttle times, felt by whom they name and nobody else."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_tools import tool
from millstream import Server

PATIENCE = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One of its own: quotas bind whoever shares a server."""
    with Server(tmp_path_factory.mktemp("quotas") / "data") as started:
        yield started


def configs(server, *arguments):
    return tool("configs", "--bootstrap-server", server.kafka, *arguments)


class Throttled:
    """What a client was told."""

    def __init__(self):
        self.ms = []

    def __call__(self, event):
        self.ms.append(event.throttle_time * 1000)


def produce(server, client_id, topic, count, size=1000):
    """Sends so many records; returns for how long the client was told to wait, each time."""
    told, failed = Throttled(), []
    producer = Producer({"bootstrap.servers": server.kafka, "client.id": client_id, "throttle_cb": told, "linger.ms": 0, "batch.size": 20_000})
    for _ in range(count):
        producer.produce(topic, bytes(size), on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0 and not failed, failed
    return told.ms


def test_a_producer_is_slowed_and_others_are_not(server, topic):
    configs(server, "--alter", "--entity-type", "clients", "--entity-name", "greedy", "--add-config", "producer_byte_rate=50000")
    told = produce(server, "greedy", topic, 800)
    assert sum(told) > 3000, "800 kB at 50 kB/s, of which the first 10 s are had at once"
    assert not any(produce(server, "modest", topic, 800))
    configs(server, "--alter", "--entity-type", "clients", "--entity-name", "greedy", "--delete-config", "producer_byte_rate")
    assert "greedy" not in configs(server, "--describe", "--entity-type", "clients")


def test_a_consumer_is_slowed(server, topic):
    produce(server, "filler", topic, 600)
    configs(server, "--alter", "--entity-type", "clients", "--entity-name", "reader", "--add-config", "consumer_byte_rate=40000")
    told = Throttled()
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": topic, "client.id": "reader", "throttle_cb": told, "fetch.message.max.bytes": 40_000})
    consumer.assign([TopicPartition(topic, 0, 0)])
    for _ in range(600):
        message = consumer.poll(PATIENCE)
        assert message is not None and message.error() is None
    assert sum(told.ms) > 3000, told.ms
    consumer.close()


def test_the_tools_see_what_they_set(server):
    configs(server, "--alter", "--entity-type", "clients", "--entity-default", "--add-config", "consumer_byte_rate=1e12,request_percentage=5000")
    configs(server, "--alter", "--entity-type", "ips", "--entity-name", "10.9.8.7", "--add-config", "connection_creation_rate=3")
    clients = configs(server, "--describe", "--entity-type", "clients", "--entity-default")
    assert "default" in clients and "request_percentage=5000.0" in clients and "consumer_byte_rate=1.0E12" in clients
    assert "connection_creation_rate=3.0" in configs(server, "--describe", "--entity-type", "ips", "--entity-name", "10.9.8.7")
    AdminClient({"bootstrap.servers": server.kafka}).list_topics(timeout=PATIENCE)
