"""Stock clients through the TLS listener: certificates that are good and that are not, reloads, client certificates."""

import os
import shutil
import signal
import ssl
import threading
import time
import urllib.request

import pytest
from certificates import PASSWORD, Authority
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, KafkaProducer
from kafka_tools import tool
from millstream import Server, run

PATIENCE = 60


class World:
    """An authority, a folder with what the server shows, and a server with a TLS listener."""

    def __init__(self, folder, *options, server_certificate=None):
        self.authority = Authority(folder / "ca")
        self.folder = folder
        self.install(server_certificate or self.authority.sign("server"))
        self.server = Server(folder / "data", "--kafka-tls", "127.0.0.1:0", "--tls-certificate", folder / "server.pem", "--tls-key", folder / "server.key", *options)

    def install(self, identity):
        for source, name in ((identity.key, "server.key"), (identity.certificate, "server.pem")):
            shutil.copy(source, self.folder / f"{name}.new")
            os.replace(self.folder / f"{name}.new", self.folder / name)

    def settings(self, **more):
        return {"bootstrap.servers": self.server.kafka_tls, "security.protocol": "ssl", "ssl.ca.location": str(self.authority.certificate),
                **{key.replace("_", "."): value for key, value in more.items()}}

    def java(self, path, **more):
        """A client configuration file for Kafka's tools."""
        lines = {"security.protocol": "SSL", "ssl.truststore.location": self.authority.truststore(), "ssl.truststore.password": PASSWORD,
                 "ssl.truststore.type": "PKCS12", **{key.replace("_", "."): value for key, value in more.items()}}
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return path

    def shown_certificate(self):
        """The certificate that a new connection sees."""
        host, port = self.server.kafka_tls.rsplit(":", 1)
        return ssl.get_server_certificate((host, int(port)), timeout=PATIENCE)

    def log(self):
        return (self.folder / "data.log").read_text(errors="replace")

    def metric(self, prefix):
        with urllib.request.urlopen(f"http://{self.server.http}/metrics", timeout=PATIENCE) as reply:
            return sum(float(line.rsplit(" ", 1)[1]) for line in reply.read().decode().splitlines() if line.startswith(prefix))


