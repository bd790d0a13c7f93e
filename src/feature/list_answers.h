// Answers that are lists, maps and vectors, and those of sketches: from boxes and bins to packed bytes.
#pragma once

#include <optional>

#include "codec/packed_value.h"
#include "feature/answers.h"
#include "feature/box.h"
#include "feature/feature_spec.h"

namespace ms::feature {

Answer list_answer(const FeatureSpec& spec, const Box& box, StringArena& arena);      // first_n: the oldest first; last_n: the newest
Answer quantile_answer(const FeatureSpec& spec, const Box& box, StringArena& arena);
Answer estimate_answer(const FeatureSpec& spec, const Box* box);                      // null: no row
Answer histogram_answer(const FeatureSpec& spec, const uint64_t* bins, StringArena& arena);
Answer top_answer(const FeatureSpec& spec, const Box& box, StringArena& arena);       // of equal counts the smaller key first
Answer count_by_answer(const FeatureSpec& spec, const Box* box, StringArena& arena);  // null: an empty map
Answer sum_by_answer(const FeatureSpec& spec, const Box& box, StringArena& arena);    // OVERFLOW when one sum is
Answer vector_sum_answer(const Box& box, uint64_t n, StringArena& arena);             // divided by n; 0: not divided
Answer vector_extreme_answer(const Box& box, StringArena& arena);

// Collects the answers of a series, the newest window first, into one list.
class SeriesAnswer {
 public:
  explicit SeriesAnswer(const Type& element) : element_(element), list_(element.kind) {}
  void add(uint64_t bits, uint8_t flags, int64_t event_time, std::string_view text);
  void write(std::optional<int64_t> ttl_us, int64_t t, const AnswerColumn& out, StringArena& arena) const;

 private:
  Type element_;
  PackedListWriter list_;
  bool overflow_ = false;
  int64_t last_ = kNoEventTime;
};

}  // namespace ms::feature
