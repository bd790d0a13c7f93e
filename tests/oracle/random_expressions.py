"""Random expressions over random rows, with the values that the reference gives them.

    python random_expressions.py > ../golden/expressions/random.etest
    python random_expressions.py SEED           others
"""

import random
import sys

from expression_golden import answers
from expression_values import read
from expressions import FUNCTIONS

LINES, ROWS, SEED = 900, 9, 20261125
INTS = ["0", "1", "-1", "2", "7", "-3", "1000000", "9223372036854775807", "-9223372036854775808", "4611686018427387904", "null"]
FLOATS = ["0.0", "-0.0", "1.5", "-2.25", "0.1", "1e308", "5e-324", "NaN", "Infinity", "-Infinity", "3.141592653589793", "1e-10", "100.0", "null"]
TEXTS = ['""', '"a"', '"Hello World"', '" pad "', '"äÖ日本🙂"', '"a,b,,c"', '"12"', '"-0.5"', '"true"', '"2026-01-01"', '"\\"q\\""', "null"]
TIMES = ["2026-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T12:34:56Z", "0001-01-01T00:00:00Z", "@9223372036854775807", "null"]
COLUMNS = {
    "i": ("int64", INTS), "j": ("int64", INTS), "x": ("float64", FLOATS), "y": ("float64", FLOATS), "s": ("string", TEXTS), "r": ("string", TEXTS),
    "p": ("bool", ["true", "false", "null"]), "q": ("bool", ["true", "false", "null"]), "t": ("timestamp", TIMES), "u": ("timestamp", TIMES),
    "d": ("decimal(9,2)", ["0.00", "1.50", "-2.25", "9999999.99", "-0.01", "null"]),
    "e": ("decimal(12,4)", ["0.0001", "-1.0000", "12345678.9012", "0.5000", "null"]),
    "l": ("list<int64>", ["[]", "[1, 2, 3]", "[null]", "[7, null, -7]", "[9223372036854775807, 1]", "null"]),
    "f": ("list<float64>", ["[]", "[0.1, 0.2, 0.3]", "[1e308, 1e308]", "[NaN, 1.0]", "[-0.0, null]", "null"]),
    "v": ("vector<float64,3>", ["[1.0, 2.0, 3.0]", "[0.1, -0.2, 0.3]", "[0.0, 0.0, 0.0]", "[1e-200, 1e200, 1.0]", "null"]),
    "w": ("vector<float64,3>", ["[3.0, 2.0, 1.0]", "[1.0, 1.0, 1.0]", "[-1e200, 1e-200, Infinity]"]),
    "m": ("map<string,int64>", ["{}", '{"a": 1, "b": null}', '{"12": 5}', "null"]),
}  # fmt: skip
LITERALS = {"int64": ["0", "1", "-1", "2", "3", "10"], "float64": ["0.5", "-1.0", "2.0", "1e10"], "string": ["''", "'a'", "','", "'o'"],
            "bool": ["true", "false"], "timestamp": ["timestamp '2025-06-01'"], "decimal": ["decimal '1.5'", "decimal '-0.001'"]}  # fmt: skip
