"""Users, permissions and the audit file, seen through real clients."""

import base64
import json
import struct
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType,
                                   ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion)
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError as PythonKafkaError
from kafka_tools import tool
from millstream import Server
from tokens import signed_token, signing_key
from users import Raw, ask_http, audited, credential_line

PATIENCE = 60
PASSWORDS = {"admin": "admin-secret", "alice": "alice-secret", "bob": "bob=secret,with commas"}


def line_of(user):
    return credential_line(user, PASSWORDS[user])


SECURITY = """super_users: [admin]
users:
{users}
acls:
  - allow: alice
    topic_prefix: pay.
    operations: [READ, WRITE, CREATE]
  - allow: alice
    group_prefix: pay.
    operations: [READ, DELETE]
  - allow: alice
    transactional_id_prefix: pay.
    operations: WRITE
  - deny: alice
    topic: pay.secret
    operations: ALL
"""


class SecureServer(Server):
    def __init__(self, tmp):
        file = tmp / "security.yaml"
        file.write_text(SECURITY.format(users="".join(line_of(user) for user in PASSWORDS)))
        super().__init__(tmp / "data", "--security", file)

    def audit(self, **fields):
        return audited(self, **fields)


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with SecureServer(tmp_path_factory.mktemp("secure")) as server:
        admin = client(AdminClient, server, "admin")
        names = ["pay.in", "pay.secret", "payroll", "open"]
        for future in admin.create_topics([NewTopic(name, 1) for name in names]).values():
            future.result(PATIENCE)
        produce(server, "admin", "payroll", b"salary")
        produce(server, "admin", "pay.secret", b"secret")
        yield server


def settings(server, user, password=None, mechanism="SCRAM-SHA-256"):
    return {"bootstrap.servers": server.kafka, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": user,
            "sasl.password": password or PASSWORDS[user], "log_level": 0}


def client(kind, server, user, password=None, mechanism="SCRAM-SHA-256", **more):
    return kind({**settings(server, user, password, mechanism), **more})


def produce(server, user, topic, value=b"x", **config):
    """The error of the delivery, or None."""
    errors = []
    producer = client(Producer, server, user, **config)
    producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(PATIENCE) == 0
    return errors[0].code() if errors[0] else None


def first_message(server, user, topic, group="pay.g", patience=PATIENCE):
    consumer = client(Consumer, server, user, **{"group.id": group})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    message = consumer.poll(patience)
    consumer.close()
    return message


def refused_reason(server, user, password, mechanism):
    """What the client is told when it may not come in."""
    said = []
    admin = client(AdminClient, server, user, password, mechanism, error_cb=said.append, **{"socket.timeout.ms": 5000})
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=5)
    return refusals(admin, said)[0].str()


def refusals(client, said):
    """Of a client that may not come in: the errors that say so, of those that its error_cb has put into `said`."""
    deadline = time.monotonic() + PATIENCE
    while not (refused := [error for error in said if error.code() == KafkaError._AUTHENTICATION]):
        assert time.monotonic() < deadline, said
        client.poll(0.1)
    return refused


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_librdkafka_comes_in(secure, mechanism):
    for user in PASSWORDS:
        assert client(AdminClient, secure, user, mechanism=mechanism).list_topics(timeout=PATIENCE).brokers
    secure.audit(event="login", outcome="allowed", user="alice", mechanism=mechanism)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_nothing_tells_a_wrong_password_from_an_unknown_user(secure, mechanism):
    wrong, unknown = (refused_reason(secure, user, "wrong", mechanism) for user in ("alice", "nobody"))
    cut = lambda text: text[text.index("Authentication failed"):].split(" (after")[0]  # noqa: E731
    assert cut(wrong) == cut(unknown)
    assert "invalid credentials" in wrong
    secure.audit(event="login", outcome="denied", user="nobody", mechanism=mechanism)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka_python(secure, mechanism):
    config = dict(bootstrap_servers=secure.kafka, security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism, sasl_plain_username="alice")
    producer = KafkaProducer(sasl_plain_password=PASSWORDS["alice"], **config)
    producer.send("pay.in", b"x").get(30)
    producer.close()
    if mechanism == "PLAIN":  # it tries for half a minute
        with pytest.raises(PythonKafkaError):
            KafkaAdminClient(sasl_plain_password="wrong", **config)


def test_without_a_login_there_is_nothing(secure):
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": secure.kafka, "log_level": 0}).list_topics(timeout=3)


