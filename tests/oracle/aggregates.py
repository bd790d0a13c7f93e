"""What every aggregate gives over the rows of a window, one rounding at the end. Values as expressions have them: bool, int, float,
str, Time, Fraction of a decimal, list, dict; None is null. OverflowError: no value fits the result type, or a cap is exceeded."""

import bisect
import functools
import json
import math
from collections import Counter
from fractions import Fraction

import decay
import exact
import moments
import sketches
from expression_types import DIGITS, decimal, digits_and_scale, element, is_decimal, kind, vector_size
from expression_values import Time, decimal_text, float_text, time_text

INT_MAX, INT_MIN = 2**63 - 1, -(2**63)
KEY_BYTES_MAX = 1024
PAIRS = ("covariance", "correlation", "slope", "ratio")
BY = (*PAIRS, "arg_min", "arg_max", "sum_by")
ZERO_WHEN_EMPTY = ("count", "count_if", "count_distinct", "approx_count_distinct", "count_by", "histogram")


# ---- types


def sum_type(t):
    return decimal(DIGITS, digits_and_scale(t)[1]) if is_decimal(t) else t


def result_type(feature, of, by):
    """The type of a feature's answers from those of its arguments."""
    if feature.window.kind == "decay":
        return "float64"
    plain = plain_type(feature, of, by)
    return f"list<{plain}>" if feature.window.kind == "series" else plain


def plain_type(feature, of, by):
    match feature.aggregate:
        case "count" | "count_if" | "count_distinct" | "approx_count_distinct" | "time_since_last":
            return "int64"
        case "sum":
            return sum_type(of)
        case "avg":
            return of if vector_size(of) else "float64"
        case "variance" | "stddev" | "skew" | "kurtosis" | "covariance" | "correlation" | "slope" | "ratio":
            return "float64"
        case "first_n" | "last_n" | "top_k":
            return f"list<{of}>"
        case "quantile":
            return "list<float64>" if isinstance(feature.parameters["q"], list) else "float64"
        case "histogram":
            return "list<int64>"
        case "count_by":
            return "map<string,int64>"
        case "sum_by":
            return f"map<string,{sum_type(of)}>"
    return of


# ---- values


def in_order(value):
    """A key that sorts values as min and max do: NaN above infinity, -0 below +0, texts by their bytes."""
    if isinstance(value, float):
        return (math.isnan(value), 0.0 if math.isnan(value) else value, math.copysign(1, value))
    return value.encode() if isinstance(value, str) else value


def key_text(value, t):
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Time):
        return time_text(value)
    return decimal_text(value, digits_and_scale(t)[1]) if is_decimal(t) else str(value)


def shown_inside(value, t):
    if value is None:
        return "null"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return float_text(value) if math.isfinite(value) else f'"{float_text(value)}"'
    return f'"{time_text(value)}"' if isinstance(value, Time) else key_text(value, t)


def shown(value, t):
    """As the golden files write it: scalars bare, a text in quotes, what is nested as JSON replies have it."""
    if value is None:
        return "null"
    if kind(t) == "map":
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{shown_inside(value[k], element(t))}" for k in sorted(value, key=str.encode)) + "}"
    if element(t):
        return "[" + ",".join(shown_inside(v, element(t)) for v in value) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return float_text(value) if isinstance(value, float) else key_text(value, t)


# ---- sums


def total(values, t):
    """The sum as its type has it."""
    if t == "float64":
        return moments.float_sum(values, lambda v: exact.nearest(sum(v)))
    out = sum(values)
    if abs(out) * 10 ** digits_and_scale(t)[1] >= 10**DIGITS if is_decimal(t) else not INT_MIN <= out <= INT_MAX:
        raise OverflowError
    return out


def average(values):
    return moments.float_sum(values, lambda v: exact.nearest(sum(v) / len(v)))


def by_dimension(vectors, finish):
    return [finish(list(dimension)) for dimension in zip(*vectors, strict=True)]


# ---- keys


def counted(keys, t, cap):
    """{key: how often}, unless there are too many, or one is too long to be kept."""
    out = Counter(keys)
    if len(out) > cap or t == "string" and any(len(key.encode()) > KEY_BYTES_MAX for key in out):
        raise OverflowError
    return out


