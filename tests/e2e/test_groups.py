"""`millstream group` from the outside, with real consumers in the groups."""

import json
import socket
import threading

import confluent_kafka
import pytest
from millstream import Server, run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("groups") / "data") as server:
        for topic in ("orders", "letters"):
            server.cli("topic", "create", topic, "--partitions", "2")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka})
        for i in range(20):
            producer.produce("orders", f"{i}", partition=i % 2, timestamp=1767225600000 + i * 1000)
        assert producer.flush(60) == 0
        yield server


def group(server, *arguments, status=0):
    return run("group", *arguments, "--kafka", server.kafka, status=status)


def group_json(server, *arguments):
    return json.loads(group(server, *arguments, "--json").stdout)


def consumer_of(server, name, protocol="classic"):
    settings = {"bootstrap.servers": server.kafka, "group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                "client.id": "reader", "group.protocol": protocol}
    return confluent_kafka.Consumer(settings)


def read_and_commit(server, name, count, protocol="classic"):
    """A consumer that has read `count` records of orders, committed them and stays a member."""
    consumer = consumer_of(server, name, protocol)
    consumer.subscribe(["orders"])
    records = 0
    while records < count:
        records += len(consumer.consume(count - records, timeout=1))
    consumer.commit(asynchronous=False)
    return consumer


def commit(server, name, offsets):
    consumer = consumer_of(server, name)
    consumer.commit(offsets=[confluent_kafka.TopicPartition("orders", p, o) for p, o in offsets.items()], asynchronous=False)
    consumer.close()


def offsets_of(server, name):
    return {(p["topic"], p["partition"]): p["current_offset"] for p in group_json(server, "describe", name)["partitions"]}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_with_a_member(server, protocol):
    name = f"live-{protocol}"
    consumer = read_and_commit(server, name, 20, protocol)
    try:
        shown = group_json(server, "describe", name)
        assert (shown["type"], shown["state"], shown["lag"]) == (protocol, "Stable", 0), shown
        (member,) = shown["members"]
        assert member["client_id"] == "reader" and len(member["partitions"]) == 2
        assert [(p["current_offset"], p["log_end"], p["lag"], p["member"]) for p in shown["partitions"]] == [(10, 10, 0, member["id"])] * 2
        text = group(server, "describe", name).stdout
        assert "state     Stable" in text and "CURRENT OFFSET" in text and member["id"] in text
        assert {"group": name, "type": protocol, "state": "Stable"} in group_json(server, "list")["groups"]
        for command in (["seek", name, "--to", "start"], ["delete", name]):
            refused = group(server, *command, status=1).stderr
            assert f"'{name}'" in refused and "members; stop its consumers first" in refused, refused
    finally:
        consumer.close()
    assert offsets_of(server, name) == {("orders", 0): 10, ("orders", 1): 10}


def test_seek(server):
    commit(server, "mover", {0: 5, 1: 7})
    before = {("orders", 0): 5, ("orders", 1): 7}
    assert offsets_of(server, "mover") == before
    dry = group(server, "seek", "mover", "--to", "start", "--dry-run")
    assert "Nothing was moved" in dry.stderr and offsets_of(server, "mover") == before
    for target, after in (("+2", (7, 9)), ("-3", (4, 6)), ("+100", (10, 10)), ("start", (0, 0)), ("-1", (0, 0)), ("3", (3, 3)), ("99", (10, 10)),
                          ("2026-01-01T00:00:08Z", (4, 4)), ("2026-01-01T00:00:08.0001Z", (5, 4)), ("2030-01-01", (10, 10)), ("end", (10, 10))):
        shown = group_json(server, "seek", "mover", "--to", target)["partitions"]
        assert [p["after"] for p in shown] == list(after), target
        assert [p["before"] for p in shown] == list(before.values())
        before = dict(zip(before, after))
        assert offsets_of(server, "mover") == before
    moved = group(server, "seek", "mover", "--to", "2", "--topics", "letters,orders").stdout
    assert [line.split() for line in moved.splitlines()[1:]] == [
        ["letters", "0", "-", "0", "0"], ["letters", "1", "-", "0", "0"], ["orders", "0", "10", "2", "8"], ["orders", "1", "10", "2", "8"]]
    consumer = consumer_of(server, "mover")
    consumer.subscribe(["orders"])
    values = []
    while len(values) < 16:
        values += [int(record.value()) for record in consumer.consume(16 - len(values), timeout=1)]
    consumer.close()
    assert sorted(values) == list(range(4, 20))


def test_seek_says_what_is_wrong(server):
    commit(server, "picky", {0: 1})
    assert "none of start, end" in group(server, "seek", "picky", "--to", "yesterday", status=2).stderr
    assert "did you mean 'orders'" in group(server, "seek", "picky", "--to", "end", "--topics", "ordres", status=1).stderr
    assert "did you mean 'picky'" in group(server, "seek", "pickie", "--to", "end", status=1).stderr
    assert "nothing is committed" in group(server, "seek", "picky", "--to", "+1", "--topics", "letters", status=2).stderr
    assert "--topics" in group(server, "seek", "brand-new", "--to", "end", "--create", status=2).stderr
    group(server, "seek", "brand-new", "--to", "end", "--create", "--topics", "orders")
    assert offsets_of(server, "brand-new") == {("orders", 0): 10, ("orders", 1): 10}


def test_delete(server):
    commit(server, "doomed", {0: 1})
    assert group(server, "delete", "doomed").stdout == "deleted doomed\n"
    assert "doomed" not in group(server, "list").stdout
    assert "there is no group 'doomed'" in group(server, "delete", "doomed", status=1).stderr


def test_trim(server):
    server.cli("topic", "create", "old", "--partitions", "2")
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka})
    for i in range(20):
        producer.produce("old", f"{i}", partition=i % 2, timestamp=1767225600000 + i * 1000)
    assert producer.flush(60) == 0
    trim = lambda *arguments, status=0: run("topic", "trim", "old", *arguments, "--kafka", server.kafka, status=status)
    starts = lambda: [p["log_start"] for p in json.loads(server.cli("topic", "describe", "old", "--json").stdout)["partition_states"]]
    assert "Nothing was removed" in trim("--to", "end", "--dry-run").stderr and starts() == [0, 0]
    assert [line.split() for line in trim("--to", "3").stdout.splitlines()[1:]] == [["0", "0", "3", "3"], ["1", "0", "3", "3"]]
    trim("--to", "2026-01-01T00:00:10Z", "--partition", "1")
    assert starts() == [3, 5]
    trim("--to", "1")  # what is gone stays gone
    assert starts() == [3, 5]
    assert "nothing to start from" in trim("--to", "-1", status=2).stderr
    assert "no partition 7" in trim("--to", "end", "--partition", "7", status=1).stderr
    trim("--to", "end")
    assert server.cli("topic", "consume", "old").stdout == ""


def test_what_is_no_server(server):
    refused = run("group", "list", "--kafka", "127.0.0.1:9", status=3).stderr
    assert "127.0.0.1:9" in refused and "millstream serve" in refused and "--kafka" in refused
    assert "HOST:PORT" in run("group", "list", "--kafka", "nonsense", status=2).stderr
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        refused = run("group", "list", "--kafka", f"127.0.0.1:{listener.getsockname()[1]}", status=1).stderr
        thread.join()
    assert "Kafka" in refused, refused
