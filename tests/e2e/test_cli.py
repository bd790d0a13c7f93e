"""The real program from the outside: exit statuses, refusals, what people read."""

import json
import os
import re
import signal
import subprocess
import time

import confluent_kafka
import payments
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from millstream import BINARY, ROOT, STOP_SECONDS, Server, run

@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cli")
    with Server(directory / "data") as server:
        server.definitions = payments.define(server, directory, partitions=1)
        yield server


def produce(server, topic, lines):
    text = "".join(line + "\n" for line in lines)
    environment = os.environ | {"MILLSTREAM_SERVER": f"http://{server.http}"}
    subprocess.run([BINARY, "topic", "produce", topic, "--quiet"], input=text, text=True, env=environment, check=True, timeout=60)


def test_version_and_usage():
    assert re.fullmatch(r"millstream \d+\.\d+\.\d+\n", run("version").stdout)
    assert "version" in json.loads(run("version", "--json").stdout)
    assert run("--version").stdout == run("version").stdout
    assert "serve" in run("--help").stdout
    assert "did you mean 'status'" in run("statsu", status=2).stderr
    assert "did you mean 'create'" in run("topic", "creat", "x", status=2).stderr
    assert "did you mean '--server'" in run("status", "--servr", "x", status=2).stderr
    assert run("topic", "create", status=2).stderr
    assert "at least 1" in run("topic", "create", "x", "--partitions", "0", status=2).stderr
    assert "millstream topic list" in run("list", "topics", status=2).stderr


def test_a_file_that_is_not_there_is_2(server, tmp_path):
    missing = tmp_path / "none"
    commands = [
        ("plan", missing.with_suffix(".yaml")),
        ("serve", "--config", missing.with_suffix(".yaml")),
        ("train", "risk", "--spine", missing.with_suffix(".csv"), "--out", tmp_path / "o.parquet"),
    ]
    for command in commands:
        refused = server.cli(*command, status=2)
        assert str(missing) in refused.stderr and "No such file or directory" in refused.stderr, refused.stderr
    (tmp_path / "spine.csv").write_text("card,event_time\nc,2026-01-01\n")
    refused = server.cli("train", "risk", "--spine", tmp_path / "spine.csv", "--out", missing / "o.parquet", status=2)
    assert f"there is no directory '{missing}'" in refused.stderr


def test_no_server_is_3():
    refused = run("status", "--server", "http://127.0.0.1:9", status=3)
    assert "millstream serve" in refused.stderr
    assert run("status", "--server", "ftp://x", status=2).stderr


def test_serve_refuses_bad_settings(tmp_path):
    assert "--insecure" in run("serve", "--dir", tmp_path / "a", "--http", "0.0.0.0:0", status=2).stderr
    assert "--advertised-kafka" in run("serve", "--dir", tmp_path / "a", "--kafka", "0.0.0.0:0", "--insecure", status=2).stderr
    assert "HOST:PORT" in run("serve", "--dir", tmp_path / "a", "--kafka", "nonsense", status=2).stderr
    assert "power of two" in run("serve", "--dir", tmp_path / "a", "--shards", "3", status=2).stderr
    config = tmp_path / "millstream.yaml"
    config.write_text("dir: x\nkafak: 127.0.0.1:1\n")
    refused = run("serve", "--config", config, status=2)
    assert f"{config}:2:1" in refused.stderr and "did you mean 'kafka'" in refused.stderr
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("mine")
    assert "not a Millstream directory" in run("serve", "--dir", tmp_path / "foreign", status=2).stderr
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "FORMAT").write_text("millstream 999\n")
    assert "newer Millstream" in run("serve", "--dir", tmp_path / "newer", status=2).stderr


def test_print_config_says_where_values_come_from(tmp_path, monkeypatch):
    config = tmp_path / "millstream.yaml"
    config.write_text("shards: 4\nhttp: 127.0.0.1:1\n")
    monkeypatch.setenv("MILLSTREAM_SAMPLES_PER_SECOND", "7")
    out = run("serve", "--config", config, "--http", "127.0.0.1:2", "--print-config").stdout
    assert re.search(r"^shards: 4 +# .*millstream.yaml:1$", out, re.M)
    assert re.search(r"^http: 127.0.0.1:2 +# option --http$", out, re.M)
    assert re.search(r"^samples_per_second: 7 +# variable MILLSTREAM_SAMPLES_PER_SECOND$", out, re.M)
    assert re.search(r"^kafka: 127.0.0.1:9092 +# default$", out, re.M)
    again = tmp_path / "again.yaml"
    again.write_text(out)
    assert run("serve", "--config", again, "--print-config").returncode == 0


def test_a_second_server_is_refused_and_sigterm_is_orderly(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        refused = run("serve", "--dir", tmp_path / "data", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", status=2)
        assert f"process id {server.process.pid}" in refused.stderr
    finally:
        assert server.stop() == 0
    server.start()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(STOP_SECONDS) == 0
    server.process.stdout.close()


def test_topics(server):
    server.cli("topic", "create", "orders", "--partitions", "2", "--config", "retention.ms=60000")
    assert "already" in server.cli("topic", "create", "orders", status=1).stderr
    assert "orders" in server.cli("topic", "list").stdout
    produce(server, "orders", ["one", "two", "three"])
    assert server.cli("topic", "consume", "orders").stdout == "one\ntwo\nthree\n"
    assert server.cli("topic", "consume", "orders", "--offset", "-1").stdout == "three\n"
    described = json.loads(server.cli("topic", "describe", "orders", "--json").stdout)
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all"})
    producer.produce("orders", "four", key="k", partition=1, headers=[("trace", "7f"), ("trace", "80")])
    assert producer.flush(60) == 0
    assert server.cli("topic", "consume", "orders").stdout == "one\ntwo\nthree\nfour\n"
    assert server.cli("topic", "consume", "orders", "--partition", "1").stdout == "four\n"
    assert server.cli("topic", "consume", "orders", "--count", "2").stdout == "one\ntwo\n"
    assert server.cli("topic", "consume", "orders", "--offset", "-1", "--headers", "--key-separator", ":").stdout == "\t:three\ntrace=7f,trace=80\tk:four\n"
    record = json.loads(server.cli("topic", "consume", "orders", "--partition", "1", "--json").stdout)
    assert record["partition"] == 1 and record["headers"] == [{"key": "trace", "value": "7f"}, {"key": "trace", "value": "80"}]
    assert described["records"] == 3 and described["config"]["retention.ms"] == {"value": "60000", "set": True}
    server.cli("topic", "alter", "orders", "--partitions", "3")
    assert "did you mean 'orders'" in server.cli("topic", "describe", "order", status=1).stderr
    assert "reads topic 'payments'" in server.cli("topic", "delete", "payments", status=1).stderr
    server.cli("topic", "delete", "orders")


def test_keys_go_where_kafkas_producers_send_them(server):
    for topic in ("ours", "theirs"):
        server.cli("topic", "create", topic, "--partitions", "5")
    keys = [f"key {i}" * (i % 4 + 1) for i in range(60)]
    environment = os.environ | {"MILLSTREAM_SERVER": f"http://{server.http}"}
    lines = "".join(f"{key}:{key}\n" for key in keys)
    done = subprocess.run([BINARY, "topic", "produce", "ours", "--key-separator", ":", "--json"], input=lines, text=True, env=environment, check=True,
                          timeout=60, capture_output=True)
    made = json.loads(done.stdout)
    assert made["records"] == 60 and sum(p["records"] for p in made["partitions"]) == 60
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "partitioner": "murmur2"})
    for key in keys:
        producer.produce("theirs", key, key=key)
    assert producer.flush(60) == 0
    held = lambda topic: [server.cli("topic", "consume", topic, "--partition", partition).stdout for partition in range(5)]
    assert held("ours") == held("theirs") and all(held("ours"))


def test_plan_names_the_place(server, tmp_path):
    assert "Nothing changes" in server.cli("plan", server.definitions).stdout
    broken = tmp_path / "broken.yaml"
    broken.write_text(payments.DEFINITIONS.replace("of: amount", "of: amuont"))
    for command in (["plan"], ["apply", "--yes"]):
        refused = server.cli(*command, broken, status=2)
        assert re.search(rf"^{re.escape(str(broken))}:\d+:\d+: .*amuont.*amount", refused.stderr, re.M), refused.stderr
    assert re.search(r"^! view spending  \(refused\)$", server.cli("plan", broken, status=2).stdout, re.M)
    report = json.loads(server.cli("plan", broken, "--json", status=2).stdout)
    assert not report["ok"] and report["refusals"][0]["line"] > 0
    assert "no such file" in server.cli("plan", tmp_path / "none.yaml", status=2).stderr.lower()
    changed = tmp_path / "changed.yaml"
    changed.write_text(payments.DEFINITIONS.replace("over: [1h]}}\n      amount", "over: [1h, 3h]}}\n      amount"))
    assert "--yes" in server.cli("apply", changed, status=2).stderr


def test_plan_says_what_a_topic_must_keep(server):
    needs = "    needs the last 1d1h of topic payments\n"
    assert needs in server.cli("plan", server.definitions).stdout and "warning" not in server.cli("plan", server.definitions).stdout
    server.cli("topic", "alter", "payments", "--config", "retention.ms=3600000")
    warned = server.cli("plan", server.definitions).stdout
    server.cli("topic", "alter", "payments", "--config", "retention.ms=")
    assert needs + "    warning: topic payments keeps 1h, the view needs 1d1h: " in warned


def test_plan_shows_what_becomes_of_each_feature(server, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text(payments.DEFINITIONS.replace("count: {over: [1h]}", "count: {over: [1h, 3h]}").replace("over: [1h, 24h]", "over: [1h]"))
    shown = server.cli("plan", changed).stdout
    assert re.search(r"^~ view spending@2  \(changed\)$", shown, re.M), shown
    features = re.findall(r"^    ([=+~-]) (\w+) +(\S+) +(\S.*?)(?: {2,}([\d.]+ \w+))?$", shown, re.M)
    assert [feature[:4] for feature in features] == [
        ("=", "payments_count_1h", "int64", "sliding 1h, hop 5m"),
        ("+", "payments_count_3h", "int64", "sliding 3h, hop 5m"),
        ("=", "amount_sum_1h", "float64", "sliding 1h, hop 5m"),
        ("=", "amount_last_24h", "float64", "sliding 1d, hop 1h"),
        ("-", "amount_sum_24h", "float64", "sliding 1d, hop 1h"),
    ]
    assert [bool(feature[4]) for feature in features] == [True, True, True, True, False]  # what is gone keeps no state
    assert re.search(r"^    state: about [\d.]+ \w+ for an entity with an event a minute\n    needs the last 1d1h of topic payments$", shown, re.M), shown
    assert re.search(r"^~ service risk@2  \(changed\)\n    4 features: .*\n    \+ payments_count_3h\n    - amount_sum_24h$", shown, re.M), shown
    assert shown.splitlines()[-1] == "0 new, 2 changed, 2 unchanged"
    report = json.loads(server.cli("plan", changed, "--json").stdout)
    assert report["text"] == shown and report["changes"]


def test_plan_of_a_directory_without_a_server(tmp_path):
    with Server(tmp_path / "data") as server:
        definitions = payments.define(server, tmp_path, partitions=1)
        assert "Nothing changes." in run("plan", definitions, "--dir", server.directory).stdout  # it only reads: also beside a server
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "data").rglob("*"))
    plan = lambda file, status=0: run("plan", file, "--dir", tmp_path / "data", server="http://127.0.0.1:9", status=status)
    assert plan(definitions).stdout.splitlines()[-1] == "Nothing changes."
    changed = tmp_path / "changed.yaml"
    changed.write_text(payments.DEFINITIONS.replace("over: [1h, 24h]", "over: [1h, 2h]"))
    assert re.search(r"^    \+ amount_sum_2h .*\n(?s:.*)^    - amount_sum_24h ", plan(changed).stdout, re.M)
    changed.write_text(payments.DEFINITIONS.replace("of: amount", "of: amuont"))
    assert re.search(rf"^{re.escape(str(changed))}:\d+:\d+: .*amuont", plan(changed, status=2).stderr, re.M)
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "data").rglob("*")) == before
    assert f"{tmp_path / 'nothing'} is not a Millstream directory" in run("plan", definitions, "--dir", tmp_path / "nothing", status=2).stderr
    (tmp_path / "data" / "FORMAT").write_text("millstream 999\n")
    assert "newer Millstream" in plan(definitions, status=2).stderr


def test_lists(server):
    assert "spending" in server.cli("list", "views").stdout
    assert json.loads(server.cli("describe", "service", "risk", "--json").stdout)["name"] == "risk"
    assert "did you mean 'risk'" in server.cli("describe", "service", "rsk", status=1).stderr
    assert server.cli("list", "veiws", status=2).stderr


def test_the_catalog_lies_where_its_page_says(server):
    place = re.search(r"`DIR/(\S+)`", (ROOT / "docs/formats/catalog.md").read_text())[1]
    assert json.loads((server.directory / place).read_text())["views"]


def test_get_shows_values_with_ages(server):
    now = int(time.time() * 1000)
    payments.produce(server, [("ann", 1.5, now - 60_000), ("ann", 2.25, now - 59_999)])
    table = server.cli("get", "risk", "user=ann").stdout
    assert re.search(r"^amount_sum_1h +3.75 +PRESENT +20\S+Z +\d+", table, re.M), table
    assert re.search(r"^payments_count_1h +2 +PRESENT", table, re.M), table
    reply = json.loads(server.cli("get", "risk", "user=ann", "--json").stdout)
    assert reply["rows"][0]["values"][reply["features"].index("amount_sum_1h")] == 3.75
    assert "No event" in server.cli("get", "risk", "user=nobody").stdout
    assert "did you mean 'risk'" in server.cli("get", "rsk", "user=ann", status=1).stderr
    assert "service 'risk' has no key 'usr'; did you mean 'user'?" in server.cli("get", "risk", "usr=ann", status=2).stderr
    assert "service 'risk' has no key 'colour'; its keys: user" in server.cli("get", "risk", "colour=red", status=2).stderr


def test_get_of_many_entities_answers_at_one_instant(server):
    now = int(time.time() * 1000)
    payments.produce(server, [("eve", 2.5, now - 5_000), ("fay", 0.5, now - 4_000)])
    shown = server.cli("get", "risk", "user=eve", "user=nobody", "user=fay").stdout
    head, *blocks = shown.split("\n\n")
    assert re.fullmatch(r"risk@1  as of 20\S+Z\ncut: shard \d publish \d+(, shard \d publish \d+)*", head), head
    assert [block.splitlines()[0] for block in blocks] == ["user=eve", "user=nobody", "user=fay"]
    sums = [re.search(r"^amount_sum_1h +(\S+) +(\w+)", block, re.M).groups() for block in blocks]
    assert sums == [("2.5", "PRESENT"), ("-", "EMPTY_WINDOW"), ("0.5", "PRESENT")]
    assert ["No event" in block for block in blocks] == [False, True, False]
    reply = json.loads(server.cli("get", "risk", "user=fay", "user=eve", "--json").stdout)
    column = reply["features"].index("amount_sum_1h")
    assert [row["values"][column] for row in reply["rows"]] == [0.5, 2.5]
    assert "service 'risk' has no key 'usr'" in server.cli("get", "risk", "user=eve", "usr=fay", status=2).stderr
    assert "'fay' must be KEY=VALUE" in server.cli("get", "risk", "user=eve", "fay", status=2).stderr


ROUTES = """
sources:
  hops: {topic: hops, format: json, time: {field: at, unit: ms}, fields: {origin: string, gate: int64}}
entities:
  route: {key: [origin, gate]}
views:
  routes: {entity: route, from: hops, features: {hops: {count: {over: [1h]}}}}
services:
  routes: {features: [routes.*]}
"""


def test_get_of_many_entities_with_a_key_of_two_parts(server, tmp_path):
    server.cli("topic", "create", "hops")
    (tmp_path / "routes.yaml").write_text(ROUTES)
    server.cli("apply", tmp_path / "routes.yaml", "--yes")
    now = int(time.time() * 1000)
    produce(server, "hops", [json.dumps({"origin": "ORD", "gate": 7, "at": now - 1000})] * 2 + [json.dumps({"origin": "LAX", "gate": 7, "at": now - 1000})])
    server.wait_until_applied()
    shown = server.cli("get", "routes", "origin=LAX", "gate=7", "gate=7", "origin=ORD").stdout
    assert [block.splitlines()[0] for block in shown.split("\n\n")[1:]] == ["origin=LAX gate=7", "gate=7 origin=ORD"]
    assert re.findall(r"^hops_count_1h +(\d+)", shown, re.M) == ["1", "2"]
    refused = server.cli("get", "routes", "origin=LAX", "gate=7", "origin=ORD", status=2)
    assert "entities[1]: entity key 'gate'" in refused.stderr, refused.stderr
    assert "gate=seven: the key is an integer" in server.cli("get", "routes", "origin=LAX", "gate=seven", status=2).stderr


