"""Writes tests/golden/cells_*.ftest: answers for every aggregate over every type in every window, with the values of the reference.

    python cell_goldens.py ../golden

GoldenCells.EveryCellIsStated (engine_test) says what is missing; the cases are chosen here, the values come from definitions.py.
"""

import json
import pathlib
import sys

import golden
from windows import window_of

WINDOWS = ["1h", '"sliding(1h, exact)"', '"tumbling(1h)"', "lifetime", '"hopping(1h, 5m)"', '"session(30m, 12h)"', '"last(5)"']
LABELS = ['"next(1h)"', '"next(10m, 1h)"']
SERIES, DECAY = '"series(1h, 3)"', '"decay(1h)"'
TYPES = {
    "i": "int64", "f": "float64", "s": "string", "b": "bool", "ts": "timestamp", "d": "decimal(12,2)", "l": "list<string>",
    "v": "vector<float64,3>", "m": "map<string,int64>",
}  # fmt: skip
SECONDS = {"f2": "float64", "s2": "string", "d2": "decimal(12,2)"}  # second arguments
NUMBERS, SCALARS, KEYS = "ifd", ["i", "f", "s", "b", "ts", "d"], ["i", "s", "b", "ts", "d"]
PARAMETERS = {
    "first_n": "n: 2", "last_n": "n: 2, distinct: true", "top_k": "k: 2", "quantile": "q: 0.5", "histogram": "bounds: [0, 10.5, 100]",
    "approx_count_distinct": "precision: 4",
}  # fmt: skip
DECAYING = {"count": [None], "count_if": ["b"], "sum": NUMBERS, "avg": NUMBERS}
CAPPED = ("count_distinct", "top_k", "count_by", "sum_by")
NESTED_ANSWER = ("first_n", "last_n", "top_k", "count_by", "sum_by", "histogram")

# aggregate -> names of its arguments, by file
FILES = {
    "cells_numbers": {
        "count": [None], "time_since_last": [None], "count_if": ["b"],
        "sum": [*NUMBERS, "v"], "avg": [*NUMBERS, "v"], "variance": NUMBERS, "stddev": NUMBERS, "skew": NUMBERS, "kurtosis": NUMBERS,
    },
    "cells_pairs": {name: [(x, y) for x in NUMBERS for y in ("f2", "d2")] for name in ("covariance", "correlation", "slope", "ratio")},
    "cells_order": {"min": [*SCALARS, "v"], "max": [*SCALARS, "v"], "first": list(TYPES), "last": list(TYPES), "first_n": SCALARS, "last_n": SCALARS},
    "cells_arg": {name: [(x, y) for x in TYPES for y in SECONDS] for name in ("arg_min", "arg_max")},
    "cells_keys": {
        "count_distinct": list(TYPES), "approx_count_distinct": list(TYPES), "top_k": KEYS, "count_by": KEYS,
        "sum_by": [(x, y) for x in NUMBERS for y in ("s2", "d2")], "quantile": NUMBERS, "histogram": NUMBERS,
    },
}  # fmt: skip

