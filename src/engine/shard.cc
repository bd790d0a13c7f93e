#include "engine/shard.h"

#include "base/check.h"

namespace ms::engine {
namespace {

constexpr size_t kMaintainEntities = 32;  // entities looked at for roll-up and expiry per publish: one for every 16 rows

}  // namespace

void Shard::apply(uint32_t input, Offset end, std::span<const ShardRows> rows, std::span<feature::AppliedRows> applied) {
  const std::unique_lock lock(mutex_);
  const Instant now = instants_.last();
  const Offset seen = input < applied_.size() ? applied_[input].value_or(Offset{0}) : Offset{0};
  if (end <= seen) return;
  bool any = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ShardRows& r = rows[i];
    std::span<const uint32_t> which = r.which;
    if (!which.empty() && r.rows->offsets[which.front()] < seen.value) {
      fresh_.clear();
      for (const uint32_t row : which)
        if (r.rows->offsets[row] >= seen.value) fresh_.push_back(row);
      which = fresh_;
    }
    if (which.empty()) continue;
    any = true;
    feature::ViewState& state = *states_[r.slot];
    applied[i] += state.apply(*r.rows, which, now);
    state.maintain(now, kMaintainEntities);
  }
  move_offset(input, end);
  if (any) record_publish();
}

void Shard::move_offset(uint32_t input, Offset end) {
  if (input >= applied_.size()) applied_.resize(input + 1);
  applied_[input] = end;
  if (std::find(moved_.begin(), moved_.end(), input) == moved_.end()) moved_.push_back(input);
}

void Shard::record_publish() {
  if (unwritten_.publishes.empty()) {
    unwritten_.shard = number_;
    unwritten_.first_publish = publishes_ + 1;
    unwritten_.base.clear();
    for (uint32_t i = 0; i < applied_.size(); ++i)
      if (applied_[i] && std::find(moved_.begin(), moved_.end(), i) == moved_.end()) unwritten_.base.push_back({i, *applied_[i]});
  }
  PublishEntry entry;
  for (const uint32_t input : moved_) entry.moved.push_back({input, *applied_[input]});
  moved_.clear();
  ++publishes_;
  entry.instant = instants_.publish();
  unwritten_bytes_ += sizeof(PublishEntry) + entry.moved.size() * sizeof(InputOffset);
  unwritten_.publishes.push_back(std::move(entry));
}

void Shard::restore(uint32_t slot, std::unique_ptr<feature::ViewState> state) {
  const std::unique_lock lock(mutex_);
  if (slot >= states_.size()) states_.resize(slot + 1);
  CHECK(states_[slot] == nullptr);
  states_[slot] = std::move(state);
}

Instant Shard::join(uint32_t slot, std::unique_ptr<feature::ViewState> state, std::span<const InputOffset> applied) {
  restore(slot, std::move(state));
  const std::unique_lock lock(mutex_);
  for (const InputOffset& a : applied)
    if (a.input >= applied_.size() || applied_[a.input].value_or(Offset{-1}) < a.offset) move_offset(a.input, a.offset);
  record_publish();
  return unwritten_.publishes.back().instant;
}

void Shard::begin(const std::vector<std::optional<Offset>>& applied) {
  const std::unique_lock lock(mutex_);
  applied_ = applied;
  for (uint32_t i = 0; i < applied_.size(); ++i)
    if (applied_[i]) moved_.push_back(i);
  record_publish();
}

ShardPublishes Shard::take_publishes() {
  const std::unique_lock lock(mutex_);
  unwritten_bytes_ = 0;
  return std::exchange(unwritten_, {});
}

}  // namespace ms::engine
