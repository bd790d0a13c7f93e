"""Derived features and request fields of a service: live, in training sets and in `verify` the same bits, and what is refused."""

import datetime
import decimal
import json
import re
import signal
import struct
import time
import urllib.error

import payments
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import samples_file
from millstream import Server, run

MINUTE = 60_000
SERVICE = """
services:
  risk:
    features: [spending.*]
    request: {amount: double, currency: string, limit: "decimal(10,2)", seen: timestamp, tags: "list<string>"}
    derived:
      vs_sum: "request.amount / amount_sum_24h"
      hot: "payments_count_1h > 2 and request.currency != 'EUR'"
      overflow: "payments_count_1h * 9223372036854775807"
      room: "request.limit - cast(payments_count_1h as decimal(5,1))"
      label: "request.currency || '-' || cast(hot as string)"
      since: "request.seen"
      twice: "request.amount * 2"
"""
DERIVED = ["vs_sum", "hot", "overflow", "room", "label", "since", "twice"]
DEFINITIONS = payments.DEFINITIONS[: payments.DEFINITIONS.index("services:")] + SERVICE
REQUEST = {"amount": 0.1, "currency": "USD", "limit": 100.25, "seen": "2026-01-02T03:04:05.000006Z", "tags": ["a", None]}
NOTHING = dict.fromkeys(REQUEST)


def define(server, directory):
    server.cli("topic", "create", payments.TOPIC, "--partitions", 2)
    (directory / "features.yaml").write_text(DEFINITIONS)
    return server.cli("apply", directory / "features.yaml", "--yes").stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("derived")
    with Server(directory / "data") as server:
        assert "derived vs_sum (float64) = request.amount / amount_sum_24h" in define(server, directory)
        now = time.time_ns() // 1_000_000
        payments.produce(server, [(f"user{n % 5}", 0.1 + n / 7, now - MINUTE - n) for n in range(23)])
        yield server


def read(server, users, request):
    return server.post("/v1/services/risk/features", {"entities": [{"user": user} for user in users], "request": request})


def values(reply, entity=0):
    row = reply["rows"][entity]
    return dict(zip(reply["features"], zip(row["values"], row["statuses"])))


def refused(server, **body):
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.post("/v1/services/risk/features", {"entities": [{"user": "user1"}]} | body)
    assert caught.value.code == 400
    return json.load(caught.value)["detail"]


def test_a_reply_has_them_behind_the_features(server):
    reply = read(server, ["user1", "nobody"], [REQUEST, NOTHING])
    assert reply["features"] == payments.FEATURES + DERIVED
    row, got = reply["rows"][0], values(reply)
    assert len(row["values"]) == len(row["statuses"]) == len(row["event_times"]) == len(row["ages_ms"]) == 11
    assert row["event_times"][4:] == row["ages_ms"][4:] == [None] * 7
    assert got["vs_sum"] == (0.1 / got["amount_sum_24h"][0], "PRESENT")
    assert got["hot"] == (True, "PRESENT") and got["label"] == ("USD-true", "PRESENT")
    assert got["overflow"] == (None, "ERROR")
    assert got["room"] == (95.25, "PRESENT") and got["since"] == (REQUEST["seen"], "PRESENT") and got["twice"] == (0.2, "PRESENT")
    nobody = values(reply, 1)
    assert nobody["vs_sum"] == (None, "NULL") and nobody["hot"] == (False, "PRESENT") and nobody["overflow"] == (0, "PRESENT")


def test_one_object_is_for_every_entity(server):
    reply = read(server, ["user1", "user2"], REQUEST)
    assert [row["values"][-1] for row in reply["rows"]] == [0.2, 0.2]


