#include "feature/feature_spec.h"

namespace ms::feature {
namespace {

constexpr int64_t kGrain = 10 * kMicrosPerSecond;

bool is_grain(int64_t us) { return us > 0 && us % kGrain == 0; }

}  // namespace

Result<TypeKind> result_type(AggregateKind aggregate, TypeKind argument) {
  const bool number = argument == TypeKind::kInt64 || argument == TypeKind::kFloat64;
  const auto refuse = [&](std::string_view wants) {
    return invalid(std::string(to_string(aggregate)) + " takes " + std::string(wants) + ", not " + std::string(to_string(argument)));
  };
  if (argument > TypeKind::kTimestamp) return refuse("a plain value");
  switch (aggregate) {
    case AggregateKind::kCount:
    case AggregateKind::kTimeSinceLast:
    case AggregateKind::kCountDistinct: return TypeKind::kInt64;
    case AggregateKind::kCountIf:
      if (argument != TypeKind::kBool) return refuse("a bool");
      return TypeKind::kInt64;
    case AggregateKind::kSum:
      if (!number) return refuse("an int64 or a float64");
      return argument;
    case AggregateKind::kAvg:
    case AggregateKind::kStddev:
      if (!number) return refuse("an int64 or a float64");
      return TypeKind::kFloat64;
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (argument == TypeKind::kString) return refuse("a number, a timestamp or a bool");
      return argument;
    case AggregateKind::kFirst:
    case AggregateKind::kLast: return argument;
  }
  return invalid("unknown aggregate");
}

Result<> check_window(const Window& window) {
  if (window.kind == WindowKind::kLifetime) return {};
  if (!is_grain(window.length_us)) {
    return invalid("a window of " + std::to_string(window.length_us) + " us; lengths are positive multiples of 10s");
  }
  if (window.kind != WindowKind::kSliding) return {};
  if (!is_grain(window.hop_us)) {
    return invalid("a hop of " + std::to_string(window.hop_us) + " us; hops are positive multiples of 10s");
  }
  if (window.hop_us > window.length_us) return invalid("a hop of " + format_duration(window.hop_us) + " in a window of " + format_duration(window.length_us));
  return {};
}

}  // namespace ms::feature