def distinct(values, t):
    """The first of each value."""
    found = {}
    for value in values:
        found.setdefault(sketches.value_bytes(value, t), value)
    return list(found.values())


def bin_of(bounds, x):
    if isinstance(x, float) and not math.isfinite(x):
        return 0 if x < 0 else len(bounds)
    return bisect.bisect_right([Fraction(bound) for bound in bounds], Fraction(x))


# ---- all of them


def value(feature, types, rows, t):
    """The answer over the rows of its window; `types` are those of its arguments. None is null."""
    if feature.window.kind == "decay":
        return decayed(feature, rows, t)
    match feature.aggregate:
        case "count":
            return len(rows)
        case "time_since_last":
            return (t - rows[-1][None]) // 1000 if rows else None
    of, by = types
    if feature.aggregate in BY:
        pairs = [(x, y) for row in rows if (x := feature.of(row)) is not None and (y := feature.by(row)) is not None]
        return of_pairs(feature, pairs, of, by) if pairs else None
    values = [v for v in map(feature.of, rows) if v is not None]
    if not values and feature.aggregate not in ZERO_WHEN_EMPTY:
        return None
    return of_values(feature, values, of)


def of_pairs(feature, pairs, of, by):
    match feature.aggregate:
        case "arg_min" | "arg_max":
            best = min if feature.aggregate == "arg_min" else max  # the first of equals, both
            return best(pairs, key=lambda pair: in_order(pair[1]))[0]
        case "sum_by":
            keys = counted([y for _, y in pairs], by, feature.parameters.get("cap", 1000))
            return {key_text(key, by): total([x for x, y in pairs if y == key], of) for key in keys}
    return moments.of_two(feature.aggregate, pairs)


def of_values(feature, values, of):
    p, vectors = feature.parameters, vector_size(of)
    match feature.aggregate:
        case "count_if":
            return sum(values)
        case "sum":
            return by_dimension(values, lambda v: total(v, "float64")) if vectors else total(values, of)
        case "avg":
            return by_dimension(values, average) if vectors else average(values)
        case "min" | "max":
            best = functools.partial(min if feature.aggregate == "min" else max, key=in_order)
            return by_dimension(values, best) if vectors else best(values)
        case "first":
            return values[0]
        case "last":
            return values[-1]
        case "first_n" | "last_n":
            ordered = values if feature.aggregate == "first_n" else values[::-1]
            return (distinct(ordered, of) if p.get("distinct") else ordered)[: p["n"]]
        case "count_distinct":
            found = len(distinct(values, of))
            if found > p.get("cap", 1000):
                raise OverflowError
            return found
        case "approx_count_distinct":
            return sketches.cardinality(values, of, p.get("precision", 12))
        case "quantile":
            numbers = [v if isinstance(v, float) else exact.nearest(Fraction(v)) for v in values]
            answers = [sketches.quantile(numbers, q, p.get("error", 0.01)) for q in (p["q"] if isinstance(p["q"], list) else [p["q"]])]
            return answers if isinstance(p["q"], list) else answers[0]
        case "histogram":
            bins = Counter(bin_of(p["bounds"], v) for v in values)
            return [bins[i] for i in range(len(p["bounds"]) + 1)]
        case "top_k":
            counts = counted(values, of, p.get("cap", 1000))
            return sorted(counts, key=lambda key: (-counts[key], in_order(key)))[: p["k"]]
        case "count_by":
            return {key_text(key, of): n for key, n in counted(values, of, p.get("cap", 1000)).items()}
    return moments.of_one(feature.aggregate, values)


def decayed(feature, rows, t):
    weights = [decay.weight(row[None], t, feature.window.length) for row in rows]
    if feature.aggregate == "count":
        return exact.nearest(sum(weights, Fraction(0)))
    pairs = [(v, w) for row, w in zip(rows, weights, strict=True) if (v := feature.of(row)) is not None]
    if feature.aggregate == "count_if":
        return exact.nearest(sum((w for v, w in pairs if v), Fraction(0)))
    if not pairs:
        return None
    found = moments.special([v for v, _ in pairs])
    if found is not None:
        return found
    weighted = sum(Fraction(v) * w for v, w in pairs)
    return exact.nearest(weighted if feature.aggregate == "sum" else weighted / sum(w for _, w in pairs))
