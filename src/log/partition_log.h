// What readers see of one partition: where each visible batch is (memory, write-ahead log, stream object).
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "log/commands.h"
#include "log/wal.h"

namespace ms::log {

// One visible batch that is not (only) in a stream object. 64 bytes, because there can be millions.
struct BatchEntry {
  int64_t base = 0;
  int32_t records = 0;
  uint32_t size = 0;
  int64_t append_us = 0;
  int64_t max_timestamp_ms = -1;
  WalPosition at;  // of the batch's first byte
  std::shared_ptr<const void> owner;  // null data: not in memory (any more)
  const uint8_t* data = nullptr;

  int64_t next() const { return base + records; }
  Slice cached() const { return Slice(owner, data, size); }
};
static_assert(sizeof(BatchEntry) == 64);

struct RunRef {
  uint64_t object = 0;
  ObjectRun run;
};

// Where to find a batch once the partition's lock is gone; the segment stays readable while it is held.
struct TailBatch {
  BatchEntry entry;
  std::shared_ptr<WalSegment> segment;  // null when the entry has its bytes
};
struct ReadPlan {
  Offset log_start, high_watermark;
  std::vector<TailBatch> tail;
  std::optional<RunRef> run;  // instead of tail: the offset lies in this run
  Offset last_stable;
  std::vector<AbortedTransaction> aborted;  // that can have records in the tail or the run
};

// Thread-safe.
class PartitionLog {
 public:
  // Begins with nothing but what stream objects hold, offsets below `reconciled`; add_run and push bring the rest.
  PartitionLog(const Wal* const* wal, int64_t log_start, int64_t reconciled, int64_t last_removed_us, PartitionTransactions transactions)
      : wal_(wal), log_start_(log_start), next_(reconciled), reconciled_(reconciled), last_removed_us_(last_removed_us),
        transactions_(std::move(transactions)) {}

  void push(BatchEntry entry, const BatchRole& role);  // durable now
  void add_run(const RunRef& run);
  // Those that lie in its offsets; the transactions were aborted, and nothing of them is left.
  void replace_runs(const RunRef& by, std::span<const GoneTransaction> gone);
  void advance_log_start(Offset to);
  void evict(WalPosition end);  // lets go of cached bytes of batches below `end`

  Offset log_start() const;
  Offset high_watermark() const;
  PartitionState state() const;
  int64_t bytes() const;
  ReadPlan plan_read(Offset from, size_t max_bytes) const;
  // Unreconciled batches from `from` (or the first one) on, up to about max_bytes and below `end`.
  std::vector<TailBatch> unreconciled(size_t max_bytes, Offset from, Offset end) const;
  std::optional<WalPosition> first_unreconciled() const;
  std::vector<RunRef> runs() const;
  std::vector<AbortedTransaction> aborted_in(Offset from, Offset until) const;  // that can have records there
  // Where the first batch that ends behind `from` and can hold a record with a timestamp >= timestamp_ms lies: itself, or the
  // run to look for it in. One answer from one moment: ask anew for the next, batches move from the tail into runs.
  std::optional<std::variant<RunRef, TailBatch>> place_for_time(int64_t timestamp_ms, Offset from) const;
  std::optional<TailBatch> tail_with_max_timestamp(Offset from) const;  // of batches that begin there or later

 private:
  TailBatch tail_batch(const BatchEntry& entry) const;
  void trim_tail();
  size_t first_unreconciled_index() const;

  const Wal* const* wal_;
  mutable std::mutex mutex_;
  int64_t log_start_, next_;
  int64_t reconciled_;           // offsets below are in runs
  int64_t last_removed_us_;      // append time of the last record below log_start_, or a later one; 0: not known
  PartitionTransactions transactions_;
  int64_t evicted_ = 0;          // batches whose base is below are not in memory
  int64_t bytes_ = 0;            // visible bytes from log_start on: runs and unreconciled tail
  std::deque<BatchEntry> tail_;
  std::map<int64_t, RunRef> runs_;
};

}  // namespace ms::log
