"""Why a value is what it is, and what a view is doing, as an engineer asks for it."""

import datetime
import json
import re
import signal
import time
import urllib.error

import confluent_kafka
import payments
import pytest
from millstream import Server

MINUTE = 60_000
DEFINITIONS = payments.DEFINITIONS.replace("from: payments", "from: payments\n    where: \"amount > 0\"").replace("of: amount, over: [24h]", "of: amount, over: [24h], where: \"amount < 1000\"")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("explain")
    with Server(directory / "data") as server:
        server.cli("topic", "create", payments.TOPIC, "--partitions", 2)
        (directory / "features.yaml").write_text(DEFINITIONS)
        server.cli("apply", directory / "features.yaml", "--yes")
        yield server


def now_ms():
    return time.time_ns() // 1_000_000


def send(server, partition, *values):
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all"})
    for value in values:
        producer.produce(payments.TOPIC, value if isinstance(value, str) else json.dumps(value), partition=partition)
    assert producer.flush(60) == 0
    server.wait_until_applied()


def feature(explanation, name, entity=0):
    return next(f for f in explanation["explanations"][entity]["features"] if f["name"] == name)


def reasons(explained):
    return {group["reason"]: group["events"] for group in explained["left_out"]}


def refused(server, body):
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.post("/v1/services/risk/features", body)
    return caught.value.code, json.load(caught.value)


def test_every_value_is_proved_and_every_event_has_its_place(server):
    at = now_ms()
    send(server, 0, *({"user": "ann", "amount": n, "at": at - n * MINUTE} for n in range(1, 91) for _ in range(2)))  # too many to stay rows
    send(server, 1, {"user": "ann", "amount": -5, "at": at}, {"user": "ann", "amount": 5000, "at": at - 1}, {"user": "ann", "amount": 7, "at": at + 4 * MINUTE}, "nonsense", {"user": "bob", "amount": 1, "at": at})
    send(server, 1, {"user": "ann", "amount": "many", "at": at - 2})
    explanation = json.loads(server.cli("get", "risk", "user=ann", "user=bob", "--explain", "--json").stdout)
    assert [e["entity"] for e in explanation["explanations"]] == [{"user": "ann"}, {"user": "bob"}]
    for entity, row in zip(explanation["explanations"], explanation["rows"]):
        assert [f["name"] for f in entity["features"]] == payments.FEATURES
        assert [f["proof"] for f in entity["features"]] == ["equal"] * 4
        assert [f["value"] for f in entity["features"]] == row["values"]
    count = feature(explanation, "payments_count_1h")
    assert count["events"] == count["value"] and reasons(count)["filtered_by_view"] == 1
    assert reasons(count)["after_window"] == 1 and reasons(count)["undecodable"] == 1 and "filtered_by_feature" not in reasons(count)
    assert count["last"] == {"topic": "payments", "partition": 1, "offset": 1, "event_time": count["event_time"], "append_time": count["last"]["append_time"]}
    assert count["first"]["event_time"] >= count["window"]["tail"] and count["last"]["event_time"] < count["window"]["head"] == explanation["as_of"]
    last = feature(explanation, "amount_last_24h")
    assert last["value"] == 1.0 and reasons(last)["filtered_by_feature"] == 1 and last["events"] == 180
    assert sum(reasons(last).values()) + last["events"] == explanation["explanations"][0]["views"][0]["seen"]["events"] == 184
    assert sum(t["tiles"] for t in count["tiles"]) in (12, 13, 14)
    view = explanation["explanations"][0]["views"][0]
    assert view["undecodable"]["records"] == 1 and view["undecodable"]["last_reason"].startswith("json:") and view["known"]


def test_what_people_read(server):
    at = now_ms()
    send(server, 0, {"user": "eve", "amount": 2.5, "at": at - MINUTE}, {"user": "eve", "amount": 1, "at": at - 100 * MINUTE})
    text = server.cli("get", "risk", "user=eve", "--explain", "--feature", "amount_sum_1h").stdout
    for line in (
        r"risk@1  as of 20\S+Z",
        r"user=eve",
        r"spending@1  shard \d+, publish \d+",
        r"amount_sum_1h = 2.5  PRESENT",
        r"  is        sum of amount, sliding 1h, hop 5m",
        r"  window    20\S+Z <= event time < 20\S+Z",
        r"  events    1",
        r"  last      payments-0 offset \d+ at 20\S+Z, appended 20\S+Z",
        r"  age       1 min",
        r"  state     1 raw row",
        r" +1  before the window  payments-0 offset \d+ +20\S+Z",
        r"  proof     derived again from the log: bit for bit the same",
    ):
        assert re.search(f"^{line}$", text, re.M), f"{line}\n{text}"
    assert "payments_count_1h" not in text
    nobody = server.cli("get", "risk", "user=nobody", "--explain").stdout
    assert "none of this key: nobody has sent an event with it that a window could reach" in nobody
    assert "payments_count_1h = 0  EMPTY_WINDOW" in nobody


def test_an_instant_of_the_past(server):
    at = now_ms()
    send(server, 0, {"user": "joe", "amount": 2, "at": at - MINUTE})
    reply = payments.read(server, "joe")
    send(server, 1, {"user": "joe", "amount": 40, "at": at - 2 * MINUTE})
    assert payments.read(server, "joe")["rows"][0]["values"][1] == 42.0
    explanation = json.loads(server.cli("get", "risk", "user=joe", "--explain", "--at", reply["as_of"], "--json").stdout)
    assert explanation["mode"] == "as_served" and "rows" not in explanation
    features = explanation["explanations"][0]["features"]
    assert [f["value"] for f in features] == reply["rows"][0]["values"]
    assert [f["event_time"] for f in features] == reply["rows"][0]["event_times"]
    assert reasons(feature(explanation, "amount_sum_1h")) == {"appended_later": 1}
    text = server.cli("get", "risk", "user=joe", "--explain", "--at", reply["as_of"]).stdout
    assert "came later than this instant" in text and "derived from the log" in text


