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
  Type argument_type;                             // of that column; meaningless without one
  int by = -1;                                    // index of the second argument; -1: none
  Type by_type;
  Type result_type;                               // what result_type() says
  Window window;
  ScalarValue default_value;                      // of the result type, or monostate
  std::optional<int64_t> ttl_us;
  AggregateParameters parameters;
};

// Which arguments an aggregate takes.
bool takes_of(AggregateKind aggregate);  // all but count and time_since_last
bool takes_by(AggregateKind aggregate);  // arg_min, arg_max, covariance, correlation, slope, ratio, sum_by

// The type of the answer, or InvalidArgument when the aggregate does not take such arguments, parameters or window. N is int64,
// float64 or decimal; a scalar is a bool, N, string or timestamp.
//   count, time_since_last            none                     int64 (time_since_last in milliseconds, rounded down)
//   count_if                          bool                     int64
//   sum                               int64 | float64          the same
//                                     decimal(p,s)             decimal(38,s)
//                                     vector                   the same, dimension by dimension
//   avg                               N | vector               float64 | the same vector
//   min, max                          scalar | vector          the same
//   variance, stddev, skew, kurtosis  N                        float64
//   covariance, correlation, slope, ratio   N by N             float64
//   arg_min, arg_max                  any by scalar            that of the first
//   first, last                       any                      the same
//   first_n, last_n                   scalar                   list of it
//   count_distinct, approx_count_distinct   any                int64
//   quantile                          N                        float64, or list<float64>
//   histogram                         N                        list<int64>, one more than bounds
//   top_k                             scalar but float64       list of it
//   count_by                          scalar but float64       map<string,int64>
//   sum_by                            N by scalar but float64  map<string, that of sum>
// In a decay window only count, count_if, sum and avg of N, and all answer float64. In a series an answer is a list of what is said
// above, which must be a scalar.
Result<Type> result_type(const FeatureSpec& spec);

// InvalidArgument with the reason when a window is not one the state can hold.
Result<> check_window(const Window& window);

}  // namespace ms::feature
