"""What the golden files must say, by other means: the semantics over lists of rows, in Python's integers and fractions.

Reads a *.ftest (tests/golden/README.md) and answers each of its questions by going over all its events. Knows the
expressions that the files use: a field, `a * 2`, `a < 10`, `cast(a as float64)`.
"""

import dataclasses
import datetime
import json
import math
import re
from fractions import Fraction

import exact
import yaml

INT_MAX, INT_MIN = 2**63 - 1, -(2**63)
SECOND = 1_000_000
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MAX_AHEAD = 300 * SECOND


def micros(text):
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // datetime.timedelta(microseconds=1)


@dataclasses.dataclass
class Window:
    """tail <= event time < head."""

    kind: str
    length: int = 0
    hop: int = 0

    def tail(self, t):
        if self.kind == "sliding":
            return (t - self.length) // self.hop * self.hop
        return {"exact": t - self.length, "tumbling": self.head(t, False) - self.length, "lifetime": -math.inf}[self.kind]

    def head(self, t, after):
        return t // self.length * self.length if self.kind == "tumbling" else t + after


def duration(text):
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)([smhd])", text))


def ladder(length):
    for below, hop in (("10m", "10s"), ("1h", "1m"), ("12h", "5m"), ("12d", "1h")):
        if length < duration(below):
            return duration(hop)
    return duration("1d")


def window_of(text):
    """The window and how its name ends a feature's."""
    if text == "lifetime":
        return Window("lifetime"), "lifetime"
    kind, size, option = re.fullmatch(r"(?:(sliding|tumbling)\()?(\w+)(?:, ([\w: ]+))?\)?", text).groups()
    length = duration(size)
    if kind == "tumbling":
        return Window("tumbling", length), size + "_tumbling"
    if option == "exact":
        return Window("exact", length), size + "_exact"
    if option:
        hop = option.removeprefix("hop: ")
        return Window("sliding", length, duration(hop)), f"{size}_hop_{hop}"
    return Window("sliding", length, ladder(length)), size


@dataclasses.dataclass
class Feature:
    name: str
    aggregate: str
    of: str | None
    where: str | None
    window: Window
    default: object
    ttl: int | None
    cap: int


class Definitions:
    def __init__(self, text):
        parsed = yaml.safe_load(text)
        (self.source,), (self.view,) = parsed["sources"].values(), parsed["views"].values()
        self.types = dict(self.source["fields"])
        self.derived = self.source.get("derived", {})
        self.types |= {name: self.type_of(text) for name, text in self.derived.items()}
        self.key = parsed["entities"][self.view["entity"]]["key"]
        self.features = list(self._features())
        self.by_name = {feature.name: feature for feature in self.features}

    def _features(self):
        for name, aggregates in self.view["features"].items():
            for aggregate, d in aggregates.items():
                for over in d["over"]:
                    window, ending = window_of(over)
                    ttl = duration(d["ttl"]) if "ttl" in d else None
                    yield Feature(f"{name}_{aggregate}_{ending}", aggregate, d.get("of"), d.get("where"), window, d.get("default"), ttl, d.get("cap", 1000))

    def type_of(self, expression):
        cast = re.fullmatch(r"cast\(\w+ as (\w+)\)", expression)
        return cast[1] if cast else self.types[expression.split()[0]]

    def result_type(self, feature):
        if feature.aggregate in ("count", "count_if", "count_distinct", "time_since_last"):
            return "int64"
        return "float64" if feature.aggregate in ("avg", "stddev") else self.type_of(feature.of)


class Dead(Exception):
    pass


def evaluate(text, row):
    """The value of an expression; None is null."""
    if same := re.fullmatch(r"(\w+) = '([^']*)'", text):
        return None if row[same[1]] is None else row[same[1]] == same[2]
    cast, binary = re.fullmatch(r"cast\((\w+) as float64\)", text), re.fullmatch(r"(\w+) ([*<]) (\d+)", text)
    if cast:
        return None if row[cast[1]] is None else float(row[cast[1]])
    if not binary:
        return row[text]
    left, operator, right = row[binary[1]], binary[2], int(binary[3])
    if left is None:
        return None
    if operator == "<":
        return left < right
    if not INT_MIN <= left * right <= INT_MAX:
        raise Dead("expression: ")
    return left * right


def typed(value, kind):
    if value is None:
        return None
    wanted = {"string": str, "timestamp": str, "bool": bool, "int64": int, "float64": (int, float)}[kind]
    if not isinstance(value, wanted) or isinstance(value, bool) and kind != "bool":
        raise Dead("json: ")
    return micros(value) if kind == "timestamp" else float(value) if kind == "float64" else value


