#include "feature/forward.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/clock.h"
#include "base/rng.h"

namespace ms::feature::testing {
namespace {

int64_t some_time(Rng& rng) {
  switch (rng.below(5)) {
    case 0: return INT64_MIN + static_cast<int64_t>(rng.below(3));
    case 1: return INT64_MAX - 1 - static_cast<int64_t>(rng.below(3));
    case 2: return (static_cast<int64_t>(rng.below(2'000)) - 1'000) * 5 * kMicrosPerMinute;
    default: return static_cast<int64_t>(rng.next());
  }
}

FeatureSpec count_over(int64_t length_us, int64_t hop_us) {
  FeatureSpec spec{.aggregate = AggregateKind::kCount, .window = {WindowKind::kSliding, length_us, hop_us}};
  spec.result_type = *result_type(spec);
  return spec;
}

// The tail of a sliding window by its clock is the tail of its definition, at t and for as long as the clock says.
RC_GTEST_PROP(HopClock, TailIsThatOfTheWindow, ()) {
  Rng rng(*rc::gen::arbitrary<uint64_t>());
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < 4; ++i) {
    const auto length = static_cast<int64_t>(1 + rng.below(3'000)), hop = static_cast<int64_t>(1 + rng.below(40));
    specs.push_back(count_over(length * 10 * kMicrosPerSecond, std::min(length, hop) * 10 * kMicrosPerSecond));
  }
  const StateLayout layout = StateLayout::compile(specs);
  const ForwardPlan plan(layout);
  RC_ASSERT(plan.sliding == plan.windows.size());
  for (const auto& window : plan.windows) {
    const HopClock& clock = plan.clocks[window.clock];
    const WindowPlan& definition = layout.windows[window.window];
    const int64_t t = some_time(rng), until = clock.holds_until(t);
    RC_ASSERT(until > t);
    RC_ASSERT(saturating_sub(clock.floor(t), window.behind_us) == definition.tail(t));
    RC_ASSERT(definition.tail(until - 1) == definition.tail(t));
  }
}

// Marks are thinned, and each reader still finds the sums before its window.
RC_GTEST_PROP(SumMarks, ThinnedMarksHoldWhatReadersNeed, ()) {
  Rng rng(*rc::gen::arbitrary<uint64_t>());
  const StateLayout layout = StateLayout::compile({count_over(60 * kMicrosPerMinute, kMicrosPerMinute)});
  const ForwardPlan plan(layout);
  SumMarks marks(plan.sums);
  const int64_t steps[] = {2, 6, 12};
  std::vector<SumMarks::Reader> readers;
  std::vector<int64_t> lengths, tails;
  for (size_t i = 0; i < 5; ++i) readers.push_back({0, steps[rng.below(3)]}), lengths.push_back(static_cast<int64_t>(rng.below(400))), tails.push_back(INT64_MIN);
  std::vector<uint64_t> all(layout.words);
  std::vector<int64_t> times;  // of rows
  int64_t time = 0;
  for (size_t row = 0; row < 600; ++row) {
    time += static_cast<int64_t>(rng.below(4));
    marks.add(floor_to(time, 2), all.data());
    ++all[0], times.push_back(time);
    for (size_t i = 0; i < readers.size() && rng.below(3) == 0; ++i) {
      tails[i] = std::max(tails[i], floor_to(time - lengths[i], readers[i].step));
      while (readers[i].at < marks.size() && marks.time(readers[i].at) < tails[i]) ++readers[i].at;
    }
    marks.thin(readers);
    for (size_t i = 0; i < readers.size(); ++i) {
      const auto before = static_cast<uint64_t>(std::ranges::count_if(times, [&](int64_t t) { return t < tails[i]; }));
      RC_ASSERT((readers[i].at < marks.size() ? marks.sums(readers[i].at)[0] : all[0]) == before);
    }
  }
  RC_ASSERT(marks.size() < times.size());
}

}  // namespace
}  // namespace ms::feature::testing
