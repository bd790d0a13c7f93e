"""GET /metrics against its page, and the log of slow requests, on a server that has done a bit of everything."""

import re
import urllib.request

import confluent_kafka
import payments
from millstream import ROOT, Server

PAGE = (ROOT / "docs/metrics.md").read_text()
LABELS = {row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in re.findall(r"^\| `(millstream_\w+)` \|([^|]*)\|", PAGE, re.M)}
LINE = re.compile(r'^(?P<name>[a-zA-Z_]\w*)(?:\{(?P<labels>(?:\w+="(?:[^"\\\n]|\\.)*",?)+)\})? (?P<value>-?[\d.e+-]+)$')


def scrape(server):
    """name -> {labels as text: value}, and the type of each family."""
    text = urllib.request.urlopen(f"http://{server.http}/metrics", timeout=60).read().decode()
    types, values = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in types, line
            types[name] = kind
            continue
        match = LINE.match(line)
        assert match, line
        values.setdefault(match["name"], {})[match["labels"] or ""] = float(match["value"])
    return types, values


def consume(server, group, count):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server.kafka, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                                         "fetch.wait.max.ms": 10})
    consumer.subscribe(["payments"])
    records = 0
    while records < count:
        records += len(consumer.consume(count - records, timeout=1))
    consumer.commit(asynchronous=False)
    assert not consumer.consume(1, timeout=1)  # long polls that end empty
    consumer.close()


def test_the_endpoint_is_what_the_page_says(tmp_path):
    with Server(tmp_path / "data") as server:
        payments.define(server, tmp_path, partitions=1)
        payments.produce(server, [("ann", 1.0, 1_000)] * 5)
        consume(server, "readers", 5)
        payments.produce(server, [("ann", 1.0, 1_000)] * 2)
        types, values = scrape(server)
        assert set(types) <= set(LABELS), set(types) - set(LABELS)
        for name, series in values.items():
            family = re.sub(r"_(bucket|sum|count)$", "", name) if types.get(name) is None else name
            for labels in series:
                assert set(re.findall(r'(\w+)="', labels)) - {"le"} == LABELS[family], (name, labels)
        where = 'partition="0",topic="payments"'
        assert values["millstream_partition_high_watermark"][where] == 7
        assert values["millstream_group_lag_records"]['group="readers",' + where] == 2
        assert values["millstream_kafka_topic_in_records_total"]['topic="payments"'] == 7
        assert values["millstream_kafka_topic_out_records_total"]['topic="payments"'] == 5
        assert types["millstream_kafka_request_seconds"] == "histogram"

        def stages_are_counted():  # a request is when it comes, its stages are when the system has taken the answer
            _, values = scrape(server)
            stages = values["millstream_kafka_request_stage_seconds_count"]
            assert 'api="Fetch",stage="wait"' in stages and 'api="Produce",stage="wait"' not in stages
            return stages['api="Produce",stage="log"'] == values["millstream_kafka_requests_total"]['api="Produce"'] >= 2

        server.wait_for(stages_are_counted, "the stages of each Produce are counted")
        assert server.stop() == 0


def test_a_budget_of_series(tmp_path):
    with Server(tmp_path / "data", "--metrics-series-max", "8") as server:
        server.cli("topic", "create", "wide", "--partitions", "5")
        _, values = scrape(server)
        assert len(values["millstream_partition_size_bytes"]) == 2
        assert values["millstream_metrics_series_left_out"] == {'of="groups"': 0, 'of="partitions"': 12}


def test_slow_requests_are_logged_with_their_stages(tmp_path):
    with Server(tmp_path / "data", "--slow-request-ms", "1") as server:
        server.cli("topic", "create", "orders")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "client.id": "billing 1", "linger.ms": 0})

        def produce_until(pattern):  # a synced append takes a millisecond at last
            def produced():
                producer.produce("orders", b"x" * 100_000)
                assert producer.flush(60) == 0
                return re.search(pattern, server.log_text())

            server.wait_for(produced, pattern)
            return re.search(pattern, server.log_text())

        line = produce_until(r"slow_request api=Produce.*")
        fields = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line[0]))
        assert fields["client_id"] == '"billing 1"' and fields["topics"] == "orders" and fields["host"] == "/127.0.0.1", line[0]
        stages = {stage: float(fields[f"{stage}_ms"]) for stage in ("read", "queue", "work", "log", "send")}
        assert stages[fields["slowest"]] == max(stages.values())
        assert produce_until(r"slow_request .* left_out=[1-9]")  # one line a second, and what it stands for
        assert abs(sum(stages.values()) - float(fields["total_ms"])) < 0.5 and float(fields["total_ms"]) >= 1
    with Server(tmp_path / "quiet", "--slow-request-ms", "0") as server:
        server.cli("topic", "create", "orders")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka})
        producer.produce("orders", b"x" * 900_000)
        assert producer.flush(60) == 0
        assert " slow_request " not in server.log_text()