def test_topics_that_one_may_not_see_are_not_there(secure):
    assert set(client(AdminClient, secure, "admin").list_topics(timeout=PATIENCE).topics) >= {"pay.in", "pay.secret", "payroll", "open"}
    alice = client(AdminClient, secure, "alice")
    assert set(alice.list_topics(timeout=PATIENCE).topics) == {"pay.in"}
    assert client(AdminClient, secure, "bob").list_topics(timeout=PATIENCE).topics == {}
    # What is forbidden looks like what is missing.
    forbidden, missing = (alice.list_topics(name, timeout=PATIENCE).topics[name].error.code() for name in ("payroll", "missing"))
    assert forbidden == missing == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_a_prefix_is_not_a_longer_word_and_deny_wins(secure):
    assert produce(secure, "alice", "pay.in") is None
    for topic in ("payroll", "pay.secret", "open", "Pay.in"):
        assert produce(secure, "alice", topic) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    secure.audit(event="access", outcome="denied", principal="User:alice", operation="DESCRIBE", resource="payroll")


def test_records_cannot_be_read_by_another_door(secure):
    assert first_message(secure, "admin", "payroll").value() == b"salary"
    for topic in ("payroll", "pay.secret"):
        message = first_message(secure, "alice", topic, patience=5)
        assert message is None or message.error().code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    consumer = client(Consumer, secure, "alice", **{"group.id": "pay.g"})
    with pytest.raises(KafkaException) as refused:  # ListOffsets
        consumer.get_watermark_offsets(TopicPartition("payroll", 0), timeout=PATIENCE)
    assert refused.value.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._UNKNOWN_PARTITION)
    consumer.close()


def test_groups(secure):
    def first_of(group):
        consumer = client(Consumer, secure, "alice", **{"group.id": group, "auto.offset.reset": "earliest"})
        consumer.subscribe(["pay.in"])
        message = consumer.poll(PATIENCE)
        consumer.close()
        return message

    produce(secure, "alice", "pay.in")
    assert first_of("pay.readers").error() is None
    assert first_of("payroll-readers").error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def test_transactions(secure):
    good = client(Producer, secure, "alice", **{"transactional.id": "pay.t"})
    good.init_transactions(PATIENCE)
    good.begin_transaction()
    good.produce("pay.in", b"in a transaction")
    good.commit_transaction(PATIENCE)
    bad = client(Producer, secure, "alice", **{"transactional.id": "other.t"})
    with pytest.raises(KafkaException) as refused:
        bad.init_transactions(PATIENCE)
    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_idempotent_producers_need_a_topic_they_may_write(secure):
    assert produce(secure, "alice", "pay.in", **{"enable.idempotence": True}) is None
    producer = client(Producer, secure, "bob", **{"enable.idempotence": True})
    deadline = time.monotonic() + PATIENCE
    with pytest.raises(KafkaException, match="Cluster authorization failed"):  # without a producer id it gives up
        while time.monotonic() < deadline:
            producer.poll(0.1)


def test_acls_come_and_go(secure):
    admin = client(AdminClient, secure, "admin")
    binding = AclBinding(ResourceType.TOPIC, "open", ResourcePatternType.LITERAL, "User:bob", "*", AclOperation.WRITE, AclPermissionType.ALLOW)
    assert produce(secure, "bob", "open") == KafkaError.TOPIC_AUTHORIZATION_FAILED
    admin.create_acls([binding])[binding].result(PATIENCE)
    assert produce(secure, "bob", "open") is None
    mine = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, "User:bob", None, AclOperation.ANY, AclPermissionType.ANY)
    assert [a.name for a in admin.describe_acls(mine).result(PATIENCE)] == ["open"]
    assert len(admin.delete_acls([mine])[mine].result(PATIENCE)) == 1
    assert produce(secure, "bob", "open") == KafkaError.TOPIC_AUTHORIZATION_FAILED
    bob = client(AdminClient, secure, "bob")  # must live until the result is there
    with pytest.raises(KafkaException) as refused:
        bob.create_acls([binding])[binding].result(PATIENCE)
    assert refused.value.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED
    secure.audit(event="acl_created", principal="User:admin")


def test_users_come_and_go(secure):
    admin = client(AdminClient, secure, "admin")
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    admin.alter_user_scram_credentials([UserScramCredentialUpsertion("carol", info, b"carol-secret")])["carol"].result(PATIENCE)
    described = admin.describe_user_scram_credentials(["carol"])["carol"].result(PATIENCE)
    assert [(i.mechanism, i.iterations) for i in described.scram_credential_infos] == [(ScramMechanism.SCRAM_SHA_256, 4096)]
    carol = client(AdminClient, secure, "carol", "carol-secret")
    assert carol.list_topics(timeout=PATIENCE).brokers
    admin.alter_user_scram_credentials([UserScramCredentialDeletion("carol", ScramMechanism.SCRAM_SHA_256)])["carol"].result(PATIENCE)
    with pytest.raises(KafkaException):  # her open connection has ended
        carol.list_topics(timeout=5)
    assert refused_reason(secure, "carol", "carol-secret", "SCRAM-SHA-256")
    with pytest.raises(KafkaException) as refused:
        admin.alter_user_scram_credentials([UserScramCredentialDeletion("alice", ScramMechanism.SCRAM_SHA_256)])["alice"].result(PATIENCE)
    assert "security file" in refused.value.args[0].str()
    secure.audit(event="user_deleted", user="carol", principal="User:admin")


