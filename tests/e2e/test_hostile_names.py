"""Names that are paths, that look like others, or that a system has for itself: what they can make, and what a grant on the name
beside them gives."""

import json
import pathlib
import struct
import urllib.parse

import pytest
from millstream import Server
from users import Raw, ask_http, credential_line

INVALID_TOPIC, TOPIC_DENIED, ALREADY_EXISTS = 17, 29, 36
PATHS = ["..", ".", "a/b", "../outside", "/tmp/outside", "..\\outside", "a\0b", "a\nb", "pay\0", "%2e%2e", "~", "*", " pay", "pay ", "", "x" * 250]
LOOK_ALIKES = ["p\u0430y", "\u0440ay", "pay\u200b", "\uff50ay", "pay\u0301", "pay\u00ad"]  # Cyrillic a and p, no width, full width, accent, soft hyphen
OTHER_CASES = ["PAY", "Pay", "paY"]
OF_KAFKA = ["__consumer_offsets", "__transaction_state", "__share_group_state"]  # ours are no topics: these are names like any other
ADMIN, ALICE, CREATOR = (("admin",) * 2, ("alice",) * 2, ("creator",) * 2)
SECURITY = """super_users: [admin]
users:
{users}
acls:
  - {{allow: alice, topic: pay, operations: ALL}}
  - {{allow: alice, group: pay, operations: ALL}}
  - {{allow: creator, cluster: true, operations: CREATE}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names") / "in" / "here"
    folder.mkdir(parents=True)
    (folder / "security.yaml").write_text(SECURITY.format(users="".join(credential_line(user, user) for user in ("admin", "alice", "creator"))))
    with Server(folder / "data", "--security", folder / "security.yaml") as server:
        assert ask_http(server, "/v1/topics", ADMIN, {"name": "pay"})[0] == 201
        yield server


def raw(server, login):
    connection = Raw(server)
    assert connection.handshake("PLAIN") == 0 and connection.authenticate(b"\0%s\0%s" % tuple(part.encode() for part in login))[0] == 0
    return connection


def text(value):
    return struct.pack(">h", len(value.encode())) + value.encode()


def create(connection, name):
    """The error code of CreateTopics v4."""
    answer = connection.call(19, 4, struct.pack(">i", 1) + text(name) + struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 30_000, 0))
    return struct.unpack_from(">h", answer, 8 + len(text(name)))[0]


def metadata(connection, name):
    """The error code of one topic; Metadata v4 makes none."""
    answer = connection.call(3, 4, struct.pack(">i", 1) + text(name) + b"\0")
    return struct.unpack_from(">h", answer, answer.rindex(text(name)) - 2)[0]


def fetch(connection, name):
    """(error code, bytes of records) of Fetch v4 from offset 0."""
    body = struct.pack(">iiiibi", -1, 0, 0, 1 << 20, 0, 1) + text(name) + struct.pack(">iiqi", 1, 0, 0, 1 << 20)
    answer = connection.call(1, 4, body)
    at = answer.index(text(name)) + len(text(name)) + 4
    _, error = struct.unpack_from(">ih", answer, at)
    return error, struct.unpack(">i", answer[-4:])[0]


def encoded(name):
    return urllib.parse.quote(name, safe="")


def topics(server):
    return {topic["name"] for topic in json.loads(ask_http(server, "/v1/topics", ADMIN)[1])["topics"]}


def files(server):
    """Of the folders around the data directory and within it: names, but those that come with time."""
    around = server.directory.parents[2]
    return {path.relative_to(around) for path in around.rglob("*") if server.directory not in path.parents}, {path.name for path in server.directory.iterdir()}


@pytest.mark.parametrize("name", PATHS + LOOK_ALIKES, ids=lambda name: ascii(name)[:20])
def test_names_that_no_topic_has(server, name):
    """Over both protocols, from who may create everything: refused, and nothing is there that was not."""
    before, there = topics(server), files(server)
    for login in (ADMIN, CREATOR):
        status, answer = ask_http(server, "/v1/topics", login, {"name": name})
        assert (status, json.loads(answer)["code"]) == (400, "invalid_argument"), answer
        assert create(raw(server, login), name) == INVALID_TOPIC
    assert topics(server) == before and files(server) == there
    assert not pathlib.Path("/tmp/outside").exists()


@pytest.mark.parametrize("name", [name for name in PATHS if name] + LOOK_ALIKES + OTHER_CASES + OF_KAFKA, ids=lambda name: ascii(name)[:20])
def test_a_grant_is_for_one_name(server, name):
    """ALL on `pay`: of any other name, however it looks, nothing is created, shown, written or read, whether it exists or not."""
    if name in OTHER_CASES + OF_KAFKA:
        assert ask_http(server, "/v1/topics", ADMIN, {"name": name})[0] in (201, 409)
        assert ask_http(server, f"/v1/topics/{name}/records", ADMIN, {"records": [{"value": "secret"}]})[0] == 200
    before, alice = topics(server), raw(server, ALICE)
    assert ask_http(server, "/v1/topics", ALICE, {"name": name})[0] == 403
    assert create(alice, name) in (TOPIC_DENIED, INVALID_TOPIC)
    for method, path, body in (("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"partitions": 2}), ("GET", "/records", None),
                               ("POST", "/records", {"records": [{"value": "x"}]})):
        status, answer = ask_http(server, f"/v1/topics/{encoded(name)}{path}", ALICE, body, method)
        assert status == 403 and b"secret" not in answer, (method, path, answer)
    assert metadata(alice, name) == TOPIC_DENIED
    assert fetch(alice, name) == (TOPIC_DENIED, 0)
    assert topics(server) == before
    assert json.loads(ask_http(server, "/v1/topics", ALICE)[1])["topics"][0]["name"] == "pay"


def test_names_of_other_case_are_other_topics(server):
    for name in OTHER_CASES:
        assert create(raw(server, ADMIN), name) in (0, ALREADY_EXISTS)  # the test above may have come first
    assert topics(server) >= {"pay", *OTHER_CASES}
    assert [topic["name"] for topic in json.loads(ask_http(server, "/v1/topics", ALICE)[1])["topics"]] == ["pay"]


def test_topics_of_kafkas_own_are_not_where_offsets_are(server):
    """A topic named so may be made, and holds nothing of groups and transactions."""
    alice = raw(server, ALICE)
    commit = text("pay") + struct.pack(">i", -1) + text("") + struct.pack(">qi", -1, 1) + text("pay") + struct.pack(">iiq", 1, 0, 0) + text("")
    assert struct.unpack(">h", alice.call(8, 2, commit)[-2:]) == (0,)
    for name in OF_KAFKA:
        assert create(raw(server, ADMIN), name) in (0, ALREADY_EXISTS)
        held = json.loads(ask_http(server, f"/v1/topics/{name}/records", ADMIN)[1])["records"]
        assert {record["value"] for record in held} <= {"secret"}
    assert create(alice, "__consumer_offsets") == TOPIC_DENIED
