"""What goes wrong under the clients of a history, and the broker that it goes wrong with."""

import contextlib
import os
import random
import signal
import time

from clients import PATIENCE, History, settings
from confluent_kafka.admin import AdminClient, NewTopic
from elsewhere import Elsewhere
from millstream import Server
from proxy import Proxy

LONG = os.environ.get("MS_LONG") == "1"
SEED = int(os.environ.get("MS_HISTORY_SEED") or random.SystemRandom().randrange(1 << 32))
SESSION_SECONDS = 7  # that of classic members, and one more
KINDS = ("kill", "restart", "pause", "delay", "drop", "cut")


class Faults:
    """Drawn from the seed. Each ends with everything in order again."""

    def __init__(self, server, proxy, rng, longest=4):
        self.server, self.proxy, self.rng, self.longest = server, proxy, rng, longest
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
        time.sleep(self.rng.uniform(0.2, self.longest))
        self.server.process.send_signal(signal.SIGCONT)

    def delay(self):
        self.proxy.delay = self.rng.uniform(0.005, 0.1)
        time.sleep(self.rng.uniform(0.5, 2))
        self.proxy.delay = 0.0

    def drop(self):
        """Nothing goes through for a while; then what was held is dropped with its connections."""
        self.proxy.through.clear()
        time.sleep(self.rng.uniform(0.2, self.longest))
        self.proxy.cut()
        self.proxy.through.set()

    def cut(self):
        for _ in range(self.rng.randrange(1, 6)):
            self.proxy.cut()
            time.sleep(self.rng.uniform(0, 0.2))

    def one(self, name):
        self.done.append(name)
        getattr(self, name)()


class Pause:
    """A client in a process of its own that is stopped while other things happen, at least for `seconds`."""

    def __init__(self, client, seconds):
        self.client, self.until = client, time.monotonic() + seconds
        client.stop()

    def end(self):
        time.sleep(max(0, self.until - time.monotonic()))
        self.client.go_on()


class Run:
    """One history: a broker behind a proxy, the clients and the faults."""

    def __init__(self, directory, server, proxy, rng, longest):
        self.directory, self.server, self.proxy, self.rng = directory, server, proxy, rng
        self.history, self.faults, self.clients = History(), Faults(server, proxy, rng, longest), []
        self.admin = AdminClient(settings(proxy.address))

    def create(self, topic, partitions, **config):
        self.admin.create_topics([NewTopic(topic, partitions, config=config)])[topic].result(PATIENCE)

    def start(self, kind, name, topic, elsewhere=False, **more):
        """A client that `kind` makes, with a random generator of its own; `elsewhere`: in a process of its own."""
        arguments = (name, self.history, self.proxy.address, topic)
        more["rng"] = random.Random(f"{SEED} {name}")
        client = Elsewhere(kind, *arguments, **more) if elsewhere else kind(*arguments, **more)
        self.clients.append(client)
        return client

    def wait_until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            for client in self.clients:
                if client.raised:
                    client.finish()  # raises it
            assert time.monotonic() < deadline, f"waited in vain until {what}; {self.said()}"
            self.history.wait(0.5)

    def wait_for_more(self, what, number):
        """Until so many events of the kind have come since now."""
        before = self.history.count(what)
        self.wait_until(lambda: self.history.count(what) >= before + number, f"{number} more times: {what}")

    def finish(self, *clients):
        for client in clients or self.clients:
            client.finish()
        self.clients = [c for c in self.clients if clients and c not in clients]

    def kill(self, client):
        client.kill()
        self.clients.remove(client)

    def end(self):
        """Whatever has happened: no process is left."""
        for client in self.clients:
            if isinstance(client, Elsewhere):
                client.kill()

    def said(self):
        return f"MS_HISTORY_SEED={SEED}, {self.faults.done}, {self.directory / 'history.jsonl'}"

    def judge(self, found):
        assert not found, f"{self.said()}\n{len(found)} findings\n" + "\n".join(map(str, found[:20]))


@contextlib.contextmanager
def run(directory, name, *options, longest=4):
    """A Run whose history is written down whatever happens; the server has ended in order afterwards."""
    print(f"MS_HISTORY_SEED={SEED}")
    with Proxy() as proxy, Server(directory / "data", "--advertised-kafka", proxy.address, *options) as server:
        proxy.target = server.kafka
        it = Run(directory, server, proxy, random.Random(f"{SEED} {name}"), longest)
        try:
            yield it
            server.stop()
        finally:
            it.end()
            it.history.save(directory / "history.jsonl")
