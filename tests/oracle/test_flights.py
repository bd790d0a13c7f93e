"""Two weeks of real flights: `millstream train` against DuckDB and exact fractions, equal to the last bit."""

import pathlib

import exact
import flights_on
import load
import numpy as np
import oracle
import pyarrow as pa
import pytest
import yaml
from millstream import Server

ROWS = 12_000
FIELDS = {
    "departures": ("scheduled_at", ["origin", "destination", "distance"]),
    "arrivals": ("landed_at", ["origin", "destination", "delay_min", "distance"]),
}
LABELS = {
    "origin_arrivals": {
        "delay": {"avg": {"of": "delay_min", "over": ["next(3h)", "next(50m, 7h)"]}, "max": {"of": "delay_min", "over": ["next(24h)"]}, "last": {"of": "delay_min", "over": ["next(3h)"]}},
        "landed": {"count": {"over": ["next(10m)", "next(24h)"]}, "time_since_last": {"over": ["next(3h)"]}},
    },
    "route_arrivals": {"route": {"stddev": {"of": "delay_min", "over": ["next(7d)"]}, "sum": {"of": "delay_min", "over": ["next(1d, 3d)"]}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """(definitions, spine with row and t, events read back from the log, the training set)."""
    directory = tmp_path_factory.mktemp("flights")
    flights = load.read_flights()
    definitions = yaml.safe_load(pathlib.Path(flights_on.DEFINITIONS).read_text())
    definitions["services"][flights_on.SERVICE]["labels"] = LABELS
    (directory / "definitions.yaml").write_text(yaml.safe_dump(definitions))
    rng = np.random.default_rng(3)
    rows = np.sort(rng.choice(len(flights.origin), ROWS, replace=False))  # the first days too: windows that are not full
    spine = flights_on.spine(flights, rows)
    with Server(directory / "data") as server:
        flights_on.produce_and_apply(server, flights, directory / "definitions.yaml")
        trained = flights_on.train(server, spine, directory)
        log = {name: oracle.events_table(oracle.read_topic(server.kafka, name), *what) for name, what in FIELDS.items()}
    asked = pa.table(
        {"row": np.arange(ROWS), "t": spine["event_time"].cast(pa.int64()), "origin": spine["origin"], "destination": spine["destination"]}
    )
    return definitions, spine, asked, log, trained


def test_the_spine_comes_back_row_by_row(answers):
    _, spine, _, _, trained = answers
    assert trained.num_rows == spine.num_rows
    for name in spine.column_names:
        assert trained[name].cast(spine[name].type).equals(spine[name]), name


@pytest.mark.parametrize("view", ["origin_departures", "origin_arrivals", "destination_arrivals", "route_arrivals"])
def test_every_value_is_the_exact_one(answers, view):
    definitions, _, asked, log, trained = answers
    expect(oracle.Oracle(definitions, asked, log).view(view), asked, trained)


def test_every_label_is_the_exact_one(answers):
    definitions, _, asked, log, trained = answers
    expect(oracle.Oracle(definitions, asked, log).labels(flights_on.SERVICE), asked, trained)


def expect(expected, asked, trained):
    assert expected
    for name, values in expected.items():
        got = trained[name].to_pylist()
        wrong = [(i, a, b) for i, (a, b) in enumerate(zip(got, values, strict=True)) if not exact.same(a, b)]
        row = asked.slice(wrong[0][0], 1).to_pylist() if wrong else None
        assert not wrong, f"{name}: {len(wrong)} of {len(values)} differ, first {wrong[0]} (millstream, oracle) at {row}"


def test_the_oracle_saw_something(answers):
    """Most answers are not empty; a comparison of nothing with nothing proves nothing."""
    *_, trained = answers
    assert trained.column("route_delay_avg_7d").null_count < 0.4 * ROWS
    assert trained.column("origin_delay_stddev_24h").null_count < 0.1 * ROWS
    assert trained.column("route_sum_next_1d_to_3d").null_count < 0.6 * ROWS
    assert 0 < trained.column("landed_count_next_24h").null_count < 0.2 * ROWS  # the newest flights: not mature
