"""The same features by other means: DuckDB finds the rows of every window, Python's integers and fractions do the sums.

Nothing here is shared with Millstream but the definitions file and the words of the documentation.
"""

import json
import re

import confluent_kafka
import duckdb
import exact
import pyarrow as pa

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
UNITS = {"s": 1_000_000, "m": MINUTE, "h": HOUR, "d": DAY}
# sliding(w) looks back to a whole multiple of its hop: the first row whose bound is above w.
HOPS = ((10 * MINUTE, 10_000_000), (HOUR, MINUTE), (12 * HOUR, 5 * MINUTE), (12 * DAY, HOUR), (None, DAY))
DECIMAL = re.compile(r"\b\d+\.\d+\b")


def duration(text):
    return int(text[:-1]) * UNITS[text[-1]]


def tail(window):
    """SQL for the first instant inside sliding(window) asked at s.t."""
    w = duration(window)
    hop = next(hop for bound, hop in HOPS if bound is None or w < bound)
    return f"((s.t - {w}) - (((s.t - {w}) % {hop}) + {hop}) % {hop})"


def ahead(window):
    """(a, b, how a name ends) of a label's window: next(b), or next(a, b)."""
    *first, second = re.fullmatch(r"next\((.*)\)", window)[1].split(", ")
    return duration(first[0]) if first else 0, duration(second), "_to_".join(["next_" + (first or [second])[0], *([second] if first else [])])


def read_topic(kafka, topic):
    """Every record of a topic as (partition, offset, parsed JSON), read with a plain consumer."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka, "group.id": "oracle", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        ends = {p: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=30)[1] for p in partitions}
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in partitions])
        rows, missing = [], sum(ends.values())
        while missing:
            messages = consumer.consume(min(missing, 10_000), timeout=30)
            assert messages, f"{missing} records of {topic} never came"
            for message in messages:
                assert message.error() is None, message.error()
                rows.append((message.partition(), message.offset(), json.loads(message.value())))
            missing -= len(messages)
        return rows
    finally:
        consumer.close()


def events_table(rows, time_field, fields):
    columns = {
        "et": pa.array([event[time_field] * 1000 for _, _, event in rows], pa.int64()),
        "p": pa.array([p for p, _, _ in rows], pa.int32()),
        "o": pa.array([o for _, o, _ in rows], pa.int64()),
    }
    columns |= {name: pa.array([event[name] for _, _, event in rows]) for name in fields}
    return pa.table(columns)


class Oracle:
    """Answers every feature of a view for every row of a spine (columns row, t in microseconds, and the keys)."""

    def __init__(self, definitions, spine, tables):
        self.definitions = definitions
        self.db = duckdb.connect()
        self.db.register("spine", spine)
        self.rows = spine.num_rows
        for name, table in tables.items():
            self.db.register(f"{name}_table", table)
            derived = self.definitions["sources"][name].get("derived", {})
            # DuckDB reads 1.5 as a decimal; in a definition it is a float64.
            more = "".join(", " + DECIMAL.sub(r"(\g<0>::double)", sql) + f" as {column}" for column, sql in derived.items())
            self.db.execute(f"create table {name} as select *{more} from {name}_table")

    def view(self, name):
        """{feature name: list of values in spine order} for one view."""
        view = self.definitions["views"][name]
        answers = {}
        for feature, aggregates in view["features"].items():
            for aggregate, what in aggregates.items():
                for window in what["over"]:
                    answers[f"{feature}_{aggregate}_{window}"] = self._answer(view, aggregate, what.get("of"), tail(window), "s.t")
        return answers

    def labels(self, service):
        """The same for the labels of a service; null where the source's newest event lies before the end of the window."""
        answers = {}
        for name, labels in self.definitions["services"][service]["labels"].items():
            view = self.definitions["views"][name]
            for label, aggregates in labels.items():
                for aggregate, what in aggregates.items():
                    for begin, end, ending in map(ahead, what["over"]):
                        values = self._answer(view, aggregate, what.get("of"), f"(s.t + {begin})", f"(s.t + {end})")
                        young = self.db.sql(f"select row from spine s where s.t + {end} > (select max(et) from {view['from']})").fetchall()
                        for (row,) in young:
                            values[row] = None
                        answers[f"{label}_{aggregate}_{ending}"] = values
        return answers

    def _answer(self, view, aggregate, of, begin, end):
        """Over the events of a row's keys from `begin` to before `end`."""
        source, keys = view["from"], self.definitions["entities"][view["entity"]]["key"]
        match = " and ".join(f"e.{key} = s.{key}" for key in keys)
        joined = f"from spine s join {source} e on {match} and e.et >= {begin} and e.et < {end} group by s.row"
        values, exactly = [0 if aggregate in ("count", "count_if", "count_distinct") else None] * self.rows, None
        select = {
            "count": "count(*)",
            "count_if": f"count(*) filter (where {of})",
            "count_distinct": f"count(distinct e.{of})",
            "min": f"min(e.{of})",
            "max": f"max(e.{of})",
            "last": f"arg_max(e.{of}, (e.et, e.p, e.o))",
            "time_since_last": f"(any_value({end}) - max(e.et)) // 1000",
        }.get(aggregate)
        if select is None:
            whole = self.db.sql(f"select typeof({of}) from {source} limit 1").fetchall()[0][0] in ("BIGINT", "INTEGER")
            sums = f"count(e.{of}), sum(e.{of}::hugeint), sum(e.{of}::hugeint * e.{of}::hugeint)"
            select = sums if whole else f"histogram(e.{of})"
            exactly = {
                ("avg", True): lambda n, s, _: exact.average_of_sums(n, int(s)),
                ("stddev", True): lambda n, s, q: exact.stddev_of_sums(n, int(s), int(q)),
                ("sum", True): lambda _, s, __: int(s),
                ("avg", False): exact.average,
                ("stddev", False): exact.sample_stddev,
                ("sum", False): lambda counted: exact.nearest(exact.total(counted)),
            }[aggregate, whole]
        for row, *found in self.db.sql(f"select s.row, {select} {joined}").fetchall():
            values[row] = exactly(*found) if exactly else found[0]
        return values
