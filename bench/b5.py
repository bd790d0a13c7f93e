"""B5: a training set with labels. Many events of 10,000,000 keys (Zipf) in 90 days, in the order of their time; few questions: keys drawn
in the same way, at any instant. For each one 20 features: windows of 1h, 6h, 24h, 7d and 30d x count, sum, avg, stddev. Parquet in,
Parquet out, two threads, Snappy for everyone. All four aggregates follow from prefix sums, so the peers take the form that is best
for them: events of keys that nobody asks for are left out, the rest is sorted once by key and time, summed up once, and looked up
six times per question, once at its instant and once at the tail of each window."""

import importlib
import pathlib
import sys
import tempfile

import harness
import spending

sys.path.insert(0, str(harness.ROOT / "tests" / "support"))

EVENTS, QUICK_EVENTS = 100_000_000, 10_000_000
QUESTIONS, QUICK_QUESTIONS = 1_000_000, 100_000
KEYS = 10_000_000
START_MS, SPAN_MS = 1_767_225_600_000, 90 * 86_400_000
HOUR_US = 3_600_000_000
WINDOWS = {"1h": (HOUR_US, HOUR_US // 12), "6h": (6 * HOUR_US, HOUR_US // 12), "24h": (24 * HOUR_US, HOUR_US),
           "7d": (168 * HOUR_US, HOUR_US), "30d": (720 * HOUR_US, 24 * HOUR_US)}  # length and hop, as `plan` prints them
AGGREGATES = ("count", "sum", "avg", "stddev")
NAMES = [f"{a}_{w}" for w in WINDOWS for a in AGGREGATES]
ROOM_MS = 60 * 86_400_000  # tails lie up to 31 days before the first event
CODEC = "snappy"
ROW_GROUP = 1_000_000


def make(events, questions):
    """The two files, made once into the cache directory: (payments, labels)."""
    paths = [harness.CACHE / f"{name}.parquet" for name in (f"b5-payments-{events}", f"b5-labels-{questions}")]
    if not all(path.exists() for path in paths):
        harness.CACHE.mkdir(parents=True, exist_ok=True)
        harness.note(f"making {events:,} events and {questions:,} questions")
        draw = users()
        payments(paths[0], events, draw)
        labels(paths[1], questions, draw)
    return paths


def users():
    """draw(rng, n): n keys, the r-th of them with probability proportional to 1 / r, spread over the numbers below KEYS."""
    import numpy as np

    up_to = np.cumsum(1.0 / np.arange(1, KEYS + 1))

    def draw(rng, n):
        ranks = np.searchsorted(up_to, np.sort(rng.random(n)) * up_to[-1])  # sorted: many times faster
        rng.shuffle(ranks)
        return (ranks * 387_420_489 + 4711) % KEYS  # a bijection, because 387,420,489 is a power of 3
    return draw


def payments(path, count, draw):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    schema = pa.schema([("user", pa.int64()), ("ts", pa.timestamp("us")), ("amount", pa.int64())])
    rng = np.random.Generator(np.random.PCG64(5))
    with parquet.ParquetWriter(path.with_suffix(".part"), schema, compression=CODEC) as out:
        for first in range(0, count, ROW_GROUP):
            n = min(ROW_GROUP, count - first)
            ts = (START_MS + (np.arange(first, first + n) * SPAN_MS) // count) * 1000
            amount = 1 + (rng.random(n) ** 3 * 200_000).astype(np.int64)
            out.write_table(pa.table([draw(rng, n), pa.array(ts, pa.timestamp("us")), amount], schema=schema))
    path.with_suffix(".part").rename(path)


def labels(path, count, draw):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rng = np.random.Generator(np.random.PCG64(55))
    ts = (START_MS + np.sort(rng.integers(0, SPAN_MS, count))) * 1000
    parquet.write_table(pa.table({"label_id": pa.array(range(count), pa.int64()), "user": draw(rng, count),
                                  "event_time": pa.array(ts, pa.timestamp("us")), "label": rng.random(count) < 0.1}), path, compression=CODEC)


def ours(directory, form, payments, labels, out):
    """Our command. Defines the service against a server that is gone before anything is measured; train works on the directory alone."""
    from millstream import Server

    windows = WINDOWS if form == "default" else [f'"sliding({w}, exact)"' for w in WINDOWS]
    definitions = directory / f"{form}.yaml"
    definitions.write_text(spending.definitions(["sum", "avg", "stddev"], windows, unit="us"))
    with Server(directory / form) as server:
        server.cli("topic", "create", "payments", "--partitions", "1")
        server.cli("apply", "--yes", definitions)
    return [harness.BINARY, "train", "spending", "--dir", directory / form, "--events", f"payments={payments}", "--spine", labels,
            "--out", out, "--threads", harness.THREADS, "--compression", CODEC, "--quiet"]


def peer(engine, form, payments, labels, out):
    command = [sys.executable, __file__, engine, form, payments, labels, out]
    return lambda: harness.measure_inside(command, {"POLARS_MAX_THREADS": str(harness.THREADS)})


def with_duckdb(form, payments, labels, out):
    import duckdb

    tails = {w: f"make_timestamp({'us - ' + str(length) if form == 'exact' else f'(us - {length}) // {hop} * {hop}'})" for w, (length, hop) in WINDOWS.items()}
    connection = duckdb.connect(config={"threads": harness.THREADS})
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE TABLE q AS SELECT *, epoch_us(event_time) AS us FROM read_parquet('{labels}')")
    connection.execute(f"""CREATE TABLE p AS SELECT user, ts, count(*) OVER w AS n, sum(amount) OVER w AS s, sum(amount * amount) OVER w AS q
        FROM read_parquet('{payments}') SEMI JOIN q USING (user) WINDOW w AS (PARTITION BY user ORDER BY ts ROWS UNBOUNDED PRECEDING)""")
    joins = " ".join(f"ASOF LEFT JOIN p AS p_{name} ON q.user = p_{name}.user AND p_{name}.ts < {moment}" for name, moment in {"t": "event_time", **tails}.items())
    parts = ", ".join(f"coalesce(p_t.{x}, 0) - coalesce(p_{w}.{x}, 0) AS {x}_{w}" for w in WINDOWS for x in "nsq")
    columns = ", ".join(f"n_{w} AS count_{w}, CASE WHEN n_{w} > 0 THEN s_{w} END AS sum_{w}, CASE WHEN n_{w} > 0 THEN s_{w} / n_{w} END AS avg_{w}, "
                        f"CASE WHEN n_{w} > 1 THEN sqrt((n_{w} * q_{w} - s_{w} * s_{w})::DOUBLE / (n_{w}::DOUBLE * (n_{w} - 1))) END AS stddev_{w}" for w in WINDOWS)
    connection.execute(f"""COPY (SELECT label_id, user, event_time, label, {columns} FROM (SELECT q.label_id, q.user, q.event_time, q.label, {parts} FROM q {joins}))
        TO '{out}' (FORMAT parquet, COMPRESSION {CODEC})""")


def with_polars(form, payments, labels, out):
    import polars as pl

    def code(us):
        """Key and time as one integer: sorting and looking up by one column takes a third of the time that two take."""
        return pl.col("user") * (1 << 34) + us // 1000 - (START_MS - ROOM_MS)

    us = pl.col("event_time").dt.epoch("us")
    questions = pl.read_parquet(labels).with_columns(code=code(us)).sort("code")
    # Sums over all keys in one go: what lies between two places of one key is the same.
    events = pl.scan_parquet(payments).join(questions.lazy().select("user").unique(), on="user", how="semi")
    sums = (events.select("amount", code=code(pl.col("ts").dt.epoch("us"))).sort("code").collect(engine="streaming")
            .select("code", n=pl.int_range(1, pl.len() + 1), s=pl.col("amount").cum_sum(), q=(pl.col("amount") * pl.col("amount")).cum_sum()))
    found = questions
    for name, (length, hop) in {"t": (0, 1), **WINDOWS}.items():
        found = (found.with_columns(code=code(tail(us, length, hop, form))).sort("code")
                 .join_asof(sums.rename({x: f"{x}_{name}" for x in "nsq"}), on="code", strategy="backward", allow_exact_matches=False))
    write_polars(found, out)


def with_polars_plain(form, payments, labels, out):
    """Sorted and looked up by two columns."""
    import polars as pl

    questions = pl.read_parquet(labels).sort("user", "event_time")
    sums = (pl.scan_parquet(payments).join(questions.lazy().select("user").unique(), on="user", how="semi").sort("user", "ts").collect()
            .select("user", "ts", n=pl.int_range(1, pl.len() + 1).over("user"), s=pl.col("amount").cum_sum().over("user"),
                    q=(pl.col("amount") * pl.col("amount")).cum_sum().over("user")))
    found = questions
    for name, (length, hop) in {"t": (0, 1), **WINDOWS}.items():
        at = pl.from_epoch(tail(pl.col("event_time").dt.epoch("us"), length, hop, form), time_unit="us")
        found = (found.with_columns(at=at)
                 .join_asof(sums.rename({x: f"{x}_{name}" for x in "nsq"}), left_on="at", right_on="ts", by="user", strategy="backward",
                            allow_exact_matches=False, check_sortedness=False)
                 .drop("ts"))
    write_polars(found, out)


def tail(us, length, hop, form):
    return us - length if form == "exact" else (us - length) // hop * hop


def write_polars(found, out):
    import polars as pl

    columns = []
    for w in WINDOWS:
        n, s, q = (pl.col(f"{x}_t").fill_null(0) - pl.col(f"{x}_{w}").fill_null(0) for x in "nsq")
        some, many = pl.when(n > 0), pl.when(n > 1)
        columns += [n.alias(f"count_{w}"), some.then(s).alias(f"sum_{w}"), some.then(s / n).alias(f"avg_{w}"),
                    many.then(((n * q.cast(pl.Float64) - s.cast(pl.Float64) ** 2) / (n.cast(pl.Float64) * (n - 1))).sqrt()).alias(f"stddev_{w}")]
    found.select("label_id", "user", "event_time", "label", *columns).write_parquet(out, compression=CODEC)


def equal(ours, theirs):
    """Every value of every row: integers and nulls are the same, floats agree to 1e-9."""
    import duckdb

    columns = [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{ours}'").fetchall()][4:]
    if len(columns) != len(NAMES):
        raise RuntimeError(f"{ours}: {len(columns)} features, not {len(NAMES)}")
    of = {name: next(c for c in columns if c.split("_", 1)[1].removesuffix("_exact") == name) for name in NAMES}
    differ = []
    for name in NAMES:
        mine, their = f'm."{of[name]}"', f't."{name}"'
        most = f"1e-9 * abs({their})" if name.startswith(("avg", "stddev")) else "0"
        differ.append(f"({mine} IS NULL) <> ({their} IS NULL) OR coalesce(abs({mine} - {their}) > {most}, false)")
    counts = ", ".join(f"count(*) FILTER (WHERE {d})" for d in differ)
    rows, joined, *wrong = duckdb.sql(f"SELECT count(*), count(t.label_id), {counts} FROM '{ours}' m LEFT JOIN '{theirs}' t USING (label_id)").fetchall()[0]
    wrong = {name: count for name, count in zip(NAMES, wrong, strict=True) if count}
    if wrong or rows != joined:
        harness.note(f"  {ours.name} and {theirs.name} differ: {rows} and {joined} rows, {wrong}")
    return rows == joined and not wrong


def compare(form, peers, directory, payments, labels, rounds):
    """Rows of one form of window, `default` (the tail is a multiple of the hop) or `exact`."""
    outs = {name: directory / f"{form}-{name}.parquet" for name in ("ours", *peers)}
    command = ours(directory, form, payments, labels, outs["ours"])
    candidates = {"ours": lambda: harness.measure(command)}
    candidates |= {name: peer(name, form, payments, labels, outs[name]) for name in peers}
    runs = harness.alternate(candidates, rounds)
    rows = []
    for name in peers:
        same = equal(outs["ours"], outs[name])
        for what, unit in (("wall", "s"), ("cpu", "CPU s")):
            rows.append(harness.row(what if form == "default" else f"{what}, exact windows", harness.median(runs["ours"], what), harness.median(runs[name], what),
                                    PEERS[name][0], unit, same, larger_is_better=False))
    return rows


def run(quick):
    events, questions, rounds = (QUICK_EVENTS, QUICK_QUESTIONS, 1) if quick else (EVENTS, QUESTIONS, 3)
    files = make(events, questions)
    with tempfile.TemporaryDirectory(prefix="millstream-b5-") as temporary:
        directory = pathlib.Path(temporary)
        rows = compare("default", ("polars", "duckdb"), directory, *files, rounds)
        also = compare("exact", ("polars", "polars-plain"), directory, *files, 1)
    return {"id": "B5", "rows": rows, "also": also}


PEERS = {"polars": ("Polars", with_polars), "polars-plain": ("Polars, plain form", with_polars_plain), "duckdb": ("DuckDB", with_duckdb)}


def main(what, *arguments):
    if what == "ours":  # DIRECTORY [quick]: for profiles
        directory, quick = pathlib.Path(arguments[0]).absolute(), "quick" in arguments
        files = make(QUICK_EVENTS if quick else EVENTS, QUICK_QUESTIONS if quick else QUESTIONS)
        directory.mkdir(parents=True)
        return print(*ours(directory, "default", *files, directory / "out.parquet"))
    importlib.import_module(what.split("-")[0])
    return harness.time_inside(lambda: PEERS[what][1](*arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
