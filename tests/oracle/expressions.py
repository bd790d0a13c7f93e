"""What expressions mean (docs/expressions.md), by a slow and obvious evaluator that shares no code with the program.

`compiled(text, types)` gives the type of an expression and a function from a row (a dict) to its value; `Fails` is raised
where the row fails. Values: None, bool, int, float, str, and Time.
"""

import dataclasses
import functools
import hashlib
import math
import re
import struct
import unicodedata
from fractions import Fraction

import reals
from expression_nested import fitted, form
from expression_syntax import parse
from expression_types import common_type, decimal, is_decimal, kind, product_type, remainder_type, sum_type, widens
from expression_values import Fails, Time, cast, castable, in_range, xxh64

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
LONGEST = 2**20
DAY = 86_400_000_000


# ---- texts


def simple(c, mapped):
    """One code point for one, as Unicode's simple mappings."""
    special = {"ß": {"upper": "ẞ"}, "İ": {"lower": "i"}}
    if c in special and mapped in special[c]:
        return special[c][mapped]
    out = getattr(c, mapped)()
    assert len(out) == 1, f"Python knows no simple {mapped} of {c!r}"
    return out


def initcap(s):
    out, inside = "", False
    for c in s:
        first, inside = not inside, unicodedata.category(c)[0] in "LN"
        out += simple(c, "title" if first else "lower") if inside else c
    return out


def bounded(s):
    if len(s.encode()) > LONGEST:
        raise Fails
    return s


def substr(s, start, count=INT_MAX):
    return "".join(c for i, c in enumerate(s, 1) if start <= i < start + count)


def split_part(s, separator, n):
    parts = s.split(separator) if separator else [s]
    if n < 0:
        n += len(parts) + 1
    return parts[n - 1] if 1 <= n <= len(parts) else ""


