"""Statistics of numbers by their textbook formulas over fractions, rounded once. None: undefined (too few values, or no spread)."""

import math
from fractions import Fraction

import exact


def special(values):
    """What a sum with a NaN or an infinity is; None: neither is there."""
    found = [v for v in values if isinstance(v, float) and not math.isfinite(v)]
    if not found:
        return None
    return found[0] if len(set(map(repr, found))) == 1 else math.nan


def float_sum(values, finish):
    """`finish` of the exact values, unless NaN or infinities decide."""
    found = special(values)
    return found if found is not None else finish([Fraction(v) for v in values])


def central(values, power):
    mean = sum(values) / len(values)
    return sum((v - mean) ** power for v in values)


def cross(pairs):
    mean_x, mean_y = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs)


def signed_root(square, sign):
    root = exact.nearest_root(square)
    return -root if sign < 0 else root


def skew(values):
    n, spread, third = len(values), central(values, 2), central(values, 3)
    if spread == 0:
        return None
    return signed_root(Fraction(n * n * (n - 1), (n - 2) ** 2) * third**2 / spread**3, third)


def kurtosis(values):
    n, spread = len(values), central(values, 2)
    if spread == 0:
        return None
    first = Fraction(n * (n + 1) * (n - 1), (n - 2) * (n - 3)) * central(values, 4) / spread**2
    return exact.nearest(first - Fraction(3 * (n - 1) ** 2, (n - 2) * (n - 3)))


OF_ONE = {
    "variance": (2, lambda v: exact.nearest(central(v, 2) / (len(v) - 1))),
    "stddev": (2, lambda v: exact.nearest_root(central(v, 2) / (len(v) - 1))),
    "skew": (3, skew),
    "kurtosis": (4, kurtosis),
}


def of_one(name, values):
    least, finish = OF_ONE[name]
    if len(values) < least:
        return None
    return math.nan if special(values) is not None else finish([Fraction(v) for v in values])


def correlation(pairs):
    squares = central([x for x, _ in pairs], 2) * central([y for _, y in pairs], 2)
    return None if squares == 0 else signed_root(cross(pairs) ** 2 / squares, cross(pairs))


def slope(pairs):
    spread = central([y for _, y in pairs], 2)
    return None if spread == 0 else exact.nearest(cross(pairs) / spread)


OF_TWO = {"covariance": lambda pairs: exact.nearest(cross(pairs) / (len(pairs) - 1)), "correlation": correlation, "slope": slope}


def of_two(name, pairs):
    if name == "ratio":
        return ratio(pairs)
    if len(pairs) < 2:
        return None
    if special([v for pair in pairs for v in pair]) is not None:
        return math.nan
    return OF_TWO[name]([(Fraction(x), Fraction(y)) for x, y in pairs])


def ratio(pairs):
    xs, ys = zip(*pairs, strict=True)
    x, y = (float_sum(side, sum) for side in (xs, ys))
    if y == 0:
        return None
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return exact.nearest(x / y)
    if x != x or y != y or isinstance(x, float) and isinstance(y, float):
        return math.nan
    same_sign = (x < 0) == (y < 0)
    infinite = math.inf if isinstance(x, float) else 0.0
    return infinite if same_sign else -infinite
