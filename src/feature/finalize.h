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
};

// The answers of one feature. `out` points at the place of the first question; it must want the feature.
void finalize(const FeaturePlan& plan, const TotalsOf& totals, const AnswerColumn& out, StringArena& arena);

// One question: the feature's value in `out`.
void finalize(const FeaturePlan& plan, const uint64_t* words, int64_t t, FeatureRow& out, size_t index);

}  // namespace ms::feature
