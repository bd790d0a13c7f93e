"""What the golden files must say, by other means: the semantics over lists of rows, in Python's integers and fractions.

Reads a *.ftest (tests/golden/README.md) and answers each of its questions by going over all its events: definitions.py reads the
definitions, windows.py finds the rows, aggregates.py has the arithmetic.
"""

import dataclasses
import datetime
import math
import re

from aggregates import shown
from definitions import Answer, Dead, Definitions, answer
from derived import Derived
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
    def __init__(self, name, definitions, derived):
        self.name, self.definitions, self.derived = name, definitions, derived
        self.events, self.dead, self.questions = [], {}, []
        self._read = {}
        self.types = {f.name: f.type for of in (definitions, definitions.labels) if of for f in of.features} | derived.types

    def read(self, definitions):
        """({position: row}, {position: the Dead that says why no row comes from it})."""
        if definitions not in self._read:
            rows, dead = {}, {}
            for event in self.events:
                try:
                    rows[event.position] = definitions.row(event.text, event.at, event.position[1])
                except Dead as reason:
                    dead[event.position] = reason
            self._read[definitions] = rows, dead
        return self._read[definitions]

    def refused(self):
        return {position: str(reason) for position, reason in self.read(self.definitions)[1].items()}

    @staticmethod
    def left(definitions, rows):
        """{position: row} without retractions and what they take back."""
        taken_back = set()
        for (partition, _), row in rows.items():
            named = rows.get((partition, row.takes_back))
            if named and named.takes_back is None and named[None] == row[None] and definitions.key_of(named) == definitions.key_of(row):
                taken_back.add((partition, row.takes_back))
        return {position: row for position, row in rows.items() if position not in taken_back and row.takes_back is None}

    @staticmethod
    def is_known(event, question):
        """Whether the log holds it, below the pin."""
        partition, offset = event.position
        return offset < question.pins.get(partition, math.inf) and event.position not in question.without

    def rows(self, definitions, question, is_known):
        """The rows of the question's key that it knows, in canonical order."""
        out = []
        rows, _ = self.read(definitions)
        rows = self.left(definitions, {event.position: rows[event.position] for event in self.events if is_known(event) and event.position in rows})
        for position, row in rows.items():
            if position == question.own and row[None] == question.t:
                continue
            if definitions.key_of(row) == question.key and (not definitions.where or definitions.where(row)):
                out.append((row[None], position, row))
        return [row for _, _, row in sorted(out, key=lambda found: found[:2])]

    def newest(self, question):
        """The newest event time that labels know of: of any key, whatever filters and expressions make of the record."""
        rows, dead = self.read(self.definitions.labels)
        times = {position: row[None] for position, row in rows.items()} | {position: reason.event_time for position, reason in dead.items()}
        return max((times[e.position] for e in self.events if self.is_known(e, question) and times[e.position] is not None), default=-math.inf)

    def labels(self, question):
        """Of everything that the log holds, whenever it came and however the features are asked for."""
        of = self.definitions.labels
        if not of:
            return {}
        rows, newest = self.rows(of, question, lambda event: self.is_known(event, question)), self.newest(question)
        out = {}
        for label in of.features:
            if question.after and label.window.hop == 0:
                continue  # refused: the events at t would be in a feature and in the label
            mature = newest >= label.window.head(question.t, False)
            out[label.name] = answer(label, rows, question.t, False) if mature else Answer(None, "NOT_MATURE", None)
        return out

    def answers(self, question):
        """({feature or label: Answer}, found)."""
        known = (lambda event: event.at <= question.t) if question.as_served else (lambda event: self.is_known(event, question))
        rows = self.rows(self.definitions, question, known)
        found = any(self.definitions.longest_tail(question.t) <= row[None] < question.t + question.after for row in rows)
        answers = {f.name: answer(f, rows, question.t, question.after) for f in self.definitions.features}
        return answers | self.derived.answers(question.request, answers) | self.labels(question), found


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
    request: str = ""  # the fields of the request, as JSON
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
            self.question(text)

    def head(self, text):
        self.section, _, rest = text.partition(" ")
        if self.section == "definitions":
            self.definitions = []
        elif self.section == "day":
            self.day = rest
        elif self.section == "case":
            text = "\n".join(self.definitions)
            definitions = Definitions(text)
            self.cases.append(Case(rest, definitions, Derived(text, {f.name: f.type for f in definitions.features})))

    def question(self, text):
        text, _, fields = text.partition(" request {")
        words = text.split()
        q = Question(self.line, words[0].split(","), self.time(words[1]), request="{" + fields if fields else "")
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
                if name not in answers:
                    out.append(f"line {line}: {name} has no answer here")
                    continue
                wanted = stated(answers[name], case.types[name])
                if not agrees(said, wanted):
                    out.append(f"line {line}: {name} = {wanted}, not {said}")
    return out, count
