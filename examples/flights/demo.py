"""From Kafka records to proven features in about a minute: `./dev demo`, or `./dev demo --keep` to look around after it."""

import argparse
import datetime
import pathlib
import shutil
import sys
import tempfile
import time

import baseline_model
import load
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from server import BINARY, Server

HERE = pathlib.Path(__file__).resolve().parent
DEFINITIONS = HERE / "definitions.yaml"
SERVICE = "delay_prediction"
ROUTES = [("ORD", "LAX"), ("ATL", "DFW"), ("DEN", "PHX"), ("DTW", "MSP"), ("STL", "LAS")]
SHOWN = ("departures_count_1h", "origin_delay_avg_1h", "origin_delay_avg_24h", "origin_late_count_if_3h", "arrivals_count_1h", "route_delay_avg_7d", "route_delay_last_7d")
CAUGHT_UP_SECONDS = 60


class Report:
    """Prints the chapters and remembers what each did and how long it took."""

    def __init__(self):
        self.rows, self.started = [], time.monotonic()

    def chapter(self, title):
        print(f"\n{len(self.rows) + 1}. {title}", flush=True)
        self.began = time.monotonic()

    def done(self, what, work=""):
        self.rows.append((what, work, time.monotonic() - self.began))

    def table(self):
        width = max(len(what) for what, _, _ in self.rows)
        lines = [f"  {what:<{width}}  {seconds:6.2f} s  {work}" for what, work, seconds in self.rows]
        return "\n".join([*lines, f"  {'in all':<{width}}  {time.monotonic() - self.started:6.2f} s"])


def say(text):
    print("   " + text.rstrip("\n").replace("\n", "\n   "), flush=True)


def entities():
    return [{"origin": origin, "destination": destination} for origin, destination in ROUTES]


def age(ms):
    if ms is None:
        return "-"
    seconds = ms / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def show(reply):
    """A few features of a few routes, each with the age of the newest event in its window."""
    places = [reply["features"].index(name) for name in SHOWN]
    lines = [f"as of {reply['as_of']}; value (age of its newest event)"]
    lines.append(f"{'':<23}" + "".join(f"{o + ' to ' + d:>18}" for o, d in ROUTES))
    for place in places:
        cells = []
        for row in reply["rows"]:
            value = row["values"][place]
            text = "null" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)
            cells.append(f"{text + ' (' + age(row['ages_ms'][place]) + ')':>18}")
        lines.append(f"{reply['features'][place]:<23}" + "".join(cells))
    say("\n".join(lines))


def views_of(plan):
    """The lines of `apply` that name views and services; `millstream plan` shows all of it."""
    return [line for line in plan.splitlines() if line.lstrip("+ ").startswith(("view ", "service ", "Applied"))]


def wait_until_applied(server):
    """Waits until the engine has taken in everything that was acknowledged."""
    deadline = time.monotonic() + CAUGHT_UP_SECONDS
    while lag := sum(source["lag"] for source in server.status()["sources"]):
        if time.monotonic() > deadline:
            raise SystemExit(f"after {CAUGHT_UP_SECONDS} s the engine is still {lag} events behind")
        time.sleep(0.02)


def as_served(server, replies, directory):
    """The training path's answers for the keys and instants of `replies`: one list of values per row."""
    rows = [(origin, destination, reply["as_of"]) for reply in replies for origin, destination in ROUTES]
    spine = pa.table(
        {
            "origin": [row[0] for row in rows],
            "destination": [row[1] for row in rows],
            "event_time": pa.array([datetime.datetime.fromisoformat(row[2]) for row in rows], pa.timestamp("us", tz="UTC")),
        }
    )
    pq.write_table(spine, directory / "asked.parquet")
    server.cli("train", SERVICE, "--spine", directory / "asked.parquet", "--out", directory / "served.parquet", "--mode", "as_served")
    table = pq.read_table(directory / "served.parquet")
    return [[row[name] for name in replies[0]["features"]] for row in table.to_pylist()]


def compare(replies, derived):
    """How many values the live answers hold, and how many of them differ in type or bits from the derived ones."""
    served = [row["values"] for reply in replies for row in reply["rows"]]
    pairs = [pair for live, again in zip(served, derived, strict=True) for pair in zip(live, again, strict=True)]
    return len(pairs), sum(repr(live) != repr(again) for live, again in pairs)


