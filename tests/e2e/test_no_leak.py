"""No training row sees a delay before its arrival.

Two worlds that differ only in what was learned from some instant on: every flight that lands at or after it has another
delay. Rows that ask at or before that instant must be the same bits in both worlds. The same check on definitions with the
leak of the example must fail, or it would prove nothing.
"""

import dataclasses

import baseline_model
import flights_on
import load
import numpy as np
import pytest
import yaml
from millstream import Server

DAYS = 3
NOW_MS = 1_790_000_000_000
LEAKING = f"{flights_on.SERVICE}_leak"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """(which rows ask at or before the instant, which exactly at it, the training sets of both worlds by service)."""
    directory = tmp_path_factory.mktemp("worlds")
    flights = flights_on.newest_days(load.read_flights(NOW_MS), DAYS)
    landed = np.sort(flights.landed_at)
    instant = int(landed[len(landed) // 2])  # on the minute of a landing: the boundary itself is tested too
    other = dataclasses.replace(flights, delay_min=np.where(flights.landed_at >= instant, flights.delay_min + 1_000, flights.delay_min))
    rows = np.flatnonzero(flights.scheduled_at > flights.scheduled_at[0] + flights_on.DAY_MS)
    spine = flights_on.spine(flights, rows)
    leak = directory / "leak.yaml"
    leak.write_text(yaml.safe_dump(baseline_model.with_leak(yaml.safe_load(flights_on.DEFINITIONS.read_text()), flights_on.SERVICE)))
    sets = []
    for name, world in (("one", flights), ("other", other)):
        with Server(directory / name) as server:
            flights_on.produce_and_apply(server, world)
            server.cli("apply", leak, "--yes")
            sets.append({s: flights_on.train(server, spine, directory, service=s) for s in (flights_on.SERVICE, LEAKING)})
    return flights.scheduled_at[rows] <= instant, flights.scheduled_at[rows] == instant, sets


def differing(worlds, service, where):
    """Names of the columns that differ between the worlds in the rows `where`."""
    _, _, (one, other) = worlds
    mask = where.tolist()
    return [name for name in one[service].column_names if not one[service][name].filter(mask).equals(other[service][name].filter(mask))]


def test_what_is_learned_later_changes_nothing_before(worlds):
    before, at_the_instant, _ = worlds
    assert before.sum() > 5_000 and at_the_instant.sum() > 0
    assert differing(worlds, flights_on.SERVICE, before) == []


def test_it_does_change_what_comes_after(worlds):
    before, _, _ = worlds
    assert {"origin_delay_avg_24h", "destination_delay_avg_3h", "route_delay_last_7d"} <= set(differing(worlds, flights_on.SERVICE, ~before))


def test_the_check_sees_a_leak(worlds):
    before, _, _ = worlds
    assert "origin_delay_avg_24h" in differing(worlds, LEAKING, before)
