"""Two weeks of real flights: `millstream train` against SQL and Polars expressions that were written for this file alone.

Integers and texts are equal. Floats are equal within what the peers' own rounding can do, for ours are rounded once: the exact value lies
within half an ulp of ours. With u = 2^-53 and n rows in the window,
- a float64 sum of n terms in any order is off by at most (n - 1) u of the sum of their sizes, here the sum itself: all distances are positive;
  an average adds one division;
- the average of integers is a sum without rounding (far below 2^53) and one division;
- a variance by Welford's updates (DuckDB) or two passes (Polars) is off by at most n u kappa of itself, kappa = sqrt(1 + mean^2 / variance) being
  its condition (Chan, Golub and LeVeque 1983), up to a small constant, taken as 4; the root halves that. One distance for all rows of a window has
  a variance of zero and no condition: there the peers' result is below sqrt(n) u of the mean.
"""

import duckdb
import flights_on
import load
import numpy as np
import oracle
import polars as pl
import pyarrow as pa
import pytest
from millstream import Server

ROWS = 3_000
U = 2.0**-53
HOUR = 3_600_000_000
# As a definition names it, and its first instant and its end by the instant t of the question, in SQL.
WINDOWS = {
    "24h": (f"(t - {24 * HOUR}) // {HOUR} * {HOUR}", "t"),  # sawtooth: the tail stands at whole hours
    "24h_exact": (f"t - {24 * HOUR}", "t"),
    "6h_tumbling": (f"t // {6 * HOUR} * {6 * HOUR} - {6 * HOUR}", f"t // {6 * HOUR} * {6 * HOUR}"),
}
OVER = '[24h, "sliding(24h, exact)", "tumbling(6h)"]'
DEFINITIONS = f"""
sources:
  arrivals:
    topic: arrivals
    format: json
    time: {{field: landed_at, unit: ms}}
    fields: {{origin: string, destination: string, delay_min: int64, distance: int64}}
    derived: {{km: "distance * 1.609344"}}
    owner: tests
entities:
  origin: {{key: [origin]}}
views:
  peers:
    entity: origin
    from: arrivals
    features:
      n: {{count: {{over: {OVER}}}}}
      delay: {{{", ".join(f"{a}: {{of: delay_min, over: {OVER}}}" for a in ("sum", "avg", "min", "max", "stddev", "first", "last"))}}}
      km: {{{", ".join(f"{a}: {{of: km, over: {OVER}}}" for a in ("sum", "avg", "min", "max", "stddev", "first", "last"))}}}
      to: {{{", ".join(f"{a}: {{of: destination, over: {OVER}}}" for a in ("count_distinct", "first", "last"))}}}
    owner: tests
services:
  peers: {{features: [peers.*]}}
"""
SELECT = {
    "n_count": "count(*)",
    "delay_sum": "sum(delay_min)::bigint", "delay_avg": "avg(delay_min)", "delay_min": "min(delay_min)", "delay_max": "max(delay_min)",
    "delay_stddev": "stddev_samp(delay_min)", "delay_first": "arg_min(delay_min, (et, p, o))", "delay_last": "arg_max(delay_min, (et, p, o))",
    "km_sum": "sum(km)", "km_avg": "avg(km)", "km_min": "min(km)", "km_max": "max(km)", "km_stddev": "stddev_samp(km)",
    "km_first": "arg_min(km, (et, p, o))", "km_last": "arg_max(km, (et, p, o))",
    "to_count_distinct": "count(distinct destination)", "to_first": "arg_min(destination, (et, p, o))", "to_last": "arg_max(destination, (et, p, o))",
}  # fmt: skip
ROUNDED = ("delay_avg", "delay_stddev", "km_sum", "km_avg", "km_stddev")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """(questions with row, t and origin; events; the training set)."""
    directory = tmp_path_factory.mktemp("peers")
    flights = load.read_flights()
    rows = np.sort(np.random.default_rng(4).choice(len(flights.origin), ROWS, replace=False))
    spine = flights_on.spine(flights, rows)
    (directory / "peers.yaml").write_text(DEFINITIONS)
    with Server(directory / "data") as server:
        flights_on.produce_and_apply(server, flights, directory / "peers.yaml")
        trained = flights_on.train(server, spine, directory, service="peers")
        log = oracle.events_table(oracle.read_topic(server.kafka, "arrivals"), "landed_at", ["origin", "destination", "delay_min", "distance"])
    events = pl.from_arrow(log).with_columns(km=pl.col("distance") * 1.609344)
    asked = pl.DataFrame({"row": np.arange(ROWS), "t": spine["event_time"].cast(pa.int64()).to_numpy(), "origin": spine["origin"].to_pylist()})
    return asked, events, pl.from_arrow(trained)


