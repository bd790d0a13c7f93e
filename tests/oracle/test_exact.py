"""The reference itself, against results known by other means."""

import decimal
import math
import random
from fractions import Fraction

import exact


def test_known_sums():
    assert exact.nearest(exact.total({0.1: 10})) == 1.0
    assert exact.nearest(exact.total({1e308: 2, -1e308: 1})) == 1e308
    assert exact.nearest(exact.total({1e16: 1, 1.0: 1, -1e16: 1})) == 1.0


def test_roots_agree_with_decimal_at_200_digits():
    rng = random.Random(1)
    decimal.getcontext().prec = 200
    for _ in range(2_000):
        p, q = rng.getrandbits(rng.randint(1, 300)) + 1, rng.getrandbits(rng.randint(1, 300)) + 1
        root = (decimal.Decimal(p) / decimal.Decimal(q)).sqrt()
        assert exact.nearest_root(Fraction(p, q)) == float(root)


def test_perfect_squares_and_halfway_cases():
    assert exact.nearest_root(Fraction(9, 4)) == 1.5
    halfway = Fraction(2**53 + 1, 2**53) + 0  # between two floats: its own square's root must tie to even
    assert exact.nearest_root((halfway / 1) ** 2) == 1.0
    assert exact.nearest_root(Fraction(math.ulp(0.0)) ** 2) == math.ulp(0.0)


def test_stddev_of_whole_numbers():
    assert exact.sample_stddev({2: 1, 4: 1}) == math.sqrt(2)
    assert exact.sample_stddev({7: 5}) == 0.0
    assert exact.sample_stddev({7: 1}) is None
    assert exact.stddev_of_sums(2, 6, 20) == math.sqrt(2)
