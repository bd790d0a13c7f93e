"""Weights of decaying windows: powers of two with any exponent, to as many bits as the specification says, in decimal arithmetic."""

import decimal
import functools
import math
from fractions import Fraction

from windows import tile_width

CONTEXT = decimal.Context(prec=90, Emin=-10_000, Emax=10_000)
LN2 = CONTEXT.ln(decimal.Decimal(2))
SLACK = Fraction(1, 10**60)  # the power is right to far more digits than this


@functools.cache
def power_of_two(part, whole, bits):
    """2^(part / whole), 0 <= part < whole, rounded to so many bits behind the point, as a Fraction."""
    if part == 0:
        return Fraction(1)
    exact = Fraction(CONTEXT.exp(CONTEXT.multiply(CONTEXT.divide(decimal.Decimal(part), decimal.Decimal(whole)), LN2)))
    scaled = exact * 2**bits + Fraction(1, 2)
    assert math.floor(scaled - SLACK) == math.floor(scaled + SLACK)
    return Fraction(math.floor(scaled), 2**bits)


def weight(et, t, half_life):
    """What a row of that event time counts at t: its weight from the start of its tile, and the tile's factor, each rounded once."""
    width = tile_width(half_life)
    start = et // width * width
    halvings = -(-(t - start) // half_life)
    factor = power_of_two(halvings * half_life - (t - start), half_life, 63)
    return power_of_two(et - start, half_life, 64) * factor / 2**halvings
