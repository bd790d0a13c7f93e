"""A broker of Apache Kafka for tests: its own directory, free ports on the loopback, ended by its process id."""

import pathlib
import signal
import subprocess
import time

from kafka_tools import HERE, libraries
from millstream import START_SECONDS, STOP_SECONDS
from ports import free_ports
from scratch import java

CLUSTER_ID = "bWlsbHN0cmVhbS10ZXN0cw"


class KafkaBroker:
    """`with KafkaBroker(directory) as broker:`; broker.kafka is HOST:PORT."""

    def __init__(self, directory, **settings):
        self.directory, self.settings = pathlib.Path(directory), settings

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        port, controller = free_ports(2)
        self.kafka = f"127.0.0.1:{port}"
        ours = {"log.dirs": self.directory / "log", "listeners": f"PLAINTEXT://{self.kafka},CONTROLLER://127.0.0.1:{controller}",
                "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}", **self.settings}
        self.properties = self.directory / "broker.properties"
        self.properties.write_text((HERE / "broker.properties").read_text() + "".join(f"{key}={value}\n" for key, value in ours.items()))
        self.java = [*java(), "-Xmx512M", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={HERE / 'broker.log4j2.properties'}", "-cp", f"{libraries()}/*"]
        subprocess.run([*self.java, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", self.properties], check=True, capture_output=True)
        return self.start()

    def start(self):
        with open(self.directory / "broker.log", "wb") as log:
            command = ["setpriv", "--pdeathsig", "KILL", *self.java, "kafka.Kafka", self.properties]
            self.process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while "Kafka Server started" not in self.log_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log_text()
            time.sleep(0.05)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log_text(self):
        return (self.directory / "broker.log").read_text(errors="replace")[-20_000:]

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
