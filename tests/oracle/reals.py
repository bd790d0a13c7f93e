"""Real functions to the last bit, by Python's decimal and fractions: many digits first, one rounding at the end."""

import decimal
import functools
import math
from decimal import Decimal
from fractions import Fraction

DIGITS = 120
INF, NAN = math.inf, math.nan


def to_float(exact):
    """The float64 nearest to a Fraction, Decimal or int, ties to even; beyond its range an infinity."""
    exact = Fraction(exact)
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return INF if exact > 0 else -INF


def digits(n=DIGITS):
    return decimal.localcontext(decimal.Context(prec=n, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN))


@functools.cache
def pi(n):
    """Pi to n digits by Machin's formula, in whole numbers."""
    unit = 10 ** (n + 10)

    def arctan_of_inverse(x):
        total, term, k = 0, unit // x, 0
        while term:
            total += (-1 if k % 2 else 1) * (term // (2 * k + 1))
            term //= x * x
            k += 1
        return total

    with digits(n):
        return Decimal(4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))) / Decimal(unit)


def sin_cos(x):
    """Of a Decimal, as Decimals of DIGITS digits."""
    more = DIGITS + max(0, x.adjusted()) + 340
    with digits(more):
        half = pi(more) / 2
        turns = (x / half).to_integral_value(decimal.ROUND_HALF_EVEN)
        rest = x - turns * half
    with digits(DIGITS + 20):
        rest = +rest
        sine, cosine, term, k = Decimal(0), Decimal(0), Decimal(1), 0
        while k < 2 or abs(term) > Decimal(10) ** (rest.adjusted() - DIGITS - 15):
            if k % 2 == 0:
                cosine += term if k % 4 == 0 else -term
            else:
                sine += term if k % 4 == 1 else -term
            k += 1
            term = term * rest / k
            if term == 0:
                break
        return [(sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine)][int(turns) % 4]


def arctan(x):
    with digits(DIGITS + 20):
        halvings = 6
        for _ in range(halvings):
            x = x / (1 + (1 + x * x).sqrt())
        total, power, k = Decimal(0), x, 0
        while power != 0 and (k == 0 or power.adjusted() > x.adjusted() - DIGITS - 15):
            total += (-power if k % 2 else power) / (2 * k + 1)
            power *= x * x
            k += 1
        return total * 2**halvings


def of_finite(function):
    @functools.wraps(function)
    def wrapped(x):
        if math.isnan(x):
            return NAN
        if math.isinf(x):
            return None
        return function(x)

    return wrapped


def exp(x):
    if math.isnan(x):
        return NAN
    if x > 710 or x < -746:
        return INF if x > 0 else 0.0
    with digits():
        return to_float(Decimal(x).exp())


def logarithm(x, log):
    if math.isnan(x):
        return NAN
    if x <= 0:
        return None
    if x == INF:
        return INF
    with digits():
        return to_float(log(Decimal(x)))


def ln(x):
    return logarithm(x, Decimal.ln)


def log10(x):
    return logarithm(x, Decimal.log10)


def log2(x):
    if math.isfinite(x) and x > 0 and math.frexp(x)[0] == 0.5:
        return float(math.frexp(x)[1] - 1)
    return logarithm(x, lambda d: d.ln() / Decimal(2).ln())


def sqrt(x):
    if math.isnan(x):
        return NAN
    if x < 0:
        return None
    if x == 0 or math.isinf(x):
        return x
    with digits():
        return to_float(Decimal(x).sqrt())


def cbrt(x):
    if math.isnan(x) or math.isinf(x) or x == 0:
        return NAN if math.isnan(x) else x
    with digits():
        return math.copysign(to_float((Decimal(abs(x)).ln() / 3).exp()), x)


def power(x, y):
    if y == 0 or x == 1:
        return 1.0
    if math.isnan(x) or math.isnan(y):
        return NAN
    if x == 0 and y < 0:
        return None
    if math.isinf(x) or math.isinf(y) or x == 0:
        return math.pow(x, y)  # these have no rounding
    whole = y == math.floor(y)
    if x < 0 and not whole:
        return None
    sign = -1.0 if x < 0 and whole and int(y) % 2 == 1 else 1.0
    if whole and abs(y) <= 64:
        return math.copysign(to_float(Fraction(abs(x)) ** int(y)), sign)
    with digits():
        log = Decimal(abs(x)).ln() * Decimal(y)
        if log > 800 or log < -800:
            return math.copysign(INF if log > 0 else 0.0, sign)
        return math.copysign(to_float(log.exp()), sign)


@of_finite
def sin(x):
    return x if x == 0 else to_float(sin_cos(Decimal(x))[0])


@of_finite
def cos(x):
    return to_float(sin_cos(Decimal(x))[1])


