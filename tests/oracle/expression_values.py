"""Values of expressions: times, casts, texts of values, XXH64 (by its published description)."""

import dataclasses
import datetime
import json
import math
import re
from fractions import Fraction

from expression_types import digits_and_scale, element, is_decimal, kind, vector_size

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
DAY = 86_400_000_000
EPOCH = datetime.date(1970, 1, 1).toordinal()
CYCLE_DAYS, CYCLE_YEARS = 146_097, 400  # the Gregorian calendar repeats


class Fails(Exception):
    """The row has no value here and goes to the dead letters."""


@dataclasses.dataclass(frozen=True, order=True)
class Time:
    us: int

    @staticmethod
    def of(year, month, day):
        """Midnight of that date; None: there is no such date."""
        cycles = (year - 2000) // CYCLE_YEARS
        try:
            days = datetime.date(year - cycles * CYCLE_YEARS, month, day).toordinal() - EPOCH
        except ValueError:
            return None
        return Time((days + cycles * CYCLE_DAYS) * DAY)

    def civil(self):
        days, rest = divmod(self.us, DAY)
        cycles, within = divmod(days, CYCLE_DAYS)
        date = datetime.date.fromordinal(EPOCH + CYCLE_DAYS + within)
        shift = (cycles - 1) * CYCLE_YEARS
        iso = date.isocalendar()
        seconds = rest // 10**6
        return {"year": date.year + shift, "month": date.month, "day": date.day, "quarter": (date.month + 2) // 3,
                "day_of_week": date.isoweekday(), "day_of_year": date.timetuple().tm_yday, "week": iso.week, "iso_year": iso.year + shift,
                "hour": seconds // 3600, "minute": seconds // 60 % 60, "second": seconds % 60}  # fmt: skip


def in_range(value):
    """An int64 or a Time that is one; the row fails otherwise."""
    if not INT_MIN <= (value.us if isinstance(value, Time) else value) <= INT_MAX:
        raise Fails
    return value


def parse_time(text):
    """RFC 3339, or None."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[-+]\d\d:\d\d)?)?", text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(g or 0) for g in match.groups()[:6])
    date = Time.of(year, month, day)
    if date is None or hour > 23 or minute > 59 or second > 59:
        return None
    us = date.us + ((hour * 60 + minute) * 60 + second) * 10**6 + int((match[7] or "0").ljust(9, "0")) // 1000
    if match[8] and match[8] not in "Zz":
        away = (int(match[8][1:3]) * 60 + int(match[8][4:])) * 60 * 10**6
        us += away if match[8][0] == "-" else -away
    return Time(us)


def parse_interval(text):
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    text = re.sub(r"^(\d+) (second|minute|hour|day)s?$", lambda m: m[1] + m[2][0], text)
    return sum(int(n) * units[u] * 10**6 for n, u in re.findall(r"(\d+)([smhd])", text))


def time_text(t):
    year = t.civil()["year"]
    if not 0 <= year <= 9999:
        return f"@{t.us}us"
    c = t.civil()
    return f"{year:04}-{c['month']:02}-{c['day']:02}T{c['hour']:02}:{c['minute']:02}:{c['second']:02}.{t.us % 10**6:06}Z"


def number_text(x):
    """The shortest text that reads back: digits from Python's repr, written out or with an exponent, whichever is shorter."""
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    sign = "-" if math.copysign(1, x) < 0 else ""
    if x == 0:
        return sign + "0"
    mantissa, exponent = shortest(abs(x))
    point = exponent + 1
    if point <= 0:
        plain = "0." + "0" * -point + mantissa
    elif point >= len(mantissa):
        plain = exact_whole(x, mantissa, point)
    else:
        plain = mantissa[:point] + "." + mantissa[point:]
    science = mantissa[0] + ("." + mantissa[1:] if len(mantissa) > 1 else "") + f"e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    return sign + (plain if len(plain) <= len(science) else science)


def shortest(x):
    """The shortest digits that read back, and the exponent of the first."""
    mantissa, _, exponent = repr(x).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    first = int(exponent or 0) + (len(whole) - 1 if whole.strip("0") else -(len(fraction) - len(fraction.lstrip("0")) + 1))
    return digits.rstrip("0") or "0", first


def exact_whole(x, mantissa, point):
    """A whole number written out has all its true digits, not zeros."""
    return str(int(abs(x))) if point <= 40 else mantissa.ljust(point, "0")


def float_text(x):
    text = number_text(x)
    return text + ".0" if re.fullmatch(r"-?\d+", text) else text


def castable(source, target):
    if vector_size(source) or vector_size(target):
        return "list<float64>" in (source, target)
    source, target = kind(source), kind(target)
    if "string" in (source, target) or source == target == "decimal":
        return True
    return (source, target) in {("bool", "int64"), ("bool", "float64"), ("int64", "float64"), ("int64", "bool"), ("int64", "timestamp"),
                                ("int64", "decimal"), ("float64", "decimal"), ("decimal", "int64"), ("decimal", "float64"),
                                ("timestamp", "int64"), ("float64", "int64")}  # fmt: skip


def decimal_text(value, scale):
    units = abs(int(value * 10**scale))
    text = str(units).rjust(scale + 1, "0")
    text = text[: len(text) - scale] + ("." + text[len(text) - scale :] if scale else "")
    return "-" + text if value < 0 else text


def to_decimal(value, target):
    if isinstance(value, float) and not math.isfinite(value):
        raise Fails
    precision, scale = digits_and_scale(target)
    units = math.floor(abs(Fraction(value)) * 10**scale + Fraction(1, 2))
    if units >= 10**precision:
        raise Fails
    return Fraction(-units if value < 0 else units, 10**scale)


def cast(value, source, target):
    if vector_size(target):
        if len(value) != vector_size(target) or None in value:
            raise Fails
        return value
    if vector_size(source):
        return value
    if is_decimal(source) and target == "string":
        return decimal_text(value, digits_and_scale(source)[1])
    if target == "string":
        return {bool: lambda v: "true" if v else "false", int: str, float: number_text, Time: time_text}[type(value)](value)
    if isinstance(value, str):
        return text_to(value, target)
    if is_decimal(target):
        return to_decimal(value, target)
    if target == "timestamp":
        return Time(value)
    if target == "bool":
        return value != 0
    if target == "float64":
        return float(value) if isinstance(value, (bool, int)) else value.numerator / value.denominator
    if isinstance(value, Time):
        return value.us
    if isinstance(value, float) and not math.isfinite(value):
        raise Fails
    return in_range(int(value))


def text_to(text, target):
    if target == "bool" and text in ("true", "false"):
        return text == "true"
    if target == "int64" and re.fullmatch(r"-?\d+", text, re.ASCII):
        return in_range(int(text))
    if target == "timestamp" and (t := parse_time(text)) is not None:
        return t
    if is_decimal(target) and re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", text, re.ASCII):
        return to_decimal(Fraction(text), target)
    if target == "float64":
        if text in ("NaN", "Infinity", "-Infinity"):
            return float(text)
        if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text, re.ASCII):
            value = float(text)
            if math.isfinite(value) and not (value == 0 and Fraction(text) != 0):
                return value
    raise Fails


