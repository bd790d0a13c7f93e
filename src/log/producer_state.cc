#include "log/producer_state.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace ms::log {
namespace {

constexpr size_t kEntryBytesMin = 8 + 2 + 1;

std::vector<int64_t> sorted_ids(const std::unordered_map<int64_t, ProducerEntry>& entries) {
  std::vector<int64_t> ids;
  ids.reserve(entries.size());
  for (const auto& [id, entry] : entries) ids.push_back(id);
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

int32_t sequence_after(int32_t sequence, int32_t increment) {
  constexpr int64_t kWrap = int64_t{std::numeric_limits<int32_t>::max()} + 1;
  return static_cast<int32_t>((int64_t{sequence} + increment) % kWrap);
}

ProducerDecision ProducerTable::decide(const ProducerAppend& append) const {
  const auto found = entries_.find(append.producer_id);
  if (found == entries_.end())
    return {.error = append.starts_at_zero && append.first_sequence != 0 ? AppendError::kOutOfOrderSequence : AppendError::kNone};
  const ProducerEntry& entry = found->second;
  if (append.epoch < entry.epoch) return {.error = AppendError::kInvalidProducerEpoch};
  if (append.epoch > entry.epoch)  // a new epoch starts again at 0
    return {.error = append.first_sequence == 0 ? AppendError::kNone : AppendError::kOutOfOrderSequence};
  for (size_t i = 0; i < entry.count; ++i) {
    const ProducerBatch& batch = entry.batches[i];
    if (batch.first_sequence == append.first_sequence && batch.last_sequence == append.last_sequence) return {.duplicate_of = &batch};
  }
  const int32_t expected = entry.count == 0 ? 0 : sequence_after(entry.newest().last_sequence, 1);
  const bool in_order = append.first_sequence == expected;
  return {.error = in_order ? AppendError::kNone : AppendError::kOutOfOrderSequence};
}

void ProducerTable::record(const ProducerAppend& append, Offset base, AppendTime at) {
  if (!entries_.contains(append.producer_id) && entries_.size() >= kProducersMax) make_room(at);
  ProducerEntry& entry = entries_[append.producer_id];
  if (entry.epoch != append.epoch) entry = {.epoch = append.epoch};
  if (entry.count == ProducerEntry::kBatchesKept) {
    std::shift_left(entry.batches.begin(), entry.batches.end(), 1);
    --entry.count;
  }
  entry.batches[entry.count++] = {append.first_sequence, append.last_sequence, base.value, at.us};
}

void ProducerTable::mark(int64_t producer_id, int16_t epoch, AppendTime at) {
  if (!entries_.contains(producer_id) && entries_.size() >= kProducersMax) make_room(at);
  ProducerEntry& entry = entries_[producer_id];
  if (entry.epoch < epoch) entry = {.epoch = epoch};
  entry.marker_us = at.us;
}

void ProducerTable::make_room(AppendTime now) {
  std::erase_if(entries_, [&](const auto& item) { return now.us - item.second.last_use_us() > kIdleUsMax; });
  if (entries_.size() < kProducersMax) return;
  std::vector<std::pair<int64_t, int64_t>> by_age;  // last use, id: a total order, so replay forgets the same ones
  for (const auto& [id, entry] : entries_) by_age.emplace_back(entry.last_use_us(), id);
  std::ranges::sort(by_age);
  for (size_t i = 0; i < kProducersMax / 10; ++i) entries_.erase(by_age[i].second);
}

void ProducerTable::encode(ByteWriter& out) const {
  out.varint(entries_.size());
  for (const int64_t id : sorted_ids(entries_)) {
    const ProducerEntry& entry = entries_.at(id);
    out.i64(id), out.u16(static_cast<uint16_t>(entry.epoch)), out.u8(entry.count), out.i64(entry.marker_us);
    for (size_t i = 0; i < entry.count; ++i) {
      const ProducerBatch& batch = entry.batches[i];
      out.i32(batch.first_sequence), out.i32(batch.last_sequence), out.i64(batch.base_offset), out.i64(batch.at_us);
    }
  }
}

Result<ProducerTable> ProducerTable::decode(ByteReader& in, uint32_t state_version) {
  ProducerTable table;
  const uint64_t count = in.varint();
  if (count > in.remaining() / kEntryBytesMin) return corruption("producer table: impossible count");
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t id = in.i64();
    ProducerEntry entry{.epoch = static_cast<int16_t>(in.u16()), .count = in.u8()};
    if (state_version >= 3) entry.marker_us = in.i64();
    if (entry.count < (state_version >= 3 ? 0 : 1) || entry.count > ProducerEntry::kBatchesKept) return corruption("producer table: impossible batch count");
    for (size_t b = 0; b < entry.count; ++b) {
      ProducerBatch& batch = entry.batches[b];
      batch.first_sequence = in.i32(), batch.last_sequence = in.i32(), batch.base_offset = in.i64(), batch.at_us = in.i64();
    }
    table.entries_[id] = entry;
  }
  if (!in.ok()) return corruption("producer table: cut short");
  return table;
}

}  // namespace ms::log
