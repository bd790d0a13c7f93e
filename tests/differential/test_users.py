"""Random histories on servers where everybody has to log in: an administrator gives and takes rights, credentials and quotas, and somebody else
asks for this and that. A failure names its seed; MS_DIFFERENTIAL_SEED=N runs that one alone."""

import pytest
from administrators import PASSWORDS, STEPS, forget
from kafka_broker import KafkaBroker
from millstream import Server
from ports import free_ports
from random_histories import History
from sides import PATIENCE, Side, ready
from test_differential import NO_RETENTION, SEEDS
from test_differential import STEPS as LENGTH
from users import credential_line

LOGIN = "org.apache.kafka.common.security"


def with_users():
    """(address for logins, settings of a broker): it talks to itself on another listener, without a name."""
    plain, controller, sasl = (f"127.0.0.1:{port}" for port in free_ports(3))
    of_users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    return sasl, {
        "listeners": f"PLAINTEXT://{plain},SASL_PLAINTEXT://{sasl},CONTROLLER://{controller}", "controller.quorum.bootstrap.servers": controller,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f"{LOGIN}.plain.PlainLoginModule required {of_users};",
        "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS;User:admin",
    }  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    home = tmp_path_factory.mktemp("users")
    file = home / "security.yaml"
    file.write_text("super_users: [admin]\nusers:\n" + "".join(credential_line(*user) for user in PASSWORDS.items()))
    address, settings = with_users()
    with KafkaBroker(home / "kafka", **NO_RETENTION, **settings), Server(home / "millstream", "--security", file) as server:
        yield from ready(Side("Kafka", address, PATIENCE, PASSWORDS), Side("Millstream", server.kafka, 0, PASSWORDS))


@pytest.mark.parametrize("seed", SEEDS[:100])
def test_same_answers(both, seed):
    history = History(seed, *both, STEPS)
    try:
        history.run(LENGTH)
        assert not history.found, history.told()
    finally:
        for side in both[:2]:
            side.begin(lambda name: True)
            forget(side)
