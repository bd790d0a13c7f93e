// From totals to answers: the only place where a feature's value is rounded, and where its status is decided.
#pragma once

#include <cstdint>

#include "feature/state_layout.h"
#include "feature/value.h"

namespace ms::feature {

// The totals of one window for some questions: those of question i lie at words + i * stride.
struct TotalsOf {
  const uint64_t* words = nullptr;
  size_t stride = 0;
  const int64_t* times = nullptr;  // of the questions
  size_t count = 0;
  bool overflow = false;           // the window itself holds more than it may: no value, whatever the aggregate
};

// The answers of one feature. `out` points at the place of the first question; it must want the feature. Not for series.
void finalize(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, StringArena& arena);

// A series: the totals of its windows, the newest first, all asked at t.
void finalize_series(const FeaturePlan& plan, const TotalsOf& windows, int64_t t, const AnswerColumn& out, StringArena& arena);

// One question: where the feature's value in `out` is.
struct AnswerCell {
  explicit AnswerCell(FeatureValue& value) : value_(value) {}
  ~AnswerCell() {
    value_.i = static_cast<int64_t>(bits_);
    value_.status = static_cast<Status>(flags_ & AnswerColumn::kStatus);
    value_.is_null = (flags_ & AnswerColumn::kNull) != 0;
  }
  AnswerCell(const AnswerCell&) = delete;
  AnswerCell& operator=(const AnswerCell&) = delete;
  AnswerColumn column() { return {&bits_, &flags_, &value_.event_time_us, &value_.text}; }

 private:
  FeatureValue& value_;
  uint64_t bits_ = 0;
  uint8_t flags_ = 0;
};

}  // namespace ms::feature
