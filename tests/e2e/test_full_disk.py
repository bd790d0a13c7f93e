"""A disk that is really full, under a real server: what a stock client is told, what goes on answering, and that it ends by itself."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import urllib.error

import payments
import pytest
from confluent_kafka import KafkaError
from millstream import Server
from sender import Sender, consumed

MIB = 1 << 20
DISK_BYTES, BALLAST_BYTES, SEGMENT_BYTES = 96 * MIB, 60 * MIB, 4 * MIB
RECORD_BYTES = 64 * 1024
RECONCILE_MS = 200
FULL_SECONDS = 5 * RECONCILE_MS / 1000  # without room for this long: nothing moves any more
INSTANTS_AHEAD_SECONDS = 1  # what the durable ceiling of instants allows without another write
TOOLS = os.environ["PATH"] + ":/usr/sbin:/sbin"


@contextlib.contextmanager
def small_disk(kind, at, image):
    """A file system of DISK_BYTES, mounted at the folder `at`."""
    if missing := [name for name in ("mount", "mkfs.ext4") if not shutil.which(name, path=TOOLS)]:
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    at.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", at]
    else:
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run([shutil.which("mkfs.ext4", path=TOOLS), "-q", "-F", "-m", "0", image], check=True, timeout=60)
        command = ["mount", "-o", "loop", image, at]
    mounted = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if mounted.returncode != 0:
        pytest.skip(f"this machine does not let us mount {kind}: {mounted.stderr.strip()}")
    try:
        if kind == "ext4":
            (at / "lost+found").rmdir()  # a data directory begins empty
        yield
    finally:
        subprocess.run(["umount", at], check=True, timeout=60)


class FillingSender(Sender):
    """Gives up at the first refusal. Its records fill the disk."""

    def __init__(self, server):
        super().__init__(server, payments.TOPIC, acks="all", retries=0, **{"linger.ms": 0})

    def fill(self):
        """One record more; whether it was acknowledged."""
        event = {"user": "filler", "amount": 1.0, "at": 1_001 + self.number, "padding": "x" * RECORD_BYTES}
        return self.send(json.dumps(event), key="filler")


def events(server):
    """What the server has said about the space on its disk, in order."""
    return re.findall(r"event=(log_(?:cannot_grow|grows_again))", pathlib.Path(server.log.name).read_text())


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_full_disk_refuses_produce_answers_reads_and_recovers(tmp_path, kind):
    options = ["--wal-segment-bytes", str(SEGMENT_BYTES), "--reconcile-interval-ms", str(RECONCILE_MS), "--checkpoint-interval-ms", "200", "--samples-per-second", "1000"]
    with small_disk(kind, tmp_path / "data", tmp_path / "disk.img"), Server(tmp_path / "data", *options) as server:
        payments.define(server, tmp_path, partitions=1)
        ballast = server.directory / "ballast"
        subprocess.run(["fallocate", "-l", str(BALLAST_BYTES), ballast], check=True, timeout=60)
        now = int(time.time() * 1000)
        payments.produce(server, [("ann", 1.5, now - 60_000), ("ann", 2.25, now - 59_999)])
        before = payments.read(server, "ann")["rows"][0]["values"]
        assert before == [2, 3.75, 3.75, 2.25]

        sender = FillingSender(server)
        while sender.fill():
            assert sender.number * RECORD_BYTES < 4 * DISK_BYTES, "more fits than the disk holds"
        # What is left of the space goes as long as the log can still move something; then nothing moves.
        took = time.monotonic()
        while time.monotonic() - took < FULL_SECONDS:
            if sender.fill():
                took = time.monotonic()
        assert sender.error.code() == KafkaError.KAFKA_STORAGE_ERROR
        assert "Disk error" in sender.error.str()
        assert events(server)[-1] == "log_cannot_grow"
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.post(f"/v1/topics/{payments.TOPIC}/records", {"partition": 0, "records": [{"value": "x" * (MIB - 1024)}]})
        problem = json.load(refused.value)
        assert (refused.value.code, problem["code"]) == (507, "exhausted") and "No space left on device" in problem["detail"]

        # The rest goes on, for longer than instants may be issued without the disk, and knows everything that was acknowledged.
        began = time.monotonic()
        while time.monotonic() - began < 3 * INSTANTS_AHEAD_SECONDS:
            assert payments.read(server, "ann")["rows"][0]["values"] == before
        assert re.search(r"^amount_sum_1h +3.75 +PRESENT", server.cli("get", "risk", "user=ann").stdout, re.M)
        assert consumed(server, payments.TOPIC, 2 + len(sender.acknowledged))[2:] == sender.acknowledged

        objects = [file.name for file in (server.directory / "objects").glob("*.mso")]
        ballast.unlink()
        server.wait_for(sender.fill, "produce works again")
        assert events(server)[-1] == "log_grows_again"
        server.wait_for(lambda: any(file.name not in objects for file in (server.directory / "objects").glob("*.mso")), "the log moves into objects again")
        payments.produce(server, [("ann", 4.0, now - 50_000)])
        assert payments.read(server, "ann")["rows"][0]["values"] == [3, 7.75, 7.75, 4.0]
        assert "0 differ" in server.cli("verify", "risk").stdout
        assert server.stop() == 0
        server.start()
        server.wait_until_applied()
        assert payments.read(server, "ann")["rows"][0]["values"] == [3, 7.75, 7.75, 4.0]
        assert consumed(server, payments.TOPIC, 3 + len(sender.acknowledged))[2:-1] == sender.acknowledged
