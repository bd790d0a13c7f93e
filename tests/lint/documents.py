"""The commands that the documents show.

A fenced block that starts with ```sh is a promise. Blocks of one document run in order in one empty directory, with the
built `millstream` on the PATH:

    ```sh                  runs as it is
    ```sh server           runs beside a server; 127.0.0.1:9092 and 127.0.0.1:8484 in it mean that server's ports
    ```sh no-run: REASON   is not run; REASON says why

Other languages (text, yaml, json, hex) are shown, not run; a command line among text is refused, unless the block is a list of
what can be typed (```text synopsis). `bash`, `shell`, `console` and fences without a language are refused,
so that nothing escapes by accident.
"""

import dataclasses
import re

from repo import name_of, tracked_files

FENCE = re.compile(r"^```[ \t]*([^\n]*)\n(.*?)^```[ \t]*$", re.M | re.S)
SHOWN = {"text", "yaml", "json", "hex"}
COMMAND = re.compile(r"^(?:\$ |\./dev |perf |millstream )", re.M)
KAFKA, HTTP = "127.0.0.1:9092", "127.0.0.1:8484"


@dataclasses.dataclass(frozen=True)
class Block:
    line: int
    info: str
    text: str

    @property
    def mode(self):
        """`run`, `server`, `skip` or None for a block that only shows something."""
        if self.info == "sh":
            return "run"
        if self.info == "sh server":
            return "server"
        if re.fullmatch(r"sh no-run: \S.*", self.info):
            return "skip"
        return None

    @property
    def lawful(self):
        if self.mode is not None or self.info == "text synopsis":
            return True
        return self.info.split(" ")[0] in SHOWN and not COMMAND.search(self.text)


def documents():
    return [path for path in tracked_files() if path.suffix == ".md"]


def blocks(text):
    return [Block(text.count("\n", 0, m.start()) + 1, m.group(1).strip(), m.group(2)) for m in FENCE.finditer(text)]


def runnable():
    """(document name, its blocks) for every document with commands."""
    found = [(name_of(path), blocks(path.read_text())) for path in documents()]
    return [(name, all_blocks) for name, all_blocks in found if any(b.mode for b in all_blocks)]
