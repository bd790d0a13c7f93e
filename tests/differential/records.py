"""Record batches (version 2) of the differential test."""

import struct

import cramjam
from samples_file import crc32c

HEAD = struct.Struct(">qiibIhiqqqhii")  # up to the records; the CRC counts what follows it
CRC_ENDS = 21
NONE, GZIP, SNAPPY, LZ4, ZSTD = CODECS = range(5)
CODEC, TRANSACTIONAL, CONTROL = 7, 16, 32
XERIAL = struct.pack(">8sii", b"\x82SNAPPY\0", 1, 1)  # the framing of snappy that Kafka's clients use


def zigzag(value):
    value, out = (value << 1) ^ (value >> 63), bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def compressed(data, codec):
    if codec == SNAPPY:
        block = bytes(cramjam.snappy.compress_raw(data))
        return XERIAL + struct.pack(">i", len(block)) + block
    if codec == LZ4:
        frame = cramjam.lz4.Compressor(block_linked=False)  # Kafka reads no others
        frame.compress(data)
        return bytes(frame.finish())
    way = {GZIP: cramjam.gzip, ZSTD: cramjam.zstd}.get(codec)
    return bytes(way.compress(data)) if way else data


def decompressed(data, codec):
    if codec == SNAPPY and data[:8] == XERIAL[:8]:
        out, at = b"", len(XERIAL)
        while at < len(data):
            (size,) = struct.unpack_from(">i", data, at)
            out, at = out + bytes(cramjam.snappy.decompress_raw(data[at + 4 : at + 4 + size])), at + 4 + size
        return out
    way = {GZIP: cramjam.gzip.decompress, SNAPPY: cramjam.snappy.decompress_raw, LZ4: cramjam.lz4.decompress, ZSTD: cramjam.zstd.decompress}.get(codec)
    return bytes(way(data)) if way else data


def batch(values, timestamps, producer=(-1, -1, -1), attributes=0, keys=(), headers=()):
    """`producer` is (id, epoch, first sequence); `attributes` say the codec; without `keys` the records have none. Every record has the `headers`."""
    records = b""
    for i, (value, timestamp) in enumerate(zip(values, timestamps)):
        key = zigzag(len(keys[i])) + keys[i] if keys else zigzag(-1)
        body = b"\0" + zigzag(timestamp - timestamps[0]) + zigzag(i) + key + zigzag(len(value)) + value + zigzag(len(headers))
        body += b"".join(zigzag(len(name)) + name + (zigzag(-1) if inner is None else zigzag(len(inner)) + inner) for name, inner in headers)
        records += zigzag(len(body)) + body
    count, records = len(values), compressed(records, attributes & CODEC)
    head = HEAD.pack(0, HEAD.size - 12 + len(records), 0, 2, 0, attributes, count - 1, timestamps[0], max(timestamps), *producer, count)
    whole = head + records
    return whole[:17] + struct.pack(">I", crc32c(whole[CRC_ENDS:])) + whole[CRC_ENDS:]


def heads(data):
    """What the heads of the batches in a fetched `data` say, and their records, whatever compressed them. Of markers neither the times nor
    the epochs: Kafka raises an epoch before it aborts for the next producer."""
    found, at = [], 0
    while len(data) - at >= HEAD.size:
        base, length, _, magic, crc, attributes, last, first_time, max_time, producer, epoch, sequence, count = HEAD.unpack_from(data, at)
        if at + 12 + length > len(data):
            break  # cut off
        body = data[at + HEAD.size : at + 12 + length]
        assert magic == 2 and crc == crc32c(data[at + CRC_ENDS : at + 12 + length])
        control = bool(attributes & CONTROL)
        body = decompressed(body, attributes & CODEC)
        found.append({"BaseOffset": base, "LastOffsetDelta": last, "Attributes": attributes, "FirstTimestamp": None if control else first_time,
                      "MaxTimestamp": None if control else max_time, "ProducerId": producer, "ProducerEpoch": None if control else epoch, "Sequence": sequence, "Count": count,
                      "Body": None if control else body.hex()})
        at += 12 + length
    return found
