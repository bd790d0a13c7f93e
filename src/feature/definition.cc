#include "feature/definition.h"

namespace ms::feature {

int64_t ladder_hop(int64_t length_us) {
  if (length_us < 10 * kMicrosPerMinute) return 10 * kMicrosPerSecond;
  if (length_us < kMicrosPerHour) return kMicrosPerMinute;
  if (length_us < 12 * kMicrosPerHour) return 5 * kMicrosPerMinute;
  if (length_us < 12 * kMicrosPerDay) return kMicrosPerHour;
  return kMicrosPerDay;
}

std::optional<int64_t> ladder_width(int64_t half_life_us) {
  for (const int64_t width : {kMicrosPerDay, kMicrosPerHour, 5 * kMicrosPerMinute, kMicrosPerMinute, 10 * kMicrosPerSecond}) {
    if (width <= half_life_us) return width;
  }
  return std::nullopt;
}

std::string_view to_string(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kCount: return "count";
    case AggregateKind::kCountIf: return "count_if";
    case AggregateKind::kSum: return "sum";
    case AggregateKind::kAvg: return "avg";
    case AggregateKind::kMin: return "min";
    case AggregateKind::kMax: return "max";
    case AggregateKind::kStddev: return "stddev";
    case AggregateKind::kFirst: return "first";
    case AggregateKind::kLast: return "last";
    case AggregateKind::kTimeSinceLast: return "time_since_last";
    case AggregateKind::kCountDistinct: return "count_distinct";
    case AggregateKind::kVariance: return "variance";
    case AggregateKind::kSkew: return "skew";
    case AggregateKind::kKurtosis: return "kurtosis";
    case AggregateKind::kCovariance: return "covariance";
    case AggregateKind::kCorrelation: return "correlation";
    case AggregateKind::kSlope: return "slope";
    case AggregateKind::kRatio: return "ratio";
    case AggregateKind::kArgMin: return "arg_min";
    case AggregateKind::kArgMax: return "arg_max";
    case AggregateKind::kFirstN: return "first_n";
    case AggregateKind::kLastN: return "last_n";
    case AggregateKind::kApproxCountDistinct: return "approx_count_distinct";
    case AggregateKind::kQuantile: return "quantile";
    case AggregateKind::kHistogram: return "histogram";
    case AggregateKind::kTopK: return "top_k";
    case AggregateKind::kCountBy: return "count_by";
    case AggregateKind::kSumBy: return "sum_by";
  }
  return "?";
}

}  // namespace ms::feature