@dataclasses.dataclass
class Event:
    at: int
    position: tuple
    text: str

    def row(self, definitions):
        """Its fields and derived fields, with the event time as None-named member. Raises Dead."""
        try:
            fields = json.loads(self.text)
        except ValueError:
            raise Dead("json: ") from None
        row = {name: typed(fields.get(name), kind) for name, kind in definitions.source["fields"].items()}
        time = fields.get(definitions.source["time"]["field"])
        if time is None:
            raise Dead("event_time: ")
        row[None] = micros(time)
        if row[None] > self.at + MAX_AHEAD:
            raise Dead("too_far_ahead: ")
        for name, text in definitions.derived.items():
            row[name] = evaluate(text, row)
        for feature in definitions.features:
            for text in (feature.of, feature.where):
                if text:
                    evaluate(text, row)
        return row


def in_order(value):
    """A key that sorts values as min and max do: NaN above infinity, -0 below +0."""
    if isinstance(value, float):
        return (math.isnan(value), 0.0 if math.isnan(value) else value, math.copysign(1, value))
    return value


def float_sum(values, finish):
    """`finish` of the exact values, unless NaN or infinities decide."""
    nans, ups, downs = (sum(map(test, values)) for test in (math.isnan, lambda v: v == math.inf, lambda v: v == -math.inf))
    if nans or ups and downs:
        return math.nan
    return math.inf if ups else -math.inf if downs else finish([Fraction(v) for v in values])


