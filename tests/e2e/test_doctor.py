"""`millstream doctor` from the outside."""

import json
import socket

import confluent_kafka
from millstream import Server, run
from ports import free_ports


def verdicts(*arguments, status=0):
    return {line["check"]: line for line in json.loads(run("doctor", "--json", *arguments, status=status).stdout)}


def test_a_place_without_a_server(tmp_path):
    free = f"127.0.0.1:{free_ports(1)[0]}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = verdicts("--dir", tmp_path / "data", "--kafka", f"127.0.0.1:{taken.getsockname()[1]}", "--http", free, status=1)
    assert found["kafka port"]["verdict"] == "problem" and "--kafka" in found["kafka port"]["found"]
    assert found["http port"]["verdict"] == "ok"
    assert found["directory"]["verdict"] == "ok" and "not there yet" in found["directory"]["found"]
    assert "median" in found["fdatasync"]["found"] and "free" in found["disk space"]["found"]
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind
    (tmp_path / "letter.txt").write_text("mine")
    assert verdicts("--dir", tmp_path, "--kafka", free, "--http", free, status=1)["directory"]["verdict"] == "problem"
    assert "HOST:PORT" in run("doctor", "--kafka", "nonsense", status=2).stderr


def test_beside_a_server(tmp_path):
    with Server(tmp_path / "data") as server:
        found = verdicts("--dir", server.directory, "--kafka", server.kafka, "--http", server.http)
        assert str(server.process.pid) in found["directory"]["found"]
        assert {found[name]["verdict"] for name in ("directory", "kafka port", "http port", "clock")} == {"ok"}
        asked = ("kafka answers", "http answers", "advertised address", "groups", "transactions", "appends", "stream objects", "certificate")
        assert {found[name]["verdict"] for name in asked} == {"ok"}, found
        server.cli("topic", "create", "orders")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka})
        producer.produce("orders", b"x")
        assert producer.flush(60) == 0
        run("group", "seek", "billing", "--to", "start", "--create", "--topics", "orders", "--kafka", server.kafka)
        groups = verdicts("--dir", server.directory, "--kafka", server.kafka, "--http", server.http)["groups"]
        assert groups["verdict"] == "warning" and "billing (lag 1)" in groups["found"]


def test_an_address_that_nobody_reaches(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # held without listening: it refuses, and the server cannot be given its port
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
        with Server(tmp_path / "data", "--advertised-kafka", nobody) as server:
            found = verdicts("--dir", server.directory, "--kafka", server.kafka, "--http", server.http, status=1)
        assert found["advertised address"]["verdict"] == "problem" and nobody in found["advertised address"]["found"]
