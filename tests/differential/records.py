"""Record batches (version 2, not compressed) of the differential test."""

import struct

from samples_file import crc32c

HEAD = struct.Struct(">qiibIhiqqqhii")  # up to the records; the CRC counts what follows it
CRC_ENDS = 21
TRANSACTIONAL, CONTROL = 16, 32


def zigzag(value):
    value, out = (value << 1) ^ (value >> 63), bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def batch(values, timestamps, producer=(-1, -1, -1), attributes=0):
    """`producer` is (id, epoch, first sequence)."""
    records = b""
    for i, (value, timestamp) in enumerate(zip(values, timestamps)):
        body = b"\0" + zigzag(timestamp - timestamps[0]) + zigzag(i) + zigzag(-1) + zigzag(len(value)) + value + zigzag(0)
        records += zigzag(len(body)) + body
    count = len(values)
    head = HEAD.pack(0, HEAD.size - 12 + len(records), 0, 2, 0, attributes, count - 1, timestamps[0], max(timestamps), *producer, count)
    whole = head + records
    return whole[:17] + struct.pack(">I", crc32c(whole[CRC_ENDS:])) + whole[CRC_ENDS:]


def heads(data):
    """What the heads of the batches in a fetched `data` say. Of markers neither the times nor the epochs: Kafka raises an epoch before it
    aborts for the next producer."""
    found, at = [], 0
    while len(data) - at >= HEAD.size:
        base, length, _, magic, crc, attributes, last, first_time, max_time, producer, epoch, sequence, count = HEAD.unpack_from(data, at)
        if at + 12 + length > len(data):
            break  # cut off
        body = data[at + HEAD.size : at + 12 + length]
        assert magic == 2 and crc == crc32c(data[at + CRC_ENDS : at + 12 + length])
        control = bool(attributes & CONTROL)
        found.append({"BaseOffset": base, "LastOffsetDelta": last, "Attributes": attributes, "FirstTimestamp": None if control else first_time,
                      "MaxTimestamp": None if control else max_time, "ProducerId": producer, "ProducerEpoch": None if control else epoch, "Sequence": sequence, "Count": count,
                      "Body": None if control else body.hex()})
        at += 12 + length
    return found
