"""Types of expressions as texts, "decimal(12,2)", "list<string>": their parts, what widens, what arithmetic gives."""

import re

DIGITS = 38


def digits_and_scale(t):
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", t or "")
    return (int(match[1]), int(match[2])) if match else None


def decimal(precision, scale):
    return f"decimal({max(1, min(precision, DIGITS))},{scale})"


def is_decimal(t):
    return digits_and_scale(t) is not None


def element(t):
    """The type of what a list, vector or map holds; None for scalars."""
    match = re.fullmatch(r"(?:list<(.+)>|map<string,(.+)>|vector<(float64),\d+>)", t or "")
    return match and (match[1] or match[2] or match[3])


def vector_size(t):
    match = re.fullmatch(r"vector<float64,(\d+)>", t or "")
    return match and int(match[1])


def kind(t):
    return re.match(r"\w+", t)[0] if t else None


def widens(source, target):
    if target == "float64":
        return source == "int64" or is_decimal(source)
    if is_decimal(target):
        (p, s), (q, r) = digits_and_scale(target), digits_and_scale(source if source != "int64" else "decimal(19,0)") or (99, 0)
        return s >= r and p - s >= q - r
    return False


def sum_type(a, b):
    (p, s), (q, r) = digits_and_scale(a), digits_and_scale(b)
    return decimal(max(p - s, q - r) + max(s, r) + 1, max(s, r))


def product_type(a, b):
    (p, s), (q, r) = digits_and_scale(a), digits_and_scale(b)
    assert s + r <= DIGITS
    return decimal(p + q, s + r)


def remainder_type(a, b):
    (p, s), (q, r) = digits_and_scale(a), digits_and_scale(b)
    return decimal(min(p - s, q - r) + max(s, r), max(s, r))


def common_type(a, b):
    (p, s), (q, r) = digits_and_scale(a), digits_and_scale(b)
    precision = max(p - s, q - r) + max(s, r)
    assert precision <= DIGITS
    return decimal(precision, max(s, r))