# Each: case, events as (appended, position, event time, fields), questions as (key, time, options, which windows, comment).
# At 11:13:45 the windows hold: 1h rows 3 to 9 (from 10:10:00), exact 4 to 9 (from 10:13:45), tumbling 2 to 8, hopping 3 to 8, session 2 to 9,
# last(5) 5 to 9, lifetime 1 to 9.
SEVERAL = [
    ("08:50:00", "0/1", "08:50:00", dict(i=100, text="1e16", s="Rome", b=True, ts="@07:00:00", d="1.10", l=["a", None], v=[1, 2, 3], m={"a": 1}, text2="2.5", s2="x", d2="0.10")),
    ("10:01:00", "0/2", "10:01:00", dict(i=-7, text="0.1", s="Oslo", b=False, d="-2.25", l=[], v=[0.1, 0.2, 0.3], m={}, text2="-1", s2="y", d2="7.00")),
    ("10:12:00", "0/3", "10:12:00", dict(i=40, text="0.2", s="", b=True, ts="@12:00:00", d="0.05", l=["b"], v=[-1, 0.5, 1e300], m={"b": None}, text2="3", s2="x", d2="-7.25")),
    ("10:14:00", "1/1", "10:14:00", dict(i=9, b=True, ts="@09:00:00.000001", d="99999999.99", l=["a", None], v=[1, 2, 3], text2="0.5", s2="z", d2="2.00")),
    ("10:30:00", "1/2", "10:30:00", dict(i=4, text="-0.3", s="Lima", b=False, ts="1960-01-01T00:00:00Z", d="3.00", v=[4, 5, 6], m={"a": 1, "c": -3}, s2="y", d2="2.50")),
    ("10:30:00", "0/4", "10:30:00", dict(i=4, text="11.5", s="Oslo", b=False, d="0.05", l=["ü"], v=[0.1, 0.2, 0.3], m={"a": 1}, text2="7.25", s2="Llanfairpwllgwyngyll")),
    ("10:50:00", "1/3", "10:20:00", dict(i=6, text="0.75", s="Oslo", b=True, ts="@09:00:00", d="12.34", l=["b", "a"], v=[7, 8, 9], m={"z": 9}, text2="-4", d2="0.10")),
    ("10:59:00", "0/5", "10:59:00", dict(text="0.1", s="Llanfairpwllgwyngyll", b=False, ts="@09:00:00", d="-0.01", l=["c"], m={"k": 5}, text2="1e-3", s2="x", d2="5.55")),
    ("11:11:00", "0/6", "11:11:00", dict(i=12, text="250", s="Bonn", b=True, ts="@10:00:00", d="12.34", l=["b"], v=[-4, 0, 0.5], m={"b": 2}, text2="9", s2="y", d2="100.01")),
    ("11:13:45", "0/7", "11:13:45", dict(i=999, text="1e300", s="never", b=True, ts="@23:00:00", d="77.77", l=["never"], v=[1e5, 1e5, 1e5], m={"n": 1}, text2="5e5", s2="a", d2="5000.00")),
    ("11:13:46", "1/4", "11:14:00", dict(i=-999, text="-1e300", s="ahead", b=True, ts="1901-01-01T00:00:00Z", d="-77.77", l=["ahead"], v=[-1e5, -1e5, -1e5], m={"n": 1}, text2="-5e5", s2="b", d2="-5000.00")),
]  # fmt: skip
NULLS = [("10:40:00", "0/1", "10:40:00", {}), ("10:50:00", "0/2", "10:50:00", dict.fromkeys(["i", "text", "s", "b", "ts", "d", "l", "v", "m", "text2", "s2", "d2"]))]
EDGES = [
    ("10:35:00", "0/1", "10:35:00", dict(i=2**63 - 1, text="1.7976931348623157e308", d="9999999999.99", v=[1.7976931348623157e308, 0, -0.0], text2="1", d2="1.00", s2="a")),
    ("10:40:00", "0/2", "10:40:00", dict(i=1, text="1.7976931348623157e308", d="9999999999.99", v=[1.7976931348623157e308, -0.0, -0.0], text2="2", d2="-2.00", s2="a")),
    ("10:45:00", "0/3", "10:45:00", dict(i=-(2**63), text="-1.7976931348623157e308", d="-9999999999.99", v=[-1.7976931348623157e308, 0, -0.0], text2="-1.7976931348623157e308", d2="3.00", s2="b")),
    ("10:50:00", "0/4", "10:50:00", dict(text="5e-324", i=0, d="0.01", text2="-1e308", d2="9.00", s2="c")),
]  # fmt: skip
SPECIAL = [
    ("10:35:00", "0/1", "10:35:00", dict(text="-0", text2="1", d2="1.00", s2="a", i=1, d="1.00")),
    ("10:40:00", "0/2", "10:40:00", dict(text="Infinity", text2="2", d2="2.00", s2="a", i=2, d="2.00")),
    ("10:45:00", "0/3", "10:45:00", dict(text="-Infinity", text2="Infinity", d2="3.00", s2="b", i=-3, d="-3.00")),
    ("10:50:00", "0/4", "10:50:00", dict(text="NaN", text2="NaN", d2="4.00", s2="b", i=4, d="4.00")),
]
CAPS = [
    (f"10:{40 + n}:00", f"0/{n}", f"10:{40 + n}:00", fields)
    for n, fields in enumerate([
        dict(i=1, text="1", s="a", b=True, ts="@01:00:00", d="1.00", l=["a"], v=[1, 1, 1], m={"a": 1}, s2="a", d2="1.00"),
        dict(i=2, text="2", s="b", b=True, ts="@02:00:00", d="2.00", l=["b"], v=[2, 2, 2], m={"b": 1}, s2="c", d2="2.00"),
        dict(i=3, text="3", s="c", b=False, ts="@03:00:00", d="3.00", l=["c"], v=[3, 3, 3], m={"c": 1}, s2="b", d2="3.00"),
    ], 1)
]  # fmt: skip
# Rows half an hour apart for longer than a session may be.
LONG = [(f"{h:02}:{m:02}:00", f"0/{2 * h + m // 30}", f"{h:02}:{m:02}:00", dict(i=1, text="1", s="a", b=True, d="1.00", text2="1", s2="a", d2="1.00")) for h in range(0, 13) for m in (0, 30)]
CASES = [
    ("several rows", SEVERAL, [("u", "11:13:45", "")], lambda f: not f.startswith("few")),
    ("nulls alone", NULLS, [("u", "11:00:00", "")], lambda f: not f.startswith("few")),
    ("no row", [("10:00:00", "0/1", "10:00:00", dict(i=1))], [("nobody", "11:00:00", "")], lambda f: not f.startswith("few")),
    ("the ends of numbers", EDGES, [("u", "11:00:00", "pin 0/3"), ("u", "11:00:00", "pin 0/4"), ("u", "11:00:00", "")], lambda f: f[0] in "ifdv" and not f.startswith("few") and not f[:3] in ("i_a", "d_a")),
    ("zeros, infinities and NaN", SPECIAL, [("u", "11:00:00", f"pin 0/{n}") for n in (2, 3, 4)] + [("u", "11:00:00", ""), ("u", "11:00:00", "without 0/1 without 0/2 without 0/3")], lambda f: f.startswith("f_") or "_f2_" in f and f[0] in "id" and "arg" not in f),
    ("more keys than the cap", CAPS, [("u", "11:00:00", "pin 0/3"), ("u", "11:00:00", "")], lambda f: f.startswith("few")),
    ("a session longer than 12 hours", LONG, [("u", "12:45:00", "")], lambda f: "_session_" in f and not f.startswith("few")),
]  # fmt: skip

