"""Sessions that end, and who certificates are: stock clients on servers with users, TLS and ACLs."""

import json
import struct
import time
import urllib.request

import pytest
from certificates import PASSWORD, Authority
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from kafka_tools import tool
from millstream import Server
from tokens import signed_token, signing_key
from users import Raw, audit_events, audited, credential_line

PATIENCE = 60
TOKEN_SECONDS = 4
DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED
ACLS = """acls:
  - {allow: [payments, alice], topic_prefix: pay., operations: [READ, WRITE, CREATE]}
  - {allow: "CN=odd,O=Acme", topic: odd, operations: [READ, WRITE, CREATE]}
"""


def write_security(folder, more=""):
    file = folder / "security.yaml"
    file.write_text("super_users: [admin]\nusers:\n" + "".join(credential_line(user, user) for user in ("admin", "alice")) + ACLS + more)
    return file


class Secure(Server):
    """A TLS listener where certificates and passwords both say who one is."""

    def __init__(self, folder, more="", *options):
        self.authority = Authority(folder / "ca")
        identity = self.authority.sign("server")
        super().__init__(folder / "data", "--security", write_security(folder, more), "--kafka-tls", "127.0.0.1:0", "--tls-certificate", identity.certificate,
                         "--tls-key", identity.key, "--tls-client-ca", self.authority.certificate, *options)

    def by_certificate(self, name, subject):
        return {"bootstrap.servers": self.kafka_tls, "security.protocol": "ssl", "ssl.ca.location": str(self.authority.certificate), "log_level": 0,
                **self.authority.sign(name, subject=subject).librdkafka()}

    def by_password(self, user, mechanism="SCRAM-SHA-256"):
        return {"bootstrap.servers": self.kafka_tls, "security.protocol": "sasl_ssl", "ssl.ca.location": str(self.authority.certificate), "log_level": 0,
                "sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": user}


MAPPING = """principal_mapping:
  - {subject: "CN=root,O=Acme", user: admin}
  - {attribute: CN, under: "OU=apps,O=Acme"}
"""


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with Secure(tmp_path_factory.mktemp("secure_tls"), MAPPING, "--tls-client-auth", "optional") as server:
        yield server


def refusal(settings, topic):
    """What the delivery of a record ends with; None: it is there."""
    errors = []
    producer = Producer({**settings, "message.timeout.ms": 30000})
    producer.produce(topic, b"x", on_delivery=lambda error, _: errors.append(error and error.code()))
    assert producer.flush(PATIENCE) == 0
    return errors[0]


# OpenSSL writes a subject from the most general part on; its name as a text is the other way round.
SUBJECTS = {"payments": "/O=Acme/OU=apps/CN=payments", "root": "/O=Acme/CN=root", "odd": "/O=Acme/CN=odd", "crafted": "/O=Acme/OU=others/CN=payments",
            "escaped": "/O=Evil/CN=payments,OU=apps,O=Acme"}


def test_a_certificate_is_a_user(secure):
    by = {name: secure.by_certificate(name, subject) for name, subject in SUBJECTS.items()}
    assert refusal(by["payments"], "pay.in") is None
    assert refusal(by["payments"], "payroll") == DENIED
    assert refusal(by["root"], "payroll") is None  # the super user
    assert refusal(by["odd"], "odd") is None  # whom no rule fits has its whole name
    assert refusal(by["odd"], "pay.in") == DENIED
    for name in ("crafted", "escaped"):  # an attribute that only looks like another
        assert refusal(by[name], "pay.in") == DENIED, name
    for principal, outcome in (("User:payments", "allowed"), ("User:payments", "denied"), ("User:admin", "allowed"), ("User:CN=odd,O=Acme", "denied"),
                               ("User:CN=payments,OU=others,O=Acme", "denied"), ("User:CN=payments\\,OU\\=apps\\,O\\=Acme,O=Evil", "denied")):
        names = {principal, principal.replace("\\=", "=")}  # OpenSSL may leave a '=' as it is
        secure.wait_for(lambda: names & {e["principal"] for e in audit_events(secure, event="access", outcome=outcome)}, f"the audit file has {principal} {outcome}")


def test_without_a_certificate_one_must_log_in(secure):
    anonymous = {key: value for key, value in secure.by_certificate("unused", "/CN=unused").items() if "certificate" not in key and "ssl.key" not in key}
    with pytest.raises(KafkaException):
        AdminClient(anonymous).list_topics(timeout=3)
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        assert refusal(secure.by_password("alice", mechanism), "pay.in") is None
        assert refusal(secure.by_password("alice", mechanism), "payroll") == DENIED


def java(folder, server, user):
    file = folder / f"{user}.properties"
    file.write_text(f"security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nssl.truststore.location={server.authority.truststore()}\n"
                    f"ssl.truststore.password={PASSWORD}\nssl.truststore.type=PKCS12\n"
                    f'sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="{user}" password="{user}";\n')
    return "--bootstrap-server", server.kafka_tls, "--command-config", file


def test_java_tools_over_sasl_ssl(secure, tmp_path):
    admin, alice = java(tmp_path, secure, "admin"), java(tmp_path, secure, "alice")
    tool("topics", *admin, "--create", "--topic", "pay.java")
    assert "pay.java" in tool("topics", *alice, "--list").split()
    tool("acls", *admin, "--add", "--deny-principal", "User:alice", "--operation", "Describe", "--topic", "pay.java")
    assert "pay.java" not in tool("topics", *alice, "--list").split()
    with pytest.raises(AssertionError, match="uthoriz"):
        tool("acls", *alice, "--list")


