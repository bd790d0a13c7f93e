"""What must not change an answer, or changes it in a known way: a filter that is always true, a window in two parts, an entity of another
name, records cut into other batches, events on the other side of t. The engine runs the changed file against the answers of the file as
it was."""

import json
import re
from fractions import Fraction

import golden
import pytest
import random_definitions
import yaml
from test_random_definitions import failures
from windows import SECOND

SEEDS = range(5_000, 5_030)


def parts_of(text):
    """(definitions, the rest) of a file of one case."""
    head, rest = text.split("\nday ", 1)
    return yaml.safe_load(head.removeprefix("definitions\n")), "\nday " + rest


def file_of(definitions, rest):
    lines = json.dumps(definitions, ensure_ascii=False, indent=1).splitlines()
    return "definitions\n" + "\n".join("  " + line for line in lines) + rest


def with_true_filters(text):
    """Filters that hold for every row that has a key, in place of none and beside those that are there."""
    definitions, rest = parts_of(text)
    for view in definitions["views"].values():
        view["where"] = f"({view['where']}) and user = user" if "where" in view else "user is null or user is not null"
        for aggregates in view["features"].values():
            for d in aggregates.values():
                d["where"] = f"true and ({d['where']})" if "where" in d else "user = user"
    return file_of(definitions, rest)


def with_another_entity(text):
    definitions, rest = parts_of(text)
    names = {"u": "another-name-and-a-long-one", "w": "u"}
    rest = re.sub(r'"user": "(u|w)"', lambda m: f'"user": "{names[m[1]]}"', rest)
    rest = re.sub(r"(?m)^  (u|w) (?=\d{4}-)", lambda m: f"  {names[m[1]]} ", rest)
    return file_of(definitions, rest)


def renumbered(question, places):
    """The question with its own event's new position; None: that event is not there any more."""
    own = re.match(r"  [uw] .* self (\d+)/(\d+)", question)
    if not own:
        return question
    place = places.get((int(own[1]), int(own[2])))
    return place and question.replace(f" self {own[1]}/{own[2]}", f" self {place[0]}/{place[1]}", 1)


def with_new_offset(event, places):
    """The record; one that takes another back names that one's new offset. None: that one is gone."""
    named = re.search('"takes_back": ([0-9]+)', event.text)
    if not named:
        return event.text
    place = places.get((event.position[0], int(named[1])))
    return place and event.text.replace(named[0], f'"takes_back": {place[1]}', 1)


def with_one_append_time(text):
    """Every record that is alive is appended at one instant, and questions know them all: whole partitions are record batches."""
    (case,) = golden.read(text)
    dead, kept, offsets, places = case.refused(), [], {}, {}
    for event in case.events:
        if event.position not in dead:
            partition, _ = event.position
            places[event.position] = (partition, offsets.setdefault(partition, 0))
            offsets[partition] += 1
            kept.append(event)
    texts = [with_new_offset(event, places) for event in kept]
    if not kept or None in texts:
        return None
    at = random_definitions.time_text(max(event.at for event in kept))
    events = [f"  {at} {places[e.position][0]}/{places[e.position][1]} {text}" for e, text in zip(kept, texts, strict=True)]
    head, rest = text.split("\nevents\n", 1)
    questions = [block for block in re.split(r"(?m)^(?=  [uw] )", rest.split("questions\n", 1)[1]) if block and not re.match(r".* (as_served|pin|without)", block)]
    questions = [block for block in (renumbered(block, places) for block in questions) if block]
    return "\n".join([head, "events", *events, "questions", *questions]) if questions else None


@pytest.mark.parametrize("change", [with_true_filters, with_another_entity, with_one_append_time])
def test_answers_stay(tmp_path, change):
    files = {f"seed_{seed}.ftest": change(random_definitions.file_of(seed)) for seed in SEEDS}
    found = failures(tmp_path, {name: text for name, text in files.items() if text})
    assert not found, "\n".join(f"{name}: {said[:1500]}" for name, said in list(found.items())[:3])


SPLIT = {
    "n": {"count": ["hopping(2h, 1h)", "series(1h, 2)"]},
    "b": {"count_if": ["hopping(2h, 1h)", "series(1h, 2)"]},
    "i": {"sum": ["hopping(2h, 1h)", "series(1h, 2)"]},
    "d": {"sum": ["hopping(2h, 1h)", "series(1h, 2)"]},
}


