"""Definitions as people write them, read into what the reference needs: features with their expressions, records into rows."""

import dataclasses
import json
import re
from decimal import Decimal
from fractions import Fraction

import aggregates
import yaml
from expression_types import digits_and_scale, element, is_decimal, kind, vector_size
from expression_values import Fails, Time, parse_time
from expressions import compiled
from windows import SECOND, Window, duration, window_of

MAX_AHEAD = 300 * SECOND


class Dead(Exception):
    """A record that no row comes from; how its reason begins, and its event time where all its fields could be read."""

    def __init__(self, reason, event_time=None):
        super().__init__(reason)
        self.event_time = event_time


class Written(float):
    """A number with a point as it is written: what a decimal makes of it."""


class Loader(yaml.SafeLoader):
    def written(self, node):
        out = Written(self.construct_yaml_float(node))
        out.text = node.value
        return out


Loader.add_constructor("tag:yaml.org,2002:float", Loader.written)


class Row(dict):
    """Fields and derived fields by name, the event time under None. A derived field that failed fails where it is asked for."""

    takes_back = None  # the offset that a retraction names

    def __getitem__(self, name):
        if (value := super().__getitem__(name)) is Fails:
            raise Fails
        return value


@dataclasses.dataclass
class Feature:
    name: str
    aggregate: str
    of: object  # a function of rows, or None
    by: object
    where: object
    types: tuple  # of the arguments
    window: Window
    default: object
    ttl: int | None
    parameters: dict
    type: str = ""  # of the answers


class Definitions:
    """A view with its features; or, as `labels` of it, the same view with the labels of a service in their place."""

    def __init__(self, text, labels=False):
        parsed = yaml.load(text, Loader)
        (self.source,), ((name, self.view),) = parsed["sources"].values(), parsed["views"].items()
        ahead = {label: d for service in parsed.get("services", {}).values() for label, d in service.get("labels", {}).get(name, {}).items()}
        self.labels = Definitions(text, labels=True) if ahead and not labels else None
        if labels:
            self.view = {**self.view, "features": ahead}
        self.types = dict(self.source["fields"])
        self.key = parsed["entities"][self.view["entity"]]["key"]
        self.used = self.names_used()
        self.derived = []
        for name, expression in self.source.get("derived", {}).items():
            typed = compiled(expression, self.types)
            self.types[name] = typed.type
            if name in self.used:
                self.derived.append((name, typed.run))
        self.retract = {part: self.expression(text)[0] for part, text in self.source.get("retract", {}).items()}
        self.where = self.expression(self.view.get("where"))[0]
        self.features = list(self._features())

    def names_used(self):
        """Fields and derived fields that something asks for: the others may be anything."""
        texts = [*self.key, self.view.get("where", ""), *self.source.get("retract", {}).values()]
        texts += [str(d.get(part, "")) for by_aggregate in self.view["features"].values() for d in by_aggregate.values() for part in ("of", "by", "where")]
        used = set(re.findall(r"\w+", " ".join(texts)))
        for name, expression in reversed(self.source.get("derived", {}).items()):
            if name in used:
                used.update(re.findall(r"\w+", expression))
        return used

    def expression(self, text):
        typed = compiled(str(text), self.types) if text is not None else None
        return (typed.run, typed.type) if typed else (None, None)

    def _features(self):
        for name, by_aggregate in self.view["features"].items():
            for aggregate, d in by_aggregate.items():
                (of, of_type), (by, by_type), (where, _) = (self.expression(d.get(part)) for part in ("of", "by", "where"))
                ttl = duration(d["ttl"]) if "ttl" in d else None
                for over in d["over"]:
                    window, ending = window_of(over)
                    out = Feature(f"{name}_{aggregate}_{ending}", aggregate, of, by, where, (of_type, by_type), window, d.get("default"), ttl, d)
                    out.type = aggregates.result_type(out, of_type, by_type)
                    out.default = default_of(out.default, element(out.type) if window.kind == "series" else out.type)
                    yield out

    def longest_tail(self, t):
        return min(feature.window.tail(t) for feature in self.features)

    def key_of(self, row):
        return [str(row[part]) for part in self.key if row[part] is not None]

    def row(self, text, at, offset):
        """The fields and derived fields of a record that was appended at that instant and offset, its event time as the member None."""
        try:
            fields = json.loads(text, parse_float=Decimal)
        except ValueError:
            raise Dead("json: ") from None
        row = Row({name: typed(fields.get(name), t) for name, t in self.source["fields"].items() if name in self.used})
        time = fields.get(self.source["time"]["field"])
        if time is None:
            raise Dead("event_time: ")
        row[None] = parse_time(time).us
        if row[None] > at + MAX_AHEAD:
            raise Dead("too_far_ahead: ")
        for name, run in self.derived:
            try:
                row[name] = run(row)
            except Fails:
                row[name] = Fails
        if self.retract:
            row.takes_back = self.named(row, offset)
        try:
            self.evaluate(row)
        except Fails:
            raise Dead("expression: ", row[None]) from None
        return row

    def named(self, row, offset):
        """The offset that the record takes back; None: it is an event."""
        try:
            if not self.retract["when"](row):
                return None
            named = self.retract["offset"](row)
        except Fails:
            raise Dead("retraction: ") from None
        for wrong, reason in ((named is None, "is null"), (named is not None and named < 0, "is negative"), (named is not None and named >= offset, "is not lower than the record's own")):
            if wrong:
                raise Dead(f"retraction: its offset {reason}")
        return named

    def evaluate(self, row):
        """Everything that is asked of a row; what a filter drops is asked for nothing more."""
        if row.takes_back is None and self.where and not self.where(row):
            return
        for name in self.key:
            row[name]
        if row.takes_back is not None:
            return
        for feature in self.features:
            if not feature.where or feature.where(row):
                for argument in (feature.of, feature.by):
                    if argument:
                        argument(row)


