"""librdkafka's own tests: fetched with the npm package that holds librdkafka's sources, and built once into the user's cache."""

import hashlib
import os
import pathlib
import shutil
import tarfile

from client_programs import node_and_npm, run
from fetched import CACHE, once

PACKAGE, SHA256 = "@confluentinc/kafka-javascript@1.10.1", "ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66"
FOR_RAPIDJSON = "-fdelayed-template-parsing"  # clang looks into a template of Debian's RapidJSON that nobody uses and that cannot be compiled

# What is changed in the tests' sources, in one place each: what they ask of a cluster that is not about what they test.
CHANGES = (
    ("test.c", "NewTopic_new(topicname, partition_cnt, replication_factor,", "NewTopic_new(topicname, partition_cnt, -1,"),  # one replica is what there is
    # They leave out what needs permissions when they log in, for want of a login for kafka-acls.sh; the script of librdkafka_suite.py has one.
    *((name, "test_needs_auth()", "false") for name in ("0109-auto_create_topics.cpp", "0119-consumer_auth.cpp")),
)


def suite():
    """The folder of the tests, with `test-runner`."""
    return once("librdkafka-tests", [pathlib.Path(__file__)], build) / "librdkafka" / "tests"


def build(folder):
    source = unpack(folder)
    for name, old, new in CHANGES:
        path = source / "tests" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} is not what it was: {old}"
        path.write_text(text.replace(old, new))
    run(["./configure", "--cc=clang-19", "--cxx=clang++-19", f"--CXXFLAGS={FOR_RAPIDJSON}", "--disable-gssapi", "--disable-curl"], source, os.environ)
    assert "#define WITH_RAPIDJSON 1" in (source / "config.h").read_text(), "no RapidJSON: ./dev setup"
    run(["make", "-j2", "libs"], source, os.environ)
    run(["make", "-j2", "-C", "tests", "test-runner"], source, os.environ)
    for rest in [*source.rglob("*.o"), *source.rglob("*.a")]:
        rest.unlink()


def unpack(folder):
    run([*node_and_npm(), "pack", PACKAGE, "--cache", CACHE / "npm", "--pack-destination", folder], folder, os.environ)
    (archive,) = folder.glob("*.tgz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256, f"{archive.name} is not the file that was looked at: check it, then change SHA256"
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.name.startswith("package/deps/librdkafka/")]
        tar.extractall(folder, members, filter="data")
    archive.unlink()
    source = folder / "librdkafka"
    shutil.move(folder / "package" / "deps" / "librdkafka", source)
    shutil.rmtree(folder / "package")
    return source
