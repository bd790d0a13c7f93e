// The four compressions of Kafka record batches. Every decompression has an output bound: a bomb is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms {

enum class Compression : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };  // numbers of the wire

std::string_view to_string(Compression codec);  // "none", "gzip", "snappy", "lz4", "zstd"

// Replaces `out` by the decompressed bytes; out keeps its capacity, so one scratch string serves many batches. After an error
// it holds nothing and no memory. Beyond 16 MiB only what fits the bound takes memory, and no more than it needs.
// gzip takes concatenated members, snappy raw bytes and the chunked framing of the Java client, lz4 and zstd frames.
// Errors: kCorruption (malformed or cut short), kExhausted (more than bytes_max come out; nothing more is reserved).
Result<> decompress(Compression codec, std::span<const uint8_t> in, size_t bytes_max, std::string& out);

// What Kafka clients of every language can read (snappy in the Java framing).
Result<std::string> compress(Compression codec, std::span<const uint8_t> in);

}  // namespace ms