PYTHON_TYPES = {"string": str, "timestamp": str, "bool": bool, "int64": int, "float64": (int, Decimal), "decimal": (int, Decimal, str), "list": list, "vector": list, "map": dict}


def typed(value, t):
    """A JSON value as a field of that type has it."""
    if value is None:
        return None
    if not isinstance(value, PYTHON_TYPES[kind(t)]) or isinstance(value, bool) and t != "bool":
        raise Dead("json: ")
    if kind(t) == "map":
        return {name: typed(v, element(t)) for name, v in value.items()}
    if element(t):
        if vector_size(t) and (len(value) != vector_size(t) or None in value):
            raise Dead("json: ")
        return [typed(v, element(t)) for v in value]
    if is_decimal(t):
        return as_decimal(value, t)
    if t == "timestamp":
        return Time(parse_time(value).us)
    if t == "int64" and not aggregates.INT_MIN <= value <= aggregates.INT_MAX:
        raise Dead("json: ")
    return float(value) if t == "float64" else value


def default_of(value, t):
    """A default of YAML as an answer of that type."""
    if isinstance(value, list):
        return [default_of(v, element(t)) for v in value]
    if isinstance(value, dict):
        return {name: default_of(v, element(t)) for name, v in value.items()}
    if is_decimal(t) and value is not None:
        return as_decimal(getattr(value, "text", str(value)), t)
    return float(value) if t == "float64" and value is not None else value


def as_decimal(value, t):
    precision, scale = digits_and_scale(t)
    if isinstance(value, str) and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        raise Dead("json: ")
    units = Fraction(value) * 10**scale
    if units.denominator != 1 or abs(units) >= 10**precision:
        raise Dead("json: ")
    return Fraction(value)


@dataclasses.dataclass
class Answer:
    value: object
    status: str
    event_time: int | None


def answer(feature, rows, t, after):
    """`rows`: those of the key that pass the view's filter, in canonical order."""
    if feature.where:
        rows = [row for row in rows if feature.where(row)]
    rows, too_much = feature.window.rows(rows, t, after)
    event_time = rows[-1][None] if rows else None
    try:
        if too_much:
            raise OverflowError
        value = series(feature, rows, t) if feature.window.kind == "series" else aggregates.value(feature, feature.types, rows, feature.window.now(t))
    except OverflowError:
        return Answer(None, "OVERFLOW", event_time)
    if rows and feature.ttl is not None and t - event_time > feature.ttl:
        return Answer(None, "EXPIRED", event_time)
    status = "EMPTY_WINDOW" if not rows else "NULL" if value is None else "PRESENT"
    return Answer(feature.default if value is None else value, status, event_time)


def series(feature, rows, t):
    values = (aggregates.value(feature, feature.types, [row for row in rows if tail <= row[None] < head], t) for tail, head in feature.window.parts(t))
    return [feature.default if value is None else value for value in values]
