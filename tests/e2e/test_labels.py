"""Labels in training sets of a real server: what they hold, when they are mature, that no reply knows them."""

import datetime
import json
import time

import confluent_kafka
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from millstream import Server


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path / "data") as server:
        yield server


SALES = """
sources: {sales: {topic: sales, time: {field: at, unit: ms}, fields: {shop: string, amount: int64}}}
entities: {shop: {key: [shop]}}
views:
  shop_sales: {entity: shop, from: sales, features: {amount: {sum: {of: amount, over: 1h}}}}
services:
  sales:
    features: [shop_sales.*]
    labels: {shop_sales: {amount: {sum: {of: amount, over: ["next(10m)", "next(10m, 30m)"]}}}}
"""


def sales_server(server, tmp_path):
    """One topic of two partitions; (partition, offset, minute, amount) of every record of the only shop."""
    server.cli("topic", "create", "sales", "--partitions", "2")
    (tmp_path / "sales.yaml").write_text(SALES)
    shown = server.cli("apply", tmp_path / "sales.yaml", "--yes").stdout
    assert "label amount_sum_next_10m_to_30m (int64), next 10m to 30m of shop_sales: in training sets only" in shown, shown
    start = int(time.time()) // 3600 * 3_600_000 - 7_200_000
    rows = [(0, 0, 0, 1), (1, 0, 5, 10), (0, 1, 5, 100), (1, 1, 20, 1000), (0, 2, 40, 10_000)]
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all"})
    for partition, _, minute, amount in rows:
        producer.produce("sales", json.dumps({"shop": "s", "amount": amount, "at": start + minute * 60_000}), partition=partition)
        assert producer.flush(60) == 0
    return start, rows


def test_train_labels_and_without_the_own_event(server, tmp_path):
    start, rows = sales_server(server, tmp_path)
    at = [datetime.datetime.fromtimestamp((start + minute * 60_000) / 1000, datetime.UTC) for _, _, minute, _ in rows]
    columns = {"shop": ["s"] * len(rows), "event_time": at, "p": [p for p, *_ in rows], "o": [o for _, o, *_ in rows]}
    pq.write_table(pa.table(columns), tmp_path / "spine.parquet")

    def train(*options, status=0):
        return server.cli("train", "sales", "--spine", tmp_path / "spine.parquet", "--out", tmp_path / "set.parquet", *options, status=status)

    made = train("--statuses")
    assert "2 rows have labels that are not mature" in made.stderr, made.stderr
    table = pq.read_table(tmp_path / "set.parquet").to_pydict()
    assert table["amount_sum_1h"] == [None, 1, 1, 111, 1111]
    assert table["amount_sum_next_10m"] == [111, 110, 110, 1000, None]
    assert table["amount_sum_next_10m_to_30m"] == [1000, 1000, 1000, None, None]
    assert table["amount_sum_next_10m__status"][-1] == table["amount_sum_next_10m_to_30m__status"][3] == "NOT_MATURE"
    assert json.loads((tmp_path / "set.parquet.manifest.json").read_text())["columns"][2]["label"] == {"from": "10m", "to": "30m"}

    assert "label 'amount_sum_next_10m' begins at the row's own time" in train("--exclude-self", "--self-partition", "p", "--self-offset", "o", status=2).stderr
    (tmp_path / "sales.yaml").write_text(SALES.replace('"next(10m)", ', ""))
    server.cli("apply", tmp_path / "sales.yaml", "--yes")
    assert "--self-partition COLUMN" in train("--exclude-self", "--self-offset", "o", status=2).stderr
    train("--exclude-self", "--self-partition", "p", "--self-offset", "o")
    assert pq.read_table(tmp_path / "set.parquet").to_pydict()["amount_sum_1h"] == [None, 101, 11, 111, 1111]
    columns["o"][3] = 2
    pq.write_table(pa.table(columns), tmp_path / "spine.parquet")
    refused = train("--exclude-self", "--self-partition", "p", "--self-offset", "o", status=2).stderr
    assert "row 4: source 'sales' has no event at partition 1, offset 2 with the row's key and its time" in refused, refused

    # No reply knows a label.
    server.wait_until_applied()
    assert "next_10m" not in server.cli("get", "sales", "shop=s").stdout
    assert "is a label of service 'sales'" in server.cli("get", "sales", "shop=s", "--explain", "--feature", "amount_sum_next_10m_to_30m", status=2).stderr


def test_as_served_features_beside_labels_of_everything_known(server, tmp_path):
    """The features are those of the cut at the row's instant, whatever came later; the labels are the same in both modes."""
    server.cli("topic", "create", "sales", "--partitions", "2")
    labels = '"next(10s)", "next(10s, 30s)", "next(2m)"'
    (tmp_path / "sales.yaml").write_text(SALES.replace('"next(10m)", "next(10m, 30m)"', labels))
    server.cli("apply", tmp_path / "sales.yaml", "--yes")
    producer = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all"})

    def sold(shop, amount, at_ms, partition=0):
        producer.produce("sales", json.dumps({"shop": shop, "amount": amount, "at": at_ms}), partition=partition)
        assert producer.flush(60) == 0

    sold("s", 1, int(time.time() * 1000) - 60_000)
    server.wait_until_applied()
    reply = server.post("/v1/services/sales/features", {"entities": [{"shop": "s"}]})
    assert reply["features"] == ["amount_sum_1h"] and reply["rows"][0]["values"] == [1]
    asked = datetime.datetime.fromisoformat(reply["as_of"])
    asked_ms = int(asked.timestamp() * 1000)
    # One late, two ahead of the clock within its max_ahead, one of another shop: the newest.
    sold("s", 10, asked_ms - 30_000, partition=1)
    sold("s", 100, asked_ms + 5_000)
    sold("s", 1_000, asked_ms + 20_000)
    sold("t", 10_000, asked_ms + 60_000, partition=1)
    server.wait_until_applied()
    pq.write_table(pa.table({"shop": ["s"], "event_time": pa.array([asked], pa.timestamp("us", tz="UTC"))}), tmp_path / "spine.parquet")

    def trained(mode):
        made = server.cli("train", "sales", "--spine", tmp_path / "spine.parquet", "--out", tmp_path / "set.parquet", "--mode", mode, "--statuses")
        assert "1 rows have labels that are not mature" in made.stderr, made.stderr
        return pq.read_table(tmp_path / "set.parquet").to_pylist()[0]

    served, known = trained("as_served"), trained("as_known")
    assert (served["amount_sum_1h"], known["amount_sum_1h"]) == (1, 11)
    for row in (served, known):
        assert (row["amount_sum_next_10s"], row["amount_sum_next_10s_to_30s"]) == (100, 1_000)
        assert (row["amount_sum_next_2m"], row["amount_sum_next_2m__status"]) == (None, "NOT_MATURE")
