"""The approximate aggregates by their written specifications (docs/aggregates.md): SipHash, HyperLogLog with Ertl's estimator, the
buckets of quantile."""

import math
import struct
from fractions import Fraction

from expression_types import digits_and_scale, element, is_decimal, kind
from expression_values import Time

MASK = 2**64 - 1
KEY = (0x6D696C6C73746F6E, 0x64697374696E6374)


def rotated(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def sip_round(a, b, c, d):
    a, c = (a + b) & MASK, (c + d) & MASK
    b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
    a = rotated(a, 32)
    c, a = (c + b) & MASK, (a + d) & MASK
    b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
    return a, b, rotated(c, 32), d


def siphash128(data, key=KEY):
    """SipHash-2-4-128 as (low, high) word."""
    k0, k1 = key
    v = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v = (*v[:3], v[3] ^ word)
        v = sip_round(*sip_round(*v))
        v = (v[0] ^ word, *v[1:])
    v = (v[0], v[1], v[2] ^ 0xEE, v[3])
    out = []
    for _ in range(2):
        for _ in range(4):
            v = sip_round(*v)
        out.append(v[0] ^ v[1] ^ v[2] ^ v[3])
        v = (v[0], v[1] ^ 0xDD, v[2], v[3])
    return tuple(out)


# ---- the bytes of a value


def packed_list(values, t):
    valid = bytes(sum((values[i] is not None) << i - at for i in range(at, min(at + 8, len(values)))) for at in range(0, len(values), 8))
    if t == "string":
        texts = ["" if v is None else v for v in values]
        ends = [sum(len(text.encode()) for text in texts[: i + 1]) for i in range(len(texts))]
        body = b"".join(struct.pack("<I", end) for end in ends) + "".join(texts).encode()
    else:
        empty = {"bool": bytes(1), "decimal": bytes(16)}.get(kind(t), bytes(8))
        body = b"".join(empty if v is None else plain_bytes(v, t) for v in values)
    return struct.pack("<I", len(values)) + valid + body


def plain_bytes(value, t):
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, Time):
        return struct.pack("<q", value.us)
    if isinstance(value, float):
        return struct.pack("<d", math.nan if value != value else value)
    if is_decimal(t):
        return units(value, t).to_bytes(16, "little", signed=True)
    return struct.pack("<q", value)


def units(value, t):
    return int(value * 10 ** digits_and_scale(t)[1])


def value_bytes(value, t):
    """Equal bytes are one value of count_distinct: -0 is 0, there is one NaN, a decimal is as short as its number."""
    if isinstance(value, str):
        return value.encode()
    if kind(t) == "map":
        names = sorted(value, key=str.encode)
        return packed_list(names, "string") + packed_list([value[name] for name in names], element(t))
    if kind(t) == "vector":
        return b"".join(plain_bytes(v, "float64") for v in value)
    if kind(t) == "list":
        return packed_list(value, element(t))
    if is_decimal(t):
        v = units(value, t)
        return v.to_bytes((v if v >= 0 else ~v).bit_length() // 8 + 1, "little", signed=True)
    if isinstance(value, bool):
        return struct.pack("<q", value)
    return plain_bytes(0.0 if value == 0 and isinstance(value, float) else value, t)


def code(value, t):
    """16 bytes: the value and its length, or 15 bytes of its hash and 255."""
    data = value_bytes(value, t)
    if len(data) <= 15:
        return data.ljust(15, b"\0") + bytes([len(data)])
    low, high = siphash128(data)
    return (struct.pack("<QQ", low, high))[:15] + b"\xff"


# ---- HyperLogLog


def registers(values, t, precision):
    """{index: rank} of those that are not zero."""
    out = {}
    for value in values:
        hashed = siphash128(code(value, t))[0]
        index, rest = hashed >> (64 - precision), hashed & (1 << 64 - precision) - 1
        rank = 64 - precision - rest.bit_length() + 1
        out[index] = max(out.get(index, 0), rank)
    return out


def sigma(x):
    y, z, before = 1.0, x, None
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def tau(x):
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, None
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) * (1 - x) * y
    return z / 3


def cardinality(values, t, precision):
    found = registers(values, t, precision)
    if not found:
        return 0
    m, q = float(2**precision), 64 - precision
    of_rank = [sum(1 for rank in found.values() if rank == k) for k in range(q + 2)]
    zero = m - len(found)
    z = m * tau(1 - of_rank[q + 1] / m)
    for k in range(q, 0, -1):
        z = 0.5 * (z + of_rank[k])
    if zero:
        z += m * sigma(zero / m)
    return math.floor(Fraction(0.72134752044448170368 * m * m / z) + Fraction(1, 2))


# ---- quantile


def bucket_middle(x, error):
    """The middle of the bucket of x: buckets are linear between powers of two, as many as the error needs."""
    if not math.isfinite(x):
        return x
    if abs(x) < 2.0**-1022:
        return 0.0
    bits = next(b for b in range(64) if Fraction(1, 2 ** (b + 1)) <= Fraction(error))
    mantissa, exponent = math.frexp(abs(x))
    index = math.floor((2 * Fraction(mantissa) - 1) * 2**bits)
    middle = (1 + (index + Fraction(1, 2)) / 2**bits) * Fraction(2) ** (exponent - 1)
    return math.copysign(float(middle), x)


def quantile(values, q, error):
    ordered = sorted(values, key=lambda v: (math.isnan(v), 0 if math.isnan(v) else v))
    return bucket_middle(ordered[math.floor(Fraction(q) * (len(values) - 1))], error)
