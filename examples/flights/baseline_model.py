"""A small model of flight delays, trained twice: on features that were known, and on features that leak the future.

The leak is one wrong word in a contract: the arrivals' event time is said to be `scheduled_at` instead of `landed_at`, so a
delay counts from the scheduled minute on, hours before anybody can know it. The training set looks better for it. A live
read cannot: it only ever sees flights that have landed.
"""

import copy
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # OpenMP threads that spin beside a busy server make this minutes

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, roc_auc_score

LATE_MIN = 15
DAY_MS = 86_400_000
WARM_DAYS, TEST_DAYS = 8, 2  # the first days only fill the 7-day windows; the last ones test the model
TRAIN_ROWS_MAX = 20_000  # keeps the demo short; more rows move the figures a little and the story not at all


def write_spine(flights, path):
    """One row per landed flight after the warm days: the question is asked at its scheduled minute, its delay is the label."""
    start = flights.scheduled_at[0] + WARM_DAYS * DAY_MS
    rows = np.flatnonzero((flights.scheduled_at >= start) & (flights.landed_at <= flights.last_landing))
    spine = pa.table(
        {
            "origin": pa.array(flights.origin).take(pa.array(rows)),
            "destination": pa.array(flights.destination).take(pa.array(rows)),
            "event_time": pa.array(flights.scheduled_at[rows] * 1000, pa.timestamp("us", tz="UTC")),
            "distance": flights.distance[rows],
            "landed_at": pa.array(flights.landed_at[rows] * 1000, pa.timestamp("us", tz="UTC")),
            "delay_min": flights.delay_min[rows],
        }
    )
    pq.write_table(spine, path)
    return len(rows)


SPINE_COLUMNS = ("origin", "destination", "event_time", "landed_at", "delay_min")


def with_leak(definitions, service):
    """`definitions` (parsed YAML) with the mistake in it, under names of their own."""
    wrong = copy.deepcopy(definitions)
    source = wrong["sources"].pop("arrivals")
    source["time"]["field"] = "scheduled_at"  # the whole mistake
    renamed = {name: f"{name}_leak" for name, view in wrong["views"].items() if view["from"] == "arrivals"}
    features = [item.split(".") for item in wrong["services"][service]["features"]]
    for view in wrong["views"].values():
        view["from"] = "arrivals_leak" if view["from"] == "arrivals" else view["from"]
    return {
        "sources": {"arrivals_leak": source},
        "views": {renamed[name]: wrong["views"][name] for name in renamed},
        "services": {f"{service}_leak": {"features": [f"{renamed.get(view, view)}.{what}" for view, what in features]}},
    }


def inputs(table):
    """The model's matrix: every feature, the distance and the hour of the schedule."""
    names = [name for name in table.column_names if name not in SPINE_COLUMNS]
    columns = [table[name].cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names]
    hour = table["event_time"].cast(pa.int64()).to_numpy() // 3_600_000_000 % 24
    return np.column_stack([*columns, hour])


def compare(honest_file, leaky_file):
    """Rows of (what, AUC of `more than 15 minutes late`, mean absolute error in minutes)."""
    honest, leaky = pq.read_table(honest_file), pq.read_table(leaky_file)
    delay = honest["delay_min"].to_numpy()
    times = honest["event_time"].cast(pa.int64()).to_numpy() // 1000
    test = times >= times.max() - TEST_DAYS * DAY_MS
    landed = honest["landed_at"].cast(pa.int64()).to_numpy() // 1000
    train = np.flatnonzero(~test & (landed < times[test].min()))  # only what was known when the test days began
    train = np.random.default_rng(0).permutation(train)[:TRAIN_ROWS_MAX]
    x_honest, x_leaky = inputs(honest), inputs(leaky)

    def fit(x):
        settings = {"max_iter": 40, "learning_rate": 0.15, "random_state": 0}
        return (
            HistGradientBoostingClassifier(**settings).fit(x[train], delay[train] > LATE_MIN),
            HistGradientBoostingRegressor(loss="absolute_error", **settings).fit(x[train], delay[train]),
        )

    def score(models, x):
        late, minutes = models
        return (
            roc_auc_score(delay[test] > LATE_MIN, late.predict_proba(x[test])[:, 1]),
            mean_absolute_error(delay[test], minutes.predict(x[test])),
        )

    honest_models, leaky_models = fit(x_honest), fit(x_leaky)
    return [
        ("as known, in the notebook and in production", *score(honest_models, x_honest)),
        ("with the leak, in the notebook", *score(leaky_models, x_leaky)),
        ("with the leak, in production", *score(leaky_models, x_honest)),
    ]


def describe(rows):
    lines = [f"{'features':<46} {'AUC':>6} {'error, min':>11}"]
    lines += [f"{what:<46} {auc:>6.3f} {error:>11.2f}" for what, auc, error in rows]
    return "\n".join(lines)
