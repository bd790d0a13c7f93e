"""Payments of users, and the service `risk` over them: what the tests of the command line share."""

import json
import pathlib

import confluent_kafka

TOPIC = "payments"
DEFINITIONS = """
sources:
  payments: {topic: payments, format: json, time: {field: at, unit: ms}, fields: {user: string, amount: double}}
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: payments
    features:
      payments: {count: {over: [1h]}}
      amount: {sum: {of: amount, over: [1h, 24h]}, last: {of: amount, over: [24h]}}
services:
  risk: {features: [spending.*]}
"""
FEATURES = ["payments_count_1h", "amount_sum_1h", "amount_sum_24h", "amount_last_24h"]


def define(server, directory, partitions):
    """Creates the topic and applies the definitions; returns their file."""
    server.cli("topic", "create", TOPIC, "--partitions", partitions)
    file = pathlib.Path(directory) / "features.yaml"
    file.write_text(DEFINITIONS)
    server.cli("apply", file, "--yes")
    return file


def send(server, events):
    """Sends (user, amount, time in ms); returns when they are acknowledged."""
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all", "enable.idempotence": True})
    for user, amount, at in events:
        producer.poll(0)
        producer.produce(TOPIC, json.dumps({"user": user, "amount": amount, "at": at}), key=user)
    assert producer.flush(60) == 0


def produce(server, events):
    """send(), and returns when the engine has taken them in."""
    send(server, events)
    server.wait_until_applied()


def read(server, user):
    return server.post("/v1/services/risk/features", {"entities": [{"user": user}]})