def padded(s, n, fill, left):
    if n <= len(s):
        return s[: max(n, 0)]
    if not fill:
        return s
    if n > 2 * LONGEST:
        raise Fails
    more = (fill * (n // len(fill) + 1))[: n - len(s)]
    return bounded(more + s if left else s + more)


def repeat(s, n):
    if n <= 0 or not s:
        return ""
    if n * len(s.encode()) > LONGEST:
        raise Fails
    return s * n


def like(s, pattern):
    out, i = "", 0
    while i < len(pattern):
        if pattern[i] == "\\" and i + 1 < len(pattern):
            i += 1
            out += re.escape(pattern[i])
        else:
            out += {"%": ".*", "_": "."}.get(pattern[i], re.escape(pattern[i]))
        i += 1
    return re.fullmatch(out, s, re.DOTALL) is not None


def extracted(s, pattern):
    found = re.search(pattern, s)
    return None if not found else found[1 if found.re.groups else 0]


# ---- times


def time_part(part):
    return lambda t: t.civil()[part]


def unit_start(unit, t):
    c = t.civil()
    if unit == "week":
        return Time(t.us // DAY * DAY - (c["day_of_week"] - 1) * DAY)
    month = {"month": c["month"], "quarter": (c["month"] - 1) // 3 * 3 + 1}.get(unit, 1)
    return Time.of(c["year"], month, 1)


WIDTHS = {"microsecond": 1, "millisecond": 1000, "second": 10**6, "minute": 60 * 10**6, "hour": 3600 * 10**6, "day": DAY, "week": 7 * DAY}


def date_trunc(unit, t):
    if unit in WIDTHS and unit != "week":
        return in_range(Time(t.us // WIDTHS[unit] * WIDTHS[unit]))
    return in_range(unit_start(unit, t))


def date_diff(unit, a, b):
    def number(t):
        c = t.civil()
        if unit == "week":
            return (t.us // DAY + 3) // 7
        if unit in WIDTHS:
            return t.us // WIDTHS[unit]
        return {"year": c["year"], "quarter": c["year"] * 4 + c["quarter"], "month": c["year"] * 12 + c["month"]}[unit]

    return in_range(number(b) - number(a))


def date_add(unit, n, t):
    if unit in WIDTHS:
        return in_range(Time(t.us + n * WIDTHS[unit]))
    if abs(n) > 10**7:
        raise Fails
    c = t.civil()
    months = c["year"] * 12 + c["month"] - 1 + n * {"month": 1, "quarter": 3, "year": 12}[unit]
    day = c["day"]
    while (moved := Time.of(months // 12, months % 12 + 1, day)) is None:
        day -= 1
    return in_range(Time(moved.us + t.us % DAY))


def make_timestamp(year, month, day, hour=0, minute=0, second=0):
    if not (abs(year) <= 300_000 and 1 <= month <= 12 and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise Fails
    date = Time.of(year, month, day) if 1 <= day <= 31 else None
    if date is None:
        raise Fails
    return in_range(Time(date.us + ((hour * 60 + minute) * 60 + second) * 10**6))


# ---- hashes


def hash_of(v):
    if isinstance(v, str):
        data = v.encode()
    elif isinstance(v, bool):
        data = bytes([v])
    elif isinstance(v, float):
        data = bytes.fromhex("000000000000f87f") if math.isnan(v) else struct.pack("<d", v + 0.0 if v else 0.0)
    else:
        data = (v.us if isinstance(v, Time) else v).to_bytes(8, "little", signed=True)
    return xxh64(data)


def hash64(v):
    h = hash_of(v)
    return h - 2**64 if h > INT_MAX else h


def bucket(v, n):
    return hash_of(v) % n if n >= 1 else None


def sha256(s):
    return hashlib.sha256(s.encode()).hexdigest()


# ---- numbers


def sign(x):
    return x if math.isnan(x) or x == 0 else type(x)(1 if x > 0 else -1)


def rounded(how):
    """floor, ceil, trunc, round of a float: a float of the same sign."""

    def run(x):
        return math.copysign(float(how(x)), x) if math.isfinite(x) and abs(x) < 2**53 else x

    return run


ANY = ("string", "int64", "float64", "bool", "timestamp")
F, I, S, B, T = "float64", "int64", "string", "bool", "timestamp"
# name -> overloads: argument types, result type, function of values that are not null
FUNCTIONS = {
    "abs": [([I], I, lambda x: in_range(abs(x))), ([F], F, abs)],
    "sign": [([I], I, sign), ([F], F, sign)],
    "floor": [([I], I, lambda x: x), ([F], F, rounded(math.floor))],
    "ceil": [([I], I, lambda x: x), ([F], F, rounded(math.ceil))],
    "trunc": [([I], I, lambda x: x), ([F], F, rounded(math.trunc))],
    "round": [([I], I, lambda x: x), ([F], F, rounded(lambda x: math.floor(Fraction(abs(x)) + Fraction(1, 2)))),
              ([I, I], I, lambda x, n: in_range(reals.round_digits(x, n))), ([F, I], F, reals.round_digits)],
    "exp": [([F], F, reals.exp)], "ln": [([F], F, reals.ln)], "log10": [([F], F, reals.log10)], "log2": [([F], F, reals.log2)],
    "pow": [([F, F], F, reals.power)], "sqrt": [([F], F, reals.sqrt)], "cbrt": [([F], F, reals.cbrt)],
    "sin": [([F], F, reals.sin)], "cos": [([F], F, reals.cos)], "tan": [([F], F, reals.tan)],
    "asin": [([F], F, reals.asin)], "acos": [([F], F, reals.acos)], "atan": [([F], F, reals.atan)], "atan2": [([F, F], F, reals.atan2)],
    "radians": [([F], F, reals.radians)], "degrees": [([F], F, reals.degrees)], "pi": [([], F, lambda: math.pi)],
    "haversine": [([F] * 4, F, reals.haversine)],
    "is_nan": [([F], B, math.isnan)], "is_finite": [([F], B, math.isfinite)], "is_infinite": [([F], B, math.isinf)],
    "lower": [([S], S, lambda s: "".join(simple(c, "lower") for c in s))],
    "upper": [([S], S, lambda s: "".join(simple(c, "upper") for c in s))],
    "initcap": [([S], S, initcap)], "length": [([S], I, len)],
    "substr": [([S, I], S, substr), ([S, I, I], S, substr)],
    "||": [([S, S], S, lambda a, b: bounded(a + b))],
    "like": [([S, S], B, like)],
    "trim": [([S], S, lambda s: s.strip(" ")), ([S, S], S, lambda s, w: s.strip(w) if w else s)],
    "ltrim": [([S], S, lambda s: s.lstrip(" ")), ([S, S], S, lambda s, w: s.lstrip(w) if w else s)],
    "rtrim": [([S], S, lambda s: s.rstrip(" ")), ([S, S], S, lambda s, w: s.rstrip(w) if w else s)],
    "replace": [([S, S, S], S, lambda s, a, b: bounded(s.replace(a, b)) if a else s)],
    "starts_with": [([S, S], B, str.startswith)], "ends_with": [([S, S], B, str.endswith)], "contains": [([S, S], B, lambda s, p: p in s)],
    "strpos": [([S, S], I, lambda s, p: s.find(p) + 1)], "position": [([S, S], I, lambda p, s: s.find(p) + 1)],
    "split_part": [([S, S, I], S, split_part)],
    "left": [([S, I], S, lambda s, n: s[:n])],
    "right": [([S, I], S, lambda s, n: s[max(len(s) - n, 0):] if n >= 0 else s[-n:])],
    "reverse": [([S], S, lambda s: s[::-1])], "repeat": [([S, I], S, repeat)],
    "lpad": [([S, I], S, lambda s, n: padded(s, n, " ", True)), ([S, I, S], S, lambda s, n, f: padded(s, n, f, True))],
    "rpad": [([S, I], S, lambda s, n: padded(s, n, " ", False)), ([S, I, S], S, lambda s, n, f: padded(s, n, f, False))],
    "regexp_matches": [([S, S], B, lambda s, p: re.search(p, s) is not None)], "regexp_extract": [([S, S], S, extracted)],
    "epoch_s": [([T], I, lambda t: t.us // 10**6)], "epoch_ms": [([T], I, lambda t: t.us // 1000)], "epoch_us": [([T], I, lambda t: t.us)],
    "from_epoch_s": [([I], T, lambda n: in_range(Time(n * 10**6)))], "from_epoch_ms": [([I], T, lambda n: in_range(Time(n * 1000)))],
    "from_epoch_us": [([I], T, Time)],
    "make_timestamp": [([I] * 3, T, make_timestamp), ([I] * 6, T, make_timestamp)],
    "date_trunc": [([S, T], T, date_trunc)], "date_diff": [([S, T, T], I, date_diff)], "date_add": [([S, I, T], T, date_add)],
    "hash": [([t], I, hash64) for t in ANY], "bucket": [([t, I], I, bucket) for t in ANY], "sha256": [([S], S, sha256)],
}  # fmt: skip
for _part in ("year", "iso_year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "second"):
    FUNCTIONS[_part] = [([T], I, time_part(_part))]


# ---- typing and evaluation


@dataclasses.dataclass
class Typed:
    type: str | None  # None: the word null
    run: object
    whole: int | None = None  # of a literal int64

    def to(self, wanted):
        if self.type in (None, wanted):
            return Typed(wanted, self.run)
        if self.whole is not None and is_decimal(wanted):
            return Typed(wanted, lambda row: Fraction(self.whole))
        assert widens(self.type, wanted), f"{self.type} is no {wanted}"
        convert = reals.to_float if wanted == F else Fraction
        return Typed(wanted, lambda row: None if (v := self.run(row)) is None else convert(v))

    def as_decimal(self):
        if self.type is None:
            return decimal(1, 0)
        if is_decimal(self.type):
            return self.type
        return decimal(len(str(abs(self.whole))) if self.whole is not None else 19, 0)


def common(parts):
    types = {p.type for p in parts if p.type is not None}
    if len(types) > 1 and F in types:
        return F
    if len(types) > 1:
        return functools.reduce(common_type, (p.as_decimal() for p in parts if p.type is not None))
    (only,) = types
    return only


def alike(parts):
    t = common(parts)
    return t, [p.to(t) for p in parts]


def strict(out, parts, function):
    """A function whose null arguments give null; every argument is looked at, so that any failure is the row's."""

    def run(row):
        values = evaluated(parts, row)
        return None if any(v is None for v in values) else function(*values)

    return Typed(out, run)


def evaluated(parts, row):
    return [p.run(row) for p in parts]


def call(name, parts):
    found = form(name, [p.type for p in parts])
    if found:
        types, out, function = found
        return strict(out, [p.to(t) for p, t in zip(parts, types, strict=True)], function)
    overloads = [o for o in FUNCTIONS[name] if len(o[0]) == len(parts)]
    for widen in (False, True) if name not in ("hash", "bucket") else (False,):
        for types, out, function in overloads:
            if all(p.type in (None, t) or (widen and widens(p.type, t)) for p, t in zip(parts, types, strict=True)):
                return strict(out, [p.to(t) for p, t in zip(parts, types, strict=True)], function)
    raise AssertionError(f"{name} does not take {[p.type for p in parts]}")


def divide(a, b):
    return None if b == 0 else float_divide(a, b)


def float_divide(a, b):
    if math.isinf(a) and math.isinf(b):
        return math.nan
    return a / b


def modulo(a, b):
    if b == 0:
        return None
    if isinstance(a, int):
        return abs(a) % abs(b) * (-1 if a < 0 else 1)
    if math.isnan(a) or math.isnan(b) or math.isinf(a):
        return math.nan
    return math.fmod(a, b)


def times_float(a, b):
    return math.nan if (math.isinf(a) and b == 0) or (math.isinf(b) and a == 0) else a * b


def arithmetic(op, a, b):
    if (a.type, b.type, op) == (T, T, "-"):
        return strict(I, [a, b], lambda x, y: in_range(x.us - y.us))
    if a.type == T and op in "+-":
        return strict(T, [a, b.to(I)], lambda x, n: in_range(Time(x.us + n if op == "+" else x.us - n)))
    types = {p.type for p in (a, b)} - {None}
    if any(is_decimal(t) for t in types) and F not in types:
        return decimal_arithmetic(op, a, b)
    t, (a, b) = alike([a, b])
    if op == "/":
        return strict(F, [a.to(F), b.to(F)], divide)
    if op in ("%", "mod"):
        return strict(t, [a, b], modulo)
    plain = {"+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": times_float if t == F else lambda x, y: x * y}[op]
    return strict(t, [a, b], plain if t == F else lambda x, y: in_range(plain(x, y)))


def decimal_arithmetic(op, a, b):
    x, y = a.as_decimal(), b.as_decimal()
    parts = [a.to(x), b.to(y)]
    if op == "/":
        return strict(F, parts, lambda v, w: None if w == 0 else reals.to_float(v / w))
    if op in ("%", "mod"):
        out = remainder_type(x, y)
        return strict(out, parts, lambda v, w: None if w == 0 else fitted(v - w * math.trunc(v / w), out))
    out = product_type(x, y) if op == "*" else sum_type(x, y)
    run = {"+": lambda v, w: v + w, "-": lambda v, w: v - w, "*": lambda v, w: v * w}[op]
    return strict(out, parts, lambda v, w: fitted(run(v, w), out))


WIDTH = {"bool": 1, "int64": 8, "float64": 8, "timestamp": 8, "decimal": 16, "string": 4}


def make_list(parts):
    """Its packed form has at most 1 MiB: a count, a bit and a slot for each element, the texts."""
    t, parts = alike(parts)

    def run(row):
        values = evaluated(parts, row)
        size = 4 + (len(values) + 7) // 8 + WIDTH[kind(t)] * len(values) + sum(len(v.encode()) for v in values if isinstance(v, str))
        if size > LONGEST:
            raise Fails
        return values

    return Typed(f"list<{t}>", run)


def attempt(part, row):
    """The value, or the failure as a value."""
    try:
        return part.run(row)
    except Fails as failure:
        return failure


def connective(decides, a, b):
    def run(row):
        x, y = attempt(a, row), attempt(b, row)
        if x is decides or y is decides:
            return decides
        for v in (x, y):
            if isinstance(v, Fails):
                raise v
        return None if x is None or y is None else not decides

    return Typed(B, run)


def cases(parts):
    values = parts[1:-1:2] + parts[-1:]
    t, values = alike(values)

    def run(row):
        for condition, value in zip(parts[:-1:2], values, strict=False):
            if condition.run(row):
                return value.run(row)
        return values[-1].run(row)

    return Typed(t, run)


def coalesce(parts):
    t, parts = alike(parts)

    def run(row):
        for p in parts:
            if (v := p.run(row)) is not None:
                return v
        return None

    return Typed(t, run)


def extreme(parts, smallest):
    t, parts = alike(parts)

    def run(row):
        values = [v for v in evaluated(parts, row) if v is not None]
        if t == F and any(math.isnan(v) for v in values):
            return math.nan
        return functools.reduce(lambda best, v: v if (before(v, best) if smallest else before(best, v)) else best, values) if values else None

    return Typed(t, run)


def before(a, b):
    """Texts by their bytes."""
    return a.encode() < b.encode() if isinstance(a, str) else a < b


def compare(op, a, b):
    _, parts = alike([a, b])
    run = {"=": lambda x, y: x == y, "<>": lambda x, y: x != y, "<": before, ">": lambda x, y: before(y, x),
           "<=": lambda x, y: x == y or before(x, y), ">=": lambda x, y: x == y or before(y, x)}[op]  # fmt: skip
    return strict(B, parts, run)


def distinct(a, b):
    _, (a, b) = alike([a, b])
    return Typed(B, lambda row: (lambda x, y: (x is None) != (y is None) or (x is not None and x != y))(*evaluated([a, b], row)))


def null_if(a, b):
    t, (a, b) = alike([a, b])
    return Typed(t, lambda row: (lambda x, y: None if x is not None and y is not None and x == y else x)(*evaluated([a, b], row)[:2]))


def joined(parts, separator):
    def run(row):
        between, *values = evaluated(([separator] if separator else []) + parts, row) if separator else ["", *evaluated(parts, row)]
        return None if between is None else bounded(between.join(v for v in values if v is not None))

    return Typed(S, run)


def cast_to(part, wanted, trying):
    if part.type in (None, wanted):
        return Typed(wanted, part.run)
    assert castable(part.type, wanted), f"{part.type} to {wanted}"

    def convert(value):
        try:
            return cast(value, part.type, wanted)
        except Fails:
            if trying:
                return None
            raise

    return strict(wanted, [part], convert)


def try_all(part):
    return Typed(part.type, lambda row: None if isinstance(v := attempt(part, row), Fails) else v)


def compile_ast(ast, types):
    kind, *rest = ast
    if kind == "literal":
        t, value = rest
        return Typed(t, lambda row: value, value if t == I else None)
    if kind == "name":
        (name,) = rest
        return Typed(types[name], lambda row: row[name])
    name, arguments = rest
    if name in ("cast", "try_cast"):
        return cast_to(compile_ast(arguments[0], types), arguments[1], name == "try_cast")
    parts = [compile_ast(a, types) for a in arguments]
    match name:
        case "+" | "-" | "*" | "/" | "%" | "mod":
            return arithmetic(name, *parts)
        case "=" | "<>" | "<" | "<=" | ">" | ">=":
            return compare(name, *parts)
        case "and" | "or":
            return connective(name == "or", *(p.to(B) for p in parts))
        case "not":
            return strict(B, parts, lambda x: not x)
        case "is null":
            return Typed(B, lambda row: parts[0].run(row) is None)
        case "distinct":
            return distinct(*parts)
        case "neg":
            return strict(parts[0].type, parts, (lambda x: -x) if parts[0].type != I else lambda x: in_range(-x))
        case "case" | "if":
            return cases(parts)
        case "coalesce":
            return coalesce(parts)
        case "nullif":
            return null_if(*parts)
        case "least" | "greatest":
            return extreme(parts, name == "least")
        case "try":
            return try_all(parts[0])
        case "concat":
            return joined(parts, None)
        case "[...]":
            return make_list(parts)
        case "concat_ws":
            return joined(parts[1:], parts[0])
    return call(name, parts)


def compiled(text, types):
    return compile_ast(parse(text), types)
