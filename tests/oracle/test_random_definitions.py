"""Random definitions, events and questions: the engine, in every mode of the golden files, says what the reference says."""

import os
import pathlib
import re
import subprocess

import pytest
import random_definitions

BIN = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin"
RUNNERS = [(BIN / "engine_test", "Golden"), (BIN / "history_test", "GoldenTraining")]  # states and served answers; training sets, with labels
ROUNDS, EACH = (4, 100) if os.environ.get("MS_LONG", "0") != "1" else (100, 200)
FIRST = int(os.environ.get("MS_SEED", "1"))


def failures(directory, files, trained=8):
    """{name of a file: what the engine says otherwise}; training sets of one file in `trained`, for a set in each mode takes ten times as long."""
    out = {}
    for (program, suite), one_in in zip(RUNNERS, (1, trained), strict=True):
        cases = directory / suite
        cases.mkdir(exist_ok=True)
        for name, text in list(files.items())[::one_in]:
            (cases / name).write_text(text)
        run = subprocess.run(
            [program, f"--gtest_filter={suite}.EveryCaseOfTheDirectoryInMsGolden"],
            env={**os.environ, "MS_GOLDEN": str(cases)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        wrong = re.findall(r"^(seed_\d+\.ftest), case '[^\n]*', mode (.*?)(?=^\S*golden_(?:training_)?test\.cc|\Z)", run.stdout, re.M | re.S)
        assert wrong or run.returncode == 0 and "[  PASSED  ] 1 test" in run.stdout, run.stdout[-4000:] + run.stderr[-4000:]
        for name, said in wrong:
            out.setdefault(name, said.strip())
    return out


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_the_engine_says_what_the_reference_says(tmp_path, round_number):
    seeds = range(FIRST + round_number * EACH, FIRST + (round_number + 1) * EACH)
    found = failures(tmp_path, {f"seed_{seed}.ftest": random_definitions.file_of(seed) for seed in seeds})
    assert not found, "\n".join(f"python tests/oracle/random_definitions.py {name[5:-6]}: {said[:1500]}" for name, said in list(found.items())[:3])


def test_a_wrong_answer_is_found(tmp_path):
    text = next(text for text in map(random_definitions.file_of, range(1, 100)) if " PRESENT @" in text)
    assert not failures(tmp_path, {"seed_1.ftest": text})
    assert failures(tmp_path, {"seed_1.ftest": text.replace(" PRESENT @", " NULL @", 1)})


def test_a_wrong_label_is_found(tmp_path):
    for right, wrong in ((r"(    l\d_.*) PRESENT @", r"\1 NULL @"), (" NOT_MATURE @", " EMPTY_WINDOW @")):
        text = next(text for text in map(random_definitions.file_of, range(1, 100)) if re.search(right, text))
        assert not failures(tmp_path, {"seed_1.ftest": text})
        assert failures(tmp_path, {"seed_1.ftest": re.sub(right, wrong, text, count=1)})
