"""Expressions as trees: ("literal", type, value), ("name", name), ("call", name, arguments). Precedence climbing."""

import re
from fractions import Fraction

from expression_types import decimal
from expression_values import parse_interval, parse_time

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<string>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<word>[^\W\d]\w*)|(?P<symbol><>|!=|<=|>=|==|\|\||[-+*/%(),<>=.\[\]{}:])|(?P<end>$))",
    re.DOTALL,
)
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def tokens(text):
    out, at = [], 0
    while True:
        match = TOKEN.match(text, at)
        assert match, f"no token at {text[at:]!r}"
        at = match.end()
        kind = match.lastgroup
        value = match[kind]
        if kind == "symbol":
            value = {"!=": "<>", "==": "="}.get(value, value)
        out.append((kind, value.lower() if kind == "word" else value, value))
        if kind == "end":
            return out


def call(name, *arguments):
    return ("call", name, list(arguments))


class Reader:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)][:2]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, *words):
        """All of these words or symbols, or nothing."""
        if all(self.peek(i) in (("word", w), ("symbol", w)) for i, w in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def need(self, *words):
        assert self.take(*words), f"expected {words} at {self.peek()}"

    def either(self):
        left = self.both()
        while self.take("or"):
            left = call("or", left, self.both())
        return left

    def both(self):
        left = self.negation()
        while self.take("and"):
            left = call("and", left, self.negation())
        return left

    def negation(self):
        return call("not", self.negation()) if self.take("not") else self.comparison()

    def comparison(self):
        left = self.sum()
        while True:
            if self.peek()[1] in COMPARISONS:
                op = self.next()[1]
                left = call(op, left, self.sum())
            elif self.take("is"):
                left = self.optional_not(self.take("not"), self.test(left))
            elif self.peek()[1] in ("in", "between", "like") or (self.peek() == ("word", "not") and self.peek(1)[1] in ("in", "between", "like")):
                left = self.optional_not(self.take("not"), self.range(left))
            else:
                return left

    @staticmethod
    def optional_not(negated, tree):
        return call("not", tree) if negated else tree

    def test(self, left):
        if self.take("null"):
            return call("is null", left)
        if self.take("distinct", "from"):
            return call("distinct", left, self.sum())
        wanted = self.take("true")
        if not wanted:
            self.need("false")
        return call("coalesce", left if wanted else call("not", left), ("literal", "bool", False))

    def range(self, left):
        if self.take("like"):
            return call("like", left, self.sum())
        if self.take("between"):
            low = self.sum()
            self.need("and")
            return call("and", call(">=", left, low), call("<=", left, self.sum()))
        self.need("in", "(")
        tree = call("=", left, self.either())
        while self.take(","):
            tree = call("or", tree, call("=", left, self.either()))
        self.need(")")
        return tree

    def sum(self):
        left = self.product()
        while self.peek()[1] in ("+", "-", "||") and self.peek()[0] == "symbol":
            left = call(self.next()[1], left, self.product())
        return left

    def product(self):
        left = self.sign()
        while self.peek()[1] in ("*", "/", "%") and self.peek()[0] == "symbol":
            left = call(self.next()[1], left, self.sign())
        return left

    def sign(self):
        if self.take("+"):
            return self.sign()
        if not self.take("-"):
            return self.indexed()
        if self.peek()[0] == "number":
            return self.number("-" + self.next()[1])
        return call("neg", self.sign())

    def indexed(self):
        tree = self.primary()
        while self.take("["):
            tree = call("[]", tree, self.either())
            self.need("]")
        return tree

    def values(self, end):
        out = []
        if not self.take(end):
            out.append(self.either())
            while self.take(","):
                out.append(self.either())
            self.need(end)
        return out

    @staticmethod
    def number(text):
        return ("literal", "float64", float(text)) if re.search("[.eE]", text) else ("literal", "int64", int(text))

    def primary(self):
        kind, value, _ = self.next()
        if kind == "number":
            return self.number(value)
        if kind == "string":
            return ("literal", "string", value[1:-1].replace("''", "'"))
        if kind == "quoted":
            return self.name(value[1:-1].replace('""', '"'))
        if (kind, value) == ("symbol", "["):
            return call("[...]", *self.values("]"))
        if (kind, value) == ("symbol", "("):
            tree = self.either()
            self.need(")")
            return tree
        assert kind == "word", value
        return self.word(value)

    def name(self, name):
        while self.take("."):
            name += "." + self.next()[2].strip('"')
        return ("name", name)

    def word(self, word):
        if word in ("true", "false"):
            return ("literal", "bool", word == "true")
        if word == "null":
            return ("literal", None, None)
        if word == "case":
            return self.case()
        if word == "decimal" and self.peek()[0] == "string":
            text = self.next()[1][1:-1]
            scale = len(text.partition(".")[2])
            return ("literal", decimal(len(re.sub("[-.]", "", text)), scale), Fraction(text))
        if word in ("timestamp", "interval") and self.peek()[0] == "string":
            text = self.next()[1][1:-1]
            return ("literal", "timestamp", parse_time(text)) if word == "timestamp" else ("literal", "int64", parse_interval(text))
        if self.take("("):
            return self.function(word)
        return self.name(self.tokens[self.at - 1][2])

    def function(self, name):
        if name in ("cast", "try_cast"):
            value = self.either()
            self.need("as")
            return self.closed(call(name, value, self.type()))
        if name == "extract":
            part = self.next()[1]
            self.need("from")
            return self.closed(call(part, self.either()))
        if name == "position":
            part = self.sum()
            self.need("in")
            return self.closed(call("position", part, self.sum()))
        return call(name, *self.values(")"))

    def type(self):
        text, depth = self.next()[1], 0
        while depth or self.peek() != ("symbol", ")"):
            depth += {"(": 1, ")": -1}.get(self.peek()[1], 0)
            text += self.next()[1]
        return TYPES.get(text, text)

    def closed(self, tree):
        self.need(")")
        return tree

    def case(self):
        subject = None if self.peek() == ("word", "when") else self.either()
        arguments = []
        while self.take("when"):
            condition = self.either()
            arguments.append(call("=", subject, condition) if subject else condition)
            self.need("then")
            arguments.append(self.either())
        arguments.append(self.either() if self.take("else") else ("literal", None, None))
        self.need("end")
        return call("case", *arguments)


TYPES = {"boolean": "bool", "int": "int64", "bigint": "int64", "double": "float64", "text": "string", "varchar": "string"}


def parse(text):
    reader = Reader(text)
    tree = reader.either()
    assert reader.peek()[0] == "end", f"{reader.peek()} is left"
    return tree
