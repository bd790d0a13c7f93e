"""Servers with users: lines of the security file, what the audit file has, HTTP with a login, a connection that logs in by hand."""

import base64
import json
import os
import socket
import struct
import subprocess
import urllib.error
import urllib.request

import ill_clients
from millstream import BINARY


def credential_line(user, password):
    """The user's line in the security file."""
    done = subprocess.run([BINARY, "credential", user, "--iterations", "4096"], env={**os.environ, "MILLSTREAM_PASSWORD": password},
                          capture_output=True, text=True, check=True)
    return done.stdout


def audit_events(server, **fields):
    """The events that have these fields, in order; the current file's."""
    lines = (server.directory / "audit" / "audit.jsonl").read_text().split("\n")[:-1]  # the last one may not be whole yet
    return [e for e in map(json.loads, lines) if all(e.get(name) == value for name, value in fields.items())]


def audited(server, at_least=1, **fields):
    """The same once there are so many."""
    server.wait_for(lambda: len(audit_events(server, **fields)) >= at_least, f"the audit file has {fields}")
    return audit_events(server, **fields)


def http_headers(login=None):
    """Of a request with JSON; login: (user, password)."""
    basic = {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()} if login else {}
    return {"Content-Type": "application/json", **basic}


def ask_http(server, path, login=None, body=None, method=None):
    """(status, the answer's bytes)"""
    request = urllib.request.Request(f"http://{server.http}{path}", None if body is None else json.dumps(body).encode(), http_headers(login), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Raw:
    """One connection that speaks SASL by hand."""

    def __init__(self, server):
        host, port = server.kafka.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)

    def call(self, api, version, body):
        self.send(api, version, body)
        return self.receive()

    def send(self, api, version, body):
        frame = struct.pack(">hhih", api, version, 7, 1) + b"r" + body
        ill_clients.send(self.socket, struct.pack(">i", len(frame)) + frame)

    def receive(self):
        """The next answer without its header; None: the server has ended the connection."""
        size = self._read(4)
        return self._read(struct.unpack(">i", size)[0])[4:] if size else None

    def _read(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionError:
                more = b""
            if not more:
                return None
            data += more
        return data

    def handshake(self, mechanism):
        name = mechanism.encode()
        return struct.unpack(">h", self.call(17, 1, struct.pack(">h", len(name)) + name)[:2])[0]

    def authenticate(self, message):
        """(error code, error message, bytes)"""
        answer = self.call(36, 0, struct.pack(">i", len(message)) + message)
        error, size = struct.unpack(">hh", answer[:4])
        text = answer[4 : 4 + max(size, 0)]
        at = 4 + max(size, 0)
        return error, text, answer[at + 4 : at + 4 + struct.unpack(">i", answer[at : at + 4])[0]]

    def error_for_topic(self, topic):
        """What Metadata says of one topic."""
        answer = self.call(3, 1, struct.pack(">ih", 1, len(topic)) + topic.encode())
        at = 4
        for _ in range(struct.unpack(">i", answer[:4])[0]):  # brokers: id, host, port, rack
            at += 4
            at += 2 + struct.unpack(">h", answer[at : at + 2])[0]
            at += 4
            at += 2 + max(struct.unpack(">h", answer[at : at + 2])[0], 0)
        return struct.unpack(">h", answer[at + 8 : at + 10])[0]  # after the controller and the count of topics

    def is_closed(self):
        return self._read(1) is None
