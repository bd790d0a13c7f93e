// Whether a broker may take a record batch. Pure: no sequence numbers (they need state) and no decompression unless the topic
// wants another compression, so the records of a compressed batch are first seen by whoever reads them.
#pragma once

#include "base/buffer.h"
#include "codec/record_batch.h"
#include "log/topic_config.h"

namespace ms::log {

struct AppendCheck {
  AppendError error = AppendError::kNone;
  std::string message;
  RecordBatchHeader header;
  std::vector<int32_t> refused_records;  // from 0; AppendOutcome
};
AppendCheck check_append(std::span<const uint8_t> batch, const TopicSettings& settings, uint64_t batch_bytes_max, int64_t now_ms);

// A record without a key can never be superseded: a compacted topic takes none. Decompresses.
void check_keys(std::span<const uint8_t> batch, AppendCheck& checked);

// What a batch may decompress to when the topic's compression.type is not the producer's.
inline constexpr size_t kRecompressedFromMax = 64u << 20;
// A checked batch becomes one of the topic's compression.type; the header is the new one's. Refused: records that do not parse,
// more than kRecompressedFromMax, and what is larger than max.message.bytes afterwards.
AppendCheck recompress(Slice& batch, Compression to, const TopicSettings& settings, uint64_t batch_bytes_max);

}  // namespace ms::log
