"""Training sets name files of the server's machine: nobody without ALTER on the cluster makes the server open one, whatever else he
may do, and what is said of a file that is no table does not quote it."""

import json
import os
import re

import payments
import pytest
from millstream import Server
from users import ask_http, audit_events, credential_line

ADMIN, BUILDER, MALLORY = (("admin",) * 2, ("builder",) * 2, ("mallory",) * 2)
CANARY = "canary-3f9a"
PATHS = "spine", "out", "manifest", "pin_manifest", "event_files"
CLUSTER = "CREATE, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE"
# mallory has every permission there is, but ALTER on the cluster; builder has that alone, and CLUSTER_ACTION to see how a job goes.
SECURITY = f"""super_users: [admin]
users:
{{users}}
acls:
  - {{{{allow: mallory, topic: "*", group: "*", transactional_id: "*", operations: ALL}}}}
  - {{{{allow: mallory, cluster: true, operations: [{CLUSTER}]}}}}
  - {{{{allow: builder, cluster: true, operations: [ALTER, CLUSTER_ACTION]}}}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    (folder / "security.yaml").write_text(SECURITY.format(users="".join(credential_line(user, user) for user in ("admin", "builder", "mallory"))))
    with Server(folder / "data", "--security", folder / "security.yaml", "--checkpoint-interval-ms", "86400000") as server:  # else files come by themselves
        assert ask_http(server, "/v1/topics", ADMIN, {"name": payments.TOPIC})[0] == 201
        assert ask_http(server, "/v1/apply", ADMIN, {"files": [{"name": "a.yaml", "text": payments.DEFINITIONS}]})[0] == 200
        yield server


@pytest.fixture
def folder(tmp_path):
    """spine.csv is a good spine; the others hold the canary: as a line, where a column's name stands, where its values stand."""
    (tmp_path / "spine.csv").write_text("user,time\nann,2001-01-01T00:00:00Z\n")
    (tmp_path / "line").write_text(f"{CANARY}\n" * 10)
    (tmp_path / "json").write_text(json.dumps({"format": CANARY, "service": CANARY, CANARY: CANARY}))
    (tmp_path / "time.csv").write_text(f"user,time,at,amount\nann,{CANARY},{CANARY},{CANARY}\n")
    return tmp_path


def request(folder, **paths):
    return {"service": "risk", "spine": str(folder / "spine.csv"), "out": str(folder / "out.parquet"), **paths}


def naming(member, path):
    return {member: {"payments": str(path)} if member == "event_files" else str(path)}


def job(server, body):
    """How a job that may be started ends."""
    status, answer = ask_http(server, "/v1/training-sets", BUILDER, body)
    answer = json.loads(answer)
    while status == 202 and answer["state"] in ("queued", "running"):
        answer = json.loads(ask_http(server, f"/v1/jobs/{answer['id']}?wait_ms=1000", BUILDER)[1])
    return answer


@pytest.mark.parametrize("member", PATHS)
def test_nobody_names_a_file_without_alter_on_the_cluster(server, folder, member):
    """Not even whether it is there is told: the same bytes for every path, and nothing is written."""
    def denials():
        return len(audit_events(server, principal="User:mallory", outcome="denied", request="POST /v1/training-sets"))

    before, jobs, denied = sorted(folder.iterdir()), ask_http(server, "/v1/jobs", ADMIN), denials()
    named = [folder / "line", folder / "missing", folder, server.directory / "FORMAT", "/etc/passwd", "relative"]
    for login, status, code in ((None, 401, "unauthenticated"), (MALLORY, 403, "forbidden")):
        answers = {ask_http(server, "/v1/training-sets", login, request(folder, **naming(member, path))) for path in named}
        (answer,) = answers
        assert answer[0] == status and json.loads(answer[1])["code"] == code
    assert "ALTER permission for the cluster" in json.loads(answer[1])["detail"]
    assert sorted(folder.iterdir()) == before and ask_http(server, "/v1/jobs", ADMIN) == jobs
    server.wait_for(lambda: denials() == denied + len(named), "each denial is in the audit file")


@pytest.mark.parametrize("content", ["line", "json", "time.csv"])
@pytest.mark.parametrize("member", ["spine", "pin_manifest", "event_files"])
def test_errors_do_not_quote_the_files(server, folder, member, content):
    """Of a table they name the columns, of a spine also the cell of a request field that cannot be read; of any other file they say nothing."""
    ended = job(server, request(folder, **naming(member, folder / content)))
    assert CANARY not in json.dumps(ended), ended
    assert ended["state"] == "failed", ended
    assert CANARY not in server.log_text()


def test_who_may_does(server, folder):
    """The requests above fail for what they name, not for what they are."""
    assert job(server, request(folder))["state"] == "done"
    assert os.path.getsize(folder / "out.parquet") > 0


@pytest.mark.parametrize("member", PATHS)
def test_paths_are_absolute(server, folder, member):
    status, answer = ask_http(server, "/v1/training-sets", BUILDER, request(folder, **naming(member, "relative")))
    assert status == 400 and "absolute path" in json.loads(answer)["detail"]


def files(directory):
    return {path for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("member", ["out", "manifest"])
def test_nothing_is_written_over_what_is_no_file_of_ours(server, folder, member):
    """Neither the server's own files nor devices, by no spelling of their names."""
    (folder / "link").symlink_to(server.directory)
    (folder / "device").symlink_to("/dev/null")
    before, format_file = files(server.directory), server.directory / "FORMAT"
    text = format_file.read_text()
    for path in ("FORMAT", "LOCK", "wal/0000000000000001.wal", "audit", "new.parquet", "wal/../new.parquet"):
        for around in (server.directory, folder / "link"):
            ended = job(server, request(folder, **naming(member, around / path)))
            assert ended["state"] == "failed" and re.search("choose a place outside|is a directory", json.dumps(ended)), (path, ended)
    assert "is no file" in json.dumps(job(server, request(folder, **naming(member, folder / "device"))))
    assert (folder / "device").is_char_device()
    assert files(server.directory) == before and format_file.read_text() == text
