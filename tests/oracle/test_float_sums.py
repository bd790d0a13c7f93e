"""sum, avg and stddev of float64 and int64 by exact fractions. The vectors that the C++ tests read are made and checked here.

    ./dev python tests/oracle/test_float_sums.py     writes float_sums.txt anew
"""
import math
import random
import struct
from fractions import Fraction
from pathlib import Path

VECTORS = Path(__file__).with_name("float_sums.txt")


def rounded(x: Fraction) -> str:
    try:
        return (0.0 if x == 0 else float(x)).hex()  # Fraction -> float rounds once, ties to even
    except OverflowError:
        return "overflow"


def rounded_root(v: Fraction) -> str:
    """The float64 nearest to the square root: 200 bits of it and whether anything is left."""
    if v == 0:
        return (0.0).hex()
    shift = 2 * (max(0, v.denominator.bit_length() - v.numerator.bit_length()) + 220)
    scaled = (v.numerator << shift) // v.denominator
    root = math.isqrt(scaled)
    exact = root * root == scaled and (scaled * v.denominator == v.numerator << shift)
    return rounded(Fraction(2 * root + (0 if exact else 1), 2 << (shift // 2)))


def answers(values) -> list[str]:
    f = [Fraction(x) for x in values]
    n, total = len(f), sum(f)
    stddev = "null" if n < 2 else rounded_root((n * sum(x * x for x in f) - total * total) / (n * (n - 1)))
    return [rounded(total), rounded(total / n), stddev]


def line(values) -> str:
    return " ".join([x.hex() for x in values] + ["->"] + answers(values))


def bits(rng) -> float:
    while True:
        x = struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]
        if math.isfinite(x):
            return x


def vectors() -> list[str]:
    rng = random.Random(1)
    sets = [[0.1] * 10, [1e308, 1e308, -1e308], [1e16, 1.0, -1e16], [1e308, 1e308], [5e-324], [5e-324, -5e-324], [-0.0], [-0.0, -0.0],
            [2.0**53, 1.0], [2.0**53, 3.0], [1.0, 2.0**-53], [1.0, 2.0**-53, 2.0**-1074], [1.0, 1.0, 1.0], [1.0, 2.0, 4.0], [3.0, 3.0000000000000004],
            [5e-324, 5e-324, 5e-324, 0.0], [1.7976931348623157e308] * 3 + [-1.7976931348623157e308] * 2, [1.7976931348623157e308, -1.7976931348623157e308]]
    for _ in range(60):
        sets.append([bits(rng) for _ in range(rng.randint(1, 12))])
        sets.append([rng.gauss(10, 3) for _ in range(rng.randint(1, 40))])
        sets.append([round(rng.uniform(-50, 500), 1) for _ in range(rng.randint(1, 40))])
        sets.append([float(rng.randint(-1000, 1000)) for _ in range(rng.randint(1, 40))])
        sets.append([rng.choice([-1, 1]) * 2.0 ** rng.randint(-1060, 1000) for _ in range(rng.randint(1, 9))])
    return [line(s) for s in sets]


def test_vectors_are_what_fractions_say():
    for text in VECTORS.read_text().splitlines():
        values = [float.fromhex(x) for x in text.split(" -> ")[0].split()]
        assert line(values) == text


if __name__ == "__main__":
    VECTORS.write_text("\n".join(vectors()) + "\n")