# The same events ahead of t, and one after all windows, so that they are mature. Each end of numbers and each key comes into the window in turn.
LAST = ("12:30:00", "2/1", "12:30:00", dict(i=-999, text="-1e300"))
LABEL_CASES = [
    (title, [*events, LAST], [(key, t, "") for t in times], wanted)
    for (title, events, ((key, *_), *_), wanted), times in zip(
        CASES,
        [["10:05:00", "10:13:45"], ["10:00:00"], ["11:00:00"], ["09:40:00", "09:45:00", "09:50:00", "10:00:00"], ["09:40:00", "09:45:00", "09:50:00", "10:00:00", "10:46:00"], ["09:43:00", "10:00:00"], []],
        strict=True,
    )
]  # fmt: skip


def options(aggregate, argument, over, few=False):
    of, by = argument if isinstance(argument, tuple) else (argument, None)
    parts = [f"of: {of}"] if of else []
    parts += [f"by: {by}"] if by else []
    parts.append(f"over: {over}")
    parts += [PARAMETERS[aggregate]] if aggregate in PARAMETERS else []
    parts += [f"cap: {1 if of == 'b' else 2}"] if few else []
    return f"{aggregate}: {{{', '.join(parts)}}}"


def more_windows(aggregate, argument):
    of = argument[0] if isinstance(argument, tuple) else argument
    nested = aggregate in NESTED_ANSWER or aggregate not in ("count_distinct", "approx_count_distinct") and of in ("l", "v", "m")
    extra = [] if nested else [SERIES]
    return extra + ([DECAY] if argument in DECAYING.get(aggregate, []) else [])


def features(arguments, windows=lambda *argument: WINDOWS + more_windows(*argument)):
    """Lines of YAML, an entry per name: all of its aggregates. A list of windows is written once."""
    by_name, anchors = {}, {}
    for aggregate, names in arguments.items():
        for argument in names:
            name = "_".join(argument) if isinstance(argument, tuple) else argument or "n"
            by_name.setdefault(name, []).append((aggregate, argument, False))
            if aggregate in CAPPED:
                by_name.setdefault("few_" + name, []).append((aggregate, argument, True))
    for name, entries in by_name.items():
        yield f"{name}:"
        for aggregate, argument, few in entries:
            over = ", ".join(windows(aggregate, argument))
            known = over in anchors
            anchor = anchors.setdefault(over, f"windows{len(anchors) + 1}")
            yield "  " + options(aggregate, argument, f"*{anchor}" if known else f"&{anchor} [{over}]", few)


