"""Clients write and read while the broker is killed and stopped and the network between fails; the checker judges what they saw."""

import os
import random
import signal
import time

import checker
import pytest
from clients import PATIENCE, History, Reader, Writer, read_log
from confluent_kafka.admin import AdminClient, NewTopic
from millstream import Server
from proxy import Proxy

LONG = os.environ.get("MS_LONG") == "1"
SECONDS = 180 if LONG else 12
SEED = int(os.environ.get("MS_HISTORY_SEED") or random.SystemRandom().randrange(1 << 32))
PARTITIONS = 3


class Faults:
    """What goes wrong, drawn from the seed. Each ends with everything in order again."""

    def __init__(self, server, proxy, rng):
        self.server, self.proxy, self.rng = server, proxy, rng
        self.done = []

    def kill(self):
        self.server.kill()
        self.server.start()
        self.proxy.target = self.server.kafka

    def restart(self):
        self.server.stop()
        self.server.start()
        self.proxy.target = self.server.kafka

    def pause(self):
        """SIGSTOP: connections stand, nobody answers."""
        self.server.process.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.2, 4))
        self.server.process.send_signal(signal.SIGCONT)

    def delay(self):
        self.proxy.delay = self.rng.uniform(0.005, 0.1)
        time.sleep(self.rng.uniform(0.5, 2))
        self.proxy.delay = 0.0

    def drop(self):
        """Nothing goes through for a while; then what was held is dropped with its connections."""
        self.proxy.through.clear()
        time.sleep(self.rng.uniform(0.2, 4))
        self.proxy.cut()
        self.proxy.through.set()

    def cut(self):
        for _ in range(self.rng.randrange(1, 6)):
            self.proxy.cut()
            time.sleep(self.rng.uniform(0, 0.2))

    def one(self, name):
        self.done.append(name)
        getattr(self, name)()


KINDS = ("kill", "restart", "pause", "delay", "drop", "cut")


def wait_until(history, condition, what, clients):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert all(client.raised is None for client in clients), [client.raised for client in clients]
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        history.wait(0.5)


@pytest.mark.parametrize("kinds", [("kill",), ("pause", "delay", "drop", "cut"), KINDS], ids=["crashes", "network", "everything"])
def test_what_clients_saw_is_a_log(tmp_path, kinds):
    print(f"MS_HISTORY_SEED={SEED}")
    rng = random.Random(f"{SEED} {kinds}")
    history = History()
    topic = "history"
    with Proxy() as proxy, Server(tmp_path / "data", "--advertised-kafka", proxy.address) as server:
        proxy.target = server.kafka
        admin = AdminClient({"bootstrap.servers": proxy.address})
        admin.create_topics([NewTopic(topic, PARTITIONS)])[topic].result(PATIENCE)
        at = (history, proxy.address, topic)
        writers = [Writer(f"p{i}", *at, partitions=PARTITIONS, rng=random.Random(f"{SEED} p{i}")) for i in range(2)]
        readers = [Reader(f"c{i}", *at, rng=random.Random(f"{SEED} c{i}")) for i in range(2)]
        faults = Faults(server, proxy, rng)
        names = list(kinds)  # each at least once
        rng.shuffle(names)
        until = time.monotonic() + SECONDS
        while names or time.monotonic() < until:
            before = history.count("ack")
            wait_until(history, lambda: history.count("ack") > before + 100, "records are acknowledged between two faults", [*writers, *readers])
            faults.one(names.pop() if names else rng.choice(kinds))
            if LONG and rng.random() < 0.2:  # a member leaves, another one comes
                readers.pop(0).finish()
                readers.append(Reader(f"c{len(faults.done)}-later", *at, rng=random.Random(f"{SEED} {len(faults.done)}")))
        for writer in writers:
            writer.finish()
        read_log(history, *at[1:], PARTITIONS)
        wait_until(history, history.has_polled_the_log, "the group has read everything", readers)
        for reader in readers:
            reader.finish()
        history.save(tmp_path / "history.jsonl")
        server.stop()
    found = checker.check(history.events)
    said = f"MS_HISTORY_SEED={SEED}, {faults.done}, {tmp_path / 'history.jsonl'}"
    assert not found, f"{said}\n" + "\n".join(map(str, found[:20]))
    assert history.count("ack") > 100 and set(kinds) <= set(faults.done)
    assert history.count("fail") == 0, f"{said}: writes failed within {PATIENCE} s"