def produce_and_consume(settings, topic, count=1000):
    failed = []
    producer = Producer({**settings, "enable.idempotence": True})
    for number in range(count):
        producer.produce(topic, str(number), on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0 and not failed, failed
    consumer = Consumer({**settings, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got = []
    while len(got) < count:
        messages = consumer.consume(count, PATIENCE)
        assert messages
        got += [int(message.value()) for message in messages if message.error() is None]
    consumer.close()
    assert sorted(got) == list(range(count))


def error_of(settings):
    """What a client that cannot come in says."""
    seen = []
    client = AdminClient({**settings, "error_cb": lambda error: seen.append(str(error)), "socket.timeout.ms": 5000})
    with pytest.raises(KafkaException):
        client.list_topics(timeout=3)
    deadline = time.monotonic() + PATIENCE
    while not seen and time.monotonic() < deadline:
        client.poll(0.1)
    return " ".join(seen)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("tls"))
    with made.server:
        yield made


@pytest.fixture(scope="module")
def mutual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mtls")
    made = World(folder, "--tls-client-ca", folder / "ca" / "ca.pem", "--tls-client-auth", "required")
    with made.server:
        yield made


def test_librdkafka(world, topic):
    produce_and_consume(world.settings(), topic)
    produce_and_consume({"bootstrap.servers": world.server.kafka}, topic + "-plain")


def test_each_listener_tells_its_own_address(world):
    for settings, address in ((world.settings(), world.server.kafka_tls), ({"bootstrap.servers": world.server.kafka}, world.server.kafka)):
        brokers = AdminClient(settings).list_topics(timeout=PATIENCE).brokers.values()
        assert [f"{broker.host}:{broker.port}" for broker in brokers] == [address]


def test_large_records(world, topic):
    """Many TLS records each way, and answers that a client takes slowly."""
    filler = [os.urandom(900_000) for _ in range(8)]
    producer = Producer(world.settings())
    for number in range(64):
        producer.produce(topic, filler[number % 8])
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0
    consumer = Consumer({**world.settings(), "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, 0)])
    for number in range(64):
        assert consumer.poll(PATIENCE).value() == filler[number % 8]
    consumer.close()


def test_kafka_python(world, topic):
    settings = {"bootstrap_servers": world.server.kafka_tls, "security_protocol": "SSL", "ssl_cafile": str(world.authority.certificate)}
    producer = KafkaProducer(**settings)
    for number in range(100):
        producer.send(topic, str(number).encode())
    producer.flush(PATIENCE)
    producer.close()
    consumer = KafkaConsumer(topic, **settings, auto_offset_reset="earliest", consumer_timeout_ms=PATIENCE * 1000)
    assert [int(next(consumer).value) for _ in range(100)] == list(range(100))
    consumer.close()


def test_java_tools(world, topic, tmp_path):
    config = world.java(tmp_path / "client.properties")
    at = ("--bootstrap-server", world.server.kafka_tls)
    tool("topics", *at, "--command-config", config, "--create", "--topic", topic)
    tool("console-producer", *at, "--command-config", config, "--topic", topic, stdin="one\ntwo\n")
    out = tool("console-consumer", *at, "--command-config", config, "--topic", topic, "--from-beginning", "--max-messages", 2, "--timeout-ms", 30000)
    assert sorted(out.split()) == ["one", "two"]


def test_java_tools_with_tls_1_2_and_a_client_certificate(mutual, topic, tmp_path):
    identity = mutual.authority.sign("java")
    config = mutual.java(tmp_path / "client.properties", ssl_enabled_protocols="TLSv1.2", ssl_keystore_location=identity.keystore(),
                         ssl_keystore_password=PASSWORD, ssl_keystore_type="PKCS12")
    tool("topics", "--bootstrap-server", mutual.server.kafka_tls, "--command-config", config, "--create", "--topic", topic)


def test_our_own_commands(world, mutual, topic, tmp_path):
    at, ca = ("--kafka", world.server.kafka_tls), ("--tls-ca", world.authority.certificate)
    produce_and_consume(world.settings(), topic, 10)
    run("topic", "trim", topic, "--to", "end", *at, *ca)

    def refused(*more, status=3, to=at):
        return run("group", "list", *to, *more, status=status).stderr

    other = Authority(tmp_path / "other")
    assert "is not trusted" in refused("--tls") and "is not trusted" in refused("--tls-ca", other.certificate)
    assert "name its authorities with --tls-ca FILE" in refused()
    assert "no Kafka server with TLS" in refused(*ca, to=("--kafka", world.server.kafka))
    assert "nowhere.pem" in refused("--tls-ca", tmp_path / "nowhere.pem", status=2)

    mine = mutual.authority.sign("operator")
    at, ca = ("--kafka", mutual.server.kafka_tls), ("--tls-ca", mutual.authority.certificate)
    assert run("group", "list", *at, *ca, "--tls-certificate", mine.certificate, "--tls-key", mine.key).returncode == 0
    assert "alert" in refused(*ca, to=at)


def test_a_client_that_trusts_another_authority(world, tmp_path):
    other = Authority(tmp_path / "other")
    assert "certificate verify failed" in error_of(world.settings(ssl_ca_location=str(other.certificate)))
    world.server.wait_for(lambda: "does not know who signed" in world.log(), "the log says why")


def test_a_certificate_of_another_host(tmp_path):
    authority = Authority(tmp_path / "first")
    made = World(tmp_path, server_certificate=authority.sign("server", names="DNS:elsewhere.example"))
    with made.server:
        settings = made.settings(ssl_ca_location=str(authority.certificate))
        assert "verify failed" in error_of(settings)
        AdminClient({**settings, "ssl.endpoint.identification.algorithm": "none"}).list_topics(timeout=PATIENCE)  # does not compare names


def test_clients_that_took_the_wrong_listener(world):
    error_of({"bootstrap.servers": world.server.kafka_tls})
    world.server.wait_for(lambda: "reason=plain_on_tls" in world.log(), "the log says that TLS must be switched on")
    error_of({**world.settings(), "bootstrap.servers": world.server.kafka})
    world.server.wait_for(lambda: "reason=tls_on_plain" in world.log(), "the log says that TLS must be switched off")
    assert world.metric('millstream_tcp_rejected_total{reason="plain_on_tls"}') and world.metric('millstream_tcp_rejected_total{reason="tls_on_plain"}')


def test_client_certificates(mutual, topic, tmp_path):
    produce_and_consume(mutual.settings(**mutual.authority.sign("client").librdkafka()), topic)
    error_of(mutual.settings())
    mutual.server.wait_for(lambda: "give the client a certificate" in mutual.log(), "the log says what is missing")
    stranger = Authority(tmp_path / "other").sign("stranger")
    error_of(mutual.settings(**stranger.librdkafka()))
    mutual.server.wait_for(lambda: "is not good for tls_client_ca" in mutual.log(), "the log says what is wrong")
    error_of(mutual.settings(**mutual.authority.sign("late", starts_s=-7200, ends_s=-3600).librdkafka()))
    mutual.server.wait_for(lambda: "certificate has expired" in mutual.log(), "the log says that it is too old")


def test_a_connection_ends_with_its_clients_certificate(mutual, topic):
    ended = threading.Event()
    client = AdminClient({**mutual.settings(**mutual.authority.sign("brief", ends_s=8).librdkafka()), "error_cb": lambda _: ended.set()})
    client.list_topics(timeout=PATIENCE)
    mutual.server.wait_for(lambda: client.poll(0.1) or ended.is_set(), "the connection has ended")
    mutual.server.wait_for(lambda: "certificate of CN=brief has expired" in mutual.log(), "the log says why")


def test_new_certificates_while_a_producer_runs(tmp_path, topic):
    world = World(tmp_path)
    with world.server:
        producer, failed, stop = Producer({**world.settings(), "enable.idempotence": True}), [], threading.Event()

        def run_producer():
            number = 0
            while not stop.is_set():
                producer.produce(topic, str(number), on_delivery=lambda error, _: error and failed.append(error))
                producer.poll(0.001)
                number += 1

        thread = threading.Thread(target=run_producer)
        thread.start()
        try:
            first = world.shown_certificate()
            world.install(world.authority.sign("second"))  # seen by itself
            world.server.wait_for(lambda: world.shown_certificate() != first, "new connections see the new certificate")
            second = world.shown_certificate()
            (tmp_path / "server.pem").write_text("nonsense")
            world.server.wait_for(lambda: "tls_reload_failed" in world.log(), "the log says that the new one is no good")
            assert world.shown_certificate() == second and world.metric("millstream_tls_reloads_failed_total") == 1
            world.install(world.authority.sign("third"))
            world.server.process.send_signal(signal.SIGHUP)
            world.server.wait_for(lambda: world.shown_certificate() != second, "SIGHUP has been heeded")
        finally:
            stop.set()
            thread.join()
        assert producer.flush(PATIENCE) == 0 and not failed, failed


def test_options_that_do_not_fit(tmp_path):
    identity = Authority(tmp_path / "ca").sign("server")
    shown = ("--tls-certificate", identity.certificate, "--tls-key", identity.key)
    tls = ("--kafka-tls", "127.0.0.1:0", *shown)

    def refused(*options):
        return run("serve", "--dir", tmp_path / "data", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", *options, status=2).stderr

    assert "kafka_tls needs it" in refused("--kafka-tls", "127.0.0.1:0")
    assert "no listener with TLS" in refused("--tls-certificate", identity.certificate)
    assert "none, optional or required" in refused(*tls, "--tls-client-auth", "yes")
    assert "tls_client_ca" in refused(*tls, "--tls-client-auth", "required")
    assert "clients need no certificate" in refused("--kafka-tls", "0.0.0.0:0", *shown)
    assert "--advertised-kafka-tls" in refused("--kafka-tls", "0.0.0.0:0", *shown, "--insecure")
    other = Authority(tmp_path / "other").sign("other")
    assert "key values mismatch" in refused("--kafka-tls", "127.0.0.1:0", "--tls-certificate", identity.certificate, "--tls-key", other.key)
