"""Real flights as two streams of events, sent through the Kafka protocol with librdkafka.

A flight is known twice. At its scheduled minute it departs: where to, how far. When it has landed its delay is known,
and not a minute earlier:

    landed_at = scheduled_at + 30 minutes + distance / (7.5 miles a minute) + delay
"""

import argparse
import dataclasses
import datetime
import time

import confluent_kafka
import confluent_kafka.admin
import numpy as np
import pyarrow.parquet as pq
from dataset import SLICE

MINUTE_MS = 60_000
PARTITIONS = 4
TOPICS = ("departures", "arrivals")


@dataclasses.dataclass(frozen=True)
class Flights:
    """Arrays of equal length, in the order of the schedule; times in ms since 1970, already moved by `moved_by_ms`."""

    scheduled_at: np.ndarray
    landed_at: np.ndarray
    origin: list
    destination: list
    delay_min: np.ndarray
    distance: np.ndarray
    last_landing: int  # the newest minute of the streams: later landings have not happened yet
    moved_by_ms: int

    def landed(self):
        """Indexes of the flights that have landed, in the order of their landing."""
        order = np.argsort(self.landed_at, kind="stable")
        return order[self.landed_at[order] <= self.last_landing]

    def in_the_air(self):
        return len(self.origin) - len(self.landed())


def read_flights(now_ms=None, path=SLICE):
    """The slice with every time moved by one constant, so that the last arrival falls on the minute of `now_ms`."""
    table = pq.read_table(path)
    scheduled = table["date"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    delay = table["delay"].to_numpy().astype(np.int64)
    distance = table["distance"].to_numpy().astype(np.int64)
    landed = scheduled + MINUTE_MS * (30 + distance * 2 // 15 + delay)
    newest = landed[landed <= scheduled[-1]].max()  # the stretch ends here; who lands later is in the air
    known = scheduled <= newest
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    move = now_ms // MINUTE_MS * MINUTE_MS - newest
    return Flights(
        scheduled_at=scheduled[known] + move,
        landed_at=landed[known] + move,
        origin=table["origin"].filter(known).to_pylist(),
        destination=table["destination"].filter(known).to_pylist(),
        delay_min=delay[known],
        distance=distance[known],
        last_landing=int(newest + move),
        moved_by_ms=int(move),
    )


def events(flights):
    """Yields (topic, key, JSON, time in ms) of both streams together, in the order in which they became known."""
    landed = flights.landed()
    times = np.concatenate([flights.scheduled_at, flights.landed_at[landed]])
    order = np.argsort(times, kind="stable").tolist()
    scheduled, landed_at = flights.scheduled_at.tolist(), flights.landed_at.tolist()
    delay, distance, landed = flights.delay_min.tolist(), flights.distance.tolist(), landed.tolist()
    origin, destination, count = flights.origin, flights.destination, len(scheduled)
    for place in order:
        if place < count:
            i = place
            text = f'{{"scheduled_at":{scheduled[i]},"origin":"{origin[i]}","destination":"{destination[i]}","distance":{distance[i]}}}'
            yield "departures", origin[i], text, scheduled[i]
        else:
            i = landed[place - count]
            text = (
                f'{{"landed_at":{landed_at[i]},"scheduled_at":{scheduled[i]},"origin":"{origin[i]}","destination":"{destination[i]}",'
                f'"delay_min":{delay[i]},"distance":{distance[i]}}}'
            )
            yield "arrivals", destination[i], text, landed_at[i]


def create_topics(kafka):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka})
    topics = [confluent_kafka.admin.NewTopic(name, PARTITIONS, 1) for name in TOPICS]
    for future in admin.create_topics(topics, request_timeout=30).values():
        future.result()


def produce(kafka, flights):
    """Sends everything; returns (events, payload bytes) once the server has acknowledged all of it."""
    failures = []
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": kafka, "acks": "all", "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4",
         "queue.buffering.max.messages": 1_000_000, "queue.buffering.max.kbytes": 262_144}  # fmt: skip
    )

    def delivered(error, _):
        if error is not None:
            failures.append(error)

    sent = size = 0
    for topic, key, text, at in events(flights):
        while True:
            try:
                producer.produce(topic, value=text, key=key, timestamp=at, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        size += len(text)
        if sent % 10_000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    if failures or left:
        raise RuntimeError(f"{len(failures)} of {sent} events failed and {left} were never acknowledged; first: {failures[:1]}")
    return sent, size


def describe(flights):
    def show(ms):
        return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")

    return (
        f"{len(flights.origin):,} real flights of June 2001, all times moved by {flights.moved_by_ms // MINUTE_MS:,} minutes: "
        f"the first was scheduled for {show(flights.scheduled_at[0])}, the last arrival falls on {show(flights.last_landing)} UTC, "
        f"{flights.in_the_air():,} are in the air"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Creates the topics departures and arrivals and sends the flights.")
    parser.add_argument("--kafka", default="127.0.0.1:9092", metavar="HOST:PORT")
    arguments = parser.parse_args()
    loaded = read_flights()
    print(describe(loaded))
    create_topics(arguments.kafka)
    print("sent {:,} events, {:,} bytes".format(*produce(arguments.kafka, loaded)))