def shown(value, t):
    """As the golden files write it."""
    if value is None:
        return "null"
    if element(t):
        return "[" + ", ".join(shown(v, element(t)) for v in value) + "]"
    if is_decimal(t):
        return decimal_text(value, digits_and_scale(t)[1])
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return {bool: lambda v: "true" if v else "false", int: str, float: float_text, Time: time_text}[type(value)](value)


def read(text, t):
    if text == "null":
        return None
    if element(t):
        inner = element(t)
        if kind(t) == "map":
            pairs = re.findall(r'("(?:[^"\\]|\\.)*"): ?("(?:[^"\\]|\\.)*"|[^,}]+)', text)
            return {json.loads(k): read(v.strip(), inner) for k, v in pairs}
        return [read(v.strip(), inner) for v in re.findall(r'"(?:[^"\\]|\\.)*"|[^,\[\]]+', text) if v.strip()]
    if is_decimal(t):
        return Fraction(text)
    if t == "string":
        return json.loads(text)
    if t == "timestamp":
        return Time(int(text[1:].removesuffix("us"))) if text.startswith("@") else parse_time(text)
    return {"bool": lambda v: v == "true", "int64": int, "float64": float}[t](text)


# ---- XXH64, seed 0

P1, P2, P3, P4, P5 = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
MASK = 2**64 - 1


def rotated(x, by):
    return (x << by | x >> (64 - by)) & MASK


def lane(accumulator, word):
    return rotated(accumulator + word * P2 & MASK, 31) * P1 & MASK


def xxh64(data):
    def word(at, size):
        return int.from_bytes(data[at : at + size], "little")

    at, h = 0, P5
    if len(data) >= 32:
        lanes = [P1 + P2 & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            lanes = [lane(a, word(at + 8 * i, 8)) for i, a in enumerate(lanes)]
            at += 32
        h = sum(rotated(a, by) for a, by in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for a in lanes:
            h = ((h ^ lane(0, a)) * P1 + P4) & MASK
    h = h + len(data) & MASK
    while at + 8 <= len(data):
        h = (rotated(h ^ lane(0, word(at, 8)), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        h = (rotated(h ^ word(at, 4) * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotated(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32
