"""kcat, the client people reach for first."""

import subprocess

import pytest
from millstream import Server
from users import audited, credential_line

SECURITY = """super_users: [admin]
users:
{users}
acls:
  - {{allow: carol, topic: kcat, operations: [READ, WRITE, CREATE]}}
"""


def run(kafka, *arguments, stdin=None):
    return subprocess.run(["kcat", "-b", kafka, *arguments], input=stdin, capture_output=True, text=True, timeout=60)


def kcat(kafka, *arguments, stdin=None):
    done = run(kafka, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_produce_list_consume(kafka, topic):
    kcat(kafka, "-P", "-t", topic, "-K", ":", "-z", "lz4", stdin="a:1\nb:2\nc:3\n")
    assert f'topic "{topic}" with 1 partitions' in kcat(kafka, "-L", "-t", topic)
    assert kcat(kafka, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o %k=%s\n") == "0 a=1\n1 b=2\n2 c=3\n"
    assert kcat(kafka, "-C", "-t", topic, "-o", "-1", "-e", "-q", "-f", "%s") == "3"
    assert kcat(kafka, "-Q", "-t", f"{topic}:0:-1").split()[-1] == "3"


def test_balanced_consumer(kafka, topic):
    kcat(kafka, "-P", "-t", topic, stdin="x\ny\n")
    assert kcat(kafka, "-G", topic, "-X", "auto.offset.reset=earliest", "-e", "-q", topic) == "x\ny\n"


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kcat")
    rights = folder / "security.yaml"
    rights.write_text(SECURITY.format(users=credential_line("admin", "admin-secret") + credential_line("carol", "carol-secret")))
    with Server(folder / "data", "--security", rights) as server:
        yield server


def login(password="carol-secret"):
    """This librdkafka sends SaslHandshake 1, but only where 0 is there, too. Not with SCRAM: before 2.6.1 it repeats its nonce, which Kafka refuses, too."""
    settings = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "carol", "sasl.password": password}
    return [word for name, value in settings.items() for word in ("-X", f"{name}={value}")]


def test_login(secure):
    kcat(secure.kafka, *login(), "-P", "-t", "kcat", stdin="x\n")
    assert kcat(secure.kafka, *login(), "-C", "-t", "kcat", "-o", "-1", "-e", "-q") == "x\n"
    audited(secure, event="login", outcome="allowed", user="carol", mechanism="PLAIN")


def test_who_may_not_is_told(secure):
    wrong = run(secure.kafka, *login("wrong"), "-L", "-m", "5")
    assert wrong.returncode == 1 and "invalid credentials" in wrong.stderr, wrong
    audited(secure, event="login", outcome="denied", user="carol", mechanism="PLAIN")
    forbidden = run(secure.kafka, *login(), "-P", "-t", "forbidden", stdin="x\n")
    assert forbidden.returncode == 1 and "Topic authorization failed" in forbidden.stderr, forbidden
