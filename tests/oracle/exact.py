"""Correctly rounded results from exact arithmetic: the reference that floats must equal bit for bit."""

import math
import struct
from fractions import Fraction


def total(counted):
    """The exact sum of `{value: how often}` as a Fraction. Every finite float is a fraction."""
    return sum((Fraction(value) * count for value, count in counted.items()), Fraction(0))


def nearest(exact):
    """The float64 nearest to a Fraction, ties to even (Python's integer division rounds correctly)."""
    return exact.numerator / exact.denominator


def nearest_root(exact):
    """The float64 nearest to the square root of a Fraction >= 0."""
    if exact == 0:
        return 0.0
    p, q = exact.numerator, exact.denominator
    # Scale by 4**shift so that the integer root has at least 70 bits; one more bit says whether anything was cut off.
    shift = max(0, 72 + (q.bit_length() - p.bit_length()) // 2)
    scaled, rest = divmod(p << (2 * shift), q)
    root = math.isqrt(scaled)
    cut_off = rest != 0 or root * root != scaled
    return nearest(Fraction(2 * root + cut_off, 1 << (shift + 1)))


def average(counted):
    n = sum(counted.values())
    return nearest(total(counted) / n) if n else None


def sample_stddev(counted):
    """Square root of the sample variance (n - 1); None for fewer than two values."""
    n = sum(counted.values())
    if n < 2:
        return None
    squares = sum((Fraction(value) ** 2 * count for value, count in counted.items()), Fraction(0))
    return nearest_root((n * squares - total(counted) ** 2) / (n * (n - 1)))


def average_of_sums(n, s):
    return nearest(Fraction(s, n)) if n else None


def stddev_of_sums(n, s, squares):
    return nearest_root(Fraction(n * squares - s * s, n * (n - 1))) if n >= 2 else None


def same(a, b):
    """Equal in type and, for floats, in bits (nulls are None)."""
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    return type(a) is type(b) and a == b
