"""Random definitions over random events, as golden files with the answers of the reference.

    python random_definitions.py SEED       prints the file of a seed
"""

import datetime
import json
import random
import re
import sys

import golden
from aggregates import BY
from windows import SECOND, duration

FIELDS = {
    "user": "string", "i": "int64", "j": "int64", "text": "string", "text2": "string", "s": "string", "b": "bool", "ts": "timestamp", "d": "decimal(12,2)", "e": "decimal(38,4)",
    "l": "list<string>", "li": "list<int64>", "v": "vector<float64,3>", "m": "map<string,int64>", "md": "map<string,decimal(9,1)>",
}  # fmt: skip
OF_TYPE = {
    "int64": ["i", "j", "i % 7", "i * 3"], "float64": ["f", "g", "f * 2.0"], "decimal": ["d", "e"], "string": ["s", "upper(s)"], "bool": ["b", "i > 3"], "timestamp": ["ts"],
    "list": ["l", "li"], "vector": ["v"], "map": ["m", "md"],
}  # fmt: skip
NUMBERS, SCALARS, KEYS = ["int64", "float64", "decimal"], ["int64", "float64", "decimal", "string", "bool", "timestamp"], ["int64", "decimal", "string", "bool", "timestamp"]
EVERY = list(OF_TYPE)
TAKES = {
    "count": None, "time_since_last": None, "count_if": ["bool"], "sum": [*NUMBERS, "vector"], "avg": [*NUMBERS, "vector"], "min": [*SCALARS, "vector"], "max": [*SCALARS, "vector"],
    "stddev": NUMBERS, "variance": NUMBERS, "skew": NUMBERS, "kurtosis": NUMBERS, "first": EVERY, "last": EVERY, "count_distinct": EVERY, "approx_count_distinct": EVERY,
    "covariance": NUMBERS, "correlation": NUMBERS, "slope": NUMBERS, "ratio": NUMBERS, "arg_min": EVERY, "arg_max": EVERY, "first_n": SCALARS, "last_n": SCALARS,
    "quantile": NUMBERS, "histogram": NUMBERS, "top_k": KEYS, "count_by": KEYS, "sum_by": NUMBERS,
}  # fmt: skip
DECAYING = ["count", "count_if", "sum", "avg"]
NO_SERIES = ["first_n", "last_n", "histogram", "top_k", "count_by", "sum_by"]
FILTERS = ["b", "not coalesce(b, false)", "i is not null and i < 40", "s = 'a' or s is null", "f > 0.0"]
# The lengths of one view are of one scale, so that its windows cut each other's tiles; multiples of what comes before.
SCALES = [["10s", "20s", "30s", "1m", "2m"], ["1m", "5m", "10m", "30m", "1h"], ["5m", "1h", "2h", "6h", "12h"], ["1h", "6h", "1d", "7d", "14d"], ["10s", "1m", "1h", "1d"]]
INTS = [0, 1, -1, 2, 3, 4, 5, 7, 9, 40, 41, -3, 100, 10**12, 2**63 - 1, -(2**63), 2**62, None, None]
TEXTS = ["0", "-0", "0.1", "0.2", "-0.3", "1.5", "10.5", "1e16", "1e-300", "5e-324", "1.7976931348623157e308", "-1.7976931348623157e308", "1e300", "NaN", "Infinity", "-Infinity", None, "7", "7", "0.7"]
STRINGS = ["", "a", "b", "a", "ü", "A", "a name that is longer than fifteen bytes", "z", None]
TIMES = ["1960-01-01T00:00:00Z", "2026-03-01T00:00:00.000001Z", "2026-03-01T00:00:00Z", None]
DECIMALS = ["0.00", "1.50", "-2.25", "9999999999.99", "-0.01", 7, 12.5, None, "7.00"]
LONG_DECIMALS = ["0.0001", "-1", "9999999999999999999999999999999999.9999", "-9999999999999999999999999999999999.9999", "123456789.5", None, 7]
LISTS = [[], ["a"], ["a", None], ["b", "a name that is longer than fifteen bytes"], None]
INT_LISTS = [[], [1], [None], [1, 2, 3], [2**63 - 1], None]
VECTORS = [[1, 2, 3], [0.1, 0.2, 0.3], [-1, 0.5, 1e300], [1.7976931348623157e308, 0, -0.0], [0.0, -0.0, 5e-324], None]
MAPS = [{}, {"a": 1}, {"a": 1, "b": None}, {"b": -7}, None]
DECIMAL_MAPS = [{}, {"x": "1.5"}, {"x": 1.5, "y": None}, None]
POOLS = {"i": INTS, "j": INTS[:-6], "text": TEXTS, "text2": TEXTS[:10], "s": STRINGS, "b": [True, False, None], "ts": TIMES, "d": DECIMALS, "e": LONG_DECIMALS, "l": LISTS,
         "li": INT_LISTS, "v": VECTORS, "m": MAPS, "md": DECIMAL_MAPS}  # fmt: skip
