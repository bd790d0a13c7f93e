"""Includes follow src/folders.txt: folders only include what is below them, libraries stay with their owner."""

import re

import pytest
from folder_table import DOCUMENT, read_folders, reach, split, table
from repo import SRC, cpp_files, is_test, line_of, name_of

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>]+>|"[^"]+")', re.M)

# The first part of a header's path -> the library of src/folders.txt it belongs to.
LIBRARY_OF = {
    "fmt": "fmt", "spdlog": "spdlog", "xxhash.h": "xxhash", "boost": "boost", "openssl": "openssl", "simdjson.h": "simdjson",
    "zstd.h": "zstd", "lz4.h": "lz4", "lz4hc.h": "lz4", "lz4frame.h": "lz4", "snappy.h": "snappy", "snappy-c.h": "snappy",
    "snappy-sinksource.h": "snappy", "zlib.h": "zlib", "nlohmann": "nlohmann", "yaml-cpp": "yaml", "arrow": "arrow",
    "parquet": "arrow", "CLI": "cli11", "mimalloc.h": "mimalloc",
}  # fmt: skip
TESTS_ONLY = {"gtest", "gmock", "rapidcheck", "rapidcheck.h"}
# Vocabulary rather than a service: text formatting (it reaches everyone through base/error.h) and hash maps.
EVERYWHERE = ("fmt/", "boost/unordered/")


def problems(path, text, folders):
    """What is wrong with the includes of one file, as messages `line: text`."""
    folder = path.relative_to(SRC).parts[0]
    allowed = reach(folders, folder)
    owned = set(folders[folder].libraries)
    found = []
    for match in INCLUDE.finditer(text):
        header, quoted = match.group(1)[1:-1], match.group(1)[0] == '"'
        first = header.split("/")[0]
        if quoted and first not in folders:
            message = f'"{header}": write the path from src/, beginning with a folder'
        elif quoted and first not in allowed:
            message = f'"{header}": {folder} may include {", ".join(sorted(allowed - {folder})) or "no other folder"}; src/folders.txt has no arrow to {first}'
        elif first in TESTS_ONLY and not is_test(path):
            message = f"<{header}> belongs in tests (x_test.cc, x_fixture.h)"
        elif not quoted and first in LIBRARY_OF and LIBRARY_OF[first] not in owned and not header.startswith(EVERYWHERE):
            owners = [f.name for f in folders.values() if LIBRARY_OF[first] in f.libraries]
            message = f"<{header}>: {LIBRARY_OF[first]} belongs to {', '.join(owners) or 'nobody'}, not to {folder}"
        else:
            continue
        found.append(f"{line_of(text, match.start())}: {message}")
    return found


def test_folders_point_down():
    folders = read_folders()
    assert all(folders[below].tier < f.tier for f in folders.values() for below in f.below)


def test_every_folder_is_listed():
    there = {path.relative_to(SRC).parts[0] for path in cpp_files()}
    assert there <= set(read_folders()), "add the folder to src/folders.txt with its tier and arrows"


def test_includes_follow_the_arrows():
    folders = read_folders()
    found = []
    for path in cpp_files():
        found += [f"{name_of(path)}:{p}" for p in problems(path, path.read_text(), folders)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "folder, line, complaint",
    [
        ("feature", '#include "log/log.h"', "no arrow to log"),
        ("log", '#include "log.h"', "write the path from src/"),
        ("log", "#include <simdjson.h>", "belongs to codec"),
        ("engine", "#include <boost/asio/post.hpp>", "belongs to io"),
        ("base", "#include <gtest/gtest.h>", "belongs in tests"),
    ],
)
def test_a_planted_violation_is_seen(folder, line, complaint):
    (found,) = problems(SRC / folder / "x.cc", "// first line\n" + line, read_folders())
    assert found.startswith("2: ") and complaint in found


def test_a_lawful_include_is_not_reported():
    text = '#include <vector>\n#include <fmt/format.h>\n#include <boost/unordered/unordered_flat_map.hpp>\n#include "base/error.h"\n'
    assert problems(SRC / "engine" / "x.cc", text, read_folders()) == []


def test_architecture_shows_the_folders_as_they_are():
    _, shown, _ = split(DOCUMENT.read_text())
    assert shown == table(read_folders()), "run ./dev python tests/lint/folder_table.py --write"