# ---- the tools of Apache Kafka


def properties(tmp_path, user, password, mechanism="SCRAM-SHA-512"):
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    file = tmp_path / f"{user}-{mechanism}.properties"
    file.write_text(f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\n"
                    f'sasl.jaas.config=org.apache.kafka.common.security.{module} required username="{user}" password="{password}";\n')
    return file


def test_java_tools_make_users_and_acls(secure, tmp_path):
    admin = ("--bootstrap-server", secure.kafka, "--command-config", properties(tmp_path, "admin", PASSWORDS["admin"]))
    tool("configs", *admin, "--alter", "--entity-type", "users", "--entity-name", "dora", "--add-config", "SCRAM-SHA-512=[iterations=8192,password=dora-secret]")
    tool("configs", *admin, "--alter", "--entity-type", "users", "--entity-name", "dora", "--add-config", "producer_byte_rate=1048576")
    described = tool("configs", *admin, "--describe", "--entity-type", "users", "--entity-name", "dora")
    assert "SCRAM-SHA-512=iterations=8192" in described and "producer_byte_rate=1048576" in described
    tool("acls", *admin, "--add", "--allow-principal", "User:dora", "--operation", "Read", "--operation", "Write", "--topic", "dora.", "--resource-pattern-type", "prefixed")
    tool("acls", *admin, "--add", "--allow-principal", "User:dora", "--operation", "Create", "--topic", "dora.in")
    listed = tool("acls", *admin, "--list", "--topic", "dora.in", "--resource-pattern-type", "match")
    assert "principal=User:dora" in listed and "operation=CREATE" in listed and "patternType=PREFIXED" in listed
    dora = properties(tmp_path, "dora", "dora-secret")
    at = ("--bootstrap-server", secure.kafka, "--command-config", dora)
    tool("topics", *at, "--create", "--topic", "dora.in", "--partitions", 1)
    assert tool("topics", *at, "--list").split() == ["dora.in"]
    with pytest.raises(AssertionError, match="Authorization failed|no CREATE permission"):
        tool("topics", *at, "--create", "--topic", "other")
    tool("acls", *admin, "--remove", "--force", "--allow-principal", "User:dora", "--operation", "Create", "--topic", "dora.in")
    tool("configs", *admin, "--alter", "--entity-type", "users", "--entity-name", "dora", "--delete-config", "SCRAM-SHA-512")
    with pytest.raises(AssertionError, match="Authentication failed"):
        tool("topics", *at, "--list")


# ---- messages no client would send


def test_what_an_unknown_user_is_told_has_the_shape_of_a_known_one(secure):
    def challenge(user):
        raw = Raw(secure)
        assert raw.handshake("SCRAM-SHA-256") == 0
        error, _, data = raw.authenticate(b"n,,n=" + user + b",r=abc")
        assert error == 0
        nonce, salt, iterations = data.decode().split(",")
        return nonce[:5], salt, iterations, len(nonce)

    known, unknown = challenge(b"alice"), challenge(b"nobody")
    assert (known[0], known[2], known[3]) == (unknown[0], unknown[2], unknown[3])
    assert len(base64.b64decode(known[1][2:])) == len(base64.b64decode(unknown[1][2:]))
    assert challenge(b"nobody")[1] == unknown[1]  # the same salt each time
    assert challenge(b"somebody")[1] != unknown[1]


def test_an_unauthenticated_connection_can_do_nothing_but_log_in(secure):
    raw = Raw(secure)
    assert raw.call(18, 0, b"")[:2] == b"\0\0"
    assert raw.handshake("GSSAPI") == 33
    assert raw.handshake("PLAIN") == 0
    error, text, _ = raw.authenticate(b"\0alice\0wrong")
    assert error == 58 and b"wrong" not in text and raw.is_closed()
    assert Raw(secure).call(3, 0, struct.pack(">i", 0)) is None  # Metadata
    big = Raw(secure)
    assert big.handshake("PLAIN") == 0
    assert big.call(36, 0, struct.pack(">i", 600_000) + b"\0" * 600_000) is None


def test_authenticate_without_a_handshake(secure):
    error, _, _ = Raw(secure).authenticate(b"\0alice\0" + PASSWORDS["alice"].encode())
    assert error == 34


# ---- tokens


