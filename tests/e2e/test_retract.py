"""Events that are taken back: live, in training sets and labels, in proofs and explanations, over a restart and a crash."""

import json
import time

import confluent_kafka
import pyarrow.parquet as pq
import pytest
from millstream import Server

DEFINITIONS = """
sources:
  payments:
    topic: payments
    time: {field: at, unit: ms}
    fields: {user: string, amount: int64, kind: string, original_offset: int64}
    retract: {when: "kind = 'reversal'", offset: original_offset}
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: payments
    features:
      amount: {max: {of: amount, over: [1h]}, sum: {of: amount, over: [1h, "sliding(1h, exact)"]}, last_n: {of: amount, n: 3, over: ["last(3, 1d)"]}}
      n: {count: {over: [1h]}}
services:
  risk:
    features: [spending.*]
    labels:
      spending: {amount: {sum: {of: amount, over: ["next(30s)"]}}}
"""
MAX, SUM, EXACT, LAST, COUNT = range(5)


def send(server, *events):
    """Sends (partition, event); returns the offsets that are acknowledged."""
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all"})
    offsets = []
    for partition, event in events:
        producer.produce("payments", json.dumps(event), partition=partition, on_delivery=lambda error, message: offsets.append(message.offset()))
        assert producer.flush(60) == 0
    server.wait_until_applied()
    return offsets


def reversal(event, offset):
    return event | {"kind": "reversal", "original_offset": offset}


def read(server, user):
    return server.post("/v1/services/risk/features", {"entities": [{"user": user}]})


def values(reply):
    return reply["rows"][0]["values"]


def define(server, directory):
    server.cli("topic", "create", "payments", "--partitions", 2)
    (directory / "features.yaml").write_text(DEFINITIONS)
    return server.cli("apply", directory / "features.yaml", "--yes").stdout


