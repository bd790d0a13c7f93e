"""What the golden files must say, by other means: the semantics over lists of rows, in Python's integers and fractions.

Reads a *.ftest (tests/golden/README.md) and answers each of its questions by going over all its events: definitions.py reads the
definitions, windows.py finds the rows, aggregates.py has the arithmetic.
"""

import dataclasses
import datetime
import math
import re

from aggregates import shown
from definitions import Dead, Definitions, answer
from expression_values import Time, time_text

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def micros(text):
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // datetime.timedelta(microseconds=1)


@dataclasses.dataclass
class Event:
    at: int
    position: tuple
    text: str


class Case:
    def __init__(self, name, definitions):
        self.name, self.definitions = name, definitions
        self.events, self.dead, self.questions = [], {}, []
        self._read = None

    def read(self):
        """({position: row}, {position: why no row comes from it})."""
        if self._read is None:
            rows, dead = {}, {}
            for event in self.events:
                try:
                    rows[event.position] = self.definitions.row(event.text, event.at)
                except Dead as reason:
                    dead[event.position] = str(reason)
            self._read = rows, dead
        return self._read

    def refused(self):
        return self.read()[1]

    def rows(self, question):
        """The rows of the question's key that it knows, in canonical order."""
        out, definitions = [], self.definitions
        rows, _ = self.read()
        for event in self.events:
            partition, offset = event.position
            known = event.at <= question.t if question.as_served else offset < question.pins.get(partition, math.inf) and event.position not in question.without
            if not known or event.position not in rows:
                continue
            row = rows[event.position]
            if event.position == question.own and row[None] == question.t:
                continue
            key = [str(row[part]) for part in definitions.key if row[part] is not None]
            if key == question.key and (not definitions.where or definitions.where(row)):
                out.append((row[None], event.position, row))
        return [row for _, _, row in sorted(out, key=lambda found: found[:2])]

    def answers(self, question):
        """({feature: Answer}, found)."""
        rows = self.rows(question)
        found = any(self.definitions.longest_tail(question.t) <= row[None] < question.t + question.after for row in rows)
        return {f.name: answer(f, rows, question.t, question.after) for f in self.definitions.features}, found


@dataclasses.dataclass
class Stated:
    """VALUE [STATUS] [@TIME] of a golden file; event_time "any" where it says none of it."""

    value: str
    status: str
    event_time: object

    def __str__(self):
        return f"{self.value} {self.status}" + ("" if self.event_time == "any" else f" @{self.event_time}")


@dataclasses.dataclass
class Question:
    line: int
    key: list
    t: int
    after: bool = False
    as_served: bool = False
    pins: dict = dataclasses.field(default_factory=dict)
    without: set = dataclasses.field(default_factory=set)
    own: tuple | None = None  # exclude_self: the position of the spine's own row
    found: bool | None = None
    stated: list = dataclasses.field(default_factory=list)  # (line, feature, Stated)
    columns: list = dataclasses.field(default_factory=list)


class Reader:
    def __init__(self):
        self.cases, self.definitions, self.day, self.section, self.line = [], [], None, None, 0

    def time(self, text):
        return micros(text if "T" in text else f"{self.day}T{text}Z")

    @staticmethod
    def position(text):
        partition, offset = text.split("/")
        return int(partition), int(offset)

    def take(self, text):
        if self.section == "definitions" and (text.startswith("  ") or not text):
            self.definitions.append(text[2:])
        elif not text.strip() or text.strip().startswith("#"):
            return
        elif not text.startswith(" "):
            self.head(text)
        elif self.section == "events":
            at, position, event = text.split(None, 2)
            event = re.sub(r'"@([0-9:.]+)"', lambda m: f'"{self.day}T{m[1]}Z"', event)
            self.cases[-1].events.append(Event(self.time(at), self.position(position), event))
        elif self.section == "dead":
            position, reason = text.split(None, 1)
            self.cases[-1].dead[self.position(position)] = reason.strip()
        elif text.startswith("    "):
            self.answer(text.strip())
        else:
            self.question(text.split())

    def head(self, text):
        self.section, _, rest = text.partition(" ")
        if self.section == "definitions":
            self.definitions = []
        elif self.section == "day":
            self.day = rest
        elif self.section == "case":
            self.cases.append(Case(rest, Definitions("\n".join(self.definitions))))

    def question(self, words):
        q = Question(self.line, words[0].split(","), self.time(words[1]))
        rest = iter(words[2:])
        for word in rest:
            if word == "pin":
                q.pins.update([self.position(next(rest))])
            elif word == "self":
                q.after, q.own = True, self.position(next(rest))
            elif word == "without":
                q.without.add(self.position(next(rest)))
            else:
                q.after |= word == "after_event"
                q.as_served |= word == "as_served"
        self.cases[-1].questions.append(q)

    def stated(self, text):
        value, rest = re.fullmatch(r'(".*"|\[.*\]|\{.*\}|\S+)(.*)', text).groups()
        out = Stated(value, "PRESENT", "any")
        for word in rest.split():
            if word.startswith("@"):
                out.event_time = None if word == "@none" else self.time(word[1:])
            else:
                out.status = word
        return out

    def answer(self, text):
        q = self.cases[-1].questions[-1]
        if text.startswith("found = "):
            q.found = text == "found = true"
        elif text.startswith("|"):
            q.columns = [column.strip().split(", ") for column in text.split("|")[1:]]
        elif " = " in text:
            name, stated = text.split(" = ", 1)
            q.stated.append((self.line, name, self.stated(stated)))
        else:
            name, *cells = (cell.strip() for cell in text.split(" | "))
            for columns, cell in zip(q.columns, cells, strict=True):
                q.stated += [(self.line, f"{name}_{column}", self.stated(cell)) for column in columns]


def read(text):
    reader = Reader()
    for reader.line, line in enumerate(text.splitlines(), 1):
        reader.take(line)
    return reader.cases


def stated(wanted, kind):
    """An Answer as a file states it."""
    return Stated(shown(wanted.value, kind), wanted.status, wanted.event_time)


def agrees(said, wanted):
    return (said.value, said.status) == (wanted.value, wanted.status) and said.event_time in ("any", wanted.event_time)


def mistakes(text):
    """(Everything a file states that does not follow from its events, how many answers it states)."""
    out, count = [], 0
    for case in read(text):
        dead = case.refused()
        if dead.keys() != case.dead.keys() or any(not dead[p].startswith(reason) for p, reason in case.dead.items()):
            out.append(f"case '{case.name}': dead letters {dead}")
        for q in case.questions:
            answers, found = case.answers(q)
            if q.found not in (None, found):
                out.append(f"line {q.line}: found = {found}")
            for line, name, said in q.stated:
                count += 1
                wanted = stated(answers[name], case.definitions.by_name[name].type)
                if not agrees(said, wanted):
                    out.append(f"line {line}: {name} = {wanted}, not {said}")
    return out, count
