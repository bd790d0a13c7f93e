"""docs/kafka-compatibility.md and the first lines of the handlers against the sources: what they say is served is served, in these
versions, and every other API has a reason."""

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


def of_messages():
    """What the messages say, which is what the server advertises: {key: (name, versions)}."""
    said = {}
    for path in (ROOT / "src" / "kafka" / "messages").glob("[0-9]*.txt"):
        key, name, first, last = re.match(r"api (\d+) (\w+) versions (\d+)\.\.(\d+)", path.read_text()).groups()
        said[int(key)] = (name, first if first == last else f"{first}-{last}")
    return said


def of_head(comment):
    """What a handler's head comment says: (key, (name, versions)). Of versions that are advertised and refused it says so."""
    name, key, versions, rest = re.match(r"// (\w+) \((\d+)\), versions? (\d+(?:-\d+)?)(.*)", comment).groups()
    refused = re.match(r"; (\d+)-(\d+) are advertised and refused\.", rest)
    if refused:
        first, last = versions.split("-")
        assert int(refused[2]) + 1 == int(first), comment
        versions = f"{refused[1]}-{last}"
    return int(key), (name, versions)


def test_the_table_is_what_the_messages_say():
    assert served() == of_messages()


def test_the_heads_of_the_handlers_say_what_the_messages_say():
    heads = [path.read_text().partition("\n")[0] for path in (ROOT / "src" / "kafka" / "handlers").glob("*.cc")]
    assert dict(map(of_head, heads)) == of_messages()
    assert len(heads) == len(of_messages())


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


def test_a_planted_head_is_read():
    assert of_head("// Echo (99), versions 3-13; 0-2 are advertised and refused.") == (99, ("Echo", "0-13"))
    assert of_head("// Echo (99), version 0: says it again.") == (99, ("Echo", "0"))