STARTS = [golden.micros(text) for text in ("2026-03-05T00:00:00Z", "2026-03-05T00:00:00Z", "1969-12-31T23:30:00Z", "1902-07-31T12:00:00Z")]


def length_text(steps):
    """Of 10 s each."""
    parts = [(steps // 8640, "d"), (steps // 360 % 24, "h"), (steps // 6 % 60, "m"), (steps % 6 * 10, "s")]
    return "".join(f"{n}{unit}" for n, unit in parts if n)


def time_text(us):
    return (golden.EPOCH + datetime.timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.scale = self.pick(SCALES)
        self.span = duration(self.pick(self.scale)) * self.rng.choice([1, 1, 4])
        self.start = self.pick(STARTS)
        # now and then many windows, or many rows
        self.features = self.rng.randint(60, 80) if self.chance(0.02) else self.rng.randint(3, 9)
        self.rows = self.rng.randint(100, 250) if self.features < 10 and self.chance(0.04) else self.rng.randint(1, 30)
        # tame values reach results that wild ones turn into OVERFLOW and NaN
        self.tame = self.rng.random() < 0.5
        # drawn apart: with labels or without, a seed has the same features
        labels = random.Random(f"labels of {seed}")
        self.labels = labels.randint(1, 5) if labels.random() < 0.5 else 0
        self.label_rng, self.ahead = labels, []
        self.reversals = random.Random(f"reversals {seed}")
        self.retracts = self.reversals.random() < 0.25

    def pick(self, choices):
        return self.rng.choice(list(choices))

    def chance(self, p):
        return self.rng.random() < p

    # ---- definitions

    def window(self, aggregate, nested):
        kinds = ["sliding", "sliding", "hop", "exact", "tumbling", "lifetime", "hopping", "session", "closed", "last", "aged", "decay", "decay", "series", "series"]
        if aggregate not in DECAYING or nested:
            kinds = [kind for kind in kinds if kind != "decay"]
        if nested or aggregate in NO_SERIES:
            kinds = [kind for kind in kinds if kind != "series"]
        if self.retracts:  # every row in reach is kept, so the reach has an end
            kinds = [kind for kind in kinds if kind not in ("lifetime", "closed", "last")]
        two = self.two_lengths()
        length, count = self.pick(self.scale), self.pick([2, 3, 5, 12])
        return {
            "sliding": length, "hop": f"sliding({two[1]}, hop: {two[0]})", "exact": f"sliding({length}, exact)", "tumbling": f"tumbling({length})", "lifetime": "lifetime",
            "hopping": f"hopping({two[1]}, {two[0]})", "session": f"session({two[0]}, {two[1]})", "closed": f"session({two[0]}, {two[1]}, closed)",
            "last": f"last({self.pick([1, 2, 3, 10])})", "aged": f"last({self.pick([1, 3, 10])}, {length})", "decay": f"decay({length})", "series": f"series({length}, {count})",
        }[self.pick(kinds)]  # fmt: skip

    def two_lengths(self):
        """The first divides the second, and not too often."""
        pairs = [(a, b) for a in self.scale for b in self.scale if duration(b) % duration(a) == 0 and duration(b) <= 720 * duration(a)]
        return self.pick(pairs)

    def parameters(self, aggregate, windows):
        one = any(window.startswith("series") for window in windows)
        out = {}
        if aggregate in ("count_distinct", "count_by", "sum_by", "top_k"):
            out["cap"] = self.pick([1, 2, 3, 5])
        if aggregate == "top_k":
            out["k"] = self.pick([1, 2, 5])
        if aggregate in ("first_n", "last_n"):
            out |= {"n": self.pick([1, 2, 4])} | ({"distinct": True} if self.chance(0.5) else {})
        if aggregate == "approx_count_distinct" and self.chance(0.8):
            out["precision"] = self.pick([4, 5, 11, 16])
        if aggregate == "quantile":
            out["q"] = self.pick([0, 0.5, 0.9, 1]) if one or self.chance(0.5) else [0.25, 0.5, 0.99]
            out |= {"error": self.pick([0.01, 0.02, 0.1])} if self.chance(0.7) else {}
        if aggregate == "histogram":
            out["bounds"] = self.pick([[0], [-1, 0, 10.5], [0.1, 0.2, 7], [-1e300, 0, 1e300]])
        return out

    def label_window(self, *_):
        """next(b) or next(a, b), of whole steps of 10 s that need not be whole tiles."""
        second = self.pick([duration(self.pick(self.scale)) // (10 * SECOND), self.rng.randint(1, 3 + self.span // (10 * SECOND))])
        first = self.rng.randrange(second) if self.chance(0.5) else 0
        self.ahead.append((first, second))
        return f"next({length_text(first)}, {length_text(second)})" if first else f"next({length_text(second)})"

    def feature(self, window=None):
        window = window or self.window
        aggregate = self.pick(TAKES)
        types = TAKES[aggregate]
        d = {}
        kind = self.pick(types) if types else None
        if kind:
            d["of"] = self.pick(OF_TYPE[kind])
        if aggregate in BY:
            d["by"] = self.pick(OF_TYPE[self.pick(NUMBERS if aggregate in ("covariance", "correlation", "slope", "ratio") else SCALARS if aggregate != "sum_by" else KEYS)])
        nested = kind in ("list", "vector", "map") and aggregate not in ("count_distinct", "approx_count_distinct")
        windows = list(dict.fromkeys(window(aggregate, nested) for _ in range(self.pick([1, 2]))))
        d["over"] = windows
        if self.chance(0.3):
            d["where"] = self.pick(FILTERS)
        if self.chance(0.3):
            d["ttl"] = self.pick(self.scale)
        d |= self.parameters(aggregate, windows)
        plain = {"int64": 7, "float64": 1.5, "string": "none", "bool": True}.get(kind)
        if aggregate in ("min", "max", "first", "last") and plain is not None and self.chance(0.4) and not any(w.startswith("series") for w in windows):
            d["default"] = plain
        return aggregate, d

    def definitions(self):
        view = {"entity": "user", "from": "events", "features": {}, "owner": "tests"}
        if self.chance(0.4):
            view["where"] = self.pick(FILTERS)
        for n in range(self.features):
            aggregate, d = self.feature()
            view["features"][f"f{n}"] = {aggregate: d}
        services = {"services": {"s": {"features": ["v.*"], "labels": {"v": self.drawn_apart(self.some_labels)}}}} if self.labels else {}
        source = {"topic": "events", "format": "json", "time": {"field": "at", "unit": "rfc3339"}, "fields": FIELDS, "derived": {"f": "cast(text as float64)", "g": "cast(text2 as float64)"}, "owner": "tests"}
        if self.retracts:
            source |= {"fields": FIELDS | {"takes_back": "int64"}, "retract": {"when": "takes_back is not null", "offset": "takes_back"}}
        return {"sources": {"events": source}, "entities": {"user": {"key": ["user"]}}, "views": {"v": view}} | services

    def drawn_apart(self, draw):
        self.rng, self.label_rng = self.label_rng, self.rng
        out = draw()
        self.rng, self.label_rng = self.label_rng, self.rng
        return out

    def some_labels(self):
        out = {}
        for n in range(self.labels):
            aggregate, d = self.feature(self.label_window)
            d.pop("ttl", None)
            out[f"l{n}"] = {aggregate: d}
        return out

    # ---- events

    def event_time(self, known):
        if known and self.chance(0.2):
            return self.pick(known)
        us = self.start + self.rng.randrange(self.span)
        grain = self.pick([1, SECOND, 10 * SECOND, duration(self.scale[0]), duration(self.scale[1])])
        return us // grain * grain

    def fields(self):
        out = {"user": self.pick(["u"] * 8 + ["w", None])}
        for name, pool in POOLS.items():
            if self.chance(0.8):
                out[name] = self.pick(TAME.get(name, pool) if self.tame else pool)
        return out

    def event(self, known):
        et = self.event_time(known)
        known.append(et)
        delay = self.pick([0, 0, 1, SECOND, self.rng.randrange(self.span), -self.rng.randrange(300 * SECOND), -self.rng.randrange(300 * SECOND)])
        fields = {**self.fields(), "at": time_text(et)}
        if self.chance(0.04):
            fields[self.pick(["i", "b", "d", "l", "v", "m"])] = {"i": "seven"}
        if self.chance(0.02):
            del fields["at"]
        if self.chance(0.03):
            delay = -(300 * SECOND + 1)
        text = json.dumps(fields, ensure_ascii=False)
        return et + delay, text[:-1] if self.chance(0.02) else text

    def events(self):
        known, out, offsets = [], [], {}
        events = sorted((self.event(known) for _ in range(self.rows)), key=lambda event: event[0])
        if self.labels:
            self.drawn_apart(lambda: self.break_some(events))
        for at, text in events:
            partition = self.pick([0, 0, 1, 2])
            step = self.pick([1, 1, 3])  # what is taken back is named by its offset: then there are no holes, as in a real topic
            offsets[partition] = offsets.get(partition, -1) + (1 if self.retracts else step)
            # labels are asked of logs, whose time begins in 1970
            out.append((time_text(max(at, 0) if self.labels else at), f"{partition}/{offsets[partition]}", text))
            while self.retracts and self.reversals.random() < 0.25:
                if reversal := self.reversal(out, offsets):
                    out.append(reversal)
        return out, sorted(known)

    def break_some(self, events):
        """Fields that features or labels cannot read, in the newest events: what is mature hangs on them."""
        newest = sorted(range(len(events)), key=lambda i: re.sub('.*"at": "([^"]*)".*', r"\1", events[i][1]))[-3:]
        for i in newest:
            at, text = events[i]
            broken = f', "{self.pick("ijsbdlvm")}": {{"i": "seven"}}}}'
            if self.chance(0.3) and text.endswith('"}'):
                events[i] = at, text[:-1] + broken

    def reversal(self, events, offsets):
        """A copy of an earlier record that takes it back, appended now; None: that one is no JSON."""
        _, position, text = self.reversals.choice(events)
        partition, offset = map(int, position.split("/"))
        wrong = self.reversals.choice([0] * 12 + [1, -1, 10**6, -(10**6)])
        try:
            fields = json.loads(text) | {"takes_back": offset + wrong}
        except ValueError:
            return None
        if self.reversals.random() < 0.3:  # its arguments are not asked for
            fields = {name: fields[name] for name in ("user", "at", "takes_back") if name in fields}
        offsets[partition] += 1
        return events[-1][0], f"{partition}/{offsets[partition]}", json.dumps(fields, ensure_ascii=False)

    def own_row(self, events):
        """A question about a record without itself; None: it has no key or no time."""
        _, position, text = self.pick(events)
        try:
            fields = json.loads(text)
        except ValueError:
            return None
        return f"  {fields['user']} {fields['at']} self {position}" if fields.get("user") and "at" in fields and "takes_back" not in fields else None

    def question(self, known, events):
        if self.chance(0.15) and (own := self.own_row(events)):
            return own
        near = self.pick(known[len(known) // 2 :]) + self.pick([0, 1, -1, 1, SECOND, 10 * SECOND, duration(self.scale[0]), duration(self.pick(self.scale)), duration(self.pick(self.scale)) + 1])
        grain = self.pick([1, 1, 1, 10 * SECOND, duration(self.pick(self.scale))])
        t = -(-near // grain) * grain
        if self.ahead:
            t = self.drawn_apart(lambda: self.before(known, t))
        more = [" after_event"] if self.chance(0.3) else []
        if self.chance(0.15):
            more.append(" as_served")
        elif self.chance(0.3):
            how = self.pick(["pin", "without"])
            more.append(f" {'pin' if self.retracts else how} {self.pick(events)[1]}")
        return f"  {self.pick('uuuuuw')} {time_text(t)}" + "".join(more)

    def before(self, known, t):
        """Often so that a label's window begins or ends at an event, or at the newest one; else the t that was drawn."""
        if self.chance(0.4):
            return t
        edge = self.pick([known[-1], known[-1], self.pick(known), self.pick(known)])
        return edge - self.pick(self.pick(self.ahead)) * 10 * SECOND + self.pick([0, 0, 1, -1, SECOND])

    # ---- the file

    def text(self, name):
        definitions = "\n".join("  " + line for line in json.dumps(self.definitions(), ensure_ascii=False, indent=1).splitlines())
        events, known = self.events()
        head = ["definitions", definitions, "day 2026-03-05", f"case {name}", "events", *(f"  {at} {position} {text}" for at, position, text in events)]
        questions = ["questions", *(self.question(known, events) for _ in range(4))]
        (case,) = golden.read("\n".join(head + questions))
        dead = [f"  {p}/{o} {reason}" for (p, o), reason in sorted(case.refused().items())]
        out = head + (["dead", *dead] if dead else []) + questions[:1]
        for line, question in zip(questions[1:], case.questions, strict=True):
            answers, found = case.answers(question)
            out += [line, f"    found = {'true' if found else 'false'}"]
            for name, answer in answers.items():
                said = golden.stated(answer, case.types[name])
                at = "none" if said.event_time is None else time_text(said.event_time)
                out.append(f"    {name} = {said.value} {said.status} @{at}")
        return "\n".join(out) + "\n"


TAME = {
    "i": [1, 2, 3, 4, 5, 7, 9, -3, 40], "j": [1, 2, 3, 4, -5], "text": ["0.1", "0.2", "-0.3", "1.5", "10.5", "7", "0.7"], "text2": ["0.1", "2", "-3.25", "7"], "e": ["0.0001", "-1", "123456789.5", 7],
    "v": [[1, 2, 3], [0.1, 0.2, 0.3], [-1, 0.5, 7]],
}  # fmt: skip


def file_of(seed):
    return Maker(seed).text(f"seed {seed}")


if __name__ == "__main__":
    print(file_of(int(sys.argv[1])), end="")
