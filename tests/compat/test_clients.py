"""Every client of clients/ on a running server: one scenario at a time, and all of them at once while the server is killed."""

import contextlib
import os
import queue
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from client_programs import CLIENTS
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from millstream import Server
from test_librdkafka import consumer, create, take

LONG = os.environ.get("MS_LONG") == "1"
COUNT = 20_000 if LONG else 500
KILLS = 8 if LONG else 2
BETWEEN_KILLS = 300 if LONG else 50  # acknowledged records of each client
PATIENCE = 300
AT_A_TIME = 4
SURVIVORS = [client for client in CLIENTS if "survive" in client.scenarios]


def scenarios():
    for client in CLIENTS:
        for scenario in client.scenarios:
            if scenario not in ("secure", "survive"):  # test_client_logins.py, and below
                yield pytest.param(client, scenario, id=f"{client.name}-{scenario}")


def run_scenario(kafka, client, scenario):
    topic = f"{scenario}-{client.name}-{uuid.uuid4().hex[:8]}"
    if scenario != "administration":  # there the client creates it
        create(kafka, topic, 4)
        create(kafka, topic + "-out")
    return subprocess.run(client.command(kafka, scenario, topic, COUNT), capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def running(kafka, request):
    """The scenarios of all tests that were chosen, some at a time: they wait more than they work."""
    chosen = [item.callspec.params for item in request.session.items if item.originalname == "test_scenario"]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {(p["client"].name, p["scenario"]): pool.submit(run_scenario, kafka, p["client"], p["scenario"]) for p in chosen}


@pytest.mark.parametrize("client, scenario", scenarios())
def test_scenario(running, client, scenario):
    done = running[client.name, scenario].result()
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"


class Survivor:
    """A program that produces and consumes while the server is killed."""

    def __init__(self, client, kafka):
        self.topic = f"survive-{client.name}"
        create(kafka, self.topic, 2)
        self.acknowledged, self.said_ok, self.changed = set(), False, threading.Condition()
        self.process = subprocess.Popen(client.command(kafka, "survive", self.topic, 0), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.errors = queue.SimpleQueue()
        self.readers = [threading.Thread(target=work, daemon=True) for work in (self.read_output, self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read_output(self):
        for line in self.process.stdout:
            with self.changed:
                if line.startswith("acknowledged "):
                    self.acknowledged.add(line.split()[1])
                self.said_ok = line == "ok\n"
                self.changed.notify_all()

    def read_errors(self):
        self.errors.put(self.process.stderr.read())

    def wait_for_more(self, count):
        """Until `count` more records are acknowledged than now, or the program has ended."""
        with self.changed:
            enough = len(self.acknowledged) + count
            deadline = time.monotonic() + PATIENCE
            while len(self.acknowledged) < enough and self.process.poll() is None and time.monotonic() < deadline:
                self.changed.wait(1)

    def ask_to_finish(self):
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and said why
            self.process.stdin.write("enough\n")
            self.process.stdin.close()

    def wait(self):
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join()


@pytest.fixture(scope="module")
def survivors(tmp_path_factory):
    """By client: its Survivor, and the values that a reader found in the log afterwards."""
    with Server(tmp_path_factory.mktemp("survive") / "data") as server:
        server.asked = ["--kafka", server.kafka, "--http", server.http]  # where it comes back, the clients find it
        programs = {client.name: Survivor(client, server.kafka) for client in SURVIVORS}
        for kill in range(KILLS + 1):
            for program in programs.values():
                program.wait_for_more(BETWEEN_KILLS)
            if kill < KILLS:
                server.kill()
                server.start()
        for program in programs.values():
            program.ask_to_finish()
        for program in programs.values():
            program.wait()
        yield {name: (program, values(server.kafka, program.topic)) for name, program in programs.items()}


def values(kafka, topic):
    reader, found = consumer(kafka, topic + "-reader"), []
    places = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in (0, 1)]
    reader.assign(places)
    end = sum(reader.get_watermark_offsets(place)[1] for place in places)
    found = [message.value().decode() for message in take(reader, end)]
    reader.close()
    return found


@pytest.mark.parametrize("client", SURVIVORS, ids=lambda client: client.name)
def test_no_acknowledged_record_is_lost(survivors, client):
    program, found = survivors[client.name]
    assert program.process.returncode == 0 and program.said_ok, program.errors.get()
    assert len(program.acknowledged) >= (KILLS + 1) * BETWEEN_KILLS
    assert program.acknowledged <= set(found)
    assert len(found) == len(set(found)), "an idempotent producer wrote a record twice"
