#include "feature/feature_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ms::feature {
namespace {

constexpr int64_t kGrain = 10 * kMicrosPerSecond;

bool is_grain(int64_t us) { return us > 0 && us % kGrain == 0; }

bool is_number(const Type& type) { return type == TypeKind::kInt64 || type == TypeKind::kFloat64 || type == TypeKind::kDecimal; }
bool is_key(const Type& type) { return is_scalar(type) && type != TypeKind::kFloat64; }

Type sum_type(const Type& type) { return type == TypeKind::kDecimal ? Type::decimal(kDecimalDigitsMax, type.scale) : type; }

class Checker {
 public:
  explicit Checker(const FeatureSpec& spec) : spec_(spec), of_(spec.argument_type), by_(spec.by_type) {}

  Result<Type> plain() const {
    using enum AggregateKind;
    const AggregateParameters& p = spec_.parameters;
    switch (spec_.aggregate) {
      case kCount:
      case kTimeSinceLast: return Type(TypeKind::kInt64);
      case kCountIf: return of_ == TypeKind::kBool ? Result<Type>(TypeKind::kInt64) : refuse("a bool");
      case kSum:
        if (!is_number(of_) && of_ != TypeKind::kVector) return refuse("a number or a vector");
        return sum_type(of_);
      case kAvg:
        if (!is_number(of_) && of_ != TypeKind::kVector) return refuse("a number or a vector");
        return of_ == TypeKind::kVector ? of_ : Type(TypeKind::kFloat64);
      case kMin:
      case kMax: return is_scalar(of_) || of_ == TypeKind::kVector ? Result<Type>(of_) : refuse("a scalar or a vector");
      case kVariance:
      case kStddev:
      case kSkew:
      case kKurtosis: return is_number(of_) ? Result<Type>(TypeKind::kFloat64) : refuse("a number");
      case kCovariance:
      case kCorrelation:
      case kSlope:
      case kRatio:
        if (!is_number(of_)) return refuse("a number");
        return is_number(by_) ? Result<Type>(TypeKind::kFloat64) : refuse_by("a number");
      case kArgMin:
      case kArgMax: return is_scalar(by_) ? Result<Type>(of_) : refuse_by("a scalar");
      case kFirst:
      case kLast: return of_;
      case kFirstN:
      case kLastN:
        if (!is_scalar(of_)) return refuse("a scalar");
        TRY(at_most("n", p.n, kWindowCountMax));
        return Type::list(of_);
      case kCountDistinct: TRY(at_most("cap", p.cap, 1'000'000)); return Type(TypeKind::kInt64);
      case kApproxCountDistinct:
        if (p.precision < 4 || p.precision > 16) return invalid(fmt::format("precision {} is outside 4..16", p.precision));
        return Type(TypeKind::kInt64);
      case kQuantile: return quantile();
      case kHistogram: return histogram();
      case kTopK:
        if (!is_key(of_)) return refuse("a scalar other than float64");
        TRY(at_most("k", p.n, kWindowCountMax));
        TRY(at_most("cap", p.cap, 100'000));
        return Type::list(of_);
      case kCountBy:
        if (!is_key(of_)) return refuse("a scalar other than float64");
        TRY(at_most("cap", p.cap, 100'000));
        return Type::map(TypeKind::kInt64);
      case kSumBy:
        if (!is_number(of_)) return refuse("a number");
        if (!is_key(by_)) return refuse_by("a scalar other than float64");
        TRY(at_most("cap", p.cap, 100'000));
        return Type::map(sum_type(of_));
    }
    return invalid("unknown aggregate");
  }

  Result<Type> decayed() const {
    using enum AggregateKind;
    const bool can = spec_.aggregate == kCount || spec_.aggregate == kCountIf || ((spec_.aggregate == kSum || spec_.aggregate == kAvg) && is_number(of_));
    if (!can) return invalid(fmt::format("{} does not decay; count, count_if, sum and avg of numbers do", to_string(spec_.aggregate)));
    TRY(plain());
    return Type(TypeKind::kFloat64);
  }

 private:
  Unexpected refuse(std::string_view wants) const {
    return invalid(fmt::format("{} takes {}, not {}", to_string(spec_.aggregate), wants, type_text(of_)));
  }
  Unexpected refuse_by(std::string_view wants) const {
    return invalid(fmt::format("the 'by' of {} is {}, not {}", to_string(spec_.aggregate), wants, type_text(by_)));
  }
  static Result<> at_most(std::string_view name, int64_t value, int64_t most) {
    if (value >= 1 && value <= most) return {};
    return invalid(fmt::format("{} {} is outside 1..{}", name, value, most));
  }

  Result<Type> quantile() const {
    const AggregateParameters& p = spec_.parameters;
    if (!is_number(of_)) return refuse("a number");
    if (p.quantiles.empty() || p.quantiles.size() > 100) return invalid("quantile takes 'q': one number or up to 100 of them");
    for (const double q : p.quantiles)
      if (!(q >= 0 && q <= 1)) return invalid(fmt::format("q {} is outside 0..1", q));
    if (!(p.error >= 0.0001 && p.error <= 0.1)) return invalid(fmt::format("error {} is outside 0.0001..0.1", p.error));
    return p.one ? Type(TypeKind::kFloat64) : Type::list(TypeKind::kFloat64);
  }

  Result<Type> histogram() const {
    const auto& bounds = spec_.parameters.bounds;
    if (!is_number(of_)) return refuse("a number");
    if (bounds.empty() || bounds.size() > 100) return invalid("histogram takes 'bounds': 1 to 100 ascending numbers");
    for (size_t i = 0; i < bounds.size(); ++i)
      if (!std::isfinite(bounds[i]) || (i > 0 && bounds[i - 1] >= bounds[i])) return invalid("the bounds of a histogram are finite and ascend");
    return Type::list(TypeKind::kInt64);
  }

  const FeatureSpec& spec_;
  const Type &of_, &by_;
};

Result<> check_length(const Window& window, std::string_view what) {
  if (is_grain(window.length_us)) return {};
  return invalid(fmt::format("{} of {}; it is a positive multiple of 10s", what, window.length_us > 0 ? format_duration(window.length_us) : std::to_string(window.length_us) + "us"));
}

Result<> check_hop(const Window& window, std::string_view what) {
  if (is_grain(window.hop_us)) return {};
  return invalid(fmt::format("{} of {}; it is a positive multiple of 10s", what, window.hop_us > 0 ? format_duration(window.hop_us) : std::to_string(window.hop_us) + "us"));
}

Result<> check_count(const Window& window, int64_t least) {
  if (window.count >= least && window.count <= kWindowCountMax) return {};
  return invalid(fmt::format("{} is outside {}..{}", window.count, least, kWindowCountMax));
}

}  // namespace

bool takes_of(AggregateKind aggregate) { return aggregate != AggregateKind::kCount && aggregate != AggregateKind::kTimeSinceLast; }

bool takes_by(AggregateKind aggregate) {
  using enum AggregateKind;
  constexpr AggregateKind kAll[] = {kArgMin, kArgMax, kCovariance, kCorrelation, kSlope, kRatio, kSumBy};
  return std::ranges::find(kAll, aggregate) != std::end(kAll);
}

Result<Type> result_type(const FeatureSpec& spec) {
  const Checker checker(spec);
  if (spec.window.kind == WindowKind::kDecay) return checker.decayed();
  TRY_ASSIGN(const Type type, checker.plain());
  if (spec.window.kind != WindowKind::kSeries) return type;
  if (!is_scalar(type)) return invalid(fmt::format("a series of {}: its elements are scalars", type_text(type)));
  return Type::list(type);
}

Result<> check_window(const Window& window) {
  switch (window.kind) {
    case WindowKind::kLifetime: return {};
    case WindowKind::kSlidingExact:
    case WindowKind::kTumbling: return check_length(window, "a window");
    case WindowKind::kSliding:
    case WindowKind::kHopping:
      TRY(check_length(window, "a window"));
      TRY(check_hop(window, window.kind == WindowKind::kSliding ? "a hop" : "a slide"));
      if (window.hop_us > window.length_us) return invalid("a hop of " + format_duration(window.hop_us) + " in a window of " + format_duration(window.length_us));
      return {};
    case WindowKind::kSession:
      TRY(check_length(window, "the longest session"));
      TRY(check_hop(window, "a gap"));
      if (window.hop_us > window.length_us) return invalid("a gap of " + format_duration(window.hop_us) + " in sessions of at most " + format_duration(window.length_us));
      return {};
    case WindowKind::kLast:
      TRY(check_count(window, 1));
      return window.length_us == 0 ? Result<>() : check_length(window, "an age");
    case WindowKind::kDecay:
      TRY(check_length(window, "a half-life"));
      if (window.hop_us != ladder_width(window.length_us)) return invalid("the tile width of a decay follows from its half-life");
      if (window.length_us > INT64_MAX / 256) return invalid("a half-life of " + format_duration(window.length_us));
      return {};
    case WindowKind::kSeries: TRY(check_length(window, "a step")); return check_count(window, 2);
  }
  return invalid("unknown window");
}

}  // namespace ms::feature
