"""Kafka's protocol for tests: requests and answers as plain dicts, by the field tables inside the jar of kafka-clients.

Ours are made from other tables (src/kafka/messages), so a mistake in those is seen here.
"""

import functools
import json
import re
import select
import socket
import struct
import uuid
import zipfile

from kafka_tools import libraries

FIXED = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float64": "d"}
API_VERSIONS = 18
NO_ID = str(uuid.UUID(int=0))


class Versions:
    def __init__(self, text):
        first, _, last = (text or "none").rstrip("+").partition("-")
        self.first = 1 << 15 if first == "none" else int(first)
        self.last = int(last) if last else (1 << 15 if text and text.endswith("+") else self.first)

    def __contains__(self, version):
        return self.first <= version <= self.last


class Field:
    def __init__(self, table, structs):
        self.name = table["name"]
        self.versions = Versions(table.get("versions"))
        self.nullable = Versions(table.get("nullableVersions"))
        self.tagged = Versions(table.get("taggedVersions"))
        self.tag = table.get("tag")
        self.array = table["type"].startswith("[]")
        self.type = table["type"].removeprefix("[]")
        self.default = table.get("default")
        members = table.get("fields") or structs.get(self.type)
        self.fields = members and [Field(member, structs) for member in members]

    def empty(self):
        """What stands for a field that is not given."""
        if self.default == "null":
            return None
        if self.array:
            return []
        if self.fields:
            return {}
        if self.type == "string":
            return self.default or ""
        if self.type == "bool":
            return self.default in (True, "true")
        if self.type == "uuid":
            return NO_ID
        if self.type in ("bytes", "records"):
            return b""
        return int(str(self.default or 0), 0)


class Message:
    """The request or the response of one API."""

    def __init__(self, table):
        structs = {common["name"]: common["fields"] for common in table.get("commonStructs", ())}
        self.key, self.name = table["apiKey"], re.sub("(Request|Response)$", "", table["name"])
        self.valid, self.flexible = Versions(table["validVersions"]), Versions(table.get("flexibleVersions"))
        self.fields = [Field(field, structs) for field in table.get("fields", ())]


@functools.cache
def messages():
    """{API name: (request, response)}"""
    (jar,) = libraries().glob("kafka-clients-*.jar")
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
                table = json.loads(re.sub(r"^\s*//.*$", "", archive.read(name).decode(), flags=re.M))
                found[table["name"]] = Message(table)
    return {m.name: (m, found[m.name + "Response"]) for name, m in found.items() if name.endswith("Request")}


class Writer:
    def __init__(self, version, flexible):
        self.version, self.flexible, self.out = version, flexible, bytearray()

    def fixed(self, code, value):
        self.out += struct.pack(">" + code, value)

    def varint(self, value):
        while value > 0x7F:
            self.out.append(value & 0x7F | 0x80)
            value >>= 7
        self.out.append(value)

    def length(self, length, short=False):
        """-1 is null."""
        if self.flexible:
            self.varint(length + 1)
        else:
            self.fixed("h" if short else "i", length)

    def struct(self, fields, values):
        unknown = set(values) - {field.name for field in fields}
        assert not unknown, f"there is no field {unknown}"
        here = [field for field in fields if self.version in field.versions]
        for field in here:
            if self.version not in field.tagged:
                self.value(field, values.get(field.name, field.empty()))
        if self.flexible:
            tagged = [f for f in here if self.version in f.tagged and values.get(f.name, f.empty()) != f.empty()]
            self.varint(len(tagged))
            for field in sorted(tagged, key=lambda f: f.tag):
                inner = Writer(self.version, True)
                inner.value(field, values[field.name])
                self.varint(field.tag)
                self.varint(len(inner.out))
                self.out += inner.out

    def value(self, field, value):
        if field.array:
            self.length(-1 if value is None else len(value))
            for element in value or ():
                self.element(field, element)
        else:
            self.element(field, value)

    def element(self, field, value):
        if field.fields:
            if self.version in field.nullable and not field.array:
                self.fixed("b", -1 if value is None else 1)
            if value is not None:
                self.struct(field.fields, value)
        elif field.type in FIXED:
            self.fixed(FIXED[field.type], value)
        elif field.type == "uuid":
            self.out += uuid.UUID(value).bytes
        else:
            raw = value.encode() if isinstance(value, str) else value
            self.length(-1 if raw is None else len(raw), short=field.type == "string")
            self.out += raw or b""


class Reader:
    def __init__(self, data, version, flexible):
        self.data, self.at, self.version, self.flexible = memoryview(data), 0, version, flexible

    def take(self, count):
        assert self.at + count <= len(self.data), "the answer is too short"
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def fixed(self, code):
        return struct.unpack(">" + code, self.take(struct.calcsize(code)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def length(self, short=False):
        return self.varint() - 1 if self.flexible else self.fixed("h" if short else "i")

    def struct(self, fields):
        values = {f.name: f.empty() for f in fields if self.version in f.versions and self.version in f.tagged}
        for field in fields:
            if self.version in field.versions and self.version not in field.tagged:
                values[field.name] = self.value(field)
        if self.flexible:
            by_tag = {f.tag: f for f in fields if self.version in f.versions and self.version in f.tagged}
            for _ in range(self.varint()):
                tag, size = self.varint(), self.varint()
                raw = self.take(size)
                if tag in by_tag:
                    values[by_tag[tag].name] = Reader(raw, self.version, True).value(by_tag[tag])
        return values

    def value(self, field):
        if not field.array:
            return self.element(field)
        count = self.length()
        return None if count < 0 else [self.element(field) for _ in range(count)]

    def element(self, field):
        if field.fields:
            if self.version in field.nullable and not field.array and self.fixed("b") < 0:
                return None
            return self.struct(field.fields)
        if field.type in FIXED:
            return self.fixed(FIXED[field.type])
        if field.type == "uuid":
            return str(uuid.UUID(bytes=self.take(16)))
        count = self.length(short=field.type == "string")
        if count < 0:
            return None
        return self.take(count).decode() if field.type == "string" else self.take(count)


class Connection:
    """One request at a time."""

    def __init__(self, address, timeout=60):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.correlation = 0

    def close(self):
        self.socket.close()

    def send(self, api, version, values):
        request, _ = messages()[api]
        flexible = version in request.flexible
        self.correlation += 1
        out = Writer(version, flexible)
        out.out += struct.pack(">hhih", request.key, version, self.correlation, 12) + b"differential"
        if flexible:
            out.varint(0)
        out.struct(request.fields, values)
        self.socket.sendall(struct.pack(">i", len(out.out)) + out.out)

    def receive(self, api, version):
        request, response = messages()[api]
        (size,) = struct.unpack(">i", self._read(4))
        data = self._read(size)
        assert struct.unpack(">i", data[:4])[0] == self.correlation
        version = 0 if request.key == API_VERSIONS and version > request.valid.last else version  # of the answer to a version that nobody knows
        flexible = version in request.flexible
        start = 5 if flexible and request.key != API_VERSIONS else 4
        reader = Reader(data[start:], version, flexible)
        values = reader.struct(response.fields)
        assert reader.at == len(reader.data), f"{len(reader.data) - reader.at} bytes follow the answer"
        return values

    def has_answer(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def ask(self, api, version, values):
        self.send(api, version, values)
        return self.receive(api, version)

    def _read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        return data
