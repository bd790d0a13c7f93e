// Whether a broker may take a record batch. Pure: no sequence numbers (they need state) and no decompression, so the
// records of a compressed batch are first seen by whoever reads them.
#pragma once

#include "codec/record_batch.h"
#include "log/topic_config.h"

namespace ms::log {

struct AppendCheck {
  AppendError error = AppendError::kNone;
  std::string message;
  RecordBatchHeader header;
};
AppendCheck check_append(std::span<const uint8_t> batch, const TopicSettings& settings, uint64_t batch_bytes_max, int64_t now_ms);

}  // namespace ms::log
