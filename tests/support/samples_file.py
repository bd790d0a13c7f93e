"""The samples files of DIR/samples as docs/formats/samples.md describes them, enough to turn one bit of a value over."""

import dataclasses
import struct

MAGIC = b"MSSAMPL1"
INT64, FLOAT64, STRING = 1, 2, 3


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


def floats(records):
    """Every present float64 value of the records."""
    for number, record in enumerate(records):
        reader = _Reader(record)
        service = reader.sized().decode()
        reader.take(4 + 8)
        for _ in range(reader.varint()):
            reader.varint(), reader.varint()
        for _ in range(reader.varint()):
            view, _, key = reader.sized().decode(), reader.take(4), reader.sized()
            reader.varint()  # bytes of the row
            reader.take(1)  # found
            for feature in range(reader.varint()):
                kind, _, is_null = reader.take(3)
                if not is_null:
                    if kind == FLOAT64:
                        yield Place(number, service, view, key, feature, reader.at)
                    reader.take(reader.varint() if kind == STRING else 8)
                reader.take(8)  # event time
