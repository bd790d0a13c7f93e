"""The samples files of DIR/samples as docs/formats/samples.md describes them, enough to turn one bit of a value over."""

import dataclasses
import struct

MAGIC = b"MSSAMPL2"
INT64, FLOAT64, STRING = 1, 2, 3
DECIMAL, LIST, VECTOR, MAP = 5, 6, 7, 8
DERIVED = "(derived)"  # the view of derived features


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclasses.dataclass
class Place:
    """One present float64 of a stored answer: where its eight bytes lie in its record."""

    record: int
    service: str
    view: str
    key: bytes
    feature: int
    at: int


def read_records(path):
    data = path.read_bytes()
    assert data.startswith(MAGIC)
    at, records = len(MAGIC), []
    while at < len(data):
        length, crc = struct.unpack_from("<II", data, at)
        payload = data[at + 8 : at + 8 + length]
        assert len(payload) == length and crc32c(payload) == crc
        records.append(bytearray(payload))
        at += 8 + length
    return records


def write_records(path, records):
    path.write_bytes(MAGIC + b"".join(struct.pack("<II", len(r), crc32c(r)) + bytes(r) for r in records))


class _Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, size):
        self.at += size
        assert self.at <= len(self.data)
        return bytes(self.data[self.at - size : self.at])

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def sized(self):
        return self.take(self.varint())


def _kind(reader):
    """A type with its parameters."""
    kind = reader.take(1)[0]
    element = reader.take(1)[0] if kind in (LIST, MAP) else kind
    reader.take(2 if element == DECIMAL else 4 if kind == VECTOR else 0)
    return kind


def _values(reader, place):
    """The present float64 values of a list of values."""
    for feature in range(reader.varint()):
        kind = _kind(reader)
        _, is_null = reader.take(2)
        if not is_null:
            if kind == FLOAT64:
                yield dataclasses.replace(place, feature=feature, at=reader.at)
            reader.take(reader.varint() if kind == STRING or kind >= DECIMAL else 8)
        reader.take(8)  # event time


def floats(records):
    """Every present float64 value of the records, those of derived features (of the last view's key) under the view DERIVED."""
    for number, record in enumerate(records):
        reader = _Reader(record)
        service = reader.sized().decode()
        reader.take(4 + 8)
        for _ in range(reader.varint()):
            reader.varint(), reader.varint()
        key = b""
        for _ in range(reader.varint()):
            view, _, key = reader.sized().decode(), reader.take(4), reader.sized()
            reader.varint()  # bytes of the row
            reader.take(1)  # found
            yield from _values(reader, Place(number, service, view, key, 0, 0))
        reader.sized()  # request fields
        if reader.varint():
            yield from _values(reader, Place(number, service, DERIVED, key, 0, 0))
