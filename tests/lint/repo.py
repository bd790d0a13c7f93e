"""What the lints share: where things are, and C++ text without its comments and literals."""

import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

_CPP_NOISE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\\\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""", re.S
)


def code_only(text):
    """`text` with comments and literals blanked; line breaks stay, so line numbers do too."""

    def blank(match):
        if match.group().startswith("'") and text[match.start() - 1 : match.start()].isalnum():
            return match.group()  # a digit separator: 1'000'000
        return re.sub(r"[^\n]", " ", match.group())

    return _CPP_NOISE.sub(blank, text)


@functools.cache
def cpp_files():
    return sorted(path for pattern in ("*.h", "*.cc") for path in SRC.rglob(pattern))


@functools.cache
def other_cpp_files():
    """Programs beside the product: benchmarks, and what makes test data."""
    return sorted(path for folder in ("bench", "tests") for path in tracked_files() if path.suffix in (".h", ".cc") and (ROOT / folder) in path.parents)


@functools.cache
def tracked_files():
    """Files that git knows or would add: what a reader of the repository sees."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return sorted(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def read_text(path):
    """The file as text, or None if it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def is_test(path):
    """Tests, fuzzers, benchmarks and what only they use: x_test.cc, x_fuzz.cc, x_fixture.h, folders named testing/."""
    return SRC not in path.parents or path.name.endswith(("_test.cc", "_fuzz.cc", "_fixture.h")) or "testing" in path.parts


def name_of(path):
    return str(path.relative_to(ROOT))


def line_of(text, position):
    return text.count("\n", 0, position) + 1
