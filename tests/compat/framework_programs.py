"""Programs of Java frameworks (frameworks/): jars fetched and sources compiled once, started as processes that a test may kill."""

import os
import pathlib
import subprocess
import time

from client_programs import MAVEN, run
from fetched import once
from scratch import java

HERE = pathlib.Path(__file__).resolve().parent / "frameworks"
PATIENCE = 180


def class_path(name):
    def build(folder):
        run([*MAVEN, "-f", HERE / name / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"], folder, os.environ)
        run(["javac", "-cp", f"{folder / 'jars'}/*", "-d", folder / "classes", *(HERE / name).glob("*.java")], folder, os.environ)

    home = once(f"frameworks-{name}", list((HERE / name).glob("*.*")), build)
    return f"{home / 'classes'}:{home / 'jars'}/*"


class Jvm:
    """`with Jvm(log, class path, main class, arguments) as jvm:`; jvm.kill() and jvm.start() do what they say."""

    def __init__(self, log, path, main, *arguments, options=()):
        self.log = pathlib.Path(log)
        quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512M"]
        self.command = list(map(str, ["setpriv", "--pdeathsig", "KILL", *java(), *quiet, *options, "-cp", path, main, *arguments]))

    def start(self, *more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.command, *map(str, more)], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}\n{self.log_text()}"
            assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain until {what}\n{self.log_text()}"
            time.sleep(0.05)

    def log_text(self):
        return self.log.read_text(errors="replace")[-6000:]
