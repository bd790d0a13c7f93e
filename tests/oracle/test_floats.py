"""Awkward floats through the whole path: results equal Python's exact fractions, whatever the order of arrival."""

import json
import math
import random

import confluent_kafka
import confluent_kafka.admin
import exact
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from millstream import Server

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS
EVENTS, KEYS = 3_000, 6
DEFINITIONS = """
sources:
  readings:
    topic: readings
    format: json
    time: {field: at, unit: ms}
    fields: {sensor: string, value: float64}
    owner: tests
entities:
  sensor: {key: [sensor]}
views:
  sensor_values:
    entity: sensor
    from: readings
    features:
      value:
        sum: {of: value, over: [10m, 6h, lifetime]}
        avg: {of: value, over: [10m, 6h, lifetime]}
        stddev: {of: value, over: [10m, 6h, lifetime]}
        min: {of: value, over: [6h]}
        max: {of: value, over: [6h]}
    owner: tests
services:
  sensors: {features: [sensor_values.*]}
"""
HOPS_MS = {"10m": (10 * MINUTE_MS, MINUTE_MS), "6h": (360 * MINUTE_MS, 5 * MINUTE_MS)}


def awkward(rng, key):
    """Values of one kind per key: tenths, cancelling giants, tiny ones, mixed exponents, integers, one constant."""
    return [
        lambda: rng.randint(-50, 50) / 10,
        lambda: rng.choice([1e16, -1e16, 1.0, 1e-9]),
        lambda: rng.choice([1, -1]) * math.ulp(0.0) * rng.randint(1, 1000),
        lambda: math.ldexp(rng.uniform(-1, 1), rng.randint(-300, 300)),
        lambda: float(rng.randint(-(2**53), 2**53)),
        lambda: 0.1,
    ][key]()


def inside(t, window):
    if window == "lifetime":
        return lambda at: at < t
    length, hop = HOPS_MS[window]
    tail = (t - length) // hop * hop
    return lambda at: tail <= at < t


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("floats")
    rng = random.Random(11)
    events = [(f"s{key}", START_MS + rng.randrange(600) * MINUTE_MS // 2, awkward(rng, key)) for key in rng.choices(range(KEYS), k=EVENTS)]
    questions = [(f"s{rng.randrange(KEYS)}", START_MS + rng.randrange(700) * MINUTE_MS // 2) for _ in range(400)]
    (directory / "floats.yaml").write_text(DEFINITIONS)
    with Server(directory / "data") as server:
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.kafka})
        for future in admin.create_topics([confluent_kafka.admin.NewTopic("readings", 3, 1)]).values():
            future.result()
        server.cli("apply", directory / "floats.yaml", "--yes")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka})
        for sensor, at, value in events:  # in no order of time, spread over partitions without a key
            producer.produce("readings", json.dumps({"sensor": sensor, "at": at, "value": value}))
        assert producer.flush(60) == 0
        spine = pa.table({"sensor": [q[0] for q in questions], "event_time": pa.array([q[1] * 1000 for q in questions], pa.timestamp("us", tz="UTC"))})
        pq.write_table(spine, directory / "spine.parquet")
        server.cli("train", "sensors", "--spine", directory / "spine.parquet", "--out", directory / "out.parquet")
    return events, questions, pq.read_table(directory / "out.parquet")


@pytest.mark.parametrize("window", ["10m", "6h", "lifetime"])
@pytest.mark.parametrize("aggregate", ["sum", "avg", "stddev"])
def test_floats_are_the_rounded_exact_ones(trained, aggregate, window):
    events, questions, table = trained
    reference = {"sum": lambda c: exact.nearest(exact.total(c)) if c else None, "avg": exact.average, "stddev": exact.sample_stddev}[aggregate]
    for (sensor, t), got in zip(questions, table[f"value_{aggregate}_{window}"].to_pylist(), strict=True):
        belongs, counted = inside(t, window), {}
        for name, at, value in events:
            if name == sensor and belongs(at):
                counted[value] = counted.get(value, 0) + 1
        assert exact.same(got, reference(counted)), f"{sensor} at {t}: {got!r}, exactly {reference(counted)!r}"


@pytest.mark.parametrize("aggregate, reference", [("min", min), ("max", max)])
def test_extremes(trained, aggregate, reference):
    events, questions, table = trained
    for (sensor, t), got in zip(questions, table[f"value_{aggregate}_6h"].to_pylist(), strict=True):
        belongs = inside(t, "6h")
        values = [value for name, at, value in events if name == sensor and belongs(at)]
        assert exact.same(got, reference(values) if values else None), f"{sensor} at {t}"
