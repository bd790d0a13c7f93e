"""A real server for tests: its own directory, free ports on the loopback, ended by its process id."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build" / os.environ.get("MS_PRESET", "release") / "bin" / "millstream"
START_SECONDS = 60
STOP_SECONDS = 30


class Server:
    """`with Server(directory) as server:`; server.kafka and server.http are HOST:PORT."""

    def __init__(self, directory, *options, kafka="127.0.0.1:0", http="127.0.0.1:0"):
        self.directory = pathlib.Path(directory)
        self.options = options
        self.process = None
        self.asked = ["--kafka", kafka, "--http", http]  # port 0: a free one, another one after each start
        self.kafka = self.http = self.kafka_tls = None

    def start(self):
        # Dies with the thread that starts it, so that no server is left when a test process is killed.
        command = ["setpriv", "--pdeathsig", "KILL", BINARY, "serve", "--dir", self.directory, *self.asked, *self.options]
        self.log = open(self.directory.with_name(self.directory.name + ".log"), "ab")
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=self.log)
        lines = queue.Queue()
        threading.Thread(target=self._read_stdout, args=(self.process.stdout, lines), daemon=True).start()
        while True:
            line = lines.get(timeout=START_SECONDS)
            if line is None:
                raise RuntimeError(f"the server ended with {self.process.wait()} before it was ready:\n{self.log_text()}")
            if line.startswith("ready "):
                addresses = dict(part.split("=", 1) for part in line.split()[1:])
                self.kafka, self.http, self.kafka_tls = addresses["kafka"], addresses["http"], addresses.get("kafka_tls")
                self.wait_for(self.is_ready, "the server is ready")
                return self

    def is_ready(self):
        try:
            urllib.request.urlopen(f"http://{self.http}/readyz", timeout=10).close()
            return True
        except urllib.error.HTTPError as answer:
            if answer.code != 503:
                raise
            return False

    def wait_until_applied(self):
        """Until the engine has taken in everything the log has."""
        self.wait_for(lambda: not any(source["lag"] for source in self.get("/v1/status")["sources"]), "the engine has caught up")

    def wait_for(self, condition, what):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log_text()}"
            assert time.monotonic() < deadline, f"waited {START_SECONDS} s in vain until {what}:\n{self.log_text()}"
            time.sleep(0.01)

    @staticmethod
    def _read_stdout(stdout, lines):
        for line in stdout:  # read to the end, so that the server never blocks on a full pipe
            lines.put(line.decode().strip())
        lines.put(None)

    def log_text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")[-4000:]

    def kill(self):
        """kill -9: no orderly stop."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self):
        """The orderly stop; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()
            self.process.stdout.close()
            self.log.close()

    def cli(self, *arguments, status=0, timeout=600):
        """Runs `millstream ARGUMENTS` against this server; asserts the exit status; returns the finished process."""
        return run(*arguments, server=f"http://{self.http}", status=status, timeout=timeout)

    def post(self, path, body):
        request = urllib.request.Request(f"http://{self.http}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def delete(self, path):
        with urllib.request.urlopen(urllib.request.Request(f"http://{self.http}{path}", method="DELETE"), timeout=60) as reply:
            return json.load(reply)

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=60) as reply:
            return json.load(reply)


def run(*arguments, server=None, status=0, timeout=600):
    environment = dict(os.environ)
    if server:
        environment["MILLSTREAM_SERVER"] = server
    done = subprocess.run([str(BINARY), *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == status, f"millstream {' '.join(map(str, arguments))}: exit {done.returncode}, wanted {status}\n{done.stdout}\n{done.stderr}"
    return done
