"""Every folder says what it is, in 10 to 30 lines."""

from folder_table import read_folders
from repo import ROOT, SRC, cpp_files, name_of

# Folders outside src/ that a newcomer opens too.
OTHERS = (
    "cmake", "docs", "examples/flights", "tests", "tests/compat", "tests/compat/clients", "tests/compat/frameworks", "tests/differential", "tests/e2e", "tests/fuzz", "tests/histories", "tests/lint", "tests/peers", "tests/support",
)  # fmt: skip


def folders_with_sources():
    return sorted({SRC / path.relative_to(SRC).parts[0] for path in cpp_files()}) + [ROOT / name for name in OTHERS]


def test_every_folder_has_a_short_readme():
    found = []
    for folder in folders_with_sources():
        readme = folder / "README.md"
        if not readme.exists():
            found.append(f"{name_of(folder)}: no README.md (what, why, what belongs here and what does not, where to start reading)")
            continue
        lines = len(readme.read_text().rstrip("\n").splitlines())
        if not 10 <= lines <= 30:
            found.append(f"{name_of(readme)}: {lines} lines, want 10 to 30")
    assert not found, "\n" + "\n".join(found)


def test_every_listed_folder_says_what_lives_there():
    assert all(folder.what for folder in read_folders().values())
