"""The flights example on a server: topics, events, definitions, spines."""

import dataclasses
import pathlib

import load
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DEFINITIONS = pathlib.Path(load.__file__).with_name("definitions.yaml")
SERVICE = "delay_prediction"
DAY_MS = 86_400_000


def newest_days(flights, days):
    """The flights scheduled in the last `days` days."""
    keep = np.flatnonzero(flights.scheduled_at > flights.last_landing - days * DAY_MS)
    return dataclasses.replace(
        flights,
        scheduled_at=flights.scheduled_at[keep],
        landed_at=flights.landed_at[keep],
        origin=[flights.origin[i] for i in keep],
        destination=[flights.destination[i] for i in keep],
        delay_min=flights.delay_min[keep],
        distance=flights.distance[keep],
    )


def produce_and_apply(server, flights, definitions=DEFINITIONS):
    load.create_topics(server.kafka)
    server.cli("apply", definitions, "--yes")
    return load.produce(server.kafka, flights)


def spine(flights, rows):
    """Questions at the scheduled minutes of the flights `rows` (indexes), as an Arrow table."""
    rows = pa.array(rows)
    return pa.table(
        {
            "origin": pa.array(flights.origin).take(rows),
            "destination": pa.array(flights.destination).take(rows),
            "event_time": pa.array(flights.scheduled_at * 1000, pa.timestamp("us", tz="UTC")).take(rows),
        }
    )


def train(server, table, directory, *options, service=SERVICE):
    """The training set for a spine, as an Arrow table."""
    asked, answered = directory / "spine.parquet", directory / "train.parquet"
    pq.write_table(table, asked)
    server.cli("train", service, "--spine", asked, "--out", answered, *options)
    return pq.read_table(answered)