def test_what_is_wrong_is_refused_with_what_to_send(server):
    assert "request field 'amount' (float64) of service 'risk' is missing; send \"request\": {\"amount\": 1.5," in refused(server)
    assert "request field 'currency' (string)" in refused(server, request={"amount": 1})
    assert "did you mean 'amount'" in refused(server, request={"amuont": 1})
    assert "send a number, or null" in refused(server, request=REQUEST | {"amount": "12"})
    assert "send a string, or null" in refused(server, request=REQUEST | {"currency": 7})
    assert "more than 2 digits behind the point" in refused(server, request=REQUEST | {"limit": "1.255"})
    assert "more than 8 digits before the point" in refused(server, request=REQUEST | {"limit": 1e12})
    assert "RFC 3339" in refused(server, request=REQUEST | {"seen": 12})
    assert "'tags[1]'" in refused(server, request=REQUEST | {"tags": ["a", 1]})
    assert "more than one for each of the 1 entities" in refused(server, request=[REQUEST, REQUEST])
    assert "\"request\" must be an object" in refused(server, request=7)


def test_a_service_without_fields_takes_none(tmp_path):
    with Server(tmp_path / "data") as server:
        payments.define(server, tmp_path, partitions=1)
        assert "takes no request fields" in refused(server, request={"amount": 1})
        assert server.post("/v1/services/risk/features", {"entities": [{"user": "x"}], "request": {}})["features"] == payments.FEATURES
        assert "takes no request fields" in server.cli("get", "risk", "user=x", "--request", "amount=1", status=2).stderr


def test_get(server):
    fields = ["amount=0.1", "currency=USD", "limit=100.25", f"seen={REQUEST['seen']}", 'tags=["a",null]']
    options = [option for field in fields for option in ("--request", field)]
    text = server.cli("get", "risk", "user=user1", *options).stdout
    assert re.search(r"^label +USD-true +PRESENT +- +-$", text, re.M), text
    assert re.search(r"^room +95.25 +PRESENT", text, re.M), text
    of_json = json.loads(server.cli("get", "risk", "user=user1", "--request", json.dumps(REQUEST), "--json").stdout)
    assert values(of_json)["vs_sum"] == values(read(server, ["user1"], REQUEST))["vs_sum"]
    two = json.loads(server.cli("get", "risk", "user=user1", "user=user2", *options, *options[:1], "amount=5", *options[2:], "--json").stdout)
    assert [row["values"][-1] for row in two["rows"]] == [0.2, 10.0]
    assert "did you mean 'amount'" in server.cli("get", "risk", "user=user1", "--request", "amuont=1", status=2).stderr
    assert "as in JSON" in server.cli("get", "risk", "user=user1", "--request", "amount=much", status=2).stderr
    assert "is missing" in server.cli("get", "risk", "user=user1", "--request", "amount=1", status=2).stderr
    described = json.loads(server.cli("describe", "service", "risk").stdout)
    assert described["request"]["limit"] == "decimal(10,2)" and [d["name"] for d in described["derived"]] == DERIVED


