// What the state needs to know of each feature: the compiled view fills it (ViewProgram::specs), state_layout.h turns
// it into accumulators, tiles and windows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "codec/column_batch.h"
#include "feature/definition.h"

namespace ms::feature {

struct FeatureSpec {
  AggregateKind aggregate = AggregateKind::kCount;
  int argument = -1;                              // index into PreparedRows::arguments; -1: none (count, time_since_last)
  int filter = -1;                                // index into PreparedRows::filters; -1: every row of the view
  TypeKind argument_type = TypeKind::kInt64;      // of that column; meaningless without one
  TypeKind result_type = TypeKind::kInt64;        // what result_type() says
  Window window;
  ScalarValue default_value;                      // of the result type, or monostate
  std::optional<int64_t> ttl_us;
  int64_t distinct_cap = 1'000;
};

// The type of the answer, or InvalidArgument when the aggregate does not take such an argument:
//   count, time_since_last   no argument           -> int64 (time_since_last in milliseconds, rounded down)
//   count_if                 bool                  -> int64
//   sum                      int64 | float64       -> the same
//   avg, stddev              int64 | float64       -> float64
//   min, max                 all but string        -> the same
//   first, last              any                   -> the same
//   count_distinct           any                   -> int64
// `argument` is ignored by count and time_since_last.
Result<TypeKind> result_type(AggregateKind aggregate, TypeKind argument);

// InvalidArgument with the reason when a window is not one the state can hold: lengths and hops are positive multiples
// of 10 s, a hop is at most its length.
Result<> check_window(const Window& window);

}  // namespace ms::feature
