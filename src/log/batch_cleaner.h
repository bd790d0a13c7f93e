// What compaction leaves of each batch, as Kafka does it: the newest record of each key, tombstones for a while, no aborted records,
// markers for as long as their transaction has records and then for a while. Pure.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "codec/record_batch.h"
#include "log/key_map.h"
#include "log/log.h"

namespace ms::log {

// Calls `visit` for the records of a batch that have keys. False: they do not parse, and the batch is to be left as it is.
Result<bool> visit_keys(std::span<const uint8_t> batch, const std::function<bool(int64_t offset, std::string_view key)>& visit);

// Batches of a partition come in order, from the log start on.
class BatchCleaner {
 public:
  struct Terms {
    const KeyMap* newest = nullptr;  // of offsets below `end`; from there on nothing is touched
    Offset end;
    int64_t now_ms = 0;
    int64_t delete_retention_ms = 0;
  };
  // `aborted`: all that can have records below the end.
  BatchCleaner(const Terms& terms, std::vector<AbortedTransaction> aborted) : terms_(terms), aborted_(std::move(aborted)) {}

  struct Cleaned {
    std::optional<ReadBatch> batch;  // nullopt: nothing is left, and nothing needs to be
    bool changed = false;
    std::optional<Offset> gone;      // the marker of an aborted transaction that has no record any more
  };
  // The last batch of a run stays, without records if need be, so that every offset of a run has a batch behind it.
  Result<Cleaned> clean(const ReadBatch& batch, bool last_of_run);

 private:
  Result<Cleaned> clean_marker(const ReadBatch& batch, const RecordBatchHeader& header, bool last_of_run);
  Result<Cleaned> clean_records(const ReadBatch& batch, const RecordBatchHeader& header, bool last_of_run);
  bool keeps(const RecordView& record, bool keeps_tombstones) const;

  const Terms terms_;
  const std::vector<AbortedTransaction> aborted_;
  std::set<int64_t> with_records_;  // producers whose transaction has records that stay, up to its marker
};

}  // namespace ms::log
