"""SIGHUP: files are read again while the server serves. What cannot be used changes nothing and is said."""

import pathlib
import re
import signal
import struct

import pytest
from certificates import Authority
from millstream import Server
from tokens import KeyServer, signed_token, signing_key
from users import Raw, audit_events, audited, credential_line

REFUSED = 58  # SASL_AUTHENTICATION_FAILED


def log(server):
    return pathlib.Path(server.log.name).read_text()


def hang_up(server, says):
    """SIGHUP, until the log says so once more."""
    before = len(re.findall(says, log(server)))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(lambda: len(re.findall(says, log(server))) > before, f"the log says {says}")


def logged_in(server, user, mechanism="PLAIN", message=None):
    raw = Raw(server)
    assert raw.handshake(mechanism) == 0
    error, _, data = raw.authenticate(message or f"\0{user}\0{user}".encode())
    raw.refused = error or data  # a refused token is told first, and the error follows
    return raw


def test_a_server_without_files_stays(tmp_path):
    with Server(tmp_path / "data") as server:
        hang_up(server, "event=nothing_to_read_again")
        assert server.is_ready()
        assert server.stop() == 0


class Guarded(Server):
    def __init__(self, folder):
        self.file = folder / "security.yaml"
        self.lines = {user: credential_line(user, user) for user in ("admin", "alice", "bob")}
        self.users("admin", "alice")
        super().__init__(folder / "data", "--security", self.file)

    def users(self, *names, more=""):
        self.file.write_text("super_users: [admin]\nusers:\n" + "".join(self.lines[name] for name in names) + more)


@pytest.fixture
def guarded(tmp_path):
    with Guarded(tmp_path) as server:
        yield server


def test_users_and_acls_follow_the_file(guarded):
    alice, admin = logged_in(guarded, "alice"), logged_in(guarded, "admin")
    assert admin.error_for_topic("t") != 29 and alice.error_for_topic("t") == 29
    assert logged_in(guarded, "bob").refused == REFUSED
    guarded.users("admin", "alice", "bob", more="acls:\n  - {allow: [alice, bob], topic: t, operations: READ}\n")
    hang_up(guarded, "event=security_file_read")
    bob = logged_in(guarded, "bob")
    assert alice.error_for_topic("t") == bob.error_for_topic("t") == 0  # also on the connection that was open
    audited(guarded, event="security_file_read")
    assert [e["user"] for e in audited(guarded, event="user_set", because="security file")] == ["bob"]
    assert [e["acl"] for e in audited(guarded, 2, event="acl_created", because="security file")] == [
        f"ALLOW User:{user} from * READ on TOPIC:LITERAL:t" for user in ("alice", "bob")]

    guarded.lines["bob"] = credential_line("bob", "another")
    guarded.users("admin", "bob")
    hang_up(guarded, "event=security_file_read")
    assert alice.is_closed()  # she is gone
    assert bob.is_closed()  # he has another password
    assert admin.error_for_topic("t") == 0
    assert logged_in(guarded, "alice").refused == REFUSED and logged_in(guarded, "bob").refused == REFUSED
    assert not logged_in(guarded, "bob", message=b"\0bob\0another").refused
    assert [e["user"] for e in audited(guarded, event="user_deleted", because="security file")] == ["alice"]


@pytest.mark.parametrize("text, because", [
    ("super_users: [admin]\nusers:\n  admin: password\n", "security.yaml:3"),
    ("super_users: [admin]\n", "open to everybody"),
    (": [", "security.yaml:1"),
    ("", "KEY: VALUE"),
    (None, "No such file"),
])
def test_a_file_that_cannot_be_used_changes_nothing(guarded, text, because):
    alice = logged_in(guarded, "alice")
    if text is None:
        guarded.file.unlink()
    else:
        guarded.file.write_text(text)
    hang_up(guarded, "event=security_file_refused")
    assert because in log(guarded) and because in audited(guarded, event="security_file_refused")[0]["because"]
    assert alice.error_for_topic("t") == 29
    assert not logged_in(guarded, "alice").refused
    assert not audit_events(guarded, event="security_file_read")
    guarded.users("admin")
    hang_up(guarded, "event=security_file_read")
    assert alice.is_closed()


def oauth(keys, ca=None):
    return f"oauth: {{jwks: {keys.url}, {f'jwks_ca: {ca}, ' if ca else ''}issuer: https://issuer, audience: millstream}}\n"


def bearer(token):
    return b"n,,\x01auth=Bearer " + token.encode() + b"\x01\x01"


def test_keys_over_http_rotate_and_hold_nobody_up(guarded):
    """An issuer that does not answer holds up the token with its new key, and nobody else."""
    old, old_key = signing_key("old")
    new, new_key = signing_key("new")
    by_old = bearer(signed_token(old_key, {"sub": "robot"}, "old")[0])
    by_new = bearer(signed_token(new_key, {"sub": "robot"}, "new")[0])
    with KeyServer(old) as keys:
        guarded.users("admin", "alice", more=oauth(keys))
        hang_up(guarded, "event=security_file_read")
        robot = logged_in(guarded, "robot", "OAUTHBEARER", by_old)
        assert not robot.refused
        assert logged_in(guarded, "robot", "OAUTHBEARER", by_new).refused
        while keys.asked.acquire(blocking=False):
            pass

        keys.open.clear()
        guarded.process.send_signal(signal.SIGHUP)
        assert keys.asked.acquire(timeout=60)  # from here on the fetch hangs
        waiting = Raw(guarded)
        assert waiting.handshake("OAUTHBEARER") == 0
        waiting.send(36, 0, struct.pack(">i", len(by_new)) + by_new)
        for _ in range(10):
            assert not logged_in(guarded, "robot", "OAUTHBEARER", by_old).refused
            assert not logged_in(guarded, "alice").refused
        keys.publish(old, new)
        keys.open.set()
        assert waiting.receive()[:2] == b"\0\0"  # no error
        assert waiting.error_for_topic("t") == 29  # it is in, and may do nothing

        guarded.users("admin", "alice")  # tokens are not taken any more
        hang_up(guarded, "event=security_file_read")
        assert robot.is_closed() and waiting.is_closed()
        assert Raw(guarded).handshake("OAUTHBEARER") == 33


def test_keys_over_https(guarded, tmp_path):
    """In chunks, as many issuers send them; and only from whom `jwks_ca` vouches for."""
    published, key = signing_key("only")
    token = bearer(signed_token(key, {"sub": "robot"}, "only")[0])
    ours, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    for names, ca, says in (("IP:127.0.0.1", other, "is not trusted"), ("DNS:elsewhere", ours, "IP address mismatch"), ("IP:127.0.0.1", ours, None)):
        with KeyServer(published, tls=ours.sign(f"issuer-{names[:3]}", names=names)) as keys:
            guarded.users("admin", more=oauth(keys, ca.certificate))
            hang_up(guarded, "event=security_file_read")
            refused = logged_in(guarded, "robot", "OAUTHBEARER", token).refused
            assert bool(refused) == bool(says)
            assert not says or re.search(f"event=jwks_fetch_failed .*{says}", log(guarded))
