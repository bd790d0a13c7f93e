"""A stock producer that sends one record at a time and knows what was acknowledged, and a stock consumer that reads it back."""

import time

import confluent_kafka

PATIENCE = 60


class Sender:
    """What it was told last, unless that was an acknowledgement, is .error."""

    def __init__(self, server, topic, **settings):
        self.topic, self.number, self.acknowledged, self.error = topic, 0, [], None
        self.producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "log_level": 0, **settings})

    def _delivered(self, error, message):
        self.error = error
        if error is None:
            self.acknowledged.append(message.value())

    def send(self, value, key=None):
        """One record; whether it was acknowledged."""
        self.number += 1
        self.producer.produce(self.topic, value, key=key, on_delivery=self._delivered)
        assert self.producer.flush(PATIENCE) == 0
        return self.error is None


def consumed(server, topic, count, **settings):
    """The values of the first `count` records of partition 0."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server.kafka, "group.id": "reader", "enable.auto.commit": False, **settings})
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
        values, deadline = [], time.monotonic() + PATIENCE
        while len(values) < count:
            assert time.monotonic() < deadline, f"{len(values)} of {count} records"
            for message in consumer.consume(min(100, count - len(values)), 1.0):
                assert message.error() is None, message.error()
                values.append(message.value())
        return values
    finally:
        consumer.close()