@of_finite
def tan(x):
    if x == 0:
        return x
    sine, cosine = sin_cos(Decimal(x))
    with digits():
        return to_float(sine / cosine)


def asin(x):
    if math.isnan(x):
        return NAN
    if abs(x) > 1:
        return None
    if x == 0:
        return x
    with digits(DIGITS + 20):
        if abs(x) == 1:
            return math.copysign(to_float(pi(DIGITS) / 2), x)
        d = Decimal(x)
        return to_float(arctan(d / (1 - d * d).sqrt()))


def acos(x):
    if math.isnan(x):
        return NAN
    if abs(x) > 1:
        return None
    with digits(DIGITS + 20):
        if x == -1:
            return to_float(pi(DIGITS))
        d = Decimal(x)
        return to_float(2 * arctan(((1 - d) / (1 + d)).sqrt()))


def atan(x):
    if math.isnan(x):
        return NAN
    if math.isinf(x):
        return math.copysign(to_float(pi(DIGITS) / 2), x)
    return x if x == 0 else to_float(arctan(Decimal(x)))


def atan2(y, x):
    if math.isnan(x) or math.isnan(y):
        return NAN
    if x == 0 or y == 0 or math.isinf(x) or math.isinf(y):
        return special_atan2(y, x)
    with digits(DIGITS + 20):
        ratio = abs(Decimal(y)) / abs(Decimal(x))
        # Below its argument by a cube that no number of digits here shows, and that decides a tie.
        angle = arctan(ratio) if ratio > Decimal("1e-50") else ratio * (1 - Decimal("1e-80"))
        if x < 0:
            angle = pi(DIGITS + 20) - angle
    return math.copysign(to_float(angle), y)


def special_atan2(y, x):
    if math.isinf(x) and math.isinf(y):
        parts = 3 if x < 0 else 1
        size = pi(DIGITS) * parts / 4
    elif math.isinf(y) or (x == 0 and y != 0):
        size = pi(DIGITS) / 2
    else:  # along the x axis
        size = pi(DIGITS) if math.copysign(1, x) < 0 else Decimal(0)
    return math.copysign(to_float(size), y)


def by_half_turns(x, scale):
    if not math.isfinite(x) or x == 0:
        return NAN if math.isnan(x) else x
    with digits():
        return to_float(scale(Decimal(x), pi(DIGITS)))


def radians(x):
    return by_half_turns(x, lambda d, p: d * p / 180)


def degrees(x):
    return by_half_turns(x, lambda d, p: d * 180 / p)


def round_digits(x, n):
    """Half away from zero, of the exact value."""
    if isinstance(x, int):
        exact, n = Fraction(x), min(n, 0)
    elif not math.isfinite(x) or x == 0:
        return NAN if math.isnan(x) else x
    else:
        exact = Fraction(x)
    n = max(-400, min(n, 1100))
    unit = Fraction(10) ** -n
    steps = math.floor(abs(exact) / unit + Fraction(1, 2))
    if isinstance(x, int):
        return int(steps * unit) * (-1 if x < 0 else 1)
    return math.copysign(to_float(steps * unit), x)


def haversine(latitude1, longitude1, latitude2, longitude2):
    """Metres, by the spherical law of cosines in many digits: another formula than the program's."""
    given = (latitude1, longitude1, latitude2, longitude2)
    if any(math.isnan(v) for v in given):
        return NAN
    if abs(latitude1) > 90 or abs(latitude2) > 90 or abs(longitude1) > 360 or abs(longitude2) > 360:
        return None
    with digits(DIGITS + 20):
        turn = pi(DIGITS + 20) / 180
        a1, o1, a2, o2 = (Decimal(v) * turn for v in given)
        (s1, c1), (s2, c2) = sin_cos(a1), sin_cos(a2)
        c1, c2 = (0 if abs(latitude) == 90 else c for latitude, c in ((latitude1, c1), (latitude2, c2)))
        whole_turns = (Fraction(longitude2) - Fraction(longitude1)) % 360 == 0
        north, east = a2 - a1, (o2 - o1) * c1
        if max(abs(north), abs(o2 - o1)) < Decimal("1e-30"):  # flat, but for its square
            return to_float((north * north + east * east).sqrt() * Decimal("6371008.8"))
        cosine = s1 * s2 + c1 * c2 * (1 if whole_turns else sin_cos(o2 - o1)[1])
        if whole_turns and latitude1 == latitude2 or latitude1 == latitude2 and abs(latitude1) == 90:
            return 0.0
        cosine = max(Decimal(-1), min(Decimal(1), cosine))
        if cosine == -1:
            angle = pi(DIGITS)
        else:
            angle = 2 * arctan(((1 - cosine) / (1 + cosine)).sqrt())
        return to_float(angle * Decimal("6371008.8")) if latitude1 != latitude2 or longitude1 != longitude2 else 0.0
