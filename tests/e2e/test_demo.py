"""The demo as a newcomer runs it, whole; and what it leaves with --keep."""

import datetime
import json
import os
import re
import signal
import subprocess
import sys

import demo
import load
import pytest

MODELS = ["as known, in the notebook and in production", "with the leak, in the notebook", "with the leak, in production"]
STEPS = [
    "start", "topics and definitions", "produce", "engine caught up after the last acknowledgement", "training set", "verify",
    "kill -9, recovery, ready", "as_served equals live", "second training set and four models", "in all",
]  # fmt: skip


def run_demo(directory, *options):
    return subprocess.run(
        [sys.executable, demo.HERE / "demo.py", *options], env=os.environ | {"TMPDIR": str(directory)}, capture_output=True, text=True, timeout=600
    )


def test_the_demo_runs_and_leaves_nothing_behind(tmp_path):
    began = datetime.datetime.now(datetime.UTC)
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    ended = datetime.datetime.now(datetime.UTC)

    flights = load.read_flights()
    moved = re.search(r"([\d,]+) real flights of June 2001, all times moved by ([\d,]+) minutes: .* the last arrival falls on (.*) UTC", done.stdout)
    assert int(moved[1].replace(",", "")) == len(flights.origin) and int(moved[2].replace(",", "")) > 10_000_000
    minute = datetime.datetime.strptime(moved[3], "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)
    assert began - datetime.timedelta(minutes=1) < minute <= ended  # the present minute while it ran

    verified = re.search(r"^   (\d+) samples, (\d+) values derived again, 0 differ, 0 rows in gaps$", done.stdout, re.M)
    assert verified and int(verified[1]) > 0 and int(verified[2]) == 24 * int(verified[1])
    compared = re.search(r"([\d,]+) values compared by bits: 0 differ", done.stdout)
    assert compared and int(compared.group(1).replace(",", "")) == 40 * len(demo.ROUTES) * 24

    models = re.findall(r"^   (\S.*?) +(0\.\d{3}) +(\d+\.\d\d)$", done.stdout, re.M)
    assert [name for name, _, _ in models] == MODELS
    honest, notebook, production = (float(auc) for _, auc, _ in models)
    assert notebook > honest > production  # the leak flatters, and then it costs

    table = done.stdout.partition("\nWhat it did\n")[2]
    assert re.findall(r"^  (\S.*?) +\d+\.\d\d s", table, re.M) == STEPS
    assert list(tmp_path.iterdir()) == []


def test_what_the_demo_keeps_works_as_it_says(tmp_path):
    done = run_demo(tmp_path, "--keep")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    kept = done.stdout.partition("\nThe server is up (process ")[2]
    process = int(re.match(r"\d+", kept)[0])
    try:
        environment, *commands = re.findall(r"^  (\S.*)$", kept, re.M)
        assert environment.startswith("export ") and len(commands) == 4
        shown = [shell(f"{environment}\n{command}") for command in commands]
        get, status, consumed, plan = shown
        assert re.search(r"^departures_count_1h +\d+ +PRESENT", get, re.M), get
        assert "origin_departures" in status and "delay_prediction_leak" in status
        landed = [json.loads(line)["landed_at"] for line in consumed.splitlines()]
        assert landed and len(landed) % 5 == 0  # the last five of each partition
        assert plan.splitlines()[-1] == "Nothing changes.", plan
        shell(re.search(r"^Stop it with: (.*)$", kept, re.M)[1])
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        assert list(tmp_path.iterdir()) == []
    finally:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


def shell(script):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout
