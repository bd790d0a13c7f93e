"""Events that mean ill, through a real server. Honest events go to two topics alike, hostile ones to one of them; two views with the same
features read one topic each, and one service reads both at one instant. So what hostile events may not touch is equal, bit for bit."""

import json
import os
import time
import urllib.request

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from confluent_kafka import Producer
from millstream import Server

PATIENCE = 60
MIB = 1 << 20
LONG = os.environ.get("MS_LONG") == "1"
FLOOD = 10_000_000 if LONG else 1_000_000  # distinct values of one entity within an hour
# On top of what the server had. Without caps the two sets of the flood's values would be 16 bytes a value each at least, and the values
# that count_by and top_k keep whole some 50 and their count: 150 MiB without any slack (1.5 GiB in the long form), far over both bounds.
VIEW_MAX = 8 * MIB  # of the view with the flood
GROWTH_MAX = 128 * MIB  # of the process, without training sets: with the log's caches and records of up to 1 MiB under way

FEATURES = """
      events: {count: {over: [10m, 1h, lifetime]}}
      text:
        count_distinct: {of: s, over: [1h, lifetime]}
        approx_count_distinct: {of: s, over: [1h]}
        top_k: {of: s, k: 3, over: [1h]}
        count_by: {of: s, over: [1h]}
        last: {of: s, over: [1h]}
        max: {of: s, over: [lifetime]}
      whole: {sum: {of: n, over: [1h, lifetime]}, min: {of: n, over: [1h]}, last_n: {of: n, n: 3, over: [1h]}}
      real: {sum: {of: x, over: [1h, lifetime]}, avg: {of: x, over: [1h]}, stddev: {of: x, over: [1h]}, quantile: {of: x, q: 0.5, over: [1h]}}
      money: {sum: {of: d, over: [1h, lifetime]}, last: {of: d, over: [1h]}}
      list: {last: {of: tags, over: [1h]}}
      vector: {avg: {of: v, over: [1h]}}
      map: {last: {of: m, over: [1h]}}
"""
FIELDS = '{user: string, n: int64, x: float64, d: "decimal(12,2)", s: string, tags: "list<string>", v: "vector<float64,3>", m: "map<string,int64>"}'
DEFINITIONS = f"""
sources:
  clean: {{topic: clean, format: json, time: {{field: ts, unit: ms}}, fields: {FIELDS}, owner: tests}}
  mixed: {{topic: mixed, format: json, time: {{field: ts, unit: ms}}, fields: {FIELDS}, owner: tests}}
entities:
  user: {{key: [user]}}
views:
  clean:
    entity: user
    from: clean
    features: {FEATURES}
    owner: tests
  mixed:
    entity: user
    from: mixed
    features: {FEATURES}
    owner: tests
  arrivals:  # of the same topic, and uses no field but the key
    entity: user
    from: mixed
    features: {{seen: {{count: {{over: [10m]}}}}}}
    owner: tests
services:
  both: {{features: [clean.* as clean_*, mixed.* as mixed_*]}}
  arrivals: {{features: [arrivals.*]}}
"""
HONEST = [f"honest-{i}" for i in range(20)]


def now_ms():
    return int(time.time() * 1000)


class Stage:
    def __init__(self, server, directory):
        self.server, self.directory, self.rounds, self.letters = server, directory, 0, 0
        self.producer = Producer({"bootstrap.servers": server.kafka, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20, "message.max.bytes": 8 * MIB})
        self.honest()
        server.wait_until_applied()
        self.base = self.memory("VmRSS")

    def memory(self, what):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))

    def send(self, topic, values):
        failed = []
        for value in values:
            while True:
                try:
                    self.producer.produce(topic, value, on_delivery=lambda error, _: error and failed.append(error))
                    break
                except BufferError:
                    self.producer.poll(1)
        assert self.producer.flush(PATIENCE) == 0 and not failed, failed[:1]

    def honest(self):
        """A round of events of every honest user, to both topics."""
        at, events = now_ms() - 1000, []
        for i, user in enumerate(HONEST):
            n = self.rounds * 31 + i
            events.append(json.dumps({"user": user, "ts": at - i * 1000, "n": n, "x": n * 0.1, "d": f"{n}.{i:02}", "s": f"{user} {n % 7}", "tags": [user, None], "v": [n, 0.5, i], "m": {user: n}}))
        self.rounds += 1
        for topic in ("clean", "mixed"):
            self.send(topic, events)

    def read(self, user, service="both"):
        reply = self.server.post(f"/v1/services/{service}/features", {"entities": [{"user": user}]})
        row = reply["rows"][0]
        return {name: (value, status, at) for name, value, status, at in zip(reply["features"], row["values"], row["statuses"], row["event_times"], strict=True)}

    def mixed(self, user):
        return {name.removeprefix("mixed_"): answer[:2] for name, answer in self.read(user).items() if name.startswith("mixed_")}

    def status(self, view):
        return next(v for v in self.server.get("/v1/status")["views"] if v["name"] == view)

    def counted(self):
        """Dead letters that /metrics has counted."""
        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=PATIENCE) as reply:
            return sum(int(line.rsplit(b" ", 1)[1]) for line in reply if line.startswith(b"millstream_dead_letters_total"))

    def dead_letters(self):
        """(offset in the topic, reason) of those that came since the last call."""
        if not any(topic["name"] == "mixed.dead-letter" for topic in self.server.get("/v1/topics")["topics"]):
            return []
        records = []
        while True:
            page = self.server.get(f"/v1/topics/mixed.dead-letter/records?offset={self.letters}&limit=100")["records"]
            if not page:
                return records
            for record in page:
                headers = {header["key"]: header["value"] for header in record["headers"]}
                records.append((int(headers["offset"]), headers["reason"]))
            self.letters = page[-1]["offset"] + 1

    def check(self):
        """The stream goes on, and no honest user's answer has changed in a bit: live, as served, and as known."""
        self.honest()
        self.server.wait_until_applied()
        reply = self.server.post("/v1/services/both/features", {"entities": [{"user": user} for user in HONEST]})
        half = len(reply["features"]) // 2
        assert [name.removeprefix("clean_") for name in reply["features"][:half]] == [name.removeprefix("mixed_") for name in reply["features"][half:]]
        at = reply["features"].index("clean_events_count_lifetime")
        for row in reply["rows"]:
            for what in ("values", "statuses", "event_times"):
                assert json.dumps(row[what][:half]) == json.dumps(row[what][half:])
            assert row["values"][at] == self.rounds and set(row["statuses"]) == {"PRESENT"}
        growth = self.memory("VmHWM") - self.base
        print(f"{growth / MIB:.0f} MiB more at the peak, views hold {self.status('mixed')['resident_bytes'] / MIB:.2f} MiB")
        assert growth < GROWTH_MAX
        spine, out = self.directory / "spine.parquet", self.directory / "out.parquet"
        instant = pa.array([reply["as_of"]] * len(HONEST)).cast(pa.timestamp("us", tz="UTC"))
        parquet.write_table(pa.table({"user": HONEST, "event_time": instant}), spine)
        self.server.cli("train", "both", "--spine", spine, "--out", out, "--statuses", "--quiet")
        table = parquet.read_table(out)
        for name in reply["features"][:half]:
            for column in (name, name + "__status"):
                assert str(table[column].to_pylist()) == str(table[column.replace("clean_", "mixed_", 1)].to_pylist()), column
        with open(f"/proc/{self.server.process.pid}/clear_refs", "w") as file:  # what a training set took is not the stream's
            file.write("5")
        self.base = self.memory("VmRSS")


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    with Server(directory / "data", "--tail-cache-bytes", 16 * MIB, "--reconcile-interval-ms", 500) as server:
        for topic in ("clean", "mixed"):
            server.cli("topic", "create", topic, "--config", f"max.message.bytes={8 * MIB}")
        (directory / "features.yaml").write_text(DEFINITIONS)
        server.cli("apply", "--yes", directory / "features.yaml")
        stage = Stage(server, directory)
        yield stage
        del stage.producer  # before the server it is connected to


@pytest.fixture
def stage(module_stage):
    yield module_stage
    module_stage.check()


def test_a_flood_of_distinct_values_of_one_entity(stage):
    """All but a few events are one user's. What has a cap overflows, for this user; what has none answers on."""
    at = now_ms() - 2000
    stage.send("mixed", (f'{{"user":"flood","ts":{at},"n":{i},"x":{i}.5,"s":"a text of the flood, no other is like it: {i}"}}' for i in range(FLOOD)))
    stage.server.wait_until_applied()
    got = stage.mixed("flood")
    for feature in ("text_count_distinct_1h", "text_count_distinct_lifetime", "text_top_k_1h", "text_count_by_1h"):
        assert got[feature] == (None, "OVERFLOW"), feature
    assert got["events_count_lifetime"] == (FLOOD, "PRESENT")
    assert got["whole_sum_lifetime"] == (FLOOD * (FLOOD - 1) // 2, "PRESENT")
    assert got["real_sum_lifetime"] == (FLOOD * FLOOD / 2, "PRESENT")
    assert got["whole_last_n_1h"] == ([FLOOD - 1, FLOOD - 2, FLOOD - 3], "PRESENT")
    assert got["text_last_1h"][0].endswith(f": {FLOOD - 1}")
    assert abs(got["text_approx_count_distinct_1h"][0] / FLOOD - 1) < 5 * 0.01625
    assert stage.status("mixed")["resident_bytes"] < VIEW_MAX
    assert not stage.dead_letters()


def each(stage, cases):
    """Sends the events; returns the reason of each one's dead letter, None where there is none. Every letter is counted, and about one of them."""
    first = stage.server.get("/v1/topics/mixed/records?limit=1")["high_watermark"]
    before = stage.counted()
    stage.send("mixed", cases)
    stage.server.wait_until_applied()
    letters = stage.dead_letters()
    assert stage.counted() == before + len(letters)
    assert set(offset for offset, _ in letters) <= set(range(first, first + len(cases)))
    reasons = dict(letters)
    return [reasons.get(first + i) for i in range(len(cases))]


def check(reasons, expected):
    """`expected` by case: how its reason begins, or None."""
    for (case, wanted), reason in zip(expected, reasons, strict=True):
        assert (reason is None) if wanted is None else (reason or "").startswith(wanted), f"{case[:80]}: {reason}, expected {wanted}"


def event(user, **changes):
    return json.dumps({"user": user, "ts": now_ms() - 1000, "n": 1, "x": 1.0, "d": "1.00", "s": "s"} | changes)


def written(user, field, text):
    """An event whose `field` is `text`, which json.dumps would not write."""
    return event(user, **{field: "@"}).replace('"@"', text)


def test_times_that_cannot_be(stage):
    before = {view: stage.status(view)["beyond_horizon"] for view in ("mixed", "arrivals")}
    beyond = "event_time: field 'ts' is "
    expected = [
        ("0", None), ("-1", None),  # 1970: what looks back for ever takes them
        ("7258118400000", "too_far_ahead: event time 2200-01-01T00:00:00.000000Z"),
        (str(2**63 - 1), beyond), (str(-(2**63)), beyond), (str(2**63), beyond), (str(2**64), beyond), ("1" + "0" * 40, beyond), ("1e400", beyond), ("-1e400", beyond),
        ('"now"', "event_time: field 'ts' is a string"), ("[]", "event_time: field 'ts' is an array"), ("null", "event_time: field 'ts' is missing or null"),
    ]  # fmt: skip
    check(each(stage, [written(f"time {text}", "ts", text) for text, _ in expected]), expected)
    for text, wanted in expected:
        got = stage.mixed(f"time {text}")
        assert got["events_count_lifetime"][0] == (1 if wanted is None else 0) and got["events_count_1h"] == (0, "EMPTY_WINDOW"), text
    assert stage.status("arrivals")["beyond_horizon"] == before["arrivals"] + 2
    assert stage.status("mixed")["beyond_horizon"] == before["mixed"]


def test_numbers_beyond_every_type(stage):
    whole, real, fine, large = "which is not a whole number (int64)", "out of range of float64 or not a number", "which has more than 2 digits behind the point", "which has more than 10 digits before the point"
    bad, range_, text = "something that is not JSON", "out of range of int64 or not a number", "is a string"
    ones = "1" * 100_000
    # the number, then for int64, float64 and decimal(12,2): the sum, or what the reason says
    cases = [
        ("1e400", whole, real, large), ("-1e400", whole, real, large), ("1" + "0" * 40, range_, 1e40, large), ("-0", 0, 0.0, 0.0), ("-0.0", whole, 0.0, 0.0),
        (str(2**63), range_, 2.0**63, large), (str(2**63 - 1), 2**63 - 1, 2.0**63, large), (str(-(2**63)), -(2**63), -(2.0**63), large),
        ("0." + "1" * 40, whole, 0.1111111111111111, fine), ("1e-400", whole, 0.0, fine), ("1e2", whole, 100.0, 100.0), ("NaN", bad, bad, bad), (ones, range_, real, large),
        ('"1e400"', text, text, large), ('"12"', text, text, 12.0), ("9999999999.99", whole, 9999999999.99, 9999999999.99), ("0.001", whole, 0.001, fine),
    ]  # fmt: skip
    places = [(f"{field} {number[:50]}", field, number, case[1 + i]) for case in cases for i, field in enumerate("nxd") for number in case[:1]]
    reasons = each(stage, [written(user, field, number) for user, field, number, _ in places])
    sums = {"n": "whole_sum_1h", "x": "real_sum_1h", "d": "money_sum_1h"}
    for (user, field, _, wanted), reason in zip(places, reasons, strict=True):
        got, seen = stage.mixed(user), stage.read(user, "arrivals")["seen_count_10m"][0]
        if isinstance(wanted, str):
            assert reason and reason.startswith(f"json: field '{field}' is ") and wanted in reason and len(reason) < 200, (user, reason)
            assert got["events_count_lifetime"] == (0, "EMPTY_WINDOW")
        else:
            assert reason is None and got[sums[field]] == (wanted, "PRESENT") and got["events_count_lifetime"] == (1, "PRESENT"), (user, reason, got[sums[field]])
        assert seen == 1 or wanted == bad, user  # a view that does not use the field takes the event


def test_sums_beyond_their_types(stage):
    """They overflow, alone, and are back once a later number brings them within range."""
    stage.send("mixed", [event("sums", n=2**63 - 1, x=1.7e308)] * 2)
    stage.server.wait_until_applied()
    got = stage.mixed("sums")
    assert {name for name, (_, status) in got.items() if status == "OVERFLOW"} == {"whole_sum_1h", "whole_sum_lifetime", "real_sum_1h", "real_sum_lifetime"}
    assert got["real_avg_1h"] == (1.7e308, "PRESENT") and got["real_stddev_1h"] == (0.0, "PRESENT")
    stage.send("mixed", [event("sums", n=-(2**63), x=-1.7e308)])
    stage.server.wait_until_applied()
    got = stage.mixed("sums")
    assert got["whole_sum_1h"] == (2**63 - 2, "PRESENT") and got["real_sum_1h"] == (1.7e308, "PRESENT")


def test_long_and_deep_values(stage):
    deep = 5_000
    expected = [
        (event("long", s="x" * MIB), None),
        (event("k" * MIB), None),
        (event("list", tags=["y" * 1000] * 1000), None),
        (written("deep", "tags", "[" * deep + "]" * deep), "json: field 'tags[0]' is an array, not string"),
        (written("deep map", "m", '{"a":' * deep + "1" + "}" * deep), "json: field 'm.a' is an object, not int64"),
        (written("deep aside", "other", "[" * deep + "]" * deep), None),  # no feature uses it
        (written("deep objects aside", "other", '{"a":' * deep + "1" + "}" * deep), None),
        (written("open aside", "other", "[" * deep), "json: "),
        ("[" * MIB, "json: not an object"),
        ('{"a":' * (MIB // 5), "json: "),
    ]
    check(each(stage, [value for value, _ in expected]), expected)
    got = stage.mixed("long")
    assert got["text_last_1h"] == ("x" * MIB, "PRESENT") and got["text_count_distinct_1h"] == (1, "PRESENT")
    # As keys of a map or a list such texts are too much: these features overflow, and only these.
    assert {name for name, (_, status) in got.items() if status == "OVERFLOW"} == {"text_top_k_1h", "text_count_by_1h"}
    assert stage.mixed("list")["list_last_1h"] == (["y" * 1000] * 1000, "PRESENT")
    for user in ("k" * MIB, "deep aside", "deep objects aside"):
        assert stage.mixed(user)["events_count_lifetime"] == (1, "PRESENT")


def test_values_of_the_wrong_kind(stage):
    utf8, escape = "json: not UTF-8", "json: a bad escape in a string"
    expected = [
        (event("utf").encode().replace(b'"s": "s"', b'"s": "\xff\xfe"'), utf8),
        (event("utf").encode().replace(b'"s": "s"', b'"s": "\xed\xa0\x80"'), utf8),  # a surrogate
        (event("utf").encode().replace(b'"s": "s"', b'"s": "\xc0\xaf"'), utf8),  # longer than it must be
        (event("escape").encode().replace(b'"s": "s"', b'"s": "\\ud800"'), escape),
        (event("utf").encode().replace(b'"utf"', b'"utf\xff"'), utf8),
        (event("aside").encode().replace(b'"s": "s"', b'"s": "s", "other": "\xff"'), utf8),
        (event("twice").replace('"n": 1', '"n": 1, "n": 2'), None),
        (event("twice bad").replace('"n": 1', '"n": 1, "n": "x"'), "json: field 'n' is a string, not int64"),
        (event("n", n="x"), "json: field 'n' is a string, not int64"),
        (event("n", n=[1]), "json: field 'n' is an array, not int64"),
        (event("n", n=True), "json: field 'n' is "),
        (event("x", x={}), "json: field 'x' is an object, not float64"),
        (event("s", s=1), "json: field 's' is a number, not string"),
        (event("tags", tags="x"), "json: field 'tags' is a string, not list<string>"),
        (event("v", v=[1, 2]), "json: field 'v' has 2 numbers, not vector<float64,3>"),
        (event("v", v=[1, 2, None]), "json: field 'v[2]' is null, not a number"),
        (event("m", m={"a": "b"}), "json: field 'm.a' is a string, not int64"),
        (event("m", m=[1]), "json: field 'm' is an array, not map<string,int64>"),
        (event(7), "json: field 'user' is a number, not string"),
        (event(None), None),  # no key: counted
        ("", "json: empty"), ("{}", "event_time: field 'ts' is missing or null"), (event("cut")[:-1], "json: "), (event("more") + "x", "json: "),
    ] + [(text, "json: not an object") for text in ("null", "7", "[]", '"text"', "\0" * 100)]  # fmt: skip
    nulls = stage.status("mixed")["null_keys"]
    check(each(stage, [value for value, _ in expected]), expected)
    assert stage.status("mixed")["null_keys"] == nulls + 1
    assert stage.mixed("twice")["whole_sum_lifetime"] == (2, "PRESENT")  # the last one counts
    # A view that does not use the field takes the event; one that does has nothing of it, not half of it.
    for user, events in {"n": 3, "x": 1, "s": 1, "tags": 1, "v": 2, "m": 2, "twice bad": 1, "escape": 1, "utf": 0, "aside": 0, "cut": 0, "more": 0}.items():
        assert stage.read(user, "arrivals")["seen_count_10m"][0] == events, user
        assert stage.mixed(user)["events_count_lifetime"] == (0, "EMPTY_WINDOW"), user
