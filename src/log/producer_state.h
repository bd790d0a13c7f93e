// Kafka's rule for idempotent producers, per partition: what is a duplicate, what is out of order. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/bytes.h"
#include "log/log.h"

namespace ms::log {

// The sequence number `increment` after `sequence`; 2^31-1 is followed by 0.
int32_t sequence_after(int32_t sequence, int32_t increment);

struct ProducerBatch {
  int32_t first_sequence = 0, last_sequence = 0;
  int64_t base_offset = 0;
  int64_t at_us = 0;
};

// The newest epoch of one producer id and its last five batches, oldest first.
struct ProducerEntry {
  static constexpr size_t kBatchesKept = 5;
  int16_t epoch = -1;
  uint8_t count = 0;
  int64_t marker_us = 0;  // when a marker brought this epoch; then there may be no batch yet
  std::array<ProducerBatch, kBatchesKept> batches{};
  const ProducerBatch& newest() const { return batches[count - 1u]; }  // count > 0
  int64_t last_use_us() const { return count > 0 ? std::max(marker_us, newest().at_us) : marker_us; }
};

struct ProducerAppend {
  int64_t producer_id = -1;
  int16_t epoch = -1;
  int32_t first_sequence = 0, last_sequence = 0;
  bool starts_at_zero = false;  // without stored state: in a transaction by the second protocol (KIP-890)
};

struct ProducerDecision {
  AppendError error = AppendError::kNone;
  const ProducerBatch* duplicate_of = nullptr;  // valid until the table changes
};

// All producers of one partition. Bounded: entries idle for a day go first, then the longest idle ones.
class ProducerTable {
 public:
  static constexpr size_t kProducersMax = 10'000;
  static constexpr int64_t kIdleUsMax = 24 * kMicrosPerHour;

  // No stored state accepts any first sequence, or 0 alone, as Kafka does under its first and its second transaction protocol.
  ProducerDecision decide(const ProducerAppend& append) const;
  // After a decision without error and without duplicate.
  void record(const ProducerAppend& append, Offset base, AppendTime at);
  // A marker of this epoch: older ones are fenced here, too.
  void mark(int64_t producer_id, int16_t epoch, AppendTime at);

  const std::unordered_map<int64_t, ProducerEntry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  void encode(ByteWriter& out) const;  // in ascending id order
  // Before version 3 of the state there were no markers.
  static Result<ProducerTable> decode(ByteReader& in, uint32_t state_version);

 private:
  void make_room(AppendTime now);
  std::unordered_map<int64_t, ProducerEntry> entries_;
};

}  // namespace ms::log
