// The bytes of a batch that is in memory or in the write-ahead log.
#pragma once

#include "log/partition_log.h"

namespace ms::log {

// Errors: kCorruption naming file and position when what the WAL holds is not that batch.
Result<ReadBatch> read_tail(const TailBatch& batch);

}  // namespace ms::log
