"""Decimals, lists, vectors and maps: values are Fractions, Python lists and dicts. `form(name, types)` gives the type of the result and
the function of values for arguments of these types, or None."""

import functools
import math
from decimal import Decimal
from fractions import Fraction

import reals
from expression_types import DIGITS, decimal, digits_and_scale, element, is_decimal, kind, vector_size
from expression_values import INT_MAX, INT_MIN, Fails


def fitted(value, t):
    """A Fraction that is a whole number of units of the type and has its digits."""
    precision, scale = digits_and_scale(t)
    assert (value * 10**scale).denominator == 1
    if abs(value * 10**scale) >= 10**precision:
        raise Fails
    return value


def half_away(value, scale):
    units = math.floor(abs(value) * Fraction(10) ** scale + Fraction(1, 2)) / Fraction(10) ** scale
    return -units if value < 0 else units


def whole(how):
    return lambda v: Fraction({"floor": math.floor, "ceil": math.ceil, "trunc": math.trunc}[how](v)) if how != "round" else half_away(v, 0)


def decimal_form(name, t):
    precision, scale = digits_and_scale(t)
    if name == "abs":
        return t, abs
    if name == "sign":
        return "int64", lambda v: (v > 0) - (v < 0)
    if name in ("floor", "ceil", "trunc", "round"):
        return decimal(precision - scale + 1, 0), whole(name)
    return None


def round_to(t):
    scale = digits_and_scale(t)[1]
    return lambda v, n: fitted(half_away(v, max(n, -60)) if n < scale else v, t)


# ---- lists and vectors


def at(values, i):
    if i == 0 or abs(i) > len(values):
        return None
    return values[i - 1] if i > 0 else values[i]


def sorted_key(v):
    """-0 below 0, NaN last."""
    if isinstance(v, float):
        return (math.isnan(v), v if not math.isnan(v) else 0, math.copysign(1, v))
    return v.encode() if isinstance(v, str) else v


def some(values):
    return [v for v in values if v is not None]


def special(values):
    """What a sum of floats with a NaN or an infinity is; None: neither is there."""
    if any(math.isnan(v) for v in values) or {math.inf, -math.inf} <= set(values):
        return math.nan
    return next((v for v in values if math.isinf(v)), None)


def total(t, values):
    values = some(values)
    if not values:
        return None
    if t == "float64":
        found = special(values)
        return found if found is not None else reals.to_float(sum(map(Fraction, values)))
    if t == "int64":
        if not INT_MIN <= sum(values) <= INT_MAX:
            raise Fails
        return sum(values)
    return fitted(sum(values, Fraction(0)), decimal(DIGITS, digits_and_scale(t)[1]))


def average(t, values):
    values = some(values)
    if not values:
        return None
    if t == "float64" and (found := special(values)) is not None:
        return found
    return reals.to_float(sum(map(Fraction, values)) / len(values))


def slice_of(values, start, count=2**64):
    return [v for i, v in enumerate(values, 1) if start <= i < start + count]


def products(a, b):
    return [math.nan if (math.isinf(x) and y == 0) or (math.isinf(y) and x == 0) else x * y if math.isinf(x) or math.isinf(y) or x != x or y != y
            else 0.0 for x, y in zip(a, b, strict=True)]  # fmt: skip


def exact_dot(a, b):
    return sum((Fraction(x) * Fraction(y) for x, y in zip(a, b, strict=True)), Fraction(0))


def usable(*rows):
    return all(v is not None for row in rows for v in row) and len({len(row) for row in rows}) == 1


def dot(a, b):
    if not usable(a, b):
        return None
    found = special(products(a, b))
    if found is None and not all(math.isfinite(v) for v in a + b):
        return math.nan
    return found if found is not None else reals.to_float(exact_dot(a, b))


def root(square):
    """The square root of a Fraction, in many digits, as a Fraction."""
    with reals.digits(1500):
        return Fraction((Decimal(square.numerator) / Decimal(square.denominator)).sqrt())


def norm(a):
    if not usable(a):
        return None
    if any(math.isnan(v) for v in a):
        return math.nan
    if any(math.isinf(v) for v in a):
        return math.inf
    return reals.to_float(root(exact_dot(a, a)))


def cosine(a, b):
    if not usable(a, b):
        return None
    if not all(math.isfinite(v) for v in a + b):
        return math.nan
    if not any(a) or not any(b):
        return None
    return reals.to_float(exact_dot(a, b) / root(exact_dot(a, a) * exact_dot(b, b)))


def is_row(t):
    return vector_size(t) is not None or t == "list<float64>"


def list_form(name, types):
    first, inner = types[0], element(types[0])
    sequence = kind(first) in ("list", "vector")
    match name:
        case "[]" if sequence:
            return [first, "int64"], inner, at
        case "[]" if kind(first) == "map":
            return [first, "string"], inner, lambda m, k: m.get(k)
        case "length" if inner:
            return [first], "int64", len
        case "contains" if sequence:
            return [first, inner], "bool", lambda values, v: any(x is not None and x == v for x in values)
        case "list_min" | "list_max" if sequence:
            best = min if name == "list_min" else max
            return [first], inner, lambda values: best(some(values), key=sorted_key, default=None)
        case "list_sum" if sequence:
            out = decimal(DIGITS, digits_and_scale(inner)[1]) if is_decimal(inner) else inner
            return [first], out, functools.partial(total, inner)
        case "list_avg" if sequence:
            return [first], "float64", functools.partial(average, inner)
        case "slice" if sequence:
            return [first, "int64", "int64"][: len(types)], f"list<{inner}>", slice_of
        case "map_keys":
            return [first], "list<string>", lambda m: sorted(m, key=str.encode)
        case "map_values":
            return [first], f"list<{inner}>", lambda m: [m[k] for k in sorted(m, key=str.encode)]
        case "dot_product" | "cosine_similarity" if is_row(first) and is_row(types[1]):
            return list(types), "float64", dot if name == "dot_product" else cosine
        case "l2_norm" if is_row(first):
            return [first], "float64", norm
    return None


def form(name, types):
    """Argument types, result type, function; None: the name means nothing for such arguments."""
    if not types or types[0] is None:
        return None
    if is_decimal(types[0]):
        if name == "round" and len(types) == 2:
            return [types[0], "int64"], types[0], round_to(types[0])
        found = decimal_form(name, types[0])
        return found and ([types[0]], *found)
    return list_form(name, types) if element(types[0]) else None