HEAD = """# Made by tests/oracle/cell_goldens.py, values of the reference: {what}.
definitions
  sources:
    events:
      topic: events
      format: json
      time: {{field: at, unit: rfc3339}}
      fields:
        {{user: string, i: int64, text: string, s: string, b: bool, ts: timestamp, d: "decimal(12,2)", l: "list<string>", v: "vector<float64,3>",
         m: "map<string,int64>", text2: string, s2: string, d2: "decimal(12,2)"}}
      derived: {{f: "cast(text as float64)", f2: "cast(text2 as float64)"}}
      owner: tests
  entities:
    user: {{key: [user]}}
  views:
    v:
      entity: user
      from: events
      features:
{features}
      owner: tests
{labels}
day 2026-01-05
"""


def json_text(value):
    return json.dumps(value, ensure_ascii=False)


def event_line(at, position, time, fields, used):
    shown = {name: value for name, value in fields.items() if name in used}
    members = [f'"user": "u", "at": "@{time}"'] + [f"{json_text(name)}: {json_text(value)}" for name, value in shown.items()]
    return f"  {at} {position} {{{', '.join(members)}}}"


def table(case, question, wanted):
    """The lines of a question's table: a row per feature without its window, columns of windows that agree in every row."""
    answers, _ = case.answers(question)
    cells = {}
    for feature in (case.definitions.labels or case.definitions).features:
        if not wanted(feature.name):
            continue
        ending = next(e for e in sorted(ENDINGS, key=len, reverse=True) if feature.name.endswith("_" + e))
        said = golden.stated(answers[feature.name], feature.type)
        text = said.value + ("" if said.status == "PRESENT" else " " + said.status)
        if "count" == feature.aggregate:
            text += " @none" if said.event_time is None else f" @{golden.time_text(golden.Time(said.event_time))[11:26]}"
        cells.setdefault(feature.name.removesuffix("_" + ending), {})[ending] = text
    kinds = {}
    for base, row in cells.items():
        kinds.setdefault(tuple(row), []).append(base)
    for endings, bases in kinds.items():
        columns = []
        for ending in endings:
            same = next((c for c in columns if all(cells[b][c[0]] == cells[b][ending] for b in bases)), None)
            same.append(ending) if same else columns.append([ending])
        lines = [["", *(", ".join(column) for column in columns)]] + [[base, *(cells[base][column[0]] for column in columns)] for base in bases]
        widths = [min(WIDEST, max(len(line[i]) for line in lines)) for i in range(len(lines[0]))]
        for line in lines:
            yield "    " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


WIDEST = 34  # that cells are filled up to
ENDINGS = [window_of(w.strip('"'))[1] for w in [*WINDOWS, *LABELS, SERIES, DECAY]]


def used_fields(arguments):
    names = {part for group in arguments.values() for argument in group for part in (argument if isinstance(argument, tuple) else [argument])}
    return names | ({"text"} if "f" in names else set()) | ({"text2"} if "f2" in names else set())


def indented(lines):
    return "\n".join("          " + line for line in lines)


def feature_file(arguments):
    head = HEAD.format(what=", ".join(arguments) + " over every type in every window", features=indented(features(arguments)), labels="")
    return file_text(head, CASES, used_fields(arguments))


def label_file():
    every = {aggregate: names for arguments in FILES.values() for aggregate, names in arguments.items()}
    labels = "  services:\n    s:\n      features: [v.*]\n      labels:\n        v:\n" + indented(features(every, lambda *_: LABELS)) + "\n"
    head = HEAD.format(what="every aggregate over every type as a label", features=indented(["n: {count: {over: [1h]}}"]), labels=labels)
    return file_text(head, LABEL_CASES, used_fields(every))


def file_text(head, cases, used):
    out = [head]
    for title, events, questions, wanted in cases:
        block = [f"case {title}", "events", *(event_line(*event, used) for event in events), "questions"]
        text = head + "\n".join([*block, *(f"  {key} {t} {more}".rstrip() for key, t, more in questions)]) + "\n"
        (case,) = golden.read(text)
        tables = [list(table(case, question, wanted)) for question in case.questions]
        if not any(tables):
            continue
        out.append("\n".join(block))
        for (key, t, more), lines in zip(questions, tables, strict=True):
            out.append("\n".join([f"  {key} {t} {more}".rstrip(), *lines]))
        out[-1] += "\n"
    return "\n".join(out).rstrip() + "\n"


def main():
    for name, arguments in FILES.items():
        (pathlib.Path(sys.argv[1]) / f"{name}.ftest").write_text(feature_file(arguments))
    (pathlib.Path(sys.argv[1]) / "cells_labels.ftest").write_text(label_file())


if __name__ == "__main__":
    main()
