#include "feature/definition.h"

namespace ms::feature {

int64_t ladder_hop(int64_t length_us) {
  if (length_us < 10 * kMicrosPerMinute) return 10 * kMicrosPerSecond;
  if (length_us < kMicrosPerHour) return kMicrosPerMinute;
  if (length_us < 12 * kMicrosPerHour) return 5 * kMicrosPerMinute;
  if (length_us < 12 * kMicrosPerDay) return kMicrosPerHour;
  return kMicrosPerDay;
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
  }
  return "?";
}

}  // namespace ms::feature
