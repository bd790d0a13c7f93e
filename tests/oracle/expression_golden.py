"""Reads tests/golden/expressions/*.etest and says what each of its lines should give.

    python expression_golden.py FILE ...      writes the values that follow into the files (to be read before they are kept)
"""

import pathlib
import sys

from expression_values import Fails, read, shown
from expressions import compiled

FILES = sorted((pathlib.Path(__file__).resolve().parents[1] / "golden/expressions").glob("*.etest"))


def cells(text):
    """Split at the bars that stand outside of double quotes."""
    out, quoted, previous = [""], False, ""
    for c in text:
        if c == '"' and previous != "\\":
            quoted = not quoted
        if c == "|" and not quoted:
            out.append("")
        else:
            out[-1] += c
        previous = c
    return [cell.strip() for cell in out]


def answers(text, types, rows):
    expression = compiled(text, types)
    out = []
    for row in rows:
        try:
            out.append(shown(expression.run(row), expression.type))
        except Fails:
            out.append("ERROR")
    return out[:1] if len(set(out)) == 1 else out


def lines(text):
    """(line, expression, stated, derived) for each line; all but the first None where there is no expression."""
    types, rows, in_rows = {}, [{}], False
    for line in text.splitlines():
        stripped = line.strip()
        if line and line[0] not in " #":
            in_rows = line == "rows"
            if in_rows:
                types, rows = {}, None
        if not stripped or stripped[0] == "#" or line[0] != " ":
            yield line, None, None, None
        elif in_rows:
            head, *values = cells(stripped)
            name, kind = head.split(maxsplit=1)
            types[name] = kind
            rows = rows or [{} for _ in values]
            for row, value in zip(rows, values, strict=True):
                row[name] = read(value, kind)
            yield line, None, None, None
        else:
            expression, _, stated = stripped.rpartition(" ->")
            stated = stated.strip()
            if stated.startswith("refused: "):
                yield line, None, None, None
                continue
            yield line, expression, cells(stated), answers(expression, types, rows)


def mistakes(text):
    """Lines that do not follow, and how many were looked at."""
    wrong, count = [], 0
    for _, expression, stated, derived in lines(text):
        if expression is None:
            continue
        count += 1
        if len(set(stated)) == 1:
            stated = stated[:1]
        if stated != derived:
            wrong.append(f"{expression} -> {' | '.join(derived)}, not {' | '.join(stated)}")
    return wrong, count


def rewritten(text):
    out = []
    for line, expression, _, derived in lines(text):
        out.append(line if expression is None else f"  {expression} -> {' | '.join(derived)}")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        path.write_text(rewritten(path.read_text()))
