// What one partition knows of transactions: which are open in it, and which were aborted. Pure.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "codec/record_batch.h"
#include "log/log.h"

namespace ms::log {

// What a batch is to transactions.
struct BatchRole {
  enum class Kind : uint8_t { kPlain, kTransactional, kCommitMarker, kAbortMarker };
  Kind kind = Kind::kPlain;
  int64_t producer_id = kNoProducerId;
  bool marker() const { return kind == Kind::kCommitMarker || kind == Kind::kAbortMarker; }
};
BatchRole role_of(const RecordBatchHeader& header, std::span<const uint8_t> batch);

class PartitionTransactions {
 public:
  // The batch at `base` is part of the partition now; markers are batches of one record.
  void add(const BatchRole& role, int64_t base);
  void forget_below(int64_t log_start);
  void forget(Offset marker);  // of an aborted transaction whose records are gone

  // Everything below is decided. An open transaction that lost its first records to retention begins at the log start.
  int64_t last_stable(int64_t log_start, int64_t next) const;
  std::optional<int64_t> open_since(int64_t producer_id) const;  // the first offset of its open transaction
  // Those that can have records in [from, until), in the order of their markers.
  std::vector<AbortedTransaction> aborted_in(int64_t from, int64_t until) const;

  void encode(ByteWriter& out) const;
  static Result<PartitionTransactions> decode(ByteReader& in);

 private:
  // `stable`: the first offset that was not decided when the marker was written. Every later entry begins there or behind.
  struct Aborted {
    AbortedTransaction transaction;
    int64_t stable = 0;
  };
  std::map<int64_t, int64_t> open_;  // producer id -> first offset
  std::vector<Aborted> aborted_;     // by marker
};

// Whether consumers of committed records may see the batch: no marker, and in none of `aborted`.
bool is_committed(std::span<const uint8_t> batch, Offset base, std::span<const AbortedTransaction> aborted);

}  // namespace ms::log
