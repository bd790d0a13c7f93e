"""Users that mean ill, and strangers that try to become users: what they can make the server write."""

import pathlib
import re
import struct
import urllib.request

import ill_clients
import pytest
from millstream import Server
from users import Raw, audit_events, credential_line

DENIALS = 3000
LINES_A_MINUTE = 10
LOGIN_FRAME_BYTES_MAX = 64 << 10  # before a client has logged in
STRANGERS_BYTES_MAX = 16 << 20  # of all their frames together


def metric(server, name):
    request = urllib.request.Request(f"http://{server.http}/metrics", headers={"Authorization": "Basic YWRtaW46YWRtaW4="})  # admin:admin
    with urllib.request.urlopen(request, timeout=60) as reply:
        return sum(int(line.rsplit(" ", 1)[1]) for line in reply.read().decode().splitlines() if re.match(rf"{name}[ {{]", line))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile_users")
    file = folder / "security.yaml"
    file.write_text("super_users: [admin]\nusers:\n" + "".join(credential_line(user, user) for user in ("admin", "alice", "mallory")))
    with Server(folder / "data", "--security", file) as server:
        yield server


def logged_in(server, user):
    raw = Raw(server)
    assert raw.handshake("PLAIN") == 0
    assert raw.authenticate(f"\0{user}\0{user}".encode())[0] == 0
    return raw


def log_lines(server, event, **fields):
    lines = re.findall(rf"event={event} .*", pathlib.Path(server.log.name).read_text())
    return [line for line in lines if all(f"{name}={value}" in line for name, value in fields.items())]


def minutes_since(first, last):
    """How many minutes' allowances lie between two times of the audit file."""
    seconds = lambda text: sum(int(part) * unit for part, unit in zip(re.split("[:T]", text[8:19]), (86400, 3600, 60, 1)))  # noqa: E731
    return (seconds(last) - seconds(first)) // 60 + 2


def test_denials_without_end(server):
    """The log says the first ones and how many it leaves out; the audit file has every one; others are heard."""
    mallory, alice = logged_in(server, "mallory"), logged_in(server, "alice")
    for number in range(DENIALS):
        assert mallory.error_for_topic(f"secret-{number}") == 29
    assert alice.error_for_topic("secret-0") == 29
    of_mallory = dict(event="access", outcome="denied", principal="User:mallory")
    server.wait_for(lambda: len(audit_events(server, **of_mallory)) >= DENIALS, "every denial is in the audit file")
    denials = audit_events(server, **of_mallory)
    assert [e["resource"] for e in denials] == [f"secret-{number}" for number in range(DENIALS)]
    written = log_lines(server, "access_denied", principal="User:mallory")
    assert LINES_A_MINUTE <= len(written) <= LINES_A_MINUTE * minutes_since(denials[0]["time"], denials[-1]["time"])
    assert len(log_lines(server, "access_denied", principal="User:alice")) == 1
    assert len(written) + metric(server, "millstream_security_log_lines_left_out_total") == DENIALS


def test_wrong_passwords_without_end(server):
    """Names that nobody has are not heard one by one: the address has the allowance."""
    before = metric(server, "millstream_security_log_lines_left_out_total")
    tries = 40
    for number in range(tries):
        raw = Raw(server)
        assert raw.handshake("PLAIN") == 0
        assert raw.authenticate(f"\0somebody-{number}\0x".encode())[0] == 58
    server.wait_for(lambda: len(audit_events(server, event="login", outcome="denied")) >= tries, "every failure is in the audit file")
    assert {e["user"] for e in audit_events(server, event="login", outcome="denied")} == {f"somebody-{number}" for number in range(tries)}
    written = log_lines(server, "login_refused")
    assert LINES_A_MINUTE <= len(written) < tries
    assert len(written) + metric(server, "millstream_security_log_lines_left_out_total") - before == tries


def test_strangers_that_announce_much(server):
    """A connection that is refused by a frame's length has cost no memory: nothing but four bytes came."""
    before = metric(server, "millstream_kafka_requests_refused_total")
    strangers = [Raw(server) for _ in range(200)]
    for number, stranger in enumerate(strangers):
        stranger.socket.sendall(struct.pack(">i", 99 << 20 if number % 2 else LOGIN_FRAME_BYTES_MAX + 1))
    assert all(stranger.is_closed() for stranger in strangers)
    assert metric(server, "millstream_kafka_requests_refused_total") == before + len(strangers)
    assert logged_in(server, "admin").error_for_topic("nothing") != 29


def test_strangers_that_take_their_time(server):
    """One says nothing, one begins to log in, one sends a byte for every answer that alice gets: all have ten seconds."""
    timeouts = r'millstream_kafka_requests_refused_total\{reason="login_timeout"\}'
    before = metric(server, timeouts)
    silent, half, dribbler = strangers = [Raw(server) for _ in range(3)]
    assert half.handshake("PLAIN") == 0
    dribbler.socket.sendall(struct.pack(">i", 60_000))
    alice = logged_in(server, "alice")
    while metric(server, timeouts) < before + len(strangers):
        assert alice.error_for_topic("nothing") == 29
        ill_clients.send(dribbler.socket, b"x")
    assert all(stranger.is_closed() for stranger in strangers)
    assert alice.error_for_topic("nothing") == 29


def test_strangers_that_hold_all_they_may(server):
    """Frames of the largest size are awaited, in memory that nobody else needs; and one that comes is read."""
    admin = logged_in(server, "admin")
    strangers = [Raw(server) for _ in range(STRANGERS_BYTES_MAX // LOGIN_FRAME_BYTES_MAX)]
    head = struct.pack(">hhih", 36, 0, 1, -1)
    for stranger in strangers:
        stranger.socket.sendall(struct.pack(">i", LOGIN_FRAME_BYTES_MAX) + head)
    assert admin.error_for_topic("nothing") != 29
    assert logged_in(server, "alice").error_for_topic("nothing") == 29
    token = b"x" * (LOGIN_FRAME_BYTES_MAX - len(head) - 4)
    strangers[-1].socket.sendall(struct.pack(">i", len(token)) + token)
    assert strangers[-1].receive()[:2] == struct.pack(">h", 34)  # ILLEGAL_SASL_STATE: there was no handshake
