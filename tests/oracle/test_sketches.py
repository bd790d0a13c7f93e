"""The reference's sketches and weights, against published vectors and exact integers."""

import math
import random
from fractions import Fraction

import decay
import sketches


def test_siphash_has_the_published_outputs():
    # SipHash-2-4-128 of its authors: key 00 01 .. 0f, messages 00 01 .. of growing length
    key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    for length, digest in ((0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"), (15, "5493e99933b0a8117e08ec0f97cfc3d9")):
        low, high = sketches.siphash128(bytes(range(length)), key)
        assert (low.to_bytes(8, "little") + high.to_bytes(8, "little")).hex() == digest


def test_weights_are_roots_of_two():
    for root in (2, 4, 8):  # 2^(1/root) by integer roots
        square = 2 << 64 * root
        whole = square
        for _ in range(root.bit_length() - 1):
            whole = math.isqrt(whole)
        exact = Fraction(whole, 2**64)
        assert 0 <= decay.power_of_two(1, root, 64) - exact <= Fraction(1, 2**64)
    assert decay.weight(0, 0, 10_000_000) == 1
    assert decay.weight(3_000_000, 23_000_000, 10_000_000) == Fraction(1, 4) * decay.power_of_two(3, 10, 64) * decay.power_of_two(7, 10, 63) / 2


def test_estimates_are_within_their_error():
    rng = random.Random(5)
    for precision in (4, 8, 12):
        for n in (1, 10, 1000, 5000):
            values = [rng.getrandbits(60) for _ in range(n)]
            assert abs(sketches.cardinality(values, "int64", precision) - n) <= max(1, 4 * 1.04 / math.sqrt(2**precision) * n)


def test_bucket_middles_are_within_the_error():
    rng = random.Random(6)
    for error in (0.1, 0.01, 0.0001):
        for _ in range(2000):
            x = math.ldexp(rng.uniform(-1, 1), rng.randint(-1021, 1023))
            assert abs(Fraction(sketches.bucket_middle(x, error)) - Fraction(x)) <= Fraction(error) * abs(Fraction(x)) or abs(x) < 2.0**-1022