def test_a_float64_keeps_its_type_and_its_bits(server):
    now = int(time.time() * 1000)
    payments.produce(server, [("bea", 1e22, now - 5_000), ("bea", -0.0, now - 4_000), ("cia", 150.0, now - 5_000), ("cia", 6.0, now - 4_000)])

    def shown(user):
        from_http, from_get = payments.read(server, user), json.loads(server.cli("get", "risk", f"user={user}", "--json").stdout)
        assert repr(from_http["rows"][0]["values"]) == repr(from_get["rows"][0]["values"])
        return list(map(repr, from_http["rows"][0]["values"]))

    assert shown("bea") == ["2", "1e+22", "1e+22", "-0.0"]
    assert shown("cia") == ["2", "156.0", "156.0", "6.0"]
    assert shown("nobody") == ["0", "None", "None", "None"]
    table = server.cli("get", "risk", "user=bea").stdout
    assert re.search(r"^amount_last_24h +-0\.0 +PRESENT", table, re.M), table
    assert re.search(r"^amount_sum_24h +156\.0 +PRESENT", server.cli("get", "risk", "user=cia").stdout, re.M)


def test_a_decimal_keeps_its_digits(server, tmp_path):
    (tmp_path / "exact.yaml").write_text("""
sources:
  exact:
    topic: exact
    format: json
    time: {field: ts, unit: ms}
    fields: {card: string, amount: "decimal(30,2)", id: int64}
    owner: tests
entities:
  exact_card: {key: [card]}
views:
  exact_spending:
    entity: exact_card
    from: exact
    features:
      amount: {sum: {of: amount, over: [lifetime]}, last_n: {of: amount, n: 2, over: [lifetime]}}
      id: {last: {of: id, over: [lifetime]}}
    owner: tests
services:
  exact: {features: [exact_spending.*]}
""")
    server.cli("topic", "create", "exact")
    server.cli("apply", "--yes", tmp_path / "exact.yaml")
    produce(server, "exact", ['{"card": "c", "amount": 12345678901234567890.12, "id": 9007199254740993, "ts": %d}' % (time.time() * 1000 - 1000)])
    server.wait_until_applied()
    table = server.cli("get", "exact", "card=c").stdout
    assert re.search(r"amount_sum_lifetime +12345678901234567890\.12 ", table), table
    assert re.search(r"id_last_lifetime +9007199254740993 ", table), table
    text = server.cli("get", "exact", "card=c", "--json").stdout
    assert "[12345678901234567890.12]" in text.replace(" ", "") and "9007199254740993" in text, text


def test_status(server):
    assert "spending" in server.cli("status").stdout
    status = json.loads(server.cli("status", "--json").stdout)
    assert status["ready"] and status["sources"][0]["lag"] == 0


def test_status_shows_what_is_applied_of_the_topic_that_is_read(tmp_path):
    with Server(tmp_path / "data") as server:
        definitions = payments.define(server, tmp_path, partitions=1)
        shown = lambda: {s["topic"]: s["records"] for s in server.get("/v1/status")["sources"]}
        payments.produce(server, [("ann", 1.0, 1_000)] * 2)
        assert shown() == {"payments": 2}
        # The name goes to another topic, while the first one's reader is still there.
        server.cli("topic", "create", "others")
        elsewhere = tmp_path / "elsewhere.yaml"
        elsewhere.write_text(payments.DEFINITIONS.replace("topic: payments", "topic: others"))
        server.cli("apply", elsewhere, "--yes")
        server.cli("topic", "delete", "payments")
        server.cli("topic", "create", "payments")
        server.cli("apply", definitions, "--yes")
        payments.produce(server, [("ann", 1.0, 1_000)] * 3)
        assert shown() == {"payments": 3}
        assert server.stop() == 0
        server.start()
        assert shown() == {"payments": 3}