def test_refusals(server):
    assert "did you mean 'amount_sum_1h'" in server.cli("get", "risk", "user=x", "--explain", "--feature", "amount_sum_1", status=1).stderr
    assert "serves only since" in server.cli("get", "risk", "user=x", "--explain", "--at", "2001-01-01", status=1).stderr
    assert "lies in the future" in server.cli("get", "risk", "user=x", "--explain", "--at", "2199-01-01", status=2).stderr
    assert "--explain" in server.cli("get", "risk", "user=x", "--at", "2026-01-01", status=2).stderr
    assert "--explain" in server.cli("get", "risk", "user=x", "--feature", "amount_sum_1h", status=2).stderr
    assert refused(server, {"entities": [{"user": "x"}], "at": "2026-01-01"})[0] == 400
    assert refused(server, {"entities": [{"user": "x"}], "explain": True, "features": ["x"]})[1]["code"] == "not_found"


def test_http_says_the_same_as_the_job(server):
    at = now_ms()
    send(server, 0, {"user": "kim", "amount": 2, "at": at - MINUTE})
    body = {"entities": [{"user": "kim"}], "features": ["amount_sum_1h"]}
    direct = server.post("/v1/services/risk/features", body | {"explain": True})
    job = server.post("/v1/explanations", body | {"service": "risk", "at": direct["as_of"]})
    server.wait_for(lambda: server.get(f"/v1/jobs/{job['id']}")["state"] == "done", "the job is done")
    report = server.get(f"/v1/jobs/{job['id']}")["report"]
    ours, theirs = feature(direct, "amount_sum_1h"), feature(report, "amount_sum_1h")
    for member in ("value", "status", "event_time", "window", "events", "first", "last", "left_out", "derived"):
        assert ours[member] == theirs[member]
    assert direct["features"] == payments.FEATURES and len(direct["rows"][0]["values"]) == 4


def test_an_instant_that_a_crash_has_hidden_is_a_gap(tmp_path):
    with Server(tmp_path / "data") as server:
        payments.define(server, tmp_path, partitions=1)
        payments.produce(server, [("ann", 1, now_ms())])
        before = payments.read(server, "ann")
        server.wait_for(lambda: "derived from" in server.cli("get", "risk", "user=ann", "--explain", "--at", before["as_of"]).stdout, "the timeline is synced")
        server.process.send_signal(signal.SIGSTOP)  # nothing is synced any more
        hidden = datetime.datetime.now(datetime.timezone.utc).isoformat()
        server.kill()
        server.start()
        answer = server.cli("get", "risk", "user=ann", "--explain", "--at", hidden, status=1)
        assert answer.stderr.startswith("millstream: GAP: what had been applied at") and answer.stdout == ""
        kept = json.loads(server.cli("get", "risk", "user=ann", "--explain", "--at", before["as_of"], "--json").stdout)
        assert [f["value"] for f in kept["explanations"][0]["features"]] == before["rows"][0]["values"]


def test_describe_view(tmp_path):
    with Server(tmp_path / "data") as server:
        server.cli("topic", "create", payments.TOPIC, "--partitions", 2)
        (tmp_path / "features.yaml").write_text(DEFINITIONS)
        server.cli("apply", tmp_path / "features.yaml", "--yes")
        at = now_ms()
        send(server, 0, *({"user": f"u{n % 4 * n % 3}", "amount": 1, "at": at - (n % 2) * MINUTE} for n in range(100)))
        send(server, 1, {"user": None, "amount": 1, "at": at}, {"user": "u0", "amount": 0, "at": at}, "nonsense")
        view = server.get("/v1/views/spending")
        live = view["live"]
        assert live["entities"] == 3 and live["rows"] == {"applied": 100, "late": 50, "beyond_horizon": 0, "filtered": 1, "null_keys": 1}
        assert live["dead_letters"] == {"topic": "payments", "records": 1} and live["ages"]["entities"] == live["ages"]["of"] == 3
        assert live["hottest"]["of_rows"] == 100 and sum(key["rows_at_most"] for key in live["hottest"]["keys"]) == 100
        server.wait_for(lambda: server.get("/v1/views/spending")["live"]["rows_per_second"]["60s"] > 1, "a second has passed")
        text = server.cli("describe", "view", "spending").stdout
        for line in (
            r"spending@1  entity user, source payments",
            r"where     amount > 0",
            r"entities  3",
            r"rows      100 applied since the start of the server, 50 of them late",
            r"left out  1 filtered, 1 with a null key, 0 beyond the horizon; 1 dead letter of payments",
            r"age       min \S.*, p50 .*, max \S.*",
            r"amount_sum_1h +float64 +sum +amount +sliding 1h, hop 5m",
        ):
            assert re.search(f"^{line}$", text, re.M), f"{line}\n{text}"
        assert json.loads(server.cli("describe", "view", "spending", "--json").stdout)["name"] == "spending"
        assert re.search(r"NULL KEYS +BEYOND HORIZON\n(.*\n)*?spending +1 +ready +3 .* 100 +1 +1 +0\n", server.cli("status").stdout)