@pytest.mark.parametrize("seed", range(6_000, 6_010))
def test_a_window_is_its_two_parts(tmp_path, seed):
    maker = random_definitions.Maker(seed)
    maker.scale, maker.tame, maker.span = ["10s", "1m", "1h", "2h"], True, 4 * 3600 * 10**6
    features = {name: {a: {"over": over} | ({} if name == "n" else {"of": name}) for a, over in by.items()} for name, by in SPLIT.items()}
    definitions = maker.definitions()
    definitions["views"]["v"] = {"entity": "user", "from": "events", "features": features, "owner": "tests"}
    maker.definitions = lambda: definitions
    text = maker.text("two parts")
    assert not failures(tmp_path, {f"seed_{seed}.ftest": text})
    halves = 0
    for question in golden.read(text)[0].questions:
        said = {name: stated for _, name, stated in question.stated}
        for name, (aggregate,) in ((n, tuple(by)) for n, by in SPLIT.items()):
            whole, parts = said[f"{name}_{aggregate}_2h_hopping_1h"], said[f"{name}_{aggregate}_1h_series_2"]
            numbers = [Fraction(part) for part in parts.value.strip("[]").split(",") if part != "null"]
            halves += len(numbers)
            assert (Fraction(whole.value) if whole.value != "null" else None) == (sum(numbers) if numbers else None)
            assert (whole.status == "NULL" or whole.status == parts.status) and whole.event_time == parts.event_time
    assert halves > 0


def more_events(maker, first, keep):
    """Lines of events that `keep` does not look at, in a partition of their own: `first` is the first instant that is none of the features'."""
    out = []
    for _ in range(8):
        away = maker.pick([0, 0, 1, SECOND, maker.rng.randrange(maker.span)])
        et = first + away if keep == "features" else first - 1 - away
        at = max(et + maker.pick([0, 1, maker.rng.randrange(maker.span), -maker.rng.randrange(300 * SECOND)]), 0)
        out.append((at, {**maker.fields(), "user": maker.pick("uuuw"), "at": random_definitions.time_text(et)}))
    out.sort(key=lambda event: event[0])
    return [f"  {random_definitions.time_text(at)} 7/{n} {json.dumps(fields, ensure_ascii=False)}" for n, (at, fields) in enumerate(out)]


def with_more_events(seed, keep, added):
    """The file of a seed with a case for each question: what it says of `keep`, features or labels, beside the events that `added` does not look at."""
    definitions, rest = random_definitions.file_of(seed).split("\ncase ", 1)
    before, questions = rest.split("\nquestions\n", 1)
    events, *dead = before.split("\nevents\n", 1)[1].split("\ndead\n", 1)
    maker = random_definitions.Maker(seed + 1_000_000)
    maker.tame = True
    cases = []
    for block in re.split(r"(?m)^(?=  [uw] )", questions):
        kept = re.findall(r"    f\w+ = .*\n|    found = .*\n" if keep == "features" else r"    l\d+_\w+ = .*\n", block)
        if not kept:
            continue
        question, words = block.splitlines()[0], block.split()
        first = golden.micros(words[1]) + ("after_event" in words[2:4] or "self" in words[2:4])
        lines = sorted(events.splitlines() + more_events(maker, first, added), key=lambda line: line.split()[0])
        cases.append("\n".join([f"case {len(cases)}", "events", *lines, *(["dead", dead[0]] if dead else []), "questions", question]) + "\n" + "".join(kept))
    return definitions + "\n" + "".join(cases) if cases else None


def failures_with_more_events(directory, keep, added):
    files = {f"seed_{seed}.ftest": with_more_events(seed, keep, added) for seed in range(7_000, 7_040)}
    files = {name: text for name, text in files.items() if text}
    assert len(files) > 10
    return failures(directory, files, trained=1)  # labels are seen nowhere else


@pytest.mark.parametrize("keep", ["features", "labels"])
def test_features_and_labels_never_mix(tmp_path, keep):
    """No event from t on changes a feature at t, and none before t a label, however the set is asked for."""
    found = failures_with_more_events(tmp_path, keep, keep)
    assert not found, "\n".join(f"{name}: {said[:1500]}" for name, said in list(found.items())[:3])


@pytest.mark.parametrize("keep, added", [("features", "labels"), ("labels", "features")])
def test_what_they_look_at_does_change_them(tmp_path, keep, added):
    assert len(failures_with_more_events(tmp_path, keep, added)) > 5