def test_train(server, tmp_path):
    spine = tmp_path / "spine.csv"
    spine.write_text("user,event_time\nann,2026-01-01T00:00:00Z\n")
    out = tmp_path / "out.parquet"
    made = json.loads(server.cli("train", "risk", "--spine", spine, "--out", out, "--json").stdout)
    assert made["rows"] == 1 and out.exists()
    assert server.cli("train", "risk", "--spine", tmp_path / "none.csv", "--out", tmp_path / "no.parquet", status=2).stderr
    assert not (tmp_path / "no.parquet").exists()


def test_train_with_little_memory_spills_and_says_so(server, tmp_path):
    spine, events = tmp_path / "spine.csv", [(f"user {i % 50}", i / 7, 1767225600000 + i * 1000) for i in range(1000)]
    payments.produce(server, events)
    spine.write_text("user,event_time\n" + "".join(f"user {i},2026-01-01T00:30:00Z\n" for i in range(50)))
    made, tables = [], []
    for memory in ("1", "1GiB"):
        out = tmp_path / f"out-{memory}.parquet"
        made.append(json.loads(server.cli("train", "risk", "--spine", spine, "--out", out, "--memory", memory, "--json").stdout))
        tables.append(pq.read_table(out))
    assert made[0]["spilled_bytes"] > 0 and made[1]["spilled_bytes"] == 0
    assert tables[0].equals(tables[1]) and tables[0]["payments_count_1h"].to_pylist() == [20] * 50
    assert sorted(path.name for path in tmp_path.iterdir() if "parquet" in path.name and "manifest" not in path.name) == ["out-1.parquet", "out-1GiB.parquet"]


def test_a_spine_that_is_wrong_is_refused_with_its_row(server, tmp_path):
    def refused(spine, *options):
        done = server.cli("train", "risk", "--spine", spine, "--out", tmp_path / "out" / "set.parquet", *options, status=2)
        assert str(spine) in done.stderr and list((tmp_path / "out").iterdir()) == [], done.stderr
        return done.stderr

    def csv(text):
        (tmp_path / "spine.csv").write_text(text)
        return tmp_path / "spine.csv"

    def parquet(users, times):
        pq.write_table(pa.table({"user": pa.array(users), "event_time": pa.array(times, pa.timestamp("us", tz="UTC"))}), tmp_path / "spine.parquet")
        return tmp_path / "spine.parquet"

    (tmp_path / "out").mkdir()
    at = "2026-01-01T00:00:00Z"
    assert "there is no column 'user'; did you mean 'usr'?" in refused(csv(f"usr,event_time\nann,{at}\n"))
    assert "did you mean 'event_time'" in refused(csv(f"user,event_time\nann,{at}\n"), "--time-column", "event_tme")
    assert "row 3: the time 'event_time' is null" in refused(csv(f"user,event_time\nann,{at}\nbea,{at}\ncia,\n"))
    assert "row 2: the time 'event_time' is null" in refused(parquet(["ann", "bea"], [0, None]))
    assert "row 2: the key 'user' is null" in refused(parquet(["ann", None], [0, 1]))


def test_http_errors_are_problem_documents(server):
    def ask(path, body, *headers):
        command = ["curl", "-s", "-w", "\n%{http_code} %{content_type}", f"http://{server.http}{path}"]
        if body is not None:
            command += ["--data-binary", body]
        if body is not None and not headers:
            command += ["-H", "Content-Type: application/json"]
        out = subprocess.run([*command, *headers], capture_output=True, text=True, check=True, timeout=60).stdout
        text, status = out.rsplit("\n", 1)
        return status, json.loads(text)

    assert ask("/v1/services/rsk/features", '{"entities": [{"user": "a"}]}')[1]["code"] == "not_found"
    status, problem = ask("/v1/services/risk/features", '{"entities": [{"user": 1.5}]}')
    assert status == "400 application/problem+json" and problem["code"] == "invalid_argument" and "column" in problem["detail"]
    assert ask("/v1/nothing", None)[1]["code"] == "no_such_path"
    assert ask("/v1/plan", None)[0].startswith("405")
    assert ask("/v1/plan", "{}", "-H", "Content-Type: text/plain")[0].startswith("415")
    for path, body in (("/v1/topics", None), ("/v1/services/risk/features", '{"entities": [{"user": "a"}]}')):
        assert ask(path, body, "-H", "Host: evil.example")[1]["code"] == "foreign_host"
    paths = ask("/openapi.json", None)[1]["paths"]
    assert "/v1/services/{service}/features" in paths and "/v1/topics/{name}/records" in paths
