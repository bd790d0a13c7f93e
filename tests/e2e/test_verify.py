"""`millstream verify` from the outside: nothing differs on a real server, and one planted bit is found."""

import json
import re
import struct
import time

import payments
import pytest
import samples_file
from millstream import Server, run

USERS = [f"user{n}" for n in range(10)]


def produce(server, count):
    now = int(time.time() * 1000)
    payments.send(server, [(USERS[n % len(USERS)], 0.1 * n, now - 60_000 + n) for n in range(count)])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("verify")
    with Server(directory / "data") as server:
        payments.define(server, directory, partitions=2)
        yield server


def test_no_server_is_3_and_bad_requests_are_refused(server):
    assert "millstream serve" in run("verify", "--server", "http://127.0.0.1:9", status=3).stderr
    assert "did you mean 'risk'" in server.cli("verify", "rsk", status=1).stderr
    assert "yesterday" in server.cli("verify", "--since", "yesterday", status=2).stderr
    assert "sample" in server.cli("verify", "--sample", "-1", status=2).stderr
    assert f"process id {server.process.pid}" in run("verify", "--dir", server.directory, status=2).stderr


def test_nothing_served_is_said(server):
    assert "nothing was compared" in server.cli("verify").stdout
    report = json.loads(server.cli("verify", "--json").stdout)
    assert report["samples"] == 0 and report["first"] is None


def test_what_was_served_is_derived_again(server):
    for round_number in range(5):
        produce(server, 200)
        for user in USERS:
            payments.read(server, user)  # races with the engine, as readers do
    server.wait_until_applied()
    since = payments.read(server, USERS[0])["as_of"]
    assert payments.read(server, "nobody")["rows"][0]["found"] is False
    text = server.cli("verify", "risk").stdout
    assert re.match(r"\d+ samples, \d+ values derived again, 0 differ, 0 rows in gaps\n", text), text
    report = json.loads(server.cli("verify", "--json").stdout)
    assert report["differences"] == 0 and report["gaps"] == 0 and report["samples"] >= 10
    assert report["values"] == report["answers"] * 4
    assert json.loads(server.cli("verify", "--sample", "5", "--json").stdout)["samples"] == 5
    assert 1 <= json.loads(server.cli("verify", "--since", since, "--json").stdout)["samples"] <= 2
    job = server.get("/v1/jobs")["jobs"][0]
    assert job["kind"] == "verification" and job["state"] == "done"


def test_a_planted_bit_is_found(server):
    payments.read(server, USERS[3])
    assert server.stop() == 0
    clean = json.loads(run("verify", "--dir", server.directory, "--json").stdout)
    assert clean["differences"] == 0 and clean["gaps"] == 0 and clean["samples"] >= 10

    path = max((server.directory / "samples").iterdir())
    records = samples_file.read_records(path)
    place = list(samples_file.floats(records))[-1]
    (before,) = struct.unpack_from("<d", records[place.record], place.at)
    records[place.record][place.at] ^= 1
    (after,) = struct.unpack_from("<d", records[place.record], place.at)
    samples_file.write_records(path, records)

    found = run("verify", "--dir", server.directory, status=4).stdout
    assert "1 differ," in found, found
    name = payments.FEATURES[place.feature]
    assert re.search(rf"^risk: spending@1 {name} of user\d+ at 20\S+Z$", found, re.M), found
    bits = {what: f"bits {struct.unpack('<Q', struct.pack('<d', value))[0]:016x}" for what, value in (("served", after), ("derived", before))}
    for what, text in bits.items():
        assert re.search(rf"^  {what} +\S+ PRESENT \({text}\) at 20", found, re.M), found
    assert re.search(r"^  cut +shard \d+, publish \d+: payments-", found, re.M), found
    shown = json.loads(run("verify", "risk", "--dir", server.directory, "--json", status=4).stdout)["shown"]
    assert len(shown) == 1 and shown[0]["feature"] == name and shown[0]["key"].encode() in place.key

    # A running server finds it too, and a bit without its checksum is damage, not a difference.
    server.start()
    assert "1 differ," in server.cli("verify", status=4).stdout
    server.stop()
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    assert "not what was written" in run("verify", "--dir", server.directory, status=1).stderr
