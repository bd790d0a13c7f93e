"""`millstream log fsck` from the outside."""

import json

from confluent_kafka import Producer
from millstream import Server, run


def fsck(directory, status=0):
    return json.loads(run("log", "fsck", "--json", directory, status=status).stdout)


def test_a_stopped_server(tmp_path):
    with Server(tmp_path / "data", "--reconcile-interval-ms", "10") as server:
        server.cli("topic", "create", "events", "--partitions", 2)
        producer = Producer({"bootstrap.servers": server.kafka})
        for i in range(5):
            producer.produce("events", f'{{"n": {i}}}', partition=i % 2)
        assert producer.flush(60) == 0
        refused = run("log", "fsck", server.directory, status=2).stderr
        assert str(server.process.pid) in refused and "stop it first" in refused
        server.kill()
        found = fsck(server.directory)
        assert found["clean"] and found["checked"]["records"] == 5 and found["checked"]["topics"] == 1
        text = run("log", "fsck", server.directory).stdout
        assert "5 records" in text and text.endswith("clean\n")
        (server.directory / "objects" / "stray.mso").write_text("x")
        assert [problem["what"] for problem in fsck(server.directory, status=1)["problems"]] == ["file"]
        text = run("log", "fsck", server.directory, status=1).stdout
        assert "stray.mso" in text and "what to do" in text
        (server.directory / "objects" / "stray.mso").unlink()
        server.start()


def test_a_place_that_is_none(tmp_path):
    assert "FORMAT" in run("log", "fsck", tmp_path, status=2).stderr
    assert "FORMAT" in run("log", "fsck", tmp_path / "nowhere", status=2).stderr
    assert list(tmp_path.iterdir()) == []
