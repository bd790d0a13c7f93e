"""The folder table of ARCHITECTURE.md, made from src/folders.txt. `--write` puts it into the document."""

import argparse
import dataclasses
import sys

from repo import ROOT, SRC

BEGIN = "<!-- folders: begin, made from src/folders.txt by tests/lint/folder_table.py --write -->"
END = "<!-- folders: end -->"
DOCUMENT = ROOT / "ARCHITECTURE.md"


@dataclasses.dataclass(frozen=True)
class Folder:
    name: str
    tier: int
    below: tuple
    libraries: tuple
    what: str


def read_folders(text=None):
    folders = {}
    for line in (text or (SRC / "folders.txt").read_text()).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, tier, below, libraries, what = (cell.strip() for cell in line.split("|"))
        folders[name] = Folder(name, int(tier), tuple(below.split()), tuple(libraries.split()), what)
    return folders


def reach(folders, name):
    """`name` and everything it may include, directly or through others."""
    seen, todo = set(), [name]
    while todo:
        folder = todo.pop()
        if folder not in seen:
            seen.add(folder)
            todo += folders[folder].below
    return seen


def table(folders):
    rows = ["| folder | what lives there | may include | owns |", "| --- | --- | --- | --- |"]
    for f in folders.values():
        rows.append(f"| [`{f.name}/`](src/{f.name}) | {f.what} | {' '.join(f.below) or '-'} | {' '.join(f.libraries) or '-'} |")
    return "\n".join(rows)


def split(document):
    """The document before, inside and after the table."""
    before, rest = document.split(BEGIN + "\n")
    inside, after = rest.split("\n" + END)
    return before, inside, after


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into ARCHITECTURE.md")
    if not parser.parse_args().write:
        print(table(read_folders()))
        return
    before, _, after = split(DOCUMENT.read_text())
    DOCUMENT.write_text(before + BEGIN + "\n" + table(read_folders()) + "\n" + END + after)
    print(f"wrote the folder table of {DOCUMENT.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
