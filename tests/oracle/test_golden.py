"""Every answer of the golden files, derived again without Millstream."""

import pathlib

import golden
import pytest

FILES = sorted((pathlib.Path(__file__).resolve().parents[1] / "golden").glob("*.ftest"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_stated_answer_follows_from_the_events(file):
    mistakes, answers = golden.mistakes(file.read_text())
    assert answers > 10
    assert not mistakes, "\n".join(mistakes)


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("amount_sum_1h_exact = 180", "amount_sum_1h_exact = 181"),
        ("@10:04:59", "@10:05:00"),
        ("null EMPTY_WINDOW @none", "null NULL @none"),
        ("null EMPTY_WINDOW @none", "0 EMPTY_WINDOW @none"),
        ("found = true", "found = false"),
        ('"amount": 60}', '"amount": 61}'),
        ('"amount": 60}', '"amount": sixty}'),
    ],
)
def test_a_planted_mistake_is_noticed(right, wrong):
    (file,) = (file for file in FILES if file.stem == "worked_examples")
    text = file.read_text()
    assert right in text
    assert golden.mistakes(text.replace(right, wrong, 1))[0]