def aggregate(feature, rows, t):
    """(value, overflow); None is null."""
    kind = feature.aggregate
    if kind == "count":
        return len(rows), False
    if kind == "time_since_last":
        return ((t - rows[-1][None]) // 1000 if rows else None), False
    values = [v for v in (evaluate(feature.of, row) for row in rows) if v is not None]
    if kind == "count_if":
        return sum(values), False
    if kind == "count_distinct":
        distinct = {"NaN" if v != v else v for v in values}
        return len(distinct), len(distinct) > feature.cap
    if not values:
        return None, False
    if kind in ("first", "last"):
        return values[0 if kind == "first" else -1], False
    if kind in ("min", "max"):
        return (min if kind == "min" else max)(values, key=in_order), False
    try:
        return numeric(kind, values)
    except OverflowError:  # of the one rounding at the end
        return None, True


def numeric(kind, values):
    whole = isinstance(values[0], int)
    if kind == "sum":
        total = sum(values) if whole else float_sum(values, lambda v: exact.nearest(sum(v)))
        return total, whole and not INT_MIN <= total <= INT_MAX
    if kind == "avg":
        return float_sum(values, lambda v: exact.nearest(sum(v) / len(v))), False
    if len(values) < 2:
        return None, False
    deviation = float_sum(values, lambda v: exact.stddev_of_sums(len(v), sum(v), sum(x * x for x in v)))
    return (math.nan if math.isinf(deviation) else deviation), False


@dataclasses.dataclass
class Answer:
    value: object
    status: str
    event_time: int | None


def answer(feature, rows, t, after):
    rows = [row for row in rows if feature.window.tail(t) <= row[None] < feature.window.head(t, after)]
    if feature.where:
        rows = [row for row in rows if evaluate(feature.where, row)]
    value, overflow = aggregate(feature, rows, t)
    event_time = rows[-1][None] if rows else None
    if overflow:
        return Answer(None, "OVERFLOW", event_time)
    if rows and feature.ttl is not None and t - event_time > feature.ttl:
        return Answer(None, "EXPIRED", event_time)
    status = "EMPTY_WINDOW" if not rows else "NULL" if value is None else "PRESENT"
    return Answer(feature.default if value is None else value, status, event_time)


class Case:
    def __init__(self, name, definitions):
        self.name, self.definitions = name, definitions
        self.events, self.dead, self.questions = [], {}, []

    def refused(self):
        """{position: reason} of the events that no row comes from."""
        out = {}
        for event in self.events:
            try:
                event.row(self.definitions)
            except Dead as dead:
                out[event.position] = str(dead)
        return out

    def rows(self, question):
        """The rows of the question's key that it knows, in canonical order."""
        out, definitions = [], self.definitions
        dead = self.refused()
        for event in self.events:
            partition, offset = event.position
            known = event.at <= question.t if question.as_served else offset < question.pins.get(partition, math.inf) and event.position not in question.without
            if not known or event.position in dead:
                continue
            row = event.row(definitions)
            key = [str(row[part]) for part in definitions.key if row[part] is not None]
            where = definitions.view.get("where")
            if key == question.key and (not where or evaluate(where, row)):
                out.append((row[None], event.position, row))
        return [row for _, _, row in sorted(out, key=lambda found: found[:2])]

    def answers(self, question):
        """({feature: Answer}, found)."""
        rows = self.rows(question)
        longest = min(feature.window.tail(question.t) for feature in self.definitions.features)
        found = any(longest <= row[None] < question.t + question.after for row in rows)
        return {f.name: answer(f, rows, question.t, question.after) for f in self.definitions.features}, found


@dataclasses.dataclass
class Stated:
    """VALUE [STATUS] [@TIME] of a golden file; event_time "any" where it says none of it."""

    value: str
    status: str
    event_time: object

    def __str__(self):
        return f"{self.value} {self.status}" + ("" if self.event_time == "any" else f" @{self.event_time}")


@dataclasses.dataclass
class Question:
    line: int
    key: list
    t: int
    after: bool = False
    as_served: bool = False
    pins: dict = dataclasses.field(default_factory=dict)
    without: set = dataclasses.field(default_factory=set)
    found: bool | None = None
    stated: list = dataclasses.field(default_factory=list)  # (line, feature, Stated)
    columns: list = dataclasses.field(default_factory=list)


class Reader:
    def __init__(self):
        self.cases, self.definitions, self.day, self.section, self.line = [], [], None, None, 0

    def time(self, text):
        return micros(text if "T" in text else f"{self.day}T{text}Z")

    @staticmethod
    def position(text):
        partition, offset = text.split("/")
        return int(partition), int(offset)

    def take(self, text):
        if self.section == "definitions" and (text.startswith("  ") or not text):
            self.definitions.append(text[2:])
        elif not text.strip() or text.strip().startswith("#"):
            return
        elif not text.startswith(" "):
            self.head(text)
        elif self.section == "events":
            at, position, event = text.split(None, 2)
            event = re.sub(r'"@([0-9:.]+)"', lambda m: f'"{self.day}T{m[1]}Z"', event)
            self.cases[-1].events.append(Event(self.time(at), self.position(position), event))
        elif self.section == "dead":
            position, reason = text.split(None, 1)
            self.cases[-1].dead[self.position(position)] = reason.strip()
        elif text.startswith("    "):
            self.answer(text.strip())
        else:
            self.question(text.split())

    def head(self, text):
        self.section, _, rest = text.partition(" ")
        if self.section == "definitions":
            self.definitions = []
        elif self.section == "day":
            self.day = rest
        elif self.section == "case":
            self.cases.append(Case(rest, Definitions("\n".join(self.definitions))))

    def question(self, words):
        q = Question(self.line, words[0].split(","), self.time(words[1]))
        rest = iter(words[2:])
        for word in rest:
            if word == "pin":
                q.pins.update([self.position(next(rest))])
            elif word == "without":
                q.without.add(self.position(next(rest)))
            else:
                q.after |= word == "after_event"
                q.as_served |= word == "as_served"
        self.cases[-1].questions.append(q)

    def stated(self, text):
        value, rest = re.fullmatch(r'(".*"|\S+)(.*)', text).groups()
        out = Stated(value, "PRESENT", "any")
        for word in rest.split():
            if word.startswith("@"):
                out.event_time = None if word == "@none" else self.time(word[1:])
            else:
                out.status = word
        return out

    def answer(self, text):
        q = self.cases[-1].questions[-1]
        if text.startswith("found = "):
            q.found = text == "found = true"
        elif text.startswith("|"):
            q.columns = [column.strip().split(", ") for column in text.split("|")[1:]]
        elif " = " in text:
            name, stated = text.split(" = ", 1)
            q.stated.append((self.line, name, self.stated(stated)))
        else:
            name, *cells = (cell.strip() for cell in text.split(" | "))
            for columns, cell in zip(q.columns, cells, strict=True):
                q.stated += [(self.line, f"{name}_{column}", self.stated(cell)) for column in columns]


def read(text):
    reader = Reader()
    for reader.line, line in enumerate(text.splitlines(), 1):
        reader.take(line)
    return reader.cases


def show(value, kind):
    """A value as the files write it; a float64 by Python's shortest text."""
    if value is None or kind == "bool":
        return {None: "null", True: "true", False: "false"}[value]
    if kind == "string":
        return f'"{value}"'
    if kind == "timestamp":
        return (EPOCH + datetime.timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if kind == "float64":
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if value != value else repr(float(value)))
    return str(value)


def agrees(stated, wanted, kind):
    value = stated.value
    if kind == "float64" and wanted.value is not None and re.search(r"[.eNI]", value):  # never like an integer
        value = show(float(value), kind)
    return (value, stated.status) == (show(wanted.value, kind), wanted.status) and stated.event_time in ("any", wanted.event_time)


def mistakes(text):
    """(Everything a file states that does not follow from its events, how many answers it states)."""
    out, count = [], 0
    for case in read(text):
        dead = case.refused()
        if dead.keys() != case.dead.keys() or any(not dead[p].startswith(reason) for p, reason in case.dead.items()):
            out.append(f"case '{case.name}': dead letters {dead}")
        for q in case.questions:
            answers, found = case.answers(q)
            if q.found not in (None, found):
                out.append(f"line {q.line}: found = {found}")
            for line, name, stated in q.stated:
                count += 1
                feature = case.definitions.by_name[name]
                kind, wanted = case.definitions.result_type(feature), answers[name]
                if not agrees(stated, wanted, kind):
                    out.append(f"line {line}: {name} = {Stated(show(wanted.value, kind), wanted.status, wanted.event_time)}, not {stated}")
    return out, count
