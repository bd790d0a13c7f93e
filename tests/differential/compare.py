"""Where two answers differ, and which of these differences are meant (docs/kafka-compatibility.md lists them)."""

import dataclasses
import json
import re


@dataclasses.dataclass(frozen=True)
class Difference:
    api: str
    version: int
    path: str  # field names joined by dots, without the places in lists
    kafka: object
    ours: object
    around: tuple = dataclasses.field(default=(), compare=False)  # (Kafka's, ours): the answers themselves first, then what in them holds the next

    def __str__(self):
        return f"{self.api} v{self.version} {self.path}: Kafka {self.kafka!r}, Millstream {self.ours!r}"


MISSING = "(nothing)"
# What names an element of a list; lists are compared as sets by these, for their order means nothing.
KEYS = ("Name", "TopicName", "Topic", "TopicId", "GroupId", "TransactionalId", "MemberId", "PartitionIndex", "Partition", "Index", "NodeId", "BrokerId", "ResourceName", "Key",
        "ApiKey", "BaseOffset", "ProducerId", "LogDir",
        "ResourceType", "PatternType", "Principal", "Host", "Operation", "PermissionType", "Entity", "EntityType", "User", "Mechanism")


def differences(api, version, kafka, ours, path="", around=()):
    """Of two answers; None is a connection that was closed."""
    if isinstance(kafka, dict) and isinstance(ours, dict):
        for name in sorted(kafka.keys() | ours.keys()):
            yield from differences(api, version, kafka.get(name, MISSING), ours.get(name, MISSING), f"{path}.{name}".lstrip("."), (*around, (kafka, ours)))
    elif isinstance(kafka, list) and isinstance(ours, list):
        theirs, mine = by_key(kafka), by_key(ours)
        for key in sorted(theirs.keys() | mine.keys()):
            yield from differences(api, version, theirs.get(key, MISSING), mine.get(key, MISSING), path, around)
    elif kafka != ours:
        yield Difference(api, version, path, kafka, ours, around)


def by_key(elements):
    keyed = {}
    for element in elements:
        if isinstance(element, dict):
            key = json.dumps([repr(element[name]) for name in KEYS if name in element])
        else:
            key = repr(element)
        while key in keyed:  # the same twice
            key += "+"
        keyed[key] = element
    return keyed


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A difference that is meant. `name` is its row in docs/kafka-compatibility.md, which has the reason."""

    name: str
    api: str  # regular expressions over the whole
    path: str
    holds: object = lambda d, s: True  # (Difference, Situation) -> bool

    def allows(self, difference, situation):
        return bool(re.fullmatch(self.api, difference.api) and re.fullmatch(self.path, difference.path) and self.holds(difference, situation))


@dataclasses.dataclass(frozen=True)
class Situation:
    """In which an answer differed."""

    asked: dict  # the request
    model: object = None  # what the history knew before it asked
    kafka: object = None  # to ask it once more