def spine(directory, rows, names=("request.amount", "request.currency", "request.limit", "seen", "tags")):
    """A Parquet spine of (user, instant, request)."""
    amount, currency, limit, seen, tags = names
    time_of = lambda text: None if text is None else datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    table = pa.table(
        {
            "user": [user for user, _, _ in rows],
            "event_time": pa.array([time_of(at) for _, at, _ in rows], pa.timestamp("us", tz="UTC")),
            amount: pa.array([r["amount"] for _, _, r in rows], pa.float64()),
            currency: pa.array([r["currency"] for _, _, r in rows], pa.string()),
            limit: pa.array([None if r["limit"] is None else decimal.Decimal(str(r["limit"])) for _, _, r in rows], pa.decimal128(10, 2)),
            seen: pa.array([time_of(r["seen"]) for _, _, r in rows], pa.timestamp("us", tz="UTC")),
            tags: pa.array([r["tags"] for _, _, r in rows], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, directory / "spine.parquet")
    return directory / "spine.parquet"


def bits(value):
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return float(value) if isinstance(value, decimal.Decimal) else value


def equal_rows(table, served):
    for i, (_, reply, entity) in enumerate(served):
        for name, (value, status) in values(reply, entity).items():
            trained = table[name][i].as_py()
            trained = float(trained) if isinstance(trained, decimal.Decimal) else trained
            assert bits(trained) == bits(value), (i, name)
            assert table[name + "__status"][i].as_py() == status, (i, name)


def test_live_training_and_verify_have_the_same_bits(server, tmp_path):
    requests = [REQUEST, NOTHING, REQUEST | {"amount": 1e300, "currency": "EUR"}, REQUEST | {"amount": -0.0, "limit": None, "currency": ""}]
    served, rows = [], []
    for n, request in enumerate(requests * 3):
        user = f"user{n % 6}"
        reply = read(server, [user], request)
        served.append((user, reply, 0))
        rows.append((user, reply["as_of"], request))
    file = spine(tmp_path, rows)
    for mode in ("as_known", "as_served"):
        out = tmp_path / f"{mode}.parquet"
        made = train(server, file, out, "--mode", mode)
        assert made["rows"] == len(rows) and made["features"] == 11
        table = pq.read_table(out)
        assert [name for name in table.column_names if "__" not in name][7:] == payments.FEATURES + DERIVED
        equal_rows(table, served)
    manifest = json.loads((tmp_path / "as_served.parquet.manifest.json").read_text())
    assert manifest["request"][0] == {"name": "amount", "type": "float64", "spine_column": "request.amount"}
    assert manifest["derived"][0]["column"] == "vs_sum" and len(manifest["derived"][0]["hash"]) == 64
    report = json.loads(server.cli("verify", "--json").stdout)
    assert report["differences"] == 0 and report["gaps"] == 0
    assert report["values"] == report["answers"] * 11


def train(server, file, out, *options):
    """A training set with statuses; as_served waits until the timeline has reached the last row."""
    command = ("train", "risk", "--spine", file, "--out", out, "--statuses", "--json", *options)
    made = []

    def is_made():
        try:
            made.append(json.loads(server.cli(*command).stdout))
        except AssertionError as failed:
            if "the apply timeline reaches to" not in str(failed):
                raise
        return made

    server.wait_for(is_made, "the timeline has reached the last row")
    return made[0]


def test_a_csv_spine(server, tmp_path):
    reply = read(server, ["user1"], REQUEST)
    header = "user,event_time,amount,request.amount,currency,limit,seen,tags"
    line = f'user1,{reply["as_of"]},not a number,0.1,USD,100.25,{REQUEST["seen"]},"[""a"",null]"'
    (tmp_path / "spine.csv").write_text(f"{header}\n{line}\n")
    train(server, tmp_path / "spine.csv", tmp_path / "out.parquet")
    equal_rows(pq.read_table(tmp_path / "out.parquet"), [("user1", reply, 0)])

    def why_not(head, row):
        (tmp_path / "wrong.csv").write_text(f"{head}\n{row}\n")
        return server.cli("train", "risk", "--spine", tmp_path / "wrong.csv", "--out", tmp_path / "no.parquet", status=2).stderr

    assert "it has no column 'request.limit' or 'limit' for the request field 'limit' (decimal(10,2))" in why_not(header.replace("limit", "limits"), line)
    assert "row 1: 'yesterday' in column 'seen' is no RFC 3339 time" in why_not(header, line.replace(REQUEST["seen"], "yesterday"))
    assert "tags" in why_not(header, line.replace('"[""a"",null]"', "a"))
    assert "its column 'hot' is also the name of a feature" in why_not(header + ",hot", line + ",1")


def test_explain_shows_the_inputs_and_why_it_failed(server):
    fields = json.dumps(REQUEST)
    explanation = json.loads(server.cli("get", "risk", "user=user1", "--request", fields, "--explain", "--json").stdout)
    features = {f["name"]: f for f in explanation["explanations"][0]["features"]}
    assert list(features) == payments.FEATURES + DERIVED
    assert [features[name]["proof"] for name in DERIVED] == ["equal"] * 7
    vs_sum = features["vs_sum"]
    assert vs_sum["expression"] == "request.amount / amount_sum_24h"
    assert [(i["name"], i["status"]) for i in vs_sum["inputs"]] == [("amount_sum_24h", "PRESENT"), ("request.amount", "PRESENT")]
    assert vs_sum["value"] == vs_sum["inputs"][1]["value"] / vs_sum["inputs"][0]["value"]
    assert features["overflow"]["status"] == "ERROR" and features["overflow"]["reason"] == "derived.overflow, column 19: int64 overflow in '*'"
    text = server.cli("get", "risk", "user=user1", "--request", fields, "--explain", "--feature", "overflow").stdout
    assert "overflow = -  ERROR" in text and "reason    derived.overflow, column 19: int64 overflow in '*'" in text
    assert re.search(r"^  from +payments_count_1h = 5  PRESENT$", text, re.M), text
    assert "derived again from the log: bit for bit the same" in text and "payments_count_1h = 5  PRESENT\n  is" not in text
    # As it was served: the answer of then, whatever came later.
    reply = read(server, ["user1"], REQUEST)
    payments.produce(server, [("user1", 5, time.time_ns() // 1_000_000 - MINUTE)])
    then = json.loads(server.cli("get", "risk", "user=user1", "--request", fields, "--explain", "--at", reply["as_of"], "--json").stdout)
    assert {f["name"]: f["status"] for f in then["explanations"][0]["features"]} == {name: status for name, (_, status) in values(reply).items()}
    past = {f["name"]: f["value"] for f in then["explanations"][0]["features"]}
    assert past["vs_sum"] == values(reply)["vs_sum"][0] and past["label"] == "USD-true" and then["features"] == reply["features"]
    assert "is missing" in server.cli("get", "risk", "user=user1", "--explain", status=2).stderr
    assert "did you mean 'vs_sum'" in server.cli("get", "risk", "user=user1", "--request", fields, "--explain", "--feature", "vs_sun", status=1).stderr


def test_what_nobody_knows_is_not_guessed(tmp_path):
    with Server(tmp_path / "data") as server:
        define(server, tmp_path)
        payments.produce(server, [("ann", 1, time.time_ns() // 1_000_000 - 1)])
        before = read(server, ["ann"], REQUEST)["as_of"]
        server.wait_for(lambda: "derived from" in server.cli("get", "risk", "user=ann", "--request", json.dumps(REQUEST), "--explain", "--at", before).stdout, "the timeline is synced")
        server.process.send_signal(signal.SIGSTOP)  # nothing is synced any more
        hidden = datetime.datetime.now(datetime.timezone.utc).isoformat()
        server.kill()
        server.start()
        file = spine(tmp_path, [("ann", before, REQUEST), ("ann", hidden, REQUEST)])
        assert train(server, file, tmp_path / "out.parquet", "--mode", "as_served")["gap_rows"] == 1
        table = pq.read_table(tmp_path / "out.parquet")
        statuses = {name: table[name + "__status"].to_pylist() for name in payments.FEATURES + DERIVED}
        assert all(status[0] != "GAP" for status in statuses.values())
        unknown = {name for name, status in statuses.items() if status[1] == "GAP"}
        assert unknown == set(payments.FEATURES) | {"vs_sum", "hot", "overflow", "room", "label"}
        assert all(table[name][1].as_py() is None for name in unknown) and table["twice"].to_pylist() == [0.2, 0.2]


def test_a_planted_bit_is_found(server):
    read(server, ["user3"], REQUEST)
    assert server.stop() == 0
    path = max((server.directory / "samples").iterdir())
    records = samples_file.read_records(path)
    place = [place for place in samples_file.floats(records) if place.view == samples_file.DERIVED][-1]
    assert DERIVED[place.feature] == "twice"
    records[place.record][place.at] ^= 1
    samples_file.write_records(path, records)
    found = run("verify", "--dir", server.directory, status=4).stdout
    assert "1 differ," in found, found
    assert re.search(r"^risk: risk@1 twice of user3 \(request 0.1, \"USD\", 100.25, 2026-01-02T03:04:05.000006Z, \[\"a\",null\]\) at 20\S+Z$", found, re.M), found
    assert re.search(r"^  derived +0.2 PRESENT \(bits 3fc999999999999a\)$", found, re.M), found
    assert re.search(r"^  served +0.2\S+ PRESENT \(bits 3fc999999999999b\)$", found, re.M), found
    assert re.search(r"^  cut +shard \d+, publish \d+: payments-", found, re.M), found
    server.start()
