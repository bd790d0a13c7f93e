#include "feature/state_layout.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/rng.h"
#include "feature/every_cell.h"

namespace ms::feature::testing {
namespace {

constexpr WindowKind kKinds[] = {WindowKind::kSliding,  WindowKind::kSlidingExact, WindowKind::kTumbling, WindowKind::kHopping, WindowKind::kSession,
                                 WindowKind::kLast,     WindowKind::kLifetime,     WindowKind::kDecay,    WindowKind::kSeries};

int64_t some_time(Rng& rng) {
  switch (rng.below(5)) {
    case 0: return INT64_MIN + static_cast<int64_t>(rng.below(3));
    case 1: return INT64_MAX - static_cast<int64_t>(rng.below(3));
    case 2: return (static_cast<int64_t>(rng.below(2'000)) - 1'000) * 5 * kMicrosPerMinute;
    default: return static_cast<int64_t>(rng.next());
  }
}

RC_GTEST_PROP(WindowPlan, TailStaysWhereItIsUntilItSaysSo, ()) {
  Rng rng(*rc::gen::arbitrary<uint64_t>());
  const WindowPlan plan{some_window(kKinds[rng.below(std::size(kKinds))])};
  const int64_t t = some_time(rng), until = plan.tail_holds_until(t);
  RC_ASSERT(until > t || t == INT64_MAX);
  RC_ASSERT(t == INT64_MAX || plan.tail(until - 1) == plan.tail(t));
  // As late as can be said where it matters: at every instant that people have.
  if (plan.window.kind == WindowKind::kSliding && until != INT64_MAX && plan.tail(t) != INT64_MIN) RC_ASSERT(plan.tail(until) > plan.tail(t));
}

}  // namespace
}  // namespace ms::feature::testing