def run(server, directory, report):
    report.chapter("A server: one process, one directory, a Kafka port and an HTTP port")
    server.start()
    say(f"Kafka on {server.kafka}, HTTP on {server.http}, data in {directory}")
    report.done("start")

    report.chapter("Two topics, and the definitions of 24 features")
    load.create_topics(server.kafka)
    say("\n".join(views_of(server.cli("apply", DEFINITIONS, "--yes"))))
    report.done("topics and definitions")

    report.chapter("Real flights, sent by librdkafka over TCP, each synced to disk before it is acknowledged")
    flights = load.read_flights()
    say(load.describe(flights))
    report.began = time.monotonic()
    events, size = load.produce(server.kafka, flights)
    seconds = time.monotonic() - report.began
    say(f"{events:,} events acknowledged, {size / 1e6:.0f} MB of JSON in {seconds:.1f} s")
    report.done("produce", f"{events / seconds:,.0f} events/s, one Python producer")

    report.chapter("The same moment, read live")
    wait_until_applied(server)
    report.done("engine caught up after the last acknowledgement", "24 features")
    replies = [server.features(SERVICE, entities()) for _ in range(20)]
    show(replies[-1])

    report.chapter("A training set: what was known at the scheduled minute of each flight")
    rows = baseline_model.write_spine(flights, directory / "spine.parquet")
    report.began = time.monotonic()
    server.cli("train", SERVICE, "--spine", directory / "spine.parquet", "--out", directory / "train.parquet")
    seconds = time.monotonic() - report.began
    say(f"{rows:,} rows x 24 features from the log in {seconds:.1f} s: {directory / 'train.parquet'}")
    report.done("training set", f"{rows / seconds:,.0f} rows/s")

    report.chapter("Proof: answers that were served, derived again from the log and compared by bytes")
    say(server.cli("verify", SERVICE))
    report.done("verify")

    report.chapter("kill -9, and start again on the same directory")
    server.kill()
    server.start()
    report.done("kill -9, recovery, ready")
    replies += [server.features(SERVICE, entities()) for _ in range(20)]
    show(replies[-1])

    report.chapter("Each of these answers, before and after the kill, against the training path at its own instant")
    values, different = compare(replies, as_served(server, replies, directory))
    say(f"{values:,} values compared by bits: {different} differ")
    report.done("as_served equals live", f"{values:,} values, {different} differ")
    if different:
        raise SystemExit("live answers and as_served differ: this is a bug")

    report.chapter("Why it matters: the same model, trained on features with one wrong word in a contract")
    wrong = baseline_model.with_leak(yaml.safe_load(DEFINITIONS.read_text()), SERVICE)
    (directory / "leak.yaml").write_text(yaml.safe_dump(wrong, sort_keys=False))
    server.cli("apply", directory / "leak.yaml", "--yes")
    server.cli("train", f"{SERVICE}_leak", "--spine", directory / "spine.parquet", "--out", directory / "leak.parquet")
    say("the arrivals' event time is scheduled_at instead of landed_at: delays count before anybody can know them")
    say(baseline_model.describe(baseline_model.compare(directory / "train.parquet", directory / "leak.parquet")))
    report.done("second training set and four models")

    print("\nWhat it did")
    print(report.table())


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the server up and say what to try next")
    keep = parser.parse_args().keep
    directory = pathlib.Path(tempfile.mkdtemp(prefix="millstream-demo-"))
    server = Server(directory)
    finished = False
    try:
        run(server, directory, Report())
        finished = True
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if not (keep and finished):
            server.stop()
            shutil.rmtree(directory, ignore_errors=True)
    if keep:
        print(f"""
The server is up (process {server.process.pid}, data in {directory}). Try:

  export MILLSTREAM_SERVER=http://{server.http} PATH={BINARY.parent}:$PATH
  millstream get {SERVICE} origin=ORD destination=LAX
  millstream status
  kcat -b {server.kafka} -t arrivals -C -o -5 -e
  millstream plan {DEFINITIONS}

Stop it with: kill {server.process.pid} && tail --pid={server.process.pid} -f /dev/null && rm -r {directory}""")


if __name__ == "__main__":
    main()
