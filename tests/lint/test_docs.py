"""Every command of the documents works (see documents.py for what runs), and every link in the repository leads somewhere."""

import os
import re
import subprocess

import pytest
from documents import HTTP, KAFKA, blocks, documents, runnable
from millstream import BINARY, Server
from repo import ROOT, name_of, tracked_files

BLOCK_SECONDS = 120
SKIPPED_MAX = 6
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)|!\[[^\]\n]*\]\((?!https?:)([^)\s]+)\)")


def run(block, directory, server, where):
    script = block.text
    environment = os.environ | {"PATH": f"{BINARY.parent}:{os.environ['PATH']}"}
    if block.mode == "server":
        script = script.replace(KAFKA, server.kafka).replace(HTTP, server.http)
        environment |= {"MILLSTREAM_SERVER": f"http://{server.http}", "MILLSTREAM_KAFKA": server.kafka}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=directory, env=environment, capture_output=True, text=True, timeout=BLOCK_SECONDS
    )
    assert done.returncode == 0, f"{where}:{block.line}: exit {done.returncode}\n{script}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("name, all_blocks", runnable(), ids=lambda value: value if isinstance(value, str) else "")
def test_commands_work(name, all_blocks, tmp_path, record_property):
    directory = tmp_path / "here"
    directory.mkdir()
    modes = [block.mode for block in all_blocks]
    record_property("run", modes.count("run") + modes.count("server"))
    record_property("skipped", modes.count("skip"))
    server = Server(tmp_path / "data") if "server" in modes else None
    try:
        if server:
            server.start()
        for block in all_blocks:
            if block.mode in ("run", "server"):
                run(block, directory, server, name)
    finally:
        if server:
            server.stop()


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_blocks_say_what_they_are(path):
    found = [f"{name_of(path)}:{b.line}: ```{b.info}" for b in blocks(path.read_text()) if not b.lawful]
    assert not found, "use ```sh, ```sh server, ```sh no-run: REASON, or text, yaml, json, hex:\n" + "\n".join(found)


def test_few_blocks_are_skipped():
    skipped = [f"{name}:{b.line}: {b.info}" for name, all_blocks in runnable() for b in all_blocks if b.mode == "skip"]
    assert len(skipped) <= SKIPPED_MAX, "make them run, or raise the bound:\n" + "\n".join(skipped)


def options_of(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))


def options_of_help(*command):
    text = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = options_of(text)
    for below in re.findall(r"^  ([a-z]+) ", text.partition("Subcommands:")[2], re.M):
        found |= options_of_help(*command, below)
    return found


def test_options_that_are_named_exist():
    known = options_of_help() | options_of(subprocess.run([ROOT / "dev"], capture_output=True, text=True, timeout=60).stdout)
    assert {"--time-column", "--key-separator", "--long"} <= known
    others = {"ARCHITECTURE.md", "performance.md", "roadmap.md", "security.md"}  # name options of other programs, and of what is not there yet
    known |= {"--alter", "--bootstrap-controller", "--cancel", "--preserve-throttles", "--verify"}  # of Kafka's tools
    missing = {name_of(path): sorted(options_of(path.read_text()) - known) for path in documents() if path.name not in others}
    assert not {name: options for name, options in missing.items() if options}


def test_links_lead_somewhere():
    found = []
    for path in tracked_files():
        if path.suffix == ".md":
            for match in LINK.finditer(path.read_text()):
                target = match.group(1) or match.group(2)
                if not (path.parent / target).resolve().exists():
                    found.append(f"{name_of(path)}: {target}")
    assert not found, "dead links:\n" + "\n".join(found)


def test_a_planted_bad_block_is_seen():
    good, bad = blocks("text\n```sh server\nls\n```\n\n```bash\nrm x\n```\n")
    assert good.mode == "server" and good.line == 2 and not bad.lawful and bad.mode is None
    assert not blocks("```text\nfirst\n./dev bench B4\n```\n")[0].lawful, "a command is run, or says why not"
    assert blocks("```text synopsis\nmillstream status\n```\n")[0].lawful and blocks("```text\nmillstream: no server\n```\n")[0].lawful
    assert not blocks("```sh no-run:\nls\n```\n")[0].lawful, "a reason is needed"


def test_a_failing_command_is_seen(tmp_path):
    (block,) = blocks("```sh\ntrue | false\n```\n")
    with pytest.raises(AssertionError, match="exit 1"):
        run(block, tmp_path, None, "planted")