# ---- sessions (KIP-368)


def metric(server, name):
    request = urllib.request.Request(f"http://{server.http}/metrics", headers={"Authorization": "Basic YWRtaW46YWRtaW4="})  # admin:admin
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        return sum(float(line.rsplit(" ", 1)[1]) for line in reply.read().decode().splitlines() if line.startswith(name))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_librdkafka_authenticates_again_before_its_session_ends(tmp_path, mechanism):
    """Three sessions on connections that are never cut; everything that is sent arrives once."""
    with Server(tmp_path / "data", "--security", write_security(tmp_path, "session_max: 4s\n")) as server:
        failed, number = [], 0
        producer = Producer({"bootstrap.servers": server.kafka, "security.protocol": "sasl_plaintext", "sasl.mechanism": mechanism, "sasl.username": "alice",
                             "sasl.password": "alice", "enable.idempotence": True, "linger.ms": 0})
        logins = dict(event="login", outcome="allowed", user="alice", mechanism=mechanism)
        deadline = time.monotonic() + PATIENCE

        def sent():
            nonlocal number
            number += 1
            producer.produce("pay.in", str(number), on_delivery=lambda error, _: error and failed.append(error))
            assert producer.flush(PATIENCE) == 0
            return number

        sent()
        connections = len(audited(server, **logins))
        while len(audit_events(server, **logins)) < 3 * connections:
            sent()
            assert time.monotonic() < deadline
        assert not failed
        assert metric(server, 'millstream_kafka_requests_refused_total{reason="session_expired"}') == 0


def bearer(token):
    return b"n,,\x01auth=Bearer " + token.encode() + b"\x01\x01"


def log_in_by_token(raw, token):
    """(error, lifetime in milliseconds)"""
    assert raw.handshake("OAUTHBEARER") == 0
    message = bearer(token)
    answer = raw.call(36, 1, struct.pack(">i", len(message)) + message)
    return struct.unpack(">h", answer[:2])[0], struct.unpack(">q", answer[-8:])[0]


def ask(raw):
    """Whether the server still answers a question of this connection."""
    return raw.call(16, 0, b"") is not None  # ListGroups


@pytest.fixture(scope="module")
def with_tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    jwks, key = signing_key()
    (folder / "jwks.json").write_text(json.dumps(jwks))
    more = f"oauth: {{jwks: {folder}/jwks.json, issuer: https://issuer, audience: millstream}}\n"
    with Server(folder / "data", "--security", write_security(folder, more)) as server:
        server.key = key
        yield server


def test_a_session_ends_with_its_token(with_tokens):
    raw = Raw(with_tokens)
    error, lifetime_ms = log_in_by_token(raw, signed_token(with_tokens.key, {"sub": "alice", "exp": int(time.time()) + TOKEN_SECONDS})[0])
    assert error == 0 and 0 < lifetime_ms <= 1000 * TOKEN_SECONDS
    asked = 0
    while ask(raw):  # until its end
        asked += 1
    assert asked > 0 and metric(with_tokens, 'millstream_kafka_requests_refused_total{reason="session_expired"}') == 1


def test_who_shows_a_new_token_in_time_stays(with_tokens):
    raw = Raw(with_tokens)
    short, later = (signed_token(with_tokens.key, {"sub": "alice", **more})[0] for more in ({"exp": int(time.time()) + TOKEN_SECONDS}, {}))
    assert log_in_by_token(raw, short)[0] == 0
    error, lifetime_ms = log_in_by_token(raw, later)
    assert error == 0 and 200_000 < lifetime_ms <= 300_000
    first_end = time.monotonic() + TOKEN_SECONDS
    while time.monotonic() < first_end:
        assert ask(raw)
    assert ask(raw)


def test_nobody_becomes_another_user(with_tokens):
    raw = Raw(with_tokens)
    assert log_in_by_token(raw, signed_token(with_tokens.key, {"sub": "alice"})[0])[0] == 0
    assert log_in_by_token(raw, signed_token(with_tokens.key, {"sub": "admin"})[0])[0] == 58
    assert raw.is_closed()
    other = Raw(with_tokens)
    assert log_in_by_token(other, signed_token(with_tokens.key, {"sub": "alice"})[0])[0] == 0
    assert other.handshake("PLAIN") == 34  # ILLEGAL_SASL_STATE: the same way as before


def test_librdkafka_shows_new_tokens(with_tokens):
    """Its callback is asked for a token before the last one ends, and the connection goes on."""
    asked, failed = [], []

    def token(_):
        asked.append(time.time())
        expires = time.time() + 4
        return signed_token(with_tokens.key, {"sub": "alice", "exp": expires})[0], expires

    producer = Producer({"bootstrap.servers": with_tokens.kafka, "security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER", "oauth_cb": token})
    deadline = time.monotonic() + PATIENCE
    while len(asked) < 4:
        producer.produce("pay.tokens", b"x", on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0.01)
        assert time.monotonic() < deadline
    assert producer.flush(PATIENCE) == 0 and not failed