def test_oauthbearer(tmp_path):
    jwks, key = signing_key()
    (tmp_path / "jwks.json").write_text(json.dumps(jwks))
    file = tmp_path / "security.yaml"
    file.write_text(f"super_users: [robot]\noauth: {{jwks: {tmp_path}/jwks.json, issuer: https://issuer, audience: millstream}}\n")

    def outcome(server, **claims):
        token, expires = signed_token(key, claims)
        said = []
        admin = AdminClient({"bootstrap.servers": server.kafka, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "log_level": 0,
                             "oauth_cb": lambda _: (token, expires), "error_cb": said.append})
        try:
            admin.poll(0.1)
            return len(admin.list_topics(timeout=5).brokers)
        except KafkaException:
            return refusals(admin, said)[0].code()

    with Server(tmp_path / "data", "--security", file) as server:
        assert outcome(server, sub="robot") == 1
        for wrong in ({"iss": "https://other"}, {"aud": "other"}, {"exp": time.time() - 100}, {"alg": "none"}, {"alg": "HS256"}):
            assert outcome(server, sub="robot", **wrong) == KafkaError._AUTHENTICATION, wrong


# ---- HTTP


def http(server, path, user=None, password=None, body=None, method=None):
    status, answer = ask_http(server, path, user and (user, password or PASSWORDS[user]), body, method)
    return status, json.loads(answer) if answer.startswith(b"{") else None


def test_http_is_no_back_door(secure):
    for path in ("/v1/topics", "/v1/topics/payroll/records", "/v1/status", "/metrics", "/v1/jobs", "/nothing"):
        assert http(secure, path)[0] == 401, path
        assert http(secure, path, "alice", "wrong")[0] == 401, path
        assert http(secure, path, "nobody", "wrong")[0] == 401, path
    assert http(secure, "/healthz")[0] == 200
    assert [t["name"] for t in http(secure, "/v1/topics", "alice")[1]["topics"]] == ["pay.in"]
    assert http(secure, "/v1/topics/pay.in/records", "alice")[0] == 200
    for path in ("/v1/topics/payroll/records", "/v1/topics/payroll", "/v1/topics/missing", "/v1/status", "/metrics"):
        assert http(secure, path, "alice")[0] == 403, path
        assert http(secure, path, "admin")[0] in (200, 404), path
    assert http(secure, "/v1/topics", "alice", body={"name": "pay.by-http"})[0] == 201
    assert http(secure, "/v1/topics", "alice", body={"name": "by-http"})[0] == 403
    assert http(secure, "/v1/topics", "admin", body={"name": "by-http"})[0] == 201
    for user, outcome in (("alice", "allowed"), ("alice", "denied"), ("admin", "allowed")):
        secure.audit(event="access", outcome=outcome, principal=f"User:{user}", request="POST /v1/topics", operation="CREATE")
    assert http(secure, "/v1/topics/pay.by-http", "alice", method="DELETE")[0] == 403
    assert http(secure, "/v1/services/x/features", "alice", body={"entities": []})[0] == 403
    assert http(secure, "/v1/services/x/features", body={"entities": []})[0] == 401
    assert http(secure, "/v1/apply", "alice", body={"files": []})[0] == 403


def test_commands_log_in(secure, monkeypatch, tmp_path):
    monkeypatch.setenv("MILLSTREAM_PASSWORD", PASSWORDS["admin"])
    assert "payroll" in secure.cli("topic", "list", "--user", "admin").stdout
    secret = tmp_path / "password"
    secret.write_text(PASSWORDS["alice"] + "\n")
    assert "payroll" not in secure.cli("topic", "list", "--user", "alice", "--password-file", secret).stdout
    monkeypatch.setenv("MILLSTREAM_KAFKA", secure.kafka)
    secure.cli("group", "list", "--user", "alice", "--password-file", secret)
    assert "SASL_AUTHENTICATION_FAILED" in secure.cli("group", "list", "--user", "alice", status=2).stderr
    assert "--user NAME" in secure.cli("topic", "list", status=2).stderr
    assert "no DESCRIBE permission for the cluster" in secure.cli("status", "--user", "alice", "--password-file", secret, status=2).stderr


def test_a_directory_with_users_does_not_start_without_its_file(tmp_path):
    file = tmp_path / "security.yaml"
    file.write_text("super_users: [root]\n")
    with Server(tmp_path / "data", "--security", file) as server:
        open_admin = AdminClient({"bootstrap.servers": server.kafka, "log_level": 0})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        open_admin.alter_user_scram_credentials([UserScramCredentialUpsertion("root", info, b"root-secret")])["root"].result(PATIENCE)
        with pytest.raises(KafkaException):  # the first user closes the server, also for who made it
            open_admin.list_topics(timeout=3)
        assert client(AdminClient, server, "root", "root-secret").list_topics(timeout=PATIENCE).brokers
    with pytest.raises(RuntimeError, match="--security"):
        Server(tmp_path / "data").start()
    with Server(tmp_path / "data", "--security", file) as server:
        assert client(AdminClient, server, "root", "root-secret").list_topics(timeout=PATIENCE).brokers
