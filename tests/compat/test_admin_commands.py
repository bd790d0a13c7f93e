"""`millstream acl`, `user` and `quota` and the tools of Kafka see and change the same things on the same server."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from kafka_tools import tool
from millstream import BINARY, Server, run
from terminal import Terminal
from test_security import PASSWORDS, PATIENCE, SecureServer, client, properties

RESOURCE = re.compile(r"resourceType=(\w+), name=(.*), patternType=(\w+)\)")
RULE = re.compile(r"\(principal=(.*), host=(.*), operation=(\w+), permissionType=(\w+)\)")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with SecureServer(tmp_path_factory.mktemp("admin")) as started:
        yield started


@pytest.fixture(autouse=True)
def as_admin(server, monkeypatch):
    for name, value in {"KAFKA": server.kafka, "USER": "admin", "PASSWORD": PASSWORDS["admin"]}.items():
        monkeypatch.setenv(f"MILLSTREAM_{name}", value)


@pytest.fixture
def java(server, tmp_path):
    at = ("--bootstrap-server", server.kafka, "--command-config", properties(tmp_path, "admin", PASSWORDS["admin"]))
    return lambda name, *arguments: tool(name, *at, *arguments)


def ask(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


def refused(*arguments, status=2):
    """What is said; nothing is printed beside it."""
    done = run(*arguments, status=status)
    assert not done.stdout and done.stderr.startswith("millstream: "), done
    return done.stderr


# ---- ACLs


def acls(*filters):
    fields = ("resource_type", "resource", "pattern", "principal", "host", "operation", "permission")
    return {tuple(acl[field] for field in fields) for acl in ask("acl", "list", *filters)["acls"]}


def acls_of_kafka(java, *filters):
    found, resource = set(), None
    for line in java("acls", "--list", *filters).splitlines():
        if at := RESOURCE.search(line):
            resource = at.groups()
        elif rule := RULE.search(line):
            found.add(resource + rule.groups())
    return found


def test_acls_are_those_of_kafka(java):
    made = run("acl", "create", "--allow-principal", "dora", "--allow-principal", "User:erik", "--deny-principal", "eve", "--allow-host", "127.0.0.1", "--operation",
               "read,DescribeConfigs", "--topic", "dora.", "--group", "dora.", "--pattern", "prefixed").stdout  # fmt: skip
    assert made.splitlines()[0].split() == ["PRINCIPAL", "HOST", "RESOURCE", "NAME", "PATTERN", "OPERATION", "PERMISSION"] and len(made.splitlines()) == 13
    run("acl", "create", "--allow-principal", "*", "--operation", "idempotent-write", "--cluster")
    run("acl", "create", "--allow-principal", "dora", "--operation", "write", "--transactional-id", "dora, the first", "--topic", "dora.in")
    java("acls", "--add", "--allow-principal", "User:frida", "--deny-principal", "User:eve", "--operation", "Write", "--operation", "Describe", "--topic", "*")
    all_of_them = acls_of_kafka(java)
    assert acls() == all_of_them and len(all_of_them) > 19
    assert ("TRANSACTIONAL_ID", "dora, the first", "LITERAL", "User:dora", "*", "WRITE", "ALLOW") in all_of_them
    assert ("TOPIC", "dora.", "PREFIXED", "User:eve", "*", "READ", "DENY") in all_of_them
    for ours, theirs in ((["--topic", "dora.in", "--pattern", "match"], ["--topic", "dora.in", "--resource-pattern-type", "match"]),
                         (["--principal", "eve", "--group", "dora.", "--pattern", "prefixed"], ["--principal", "User:eve", "--group", "dora.", "--resource-pattern-type", "prefixed"])):  # fmt: skip
        assert acls(*ours) == acls_of_kafka(java, *theirs) != set(), ours
    assert acls("--resource", "transactional-id", "--principal", "dora") == {acl for acl in all_of_them if acl[0] == "TRANSACTIONAL_ID" and acl[3] == "User:dora"}
    assert acls("--cluster") == {("CLUSTER", "kafka-cluster", "LITERAL", "User:*", "*", "IDEMPOTENT_WRITE", "ALLOW")}
    assert {acl[6] for acl in acls("--deny-principal", "eve")} == {"DENY"}


def test_acls_are_deleted_by_what_made_them(java):
    words = ["--allow-principal", "gert", "--operation", "read,write", "--topic", "gert.", "--pattern", "prefixed"]
    run("acl", "create", *words)
    run("acl", "create", "--allow-principal", "gert", "--operation", "read", "--topic", "gert")
    dry = run("acl", "delete", *words, "--dry-run")
    assert "Nothing was deleted" in dry.stderr and dry.stdout.count("User:gert") == 2 and len(acls("--principal", "gert")) == 3
    gone = ask("acl", "delete", *words)
    assert gone["deleted"] and {acl["operation"] for acl in gone["acls"]} == {"READ", "WRITE"}
    assert acls("--principal", "gert") == acls_of_kafka(java, "--principal", "User:gert") == {("TOPIC", "gert", "LITERAL", "User:gert", "*", "READ", "ALLOW")}
    assert "gert" in run("acl", "delete", "--principal", "gert").stdout
    assert run("acl", "list", "--principal", "gert").stdout == "There are no such ACLs.\n"


def test_an_acl_of_the_file_stays():
    said = run("acl", "delete", "--topic", "pay.secret", status=1)
    assert "DENY User:alice from * ALL on TOPIC:LITERAL:pay.secret" in said.stderr and "security file; remove it there" in said.stderr and "1 of 1 ACLs stay" in said.stderr
    assert acls("--topic", "pay.secret")


@pytest.mark.parametrize("arguments, said", [
    (["create"], "--allow-principal NAME"),
    (["create", "--allow-principal", "x", "--topic", "t"], "--operation read,write"),
    (["create", "--allow-principal", "x", "--operation", "read"], "--topic NAME"),
    (["create", "--allow-principal", "x", "--operation", "raed", "--topic", "t"], "did you mean 'READ'"),
    (["create", "--allow-principal", "x", "--operation", "write", "--group", "g"], "no operation WRITE; it has READ"),
    (["create", "--allow-principal", "x", "--operation", "read", "--topic", "t", "--pattern", "any"], "none of LITERAL, PREFIXED"),
    (["create", "--allow-principal", "user:x", "--operation", "read", "--topic", "t"], "write User:x"),
    (["create", "--allow-principle", "x"], "did you mean '--allow-principal'"),
    (["list", "--resource", "topics"], "did you mean 'TOPIC'"),
    (["delete"], "that would be every ACL"),
    (["delete", "--resource", "any"], "that would be every ACL"),
])  # fmt: skip
def test_acl_refuses_with_advice(arguments, said):
    before = acls()
    assert said in refused("acl", *arguments)
    assert acls() == before


# ---- users


def users():
    return {user["user"]: {c["mechanism"]: c["iterations"] for c in user["credentials"]} for user in ask("user", "list")["users"]}


def users_of_kafka(java):
    lines = [line for line in java("configs", "--describe", "--entity-type", "users").splitlines() if line.startswith("SCRAM credential")]
    return {re.search("user-principal '(.*?)'", line)[1]: {m: int(i) for m, i in re.findall(r"(SCRAM-SHA-\d+)=iterations=(\d+)", line)} for line in lines}


def comes_in(server, user, password, mechanism):
    said, deadline = [], time.monotonic() + PATIENCE
    admin = client(AdminClient, server, user, password, mechanism, error_cb=said.append)
    while time.monotonic() < deadline:
        try:
            return bool(admin.list_topics(timeout=0.5).brokers)
        except KafkaException:
            admin.poll(0)
        if any(error.code() == KafkaError._AUTHENTICATION for error in said):
            return False
    raise AssertionError(f"{user} was neither let in nor refused: {said}")


def test_users_are_those_of_kafka(server, java, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "hans-secret")
    assert run("user", "create", "hans").stdout == "created hans (SCRAM-SHA-256, SCRAM-SHA-512)\n"
    assert ask("user", "create", "inge", "--mechanism", "SCRAM-SHA-512", "--iterations", "4096") == {"created": "inge", "mechanisms": ["SCRAM-SHA-512"]}
    java("configs", "--alter", "--entity-type", "users", "--entity-name", "jens", "--add-config", "SCRAM-SHA-256=[iterations=5000,password=jens-secret]")
    seen = users()
    assert seen == users_of_kafka(java)
    assert seen["hans"] == {"SCRAM-SHA-256": 8192, "SCRAM-SHA-512": 8192} and seen["inge"] == {"SCRAM-SHA-512": 4096} and seen["jens"] == {"SCRAM-SHA-256": 5000}
    assert "jens" in run("user", "list").stdout
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"):
        assert comes_in(server, "hans", "hans-secret", mechanism)
    run("user", "delete", "inge", "jens")
    assert users() == users_of_kafka(java) == {name: has for name, has in seen.items() if name not in ("inge", "jens")}


def test_another_password_ends_the_old_one_everywhere(server, monkeypatch, tmp_path):
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "old-secret")
    run("user", "create", "karl")
    monkeypatch.delenv("MILLSTREAM_NEW_PASSWORD")
    (tmp_path / "new").write_text("new, secret\nnot this line\n")
    assert run("user", "update", "karl", "--new-password-file", tmp_path / "new").stdout == "updated karl (SCRAM-SHA-256, SCRAM-SHA-512)\n"
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        assert comes_in(server, "karl", "new, secret", mechanism) and not comes_in(server, "karl", "old-secret", mechanism)
    done = subprocess.run([BINARY, "user", "update", "karl", "--mechanism", "SCRAM-SHA-256", "--new-password-file", "-"], input="third\n", capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "updated karl (SCRAM-SHA-256)\n", done
    assert users()["karl"] == {"SCRAM-SHA-256": 8192} and comes_in(server, "karl", "third", "SCRAM-SHA-256")
    with Terminal([BINARY, "user", "update", "karl"]) as terminal:
        terminal.read_until("New password of karl: ")
        terminal.type(b"fourth\n")
        terminal.read_until("The same again: ")
        terminal.type(b"forth\n")
        assert terminal.wait()[0] == 2
    assert "the two passwords differ" in terminal.text and "fourth" not in terminal.text
    assert comes_in(server, "karl", "third", "SCRAM-SHA-256")
    run("user", "delete", "karl")


def test_a_password_that_is_typed_at_once_is_not_shown(server):
    """The terminal is silent before the prompt is there, however late the system makes it so."""
    if not shutil.which("strace"):
        pytest.skip("this machine has no strace")
    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=ioctl", "-e", "inject=ioctl:delay_enter=300000"]
    with Terminal([*slow, BINARY, "user", "create", "lisa"]) as terminal:
        for prompt, typed in (("New password of lisa: ", b"fourth\n"), ("The same again: ", b"forth\n")):
            terminal.read_until(prompt)
            terminal.type(typed)
        assert terminal.wait()[0] == 2
    assert "the two passwords differ" in terminal.text and "fourth" not in terminal.text and "forth" not in terminal.text


def test_permissions_outlive_users(monkeypatch):
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "x")
    run("user", "create", "lars")
    run("acl", "create", "--allow-principal", "lars", "--operation", "read,write", "--topic", "lars")
    deleted = run("user", "delete", "lars")
    assert deleted.stdout == "deleted lars\n" and "2 ACLs still name 'lars'" in deleted.stderr and "acl delete --principal lars" in deleted.stderr
    run("acl", "delete", "--principal", "lars")


def test_user_refuses_with_advice(monkeypatch):
    assert "MILLSTREAM_NEW_PASSWORD" in refused("user", "create", "mia")
    assert "--new-password-file" in refused("user", "create", "mia")
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "x")
    before = users()
    assert "'alice' is there already; 'millstream user update alice'" in refused("user", "create", "alice", status=1)
    assert "user 'alice' stands in the security file" in refused("user", "update", "alice")
    assert "user 'alice' stands in the security file" in refused("user", "delete", "alice")
    assert "did you mean 'alice'" in refused("user", "delete", "alcie", status=1)
    assert "there is no user 'nobody-near'; see 'millstream user list'" in refused("user", "update", "nobody-near", status=1)
    assert "UNACCEPTABLE_CREDENTIAL" in refused("user", "create", "*")
    assert "none of SCRAM-SHA-256, SCRAM-SHA-512" in refused("user", "create", "mia", "--mechanism", "PLAIN")
    assert "did you mean 'SCRAM-SHA-512'" in refused("user", "create", "mia", "--mechanism", "scram-sha-512")
    assert "4096" in refused("user", "create", "mia", "--iterations", "1000")
    assert "one argument too many" in refused("user", "create", "mia", "secret")
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "")
    assert "the password is empty" in refused("user", "create", "mia")
    assert users() == before


def test_the_first_user_closes_the_server(tmp_path, monkeypatch):
    (tmp_path / "security.yaml").write_text("super_users: [root]\n")
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"MILLSTREAM_{name}")
    with Server(tmp_path / "data", "--security", tmp_path / "security.yaml") as fresh:
        monkeypatch.setenv("MILLSTREAM_KAFKA", fresh.kafka)
        monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "root-secret")
        assert run("user", "list").stdout == "There are no users.\n"
        said = refused("user", "create", "root")
        assert "'root' will be the first user" in said and "what no ACL allows is denied" in said and "--yes" in said
        with Terminal([BINARY, "user", "create", "root"]) as terminal:
            terminal.read_until(r"Go on\? \[y/N\]")
            terminal.type(b"n\n")
            assert terminal.wait()[0] == 1 and "nothing was changed" in terminal.text
        assert run("user", "list").stdout == "There are no users.\n"
        with Terminal([BINARY, "user", "create", "root"]) as terminal:
            terminal.read_until(r"Go on\? \[y/N\]")
            terminal.type(b"y\n")
            assert terminal.wait()[0] == 0
        assert "created root" in terminal.text and "--user root" in terminal.text and "root-secret" not in terminal.text
        assert "log in with --user NAME" in refused("user", "list", status=3)
        monkeypatch.setenv("MILLSTREAM_PASSWORD", "root-secret")
        assert "root" in run("user", "list", "--user", "root").stdout
        assert "without its last user the server would be open" in refused("user", "delete", "root", "--user", "root")
        assert run("user", "create", "nora", "--user", "root").stderr == ""  # the second one needs no warning


# ---- quotas


def quotas(*filters):
    as_key = lambda entity: tuple(sorted((kind, name) for kind, name in entity.items()))  # noqa: E731
    return {as_key(entry["entity"]): entry["quotas"] for entry in ask("quota", "list", *filters)["quotas"]}


def clear_all_quotas():
    for entity in quotas():
        run("quota", "clear", *(f"--name={kind}={name}" if name is not None else f"--default={kind}" for kind, name in entity))


def quotas_of_kafka(java):
    """As kafka-configs tells them: the text of the entity, the values."""
    found = {}
    for kind in (["users"], ["clients"], ["users", "--entity-type", "clients"], ["ips"]):
        for line in java("configs", "--describe", "--entity-type", *kind).splitlines():
            if at := re.match(r"Quota configs for (.*) are (.*)", line):
                found[at[1]] = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.E+-]+)", at[2])}
    return found


def in_kafkas_words(entity):
    """(("user", None),) -> "the default user-principal"."""
    words = {"user": "user-principal", "client-id": "client-id", "ip": "ip"}
    return ", ".join(f"{words[kind]} '{name}'" if name is not None else f"the default {words[kind]}" for kind, name in sorted(entity, reverse=True))


def test_quotas_are_those_of_kafka(java):
    shown = run("quota", "set", "--name", "user=olga", "producer_byte_rate=1048576", "request_percentage=12.5").stdout
    assert [line.split() for line in shown.splitlines()[1:]] == [["user", "'olga'", "producer_byte_rate", "-", "1048576"], ["user", "'olga'", "request_percentage", "-", "12.5"]]
    run("quota", "set", "--name", "user=olga", "--default", "client-id", "consumer_byte_rate=2048")
    run("quota", "set", "--default", "ip", "connection_creation_rate=500")
    java("configs", "--alter", "--entity-type", "clients", "--entity-name", "loader", "--add-config", "consumer_byte_rate=1e12")
    java("configs", "--alter", "--entity-type", "users", "--entity-default", "--add-config", "producer_byte_rate=4096")
    seen = quotas()
    assert {in_kafkas_words(entity): values for entity, values in seen.items()} == quotas_of_kafka(java)
    assert seen[(("client-id", "loader"),)] == {"consumer_byte_rate": 1e12} and len(seen) == 5
    assert set(quotas("--name", "user=olga")) == {(("user", "olga"),), (("client-id", None), ("user", "olga"))}
    assert set(quotas("--name", "user=olga", "--strict")) == {(("user", "olga"),)}
    assert set(quotas("--any", "user", "--strict")) == {(("user", "olga"),), (("user", None),)}
    assert set(quotas("--default", "ip")) == {(("ip", None),)}
    changed = ask("quota", "set", "--name", "user=olga", "producer_byte_rate=2097152", "--dry-run")
    assert changed == {"entity": {"user": "olga"}, "changed": False, "quotas": [{"quota": "producer_byte_rate", "before": 1048576, "after": 2097152}]}
    assert quotas() == seen
    assert run("quota", "clear", "--name", "user=olga", "producer_byte_rate").stdout.splitlines()[1].split()[-2:] == ["1048576", "-"]
    assert quotas()[(("user", "olga"),)] == {"request_percentage": 12.5}
    clear_all_quotas()
    assert run("quota", "list").stdout == "There are no such quotas.\n"
    assert "Quota configs" not in java("configs", "--describe", "--entity-type", "users")


@pytest.mark.parametrize("arguments, status, said", [
    (["set", "producer_byte_rate=1"], 2, "say whose quota: --name user=NAME"),
    (["set", "--name", "user=x"], 2, "QUOTA=NUMBER"),
    (["set", "--name", "usr=x", "producer_byte_rate=1"], 2, "did you mean 'user'"),
    (["set", "--name", "user=x", "producer_byte_rate=fast"], 2, "'fast' is not a number"),
    (["set", "--name", "user=x", "producer_byte_rate=0"], 2, "user 'x': INVALID_REQUEST: producer_byte_rate = 0: it must be above 0"),
    (["set", "--name", "user=x", "producer_byterate=1"], 2, "there are producer_byte_rate"),
    (["set", "--name", "user=x", "producer_byterate=1", "--dry-run"], 2, "there are producer_byte_rate"),
    (["set", "--name", "ip=10.0.0.1", "--name", "user=x", "connection_creation_rate=1"], 2, "quotas of an ip have no user and no client-id"),
    (["set", "--name", "ip=nowhere", "connection_creation_rate=1"], 2, "is not an IP address"),
    (["clear", "--name", "user=nobody"], 1, "user 'nobody' has no quotas; see 'millstream quota list'"),
    (["clear", "--name", "user=patt"], 1, "did you mean user 'pat'?"),
    (["clear", "--name", "user=pat", "consumer_byte_rate"], 1, "user 'pat' has no quota 'consumer_byte_rate'"),
    (["list", "--any", "users"], 2, "did you mean 'user'"),
])  # fmt: skip
def test_quota_refuses_with_advice(arguments, status, said):
    clear_all_quotas()
    run("quota", "set", "--name", "user=pat", "producer_byte_rate=1024")
    assert said in refused("quota", *arguments, status=status)
    assert quotas() == {(("user", "pat"),): {"producer_byte_rate": 1024}}


# ---- who may not


@pytest.mark.parametrize("operation, arguments", [
    ("DESCRIBE", ["acl", "list"]),
    ("ALTER", ["acl", "create", "--allow-principal", "alice", "--operation", "all", "--topic", "*"]),
    ("ALTER", ["acl", "delete", "--principal", "alice"]),
    ("DESCRIBE", ["acl", "delete", "--principal", "alice", "--dry-run"]),
    ("DESCRIBE", ["user", "list"]),
    ("DESCRIBE", ["user", "create", "mallory"]),
    ("DESCRIBE", ["user", "delete", "admin"]),
    ("DESCRIBE_CONFIGS", ["quota", "list"]),
    ("DESCRIBE_CONFIGS", ["quota", "set", "--name", "user=alice", "producer_byte_rate=1"]),
])  # fmt: skip
def test_a_user_without_permission_is_told_who_and_what(monkeypatch, operation, arguments):
    before = acls(), users(), quotas()
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "x")
    monkeypatch.setenv("MILLSTREAM_PASSWORD", PASSWORDS["alice"])
    said = refused(*arguments, "--user", "alice")
    assert f"User:alice has no {operation} permission for the cluster" in said and "millstream acl create" in said
    monkeypatch.setenv("MILLSTREAM_PASSWORD", PASSWORDS["admin"])
    assert (acls(), users(), quotas()) == before


def test_what_the_refusal_advises_helps(server, monkeypatch):
    run("acl", "create", "--allow-principal", "bob", "--operation", "describe", "--cluster")
    monkeypatch.setenv("MILLSTREAM_NEW_PASSWORD", "x")
    as_bob = {"MILLSTREAM_USER": "bob", "MILLSTREAM_PASSWORD": PASSWORDS["bob"]}
    bob = lambda *arguments: subprocess.run([BINARY, *arguments], env=os.environ | as_bob, capture_output=True, text=True, timeout=PATIENCE)  # noqa: E731
    assert "User:bob" in bob("acl", "list").stdout and "alice" in bob("user", "list").stdout
    may_look_only = bob("user", "create", "mallory")
    assert may_look_only.returncode == 2 and "User:bob has no ALTER permission for the cluster" in may_look_only.stderr
    assert "acl_created" in {event["event"] for event in server.audit(principal="User:admin")}
    run("acl", "delete", "--principal", "bob")
    assert bob("acl", "list").returncode == 2


def test_a_wrong_password_and_no_login(monkeypatch):
    assert "SASL_AUTHENTICATION_FAILED" in refused("acl", "list", "--user", "nobody")
    monkeypatch.delenv("MILLSTREAM_USER")
    assert "If the server has users, log in with --user NAME" in refused("acl", "list", status=3)