UNITS = ["microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"]
TYPES = ["int64", "float64", "string", "bool", "timestamp", "decimal"]
DECIMAL_TYPES = ["decimal(9,2)", "decimal(18,6)", "decimal(38,4)", "decimal(3,1)"]


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def of(self, kind, depth):
        """An expression of that type, as a text."""
        if depth <= 0 or self.random.random() < 0.15:
            return self.leaf(kind)
        return self.pick(self.choice, self.special, self.function, self.function, self.function)(kind, depth - 1)

    def leaf(self, kind):
        fields = [name for name, (t, _) in COLUMNS.items() if t.split("(")[0] == kind]
        return self.random.choice(fields + fields + LITERALS[kind])

    def choice(self, kind, depth):
        a, b = self.of(kind, depth), self.of(kind, depth)
        condition = self.of("bool", depth)
        return self.pick(f"if({condition}, {a}, {b})", f"coalesce({a}, {b})", f"nullif({a}, {b})", f"case when {condition} then {a} end", f"try({a})",
                         f"least({a}, {b})" if kind != "bool" else f"coalesce({b}, {a})", f"greatest({b}, {a}, {a})" if kind != "bool" else f"({a} and {b})")  # fmt: skip

    def special(self, kind, depth):
        a = self.random.choice(TYPES)
        number = self.pick("int64", "float64", "decimal")
        of = self.of
        match kind:
            case "bool":
                x, y = of(a, depth), of(a, depth)
                op = self.pick("=", "<>", "is distinct from", *(["<", "<=", ">", ">="] if a != "bool" else []))
                return self.pick(f"({x} {op} {y})", f"({x} {op} {y})", f"({x} is null)", f"not {of('bool', depth)}", f"({of('bool', depth)} or {of('bool', depth)})",
                                 f"({of('bool', depth)} and {of('bool', depth)})", f"contains(l, {of('int64', depth)})", f"({of('bool', depth)} is not true)",
                                 f"({of('string', depth)} like '%a_')", f"contains(map_keys(m), {of('string', depth)})")  # fmt: skip
            case "int64":
                x, y = of("int64", depth), of("int64", depth)
                return self.pick(f"({x} {self.pick('+', '-', '*', '%')} {y})", f"-{x}", f"({of('timestamp', depth)} - {of('timestamp', depth)})", f"l[{x}]",
                                 f"cast({of(self.pick('string', 'float64', 'decimal', 'bool'), depth)} as int64)", f"m[{of('string', depth)}]", "list_sum(l)",
                                 f"length({self.pick('l', 'f', 'v', 'm')})", f"date_diff('{self.pick(*UNITS)}', {of('timestamp', depth)}, {of('timestamp', depth)})",
                                 f"try_cast({of('string', depth)} as int64)", f"list_max(slice(l, {x}, {y}))", f"list_min([{x}, {y}, null])")  # fmt: skip
            case "float64":
                x, y = of("float64", depth), of(number, depth)
                return self.pick(f"({x} {self.pick('+', '-', '*', '/', '%')} {y})", f"({of(number, depth)} / {y})", f"-{x}", f"cast({y} as float64)",
                                 f"v[{of('int64', depth)}]", "dot_product(v, w)", "cosine_similarity(v, w)", f"l2_norm([{x}, {x}])", "list_avg(f)", "list_sum(f)",
                                 "dot_product(f, f)", f"list_avg([{y}, {y}])", "l2_norm(v)", f"try_cast({of('string', depth)} as float64)")  # fmt: skip
            case "decimal":
                x, y = of("decimal", depth), of(self.pick("decimal", "int64"), depth)
                return self.pick(f"({x} {self.pick('+', '-', '*', '%')} {y})", f"-{x}", f"cast({of(self.pick('int64', 'float64', 'decimal', 'string'), depth)} as {self.pick(*DECIMAL_TYPES)})",
                                 f"{self.pick('abs', 'floor', 'ceil', 'trunc', 'round')}({x})", f"round({x}, {self.pick('-1', '0', '1', 'i')})", f"list_sum([{x}, {x}])")  # fmt: skip
            case "string":
                x, y = of("string", depth), of("string", depth)
                return self.pick(f"({x} || {y})", f"concat({x}, {y}, s)", f"concat_ws({x}, {y}, r)", f"cast({of(self.random.choice(TYPES), depth)} as string)",
                                 f"map_keys(m)[{of('int64', depth)}]", f"regexp_extract({x}, '[a-z]+')")  # fmt: skip
        x = of("timestamp", depth)
        return self.pick(f"({x} {self.pick('+', '-')} {of('int64', depth)})", f"date_trunc('{self.pick(*UNITS)}', {x})",
                         f"date_add('{self.pick(*UNITS)}', {of('int64', depth)}, {x})", f"cast({of('int64', depth)} as timestamp)")  # fmt: skip

    def function(self, kind, depth):
        forms = [(name, types) for name, overloads in FUNCTIONS.items() for types, out, _ in overloads
                 if out == kind and name[0].isalpha() and name not in ("like", "position", "date_trunc", "date_diff", "date_add", "regexp_matches", "regexp_extract")]  # fmt: skip
        if not forms:
            return self.leaf(kind)
        name, types = self.random.choice(sorted(forms, key=str))
        return f"{name}({', '.join(self.of(t, depth) for t in types)})"


def main(seed):
    writer = Writer(seed)
    rows = [{} for _ in range(ROWS)]
    print("# Random expressions over random rows, written by tests/oracle/random_expressions.py.\nrows")
    for name, (kind, values) in COLUMNS.items():
        picked = [writer.random.choice(values) for _ in rows]
        for row, value in zip(rows, picked, strict=True):
            row[name] = read(value, kind)
        print(f"  {name} {kind} | {' | '.join(picked)}")
    types = {name: kind for name, (kind, _) in COLUMNS.items()}
    print("\nexpressions")
    written = set()
    while len(written) < LINES:
        text = writer.of(writer.random.choice(TYPES), writer.random.randint(1, 4))
        if text in written or len(text) > 300:
            continue
        try:
            values = answers(text, types, rows)
        except (AssertionError, ValueError):  # a type that cannot be, or a text whose case Python maps otherwise
            continue
        if sum(map(len, values)) > 1000 or (values == ["null"] and writer.random.random() < 0.8):
            continue
        written.add(text)
        print(f"  {text} -> {' | '.join(values)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEED)
