"""B4: a training set on hot keys. 3,000,000 real flights; for each one 20 features of its origin airport, strictly before its
scheduled time: exact windows of 1h, 3h, 24h, 7d x count, sum, avg, max, stddev of the delay. Parquet in, Parquet out, two threads,
Snappy for everyone. Peers: Polars (one rolling(group_by=origin) per window) and DuckDB (one SELECT with a RANGE frame per window)."""

import importlib
import pathlib
import sys
import tempfile

import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "support"))

WINDOWS = {"1h": "1 HOUR", "3h": "3 HOUR", "24h": "24 HOUR", "7d": "7 DAY"}
AGGREGATES = ("count", "sum", "avg", "max", "stddev")
CODEC = "snappy"
QUICK_ROWS = 200_000

DEFINITIONS = """
sources:
  flights:
    topic: flights
    format: json
    time: {field: date, unit: us}
    fields: {origin: string, delay: int64}
    owner: bench
entities:
  origin: {key: [origin]}
views:
  delays:
    entity: origin
    from: flights
    features:
      flights:
        count: {over: WINDOWS}
      delay:
        sum: {of: delay, over: WINDOWS}
        avg: {of: delay, over: WINDOWS}
        max: {of: delay, over: WINDOWS}
        stddev: {of: delay, over: WINDOWS}
    owner: bench
services:
  delays: {features: [delays.*]}
"""


def exact(windows):
    return "[" + ", ".join(f'"sliding({w}, exact)"' for w in windows) + "]"


def ours(directory, flights, out):
    """Defines the service once, against a server that is gone before anything is measured; train works on the directory alone."""
    from millstream import Server

    definitions = directory / "b4.yaml"
    definitions.write_text(DEFINITIONS.replace("WINDOWS", exact(WINDOWS)))
    with Server(directory / "data") as server:
        server.cli("topic", "create", "flights", "--partitions", "1")
        server.cli("apply", "--yes", definitions)
    command = [harness.BINARY, "train", "delays", "--dir", directory / "data", "--events", f"flights={flights}", "--spine", flights,
               "--time-column", "date", "--out", out, "--threads", harness.THREADS, "--compression", CODEC, "--quiet"]
    return lambda: harness.measure(command)


def peer(engine, flights, out):
    command = [sys.executable, __file__, engine, flights, out]
    return lambda: harness.measure_inside(command, {"POLARS_MAX_THREADS": str(harness.THREADS)})


def with_duckdb(flights, out):
    import duckdb

    sql = {"stddev": "stddev_samp"}
    columns = ", ".join(f"{sql.get(a, a)}(delay) OVER w{w} AS {a}_{w}" for w in WINDOWS for a in AGGREGATES)
    frames = ", ".join(f"w{w} AS (PARTITION BY origin ORDER BY date RANGE BETWEEN INTERVAL {length} PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING)"
                       for w, length in WINDOWS.items())
    connection = duckdb.connect(config={"threads": harness.THREADS})
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"COPY (SELECT *, {columns} FROM read_parquet('{flights}') WINDOW {frames}) TO '{out}' (FORMAT parquet, COMPRESSION {CODEC})")


def with_polars(flights, out):
    import polars as pl

    frame = pl.scan_parquet(flights).sort("origin", "date").collect()
    delay = pl.col("delay")
    make = {"count": delay.count(), "sum": delay.sum(), "avg": delay.mean(), "max": delay.max(), "stddev": delay.std()}
    parts = [frame]
    for window in WINDOWS:
        rolled = frame.lazy().rolling("date", period=window, closed="left", group_by="origin").agg(
            make[a].alias(f"{a}_{window}") for a in AGGREGATES)
        parts.append(rolled.collect().drop("origin", "date"))
    pl.concat(parts, how="horizontal").write_parquet(out, compression=CODEC)


def checksums(path, names):
    """Rows, and for every feature its sum; also sums weighted by the row's own columns, so that a swap of rows shows."""
    import duckdb

    weight = "(hash(date, origin, destination, distance, delay) % 1000)"
    parts = []
    for name in names:
        as_exact = "::HUGEINT" if name.split("_")[0] in ("count", "sum", "max") else ""
        parts += [f"sum(coalesce({name}, 0){as_exact})", f"sum((coalesce({name}, 0) * {weight}){as_exact})"]
    return duckdb.sql(f"SELECT count(*), {', '.join(parts)} FROM (SELECT * RENAME ({renames(path)}) FROM '{path}')").fetchall()[0]


def renames(path):
    import duckdb

    have = [r[0] for r in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    pairs = []
    for window in WINDOWS:
        for aggregate in AGGREGATES:
            found = [n for n in have if n in (f"delay_{aggregate}_{window}_exact", f"flights_{aggregate}_{window}_exact")]
            pairs += [f'"{n}" AS "{aggregate}_{window}"' for n in found]
    return ", ".join(pairs) or '"date" AS "date"'


def close(a, b):
    return a == b or (isinstance(a, float) or isinstance(b, float)) and abs(float(a) - float(b)) <= 1e-9 * max(abs(float(a)), abs(float(b)))


def run(quick):
    names = [f"{a}_{w}" for w in WINDOWS for a in AGGREGATES]
    with tempfile.TemporaryDirectory(prefix="millstream-b4-") as temporary:
        directory = pathlib.Path(temporary)
        flights = harness.flights()
        if quick:
            import pyarrow.parquet as parquet

            small = directory / "flights.parquet"
            parquet.write_table(parquet.read_table(flights).slice(0, QUICK_ROWS), small)
            flights = small
        outs = {name: directory / f"{name}.parquet" for name in ("ours", "polars", "duckdb")}
        candidates = {"ours": ours(directory, flights, outs["ours"]), "polars": peer("polars", flights, outs["polars"]),
                      "duckdb": peer("duckdb", flights, outs["duckdb"])}
        duckdb = candidates.pop("duckdb")  # once: it takes minutes, and the bar of ten times is far from any noise
        runs = harness.alternate(candidates, 1 if quick else 5) | harness.alternate({"duckdb": duckdb}, 1)
        sums = {name: checksums(path, names) for name, path in outs.items()}
        rows = []
        for name, label in (("polars", "Polars"), ("duckdb", "DuckDB")):
            equal = all(close(a, b) for a, b in zip(sums["ours"], sums[name], strict=True))
            for what in ("wall", "cpu"):
                rows.append(harness.row(what, harness.median(runs["ours"], what), harness.median(runs[name], what), label,
                                        "s" if what == "wall" else "CPU s", equal, larger_is_better=False))
        return {"id": "B4", "rows": rows, "also": []}


if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    harness.time_inside(lambda: {"duckdb": with_duckdb, "polars": with_polars}[sys.argv[1]](sys.argv[2], sys.argv[3]))
