"""Every client of clients/ over TLS, with SCRAM: a group of two, a wrong password, a topic without rights."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from client_programs import CLIENTS
from confluent_kafka.admin import AdminClient, NewTopic
from test_clients import AT_A_TIME, PATIENCE
from test_tls import World
from users import audited, credential_line

COUNT = 200
MECHANISMS = {"classic": "SCRAM-SHA-256", "consumer": "SCRAM-SHA-512"}  # by the group protocol, so that both are seen
RIGHTS = """super_users: [admin]
users:
{users}
acls:
  - {{allow: "*", topic_prefix: secure-, operations: [READ, WRITE]}}
  - {{allow: "*", group_prefix: secure-, operations: [READ, DELETE]}}
"""


def environment(world, user, mechanism):
    return {"MS_USER": user, "MS_PASSWORD": password(user), "MS_MECHANISM": mechanism, "MS_CA": str(world.authority.certificate)}


def password(user):
    return f"secret of {user}, with commas"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server with a user and a topic for each client."""
    folder = tmp_path_factory.mktemp("logins")
    rights = folder / "security.yaml"
    users = ["admin", *(client.name for client in CLIENTS)]
    rights.write_text(RIGHTS.format(users="".join(credential_line(user, password(user)) for user in users)))
    world = World(folder, "--security", rights)
    with world.server:
        admin = AdminClient(world.settings(security_protocol="sasl_ssl", sasl_mechanism="SCRAM-SHA-256", sasl_username="admin", sasl_password=password("admin")))
        topics = [NewTopic("forbidden", 1), *(NewTopic(f"secure-{client.name}", 4) for client in CLIENTS)]
        for created in admin.create_topics(topics).values():
            created.result(PATIENCE)
        yield world


@pytest.fixture(scope="module")
def running(world, request):
    """The programs of all clients that were chosen, some at a time: they wait more than they work."""
    chosen = [item.callspec.params["client"] for item in request.session.items if item.originalname == "test_a_client_logs_in"]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {client.name: pool.submit(run_program, world, client) for client in chosen}


def run_program(world, client):
    command = client.command(world.server.kafka_tls, "secure", f"secure-{client.name}", COUNT)
    who = environment(world, client.name, MECHANISMS[client.variant])
    return subprocess.run(command, env=os.environ | who, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_logs_in(world, running, client):
    done = running[client.name].result()
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    for outcome in ("allowed", "denied"):
        audited(world.server, event="login", outcome=outcome, user=client.name, mechanism=MECHANISMS[client.variant])
    audited(world.server, event="access", outcome="denied", principal=f"User:{client.name}", resource="forbidden")
