"""Every value in the golden files of expressions, derived again without Millstream."""

import os
import pathlib
import random
import subprocess
import sys

import expression_golden
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("file", expression_golden.FILES, ids=lambda file: file.name)
def test_every_stated_value_follows(file):
    mistakes, lines = expression_golden.mistakes(file.read_text())
    assert lines > 10
    assert not mistakes, "\n".join(mistakes)


@pytest.mark.parametrize(
    "line, value",
    [("7 / 2", "3.4"), ("9223372036854775807 + 1", "9223372036854775808"), ("ln(0)", "ERROR"), ("upper('ß')", '"SS"'), ("true and null", "false")],
)
def test_a_planted_mistake_is_noticed(line, value):
    assert expression_golden.mistakes(f"case\n  {line} -> {value}\n")[0]


def test_the_hash_is_xxh64():
    from expression_values import xxh64

    assert xxh64(b"") == 0xEF46DB3751D8E999  # the published test vectors
    assert xxh64(b"a") == 0xD24EC4F1A98C6E5B
    assert xxh64(b"abc") == 0x44BC2CF5AD770999


def test_fresh_random_expressions_agree(tmp_path):
    """Other expressions on every run; the seed is in the file's name and in the failure."""
    program = ROOT / "build" / os.environ.get("MS_PRESET", "release") / "bin" / "feature_test"
    seed = random.SystemRandom().randrange(10**9)
    script = pathlib.Path(__file__).with_name("random_expressions.py")
    written = subprocess.run([sys.executable, script, str(seed)], capture_output=True, text=True, timeout=120, check=True)
    (tmp_path / f"seed_{seed}.etest").write_text(written.stdout)
    environment = {**os.environ, "MS_EXPRESSIONS": str(tmp_path)}
    command = [program, "--gtest_brief=1", "--gtest_filter=ExprGolden.FilesOfMsExpressionsHold"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "1 test from 1 test suite ran" in done.stdout, done.stdout
