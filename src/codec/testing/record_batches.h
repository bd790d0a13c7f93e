// For tests only: batches as no honest client writes them, whole in everything that a broker reads of them.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "codec/record_batch.h"

namespace ms::testing {

// The batch with its CRC made right again.
inline std::string mend_crc(std::string batch) {
  constexpr size_t kAtCrc = 17, kUnderCrc = 21;
  const uint32_t crc = __builtin_bswap32(crc32c({reinterpret_cast<const uint8_t*>(batch.data()) + kUnderCrc, batch.size() - kUnderCrc}));
  std::memcpy(batch.data() + kAtCrc, &crc, sizeof crc);
  return batch;
}

// Records without keys, record i saying that its offset delta is deltas[i].
inline std::string batch_with_deltas(Compression codec, const std::vector<std::string>& values, const std::vector<int32_t>& deltas) {
  const auto put_varint = [](std::string& out, size_t value) {
    size_t zigzag = value * 2;
    for (; zigzag >= 0x80; zigzag >>= 7) out.push_back(static_cast<char>(zigzag | 0x80));
    out.push_back(static_cast<char>(zigzag));
  };
  std::string body;
  for (size_t i = 0; i < values.size(); ++i) {
    std::string record(2, '\0');  // attributes, timestamp delta
    put_varint(record, static_cast<size_t>(deltas[i]));
    record.push_back('\1');  // no key
    put_varint(record, values[i].size());
    record += values[i];
    record.push_back('\0');  // no headers
    put_varint(body, record.size());
    body += record;
  }
  if (codec != Compression::kNone) body = compress(codec, {reinterpret_cast<const uint8_t*>(body.data()), body.size()}).value();
  const std::vector<RecordToWrite> honest(values.size(), RecordToWrite{.value = "v"});
  std::string batch = build_record_batch({.compression = codec}, honest).value().substr(0, kBatchHeaderBytes) + body;
  const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(batch.size() - 12));
  std::memcpy(batch.data() + 8, &length, sizeof length);
  return mend_crc(std::move(batch));
}

}  // namespace ms::testing
