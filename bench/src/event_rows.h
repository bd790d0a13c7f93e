// Events as prepared rows, for benchmarks of the state alone, and the features they are asked for.
#pragma once

#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bench/src/events.h"
#include "feature/view_state.h"

namespace ms::bench {

// `aggregates` x `lengths`, over `amount`, each window with the hop that its length gets by default.
inline std::vector<feature::FeatureSpec> features_of(std::span<const feature::AggregateKind> aggregates, std::span<const int64_t> lengths_us) {
  using namespace feature;
  std::vector<FeatureSpec> out;
  for (const int64_t length : lengths_us)
    for (const AggregateKind a : aggregates) {
      const bool counts = a == AggregateKind::kCount;
      FeatureSpec spec{.aggregate = a, .argument = counts ? -1 : 0, .window = {WindowKind::kSliding, length, ladder_hop(length)}};
      if (!counts) spec.argument_type = TypeKind::kInt64;
      spec.result_type = *result_type(spec);
      out.push_back(std::move(spec));
    }
  return out;
}

// At most kMost events with everything the state wants to know of them.
class EventRows {
 public:
  static constexpr size_t kMost = 512;  // as the engine's appliers take

  EventRows() : all_(kMost) {
    std::iota(all_.begin(), all_.end(), 0u);
    rows_.arguments.resize(1);
  }

  void clear() {
    rows_.clear();
    rows_.arguments.resize(1);
    rows_.arguments[0].reset(TypeKind::kInt64, kMost);
  }
  void add(int64_t user, int64_t time_us, int64_t amount, int64_t offset) {
    key_.clear();
    feature::append_key_part(key_, user);
    rows_.keys.push_back(rows_.arena.add(key_));
    rows_.table_hashes.push_back(feature::table_hash(key_)), rows_.shard_hashes.push_back(0);
    rows_.event_times_us.push_back(time_us), rows_.offsets.push_back(offset);
    rows_.arguments[0].ints[rows_.rows] = amount, rows_.arguments[0].set_valid(rows_.rows);
    ++rows_.rows;
  }
  const feature::PreparedRows& rows() const { return rows_; }
  std::span<const uint32_t> all() const { return std::span(all_).first(rows_.rows); }

 private:
  feature::PreparedRows rows_;
  std::vector<uint32_t> all_;
  std::string key_;
};

// Answers of `features` features to kMost questions, all of 64 bits.
class Answers {
 public:
  explicit Answers(size_t features) : bits_(features * EventRows::kMost), flags_(bits_.size()), found_(EventRows::kMost) {
    for (size_t f = 0; f < features; ++f) columns_.features.push_back({.bits = &bits_[f * EventRows::kMost], .flags = &flags_[f * EventRows::kMost]});
    columns_.found = found_.data(), columns_.arena = &arena_;
  }
  const feature::AnswerColumns& columns() const { return columns_; }
  bool is_null(size_t feature, size_t at) const { return (flags_[feature * EventRows::kMost + at] & feature::AnswerColumn::kNull) != 0; }
  int64_t integer(size_t feature, size_t at) const { return static_cast<int64_t>(bits_[feature * EventRows::kMost + at]); }

 private:
  std::vector<uint64_t> bits_;
  std::vector<uint8_t> flags_, found_;
  StringArena arena_;
  feature::AnswerColumns columns_;
};

}  // namespace ms::bench