def trained(server, directory, rows, *options):
    (directory / "spine.csv").write_text("user,event_time,p,o\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    out = directory / "set.parquet"
    server.cli("train", "risk", "--spine", directory / "spine.csv", "--out", out, *options)
    return pq.read_table(out).to_pydict()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("retract")
    with Server(directory / "data") as server:
        server.home = directory
        shown = define(server, directory)
        assert "takes events back where kind = 'reversal', at offset original_offset" in shown and "keeps its rows so that they can be taken back" in shown
        yield server


@pytest.fixture(scope="module")
def story(server):
    """Two payments, a question; the larger one is taken back, a question."""
    now = int(time.time() * 1000)
    five = {"user": "ann", "amount": 5, "at": now - 120_000}
    nine = {"user": "ann", "amount": 9, "at": now - 60_000}
    offsets = send(server, (1, five), (1, nine))
    before = read(server, "ann")
    (back,) = send(server, (1, reversal(nine, offsets[1])))
    return {"five": five, "nine": nine, "offsets": offsets, "back": back, "before": before, "after": read(server, "ann")}


def test_the_maximum_is_the_next_one(story):
    assert values(story["before"]) == [9, 14, 14, [9, 5], 2]
    assert values(story["after"]) == [5, 5, 5, [5], 1]


def test_training_sets_know_it_from_the_start_or_from_then_on(server, story):
    rows = [("ann", story[when]["as_of"], 1, story["offsets"][1]) for when in ("before", "after")]
    for memory in ("1GiB", "1"):  # the second waits on disk
        known = trained(server, server.home, rows, "--memory", memory)
        assert known["amount_max_1h"] == [5, 5] and known["n_count_1h"] == [1, 1]
        served = trained(server, server.home, rows, "--mode", "as_served", "--memory", memory)
        assert served["amount_max_1h"] == [9, 5] and served["amount_sum_1h_exact"] == [14, 5] and served["amount_last_n_last_3_1d"] == [[9, 5], [5]]


def test_labels_and_own_events_obey(server, story):
    just_before = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(story[e]["at"] // 1000)) for e in ("five", "nine")]
    made = trained(server, server.home, [("ann", t, 0, 0) for t in just_before])
    assert made["amount_sum_next_30s"] == [5, None]
    own = ("--exclude-self", "--self-partition", "p", "--self-offset", "o")
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(story["nine"]["at"] // 1000)) + f".{story['nine']['at'] % 1000:03}Z"
    file = server.home / "plain.yaml"
    file.write_text(DEFINITIONS[DEFINITIONS.index("services:") :].split("    labels:")[0].replace("risk:", "plain:"))
    server.cli("apply", file, "--yes")
    spine, out = server.home / "own.csv", server.home / "own.parquet"
    for offset, status in ((story["offsets"][1], 0), (story["back"], 2)):  # an event that was taken back is one; a reversal is none
        spine.write_text(f"user,event_time,p,o\nann,{at},1,{offset}\n")
        done = server.cli("train", "plain", "--spine", spine, "--out", out, *own, status=status)
    assert f"source 'payments' has no event at partition 1, offset {story['back']}" in done.stderr
    assert pq.read_table(out).to_pydict()["amount_sum_1h"] == [5]


def test_a_file_has_no_offsets_of_the_log(server, story):
    (server.home / "events.csv").write_text("user,amount,kind,original_offset,at\nann,1,pos,,1\n")
    (server.home / "one.csv").write_text("user,event_time\nann,2026-01-01\n")
    options = ("--spine", server.home / "one.csv", "--out", server.home / "no.parquet", "--events", f"payments={server.home / 'events.csv'}")
    assert "takes events back by their offsets in the log, which a file does not have" in server.cli("train", "risk", *options, status=2).stderr


def test_the_explanation_says_by_what(server, story):
    explanation = json.loads(server.cli("get", "risk", "user=ann", "--explain", "--json").stdout)
    for feature in explanation["explanations"][0]["features"]:
        (group,) = feature["left_out"]
        assert (group["reason"], group["events"]) == ("retracted", 1) and feature["proof"] == "equal" and feature["events"] == 1
        assert (group["last"]["partition"], group["last"]["offset"], group["last"]["retracted_by"]) == (1, story["offsets"][1], story["back"])
    assert f"taken back, the last one by offset {story['back']}" in server.cli("get", "risk", "user=ann", "--explain").stdout
    then = server.cli("get", "risk", "user=ann", "--explain", "--at", story["before"]["as_of"]).stdout
    assert "amount_max_1h = 9  PRESENT" in then and "taken back" not in then


def test_what_takes_nothing_back_is_counted(server, story):
    counts = server.get("/v1/views/spending")["live"]["rows"]
    assert (counts["applied"], counts["late"], counts["retracted"], counts["retracted_unknown"]) == (2, 0, 1, 0)
    nine = story["nine"]
    send(server, (1, reversal(nine, story["offsets"][1])), (1, reversal(nine | {"user": "bob"}, story["offsets"][0])), (1, nine | {"kind": "reversal"}), (0, reversal(nine, 7)))
    counts = server.get("/v1/views/spending")["live"]
    assert (counts["rows"]["retracted"], counts["rows"]["retracted_unknown"], counts["dead_letters"]["records"]) == (1, 2, 2)
    assert "retracted 1 row taken back, 2 retractions of no row that is here" in server.cli("describe", "view", "spending").stdout
    (view,) = (v for v in json.loads(server.cli("status", "--json").stdout)["views"] if v["name"] == "spending")
    assert (view["retracted"], view["retracted_unknown"]) == (1, 2)
    letters = server.cli("topic", "consume", "payments.dead-letter", "--count", 2).stdout
    assert '"user": "ann"' in letters
    assert values(read(server, "ann")) == [5, 5, 5, [5], 1]


def test_a_checkpoint_keeps_what_can_be_taken_back(server, story):
    assert server.stop() == 0
    server.start()
    assert values(read(server, "ann")) == [5, 5, 5, [5], 1]
    more = {"user": "ann", "amount": 100, "at": story["nine"]["at"] + 1}
    (offset,) = send(server, (0, more))
    send(server, (1, reversal(story["five"], story["offsets"][0])))
    assert values(read(server, "ann")) == [100, 100, 100, [100], 1]
    server.kill()
    server.start()
    server.wait_until_applied()
    assert values(read(server, "ann")) == [100, 100, 100, [100], 1]
    send(server, (0, reversal(more, offset)))
    last = read(server, "ann")
    assert values(last) == [None, None, None, None, 0]
    assert last["rows"][0]["found"] is False


def test_all_of_it_is_proved(server, story):
    report = json.loads(server.cli("verify", "--json").stdout)
    assert report["differences"] == 0 and report["samples"] >= 4  # what the crash left of them