def by_duckdb(asked, events, window):
    tail, head = WINDOWS[window]
    columns = ", ".join(f"{expression} as {name}" for name, expression in SELECT.items())
    db = duckdb.connect()
    db.register("events", events.to_arrow())
    db.register("asked", asked.to_arrow())
    db.execute(f"create table bounds as select row, origin, {tail} as tail, {head} as head from asked")
    return db.sql(f"select row, {columns} from bounds b join events e on b.origin = e.origin and e.et >= b.tail and e.et < b.head group by row").pl()


def by_polars(asked, events, window):
    t = pl.col("t")
    tail, head = {
        "24h": ((t - 24 * HOUR) // HOUR * HOUR, t),
        "24h_exact": (t - 24 * HOUR, t),
        "6h_tumbling": ((t // (6 * HOUR) - 1) * (6 * HOUR), t // (6 * HOUR) * (6 * HOUR)),
    }[window]
    delay, km, to = pl.col("delay_min"), pl.col("km"), pl.col("destination")
    aggregates = {
        "n_count": pl.len(),
        "delay_sum": delay.sum(), "delay_avg": delay.mean(), "delay_min": delay.min(), "delay_max": delay.max(), "delay_stddev": delay.std(), "delay_first": delay.first(), "delay_last": delay.last(),
        "km_sum": km.sum(), "km_avg": km.mean(), "km_min": km.min(), "km_max": km.max(), "km_stddev": km.std(), "km_first": km.first(), "km_last": km.last(),
        "to_count_distinct": to.n_unique(), "to_first": to.first(), "to_last": to.last(),
    }  # fmt: skip
    ordered = {origin: part for (origin,), part in events.sort("et", "p", "o").partition_by("origin", as_dict=True).items()}
    out = []
    for (origin,), part in asked.with_columns(tail=tail, head=head).partition_by("origin", as_dict=True).items():
        if (mine := ordered.get(origin)) is None:
            continue
        first = mine["et"].search_sorted(part["tail"], "left")
        count = mine["et"].search_sorted(part["head"], "left") - first
        picked = pl.DataFrame({"row": part["row"], "at": pl.Series([range(f, f + c) for f, c in zip(first, count, strict=True)], dtype=pl.List(pl.Int64))}).explode("at").drop_nulls()
        rows = pl.concat([picked.select("row"), mine[picked["at"]]], how="horizontal")
        out.append(rows.group_by("row", maintain_order=True).agg(**aggregates))
    return pl.concat(out)


def allowed(name, n, ours):
    """How far a peer's rounding may be from the exact value, relative to it."""
    if name == "delay_avg":
        return 2 * U
    if name in ("km_sum", "km_avg"):
        return (n + 1) * U
    mean, deviation = ours[name.replace("stddev", "avg")], ours[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        return 4 * n * U * np.sqrt(1 + (mean / deviation) ** 2) / 2 + U


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("peer", [by_duckdb, by_polars])
def test_a_peer_says_the_same(answers, peer, window):
    asked, events, trained = answers
    theirs = asked.select("row").join(peer(asked, events, window).with_columns(pl.col("row").cast(asked["row"].dtype)), on="row", how="left", maintain_order="left")
    full = theirs["n_count"].is_not_null().to_numpy()
    assert full.sum() > 0.8 * ROWS and (window != "6h_tumbling" or not full.all())  # the first questions and the nights have empty windows
    mine = trained.select(pl.col(f"{name}_{window}").alias(name) for name in SELECT)
    numbers = {name: mine[name].to_numpy() for name in ("delay_avg", "delay_stddev", "km_sum", "km_avg", "km_stddev")}
    n = theirs["n_count"].fill_null(0).to_numpy()
    for name in SELECT:
        got, said = mine[name], theirs[name].fill_null(0) if name in ("n_count", "to_count_distinct") else theirs[name]
        assert (got.is_null() == said.is_null()).all(), name
        if name not in ROUNDED:
            assert got.to_list() == said.to_list(), name
            continue
        a, b = got.to_numpy(), said.to_numpy()
        there = ~np.isnan(a)
        off = np.abs(a - b)
        with np.errstate(invalid="ignore"):  # no row, or no deviation
            bound = np.abs(a) * allowed(name, n, numbers)
        if name.endswith("stddev"):
            bound = np.where(a == 0, np.sqrt(n) * U * 4 * np.abs(numbers[name.replace("stddev", "avg")]), bound)
        assert there.sum() > 0.5 * ROWS and (off[there] <= bound[there]).all(), f"{name}: {np.max(off[there] - bound[there])} over the bound"
        print(f"{name}_{window}: at most {np.max(off[there] / np.maximum(bound[there], 1e-300)):.3f} of the bound, {np.mean(a[there] == b[there]):.1%} equal in their bits")
