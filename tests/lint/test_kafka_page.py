"""docs/kafka-compatibility.md against the sources: what it says is served is served, in these versions, and every other API has a reason."""

import re

from repo import ROOT

PAGE = (ROOT / "docs" / "kafka-compatibility.md").read_text()
LAST_KEY = 92  # of Apache Kafka 4.3


def table(title):
    """The rows of the first table behind a line of the page."""
    rows = re.search(r"(?:^\|.*\n)+", PAGE[PAGE.index(title):], re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def served():
    return {int(key): (name, versions) for key, name, versions, _ in table("# Kafka compatibility")}


def reasons():
    for keys, names, why in table("## What is not served, and why"):
        numbers = [number for part in keys.split(", ") for number in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)]
        yield numbers, names.split(", "), why


def test_the_table_is_what_the_messages_say():
    said = {}
    for path in (ROOT / "src" / "kafka" / "messages").glob("[0-9]*.txt"):
        key, name, first, last = re.match(r"api (\d+) (\w+) versions (\d+)\.\.(\d+)", path.read_text()).groups()
        said[int(key)] = (name, first if first == last else f"{first}-{last}")
    assert served() == said


def test_every_other_api_has_a_reason():
    others = [number for numbers, _, _ in reasons() for number in numbers]
    assert unsaid(others, served()) == []
    for numbers, names, why in reasons():
        assert len(numbers) == len(names) and why, names


def unsaid(*groups):
    """The keys that stand nowhere, or twice."""
    said = sorted(key for group in groups for key in group)
    return [key for key in range(LAST_KEY + 1) if said.count(key) != 1]


def test_a_planted_gap_is_seen():
    assert unsaid(range(40), range(39, 90)) == [39, 90, 91, 92]
