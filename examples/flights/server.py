"""A Millstream server as a child process, on free loopback ports."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

BINARY = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "bin" / "millstream"


READY_SECONDS = 60


class Server:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / "server.log"

    def start(self):
        """Returns when the server answers reads."""
        command = [BINARY, "serve", "--dir", self.directory / "data", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        for line in self.process.stdout:
            if line.startswith("ready "):
                address = dict(part.split("=", 1) for part in line.split()[1:])
                self.kafka, self.http = address["kafka"], address["http"]
                return self.wait_until_ready()
        raise SystemExit(f"the server did not start:\n{self.log.read_text()[-3000:]}")

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.http}/readyz", timeout=10):
                    return self
            except urllib.error.HTTPError as answer:
                if answer.code != 503 or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    def status(self):
        with urllib.request.urlopen(f"http://{self.http}/v1/status", timeout=30) as reply:
            return json.load(reply)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def cli(self, *arguments):
        """Runs `millstream ARGUMENTS`; its output, or the end of the demo with what it said."""
        environment = os.environ | {"MILLSTREAM_SERVER": f"http://{self.http}"}
        done = subprocess.run([BINARY, *map(str, arguments)], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"millstream {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def features(self, service, entities):
        body = json.dumps({"entities": entities}).encode()
        request = urllib.request.Request(f"http://{self.http}/v1/services/{service}/features", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
