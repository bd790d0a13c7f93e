// The functions of the language on numbers.
#include <cmath>

#include "feature/exact_sum.h"
#include "feature/expr_functions.h"
#include "feature/expr_math.h"

namespace ms::feature {
namespace {

double floor_of(double x) { return std::floor(x); }
double ceil_of(double x) { return std::ceil(x); }
double round_of(double x) { return std::round(x); }
double trunc_of(double x) { return std::trunc(x); }
double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
int64_t sign_of(int64_t x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
double abs_of(double x) { return std::fabs(x); }
OrFails<int64_t> abs_of(int64_t x) {
  if (x == INT64_MIN) return std::unexpected(Failed{});
  return x < 0 ? -x : x;
}
OrFails<int64_t> round_to(int64_t x, int64_t digits) {
  if (const auto value = rounded_to_digits(x, digits)) return *value;
  return std::unexpected(Failed{});
}
double round_to(double x, int64_t digits) { return rounded_to_digits(x, digits); }
bool is_nan(double x) { return std::isnan(x); }
bool is_finite(double x) { return std::isfinite(x); }
bool is_infinite(double x) { return std::isinf(x); }
double pi() { return 3.14159265358979323846; }

}  // namespace

std::vector<ScalarFunction> math_functions() {
  constexpr std::string_view kOverflow = "int64 overflow";
  using Whole = int64_t (*)(int64_t);
  using Real = double (*)(double);
  return {
      scalar<static_cast<OrFails<int64_t> (*)(int64_t)>(&abs_of)>("abs", kOverflow),
      scalar<static_cast<Real>(&abs_of)>("abs"),
      scalar<&floor_of>("floor"), scalar<&ceil_of>("ceil"),
      scalar<&round_of>("round"), scalar<&trunc_of>("trunc"),
      scalar<static_cast<Whole>(&sign_of)>("sign"), scalar<static_cast<Real>(&sign_of)>("sign"),
      scalar<static_cast<OrFails<int64_t> (*)(int64_t, int64_t)>(&round_to)>("round", kOverflow),
      scalar<static_cast<double (*)(double, int64_t)>(&round_to)>("round"),
      scalar<&rounded_exp>("exp"), scalar<&rounded_ln>("ln"), scalar<&rounded_log10>("log10"), scalar<&rounded_log2>("log2"),
      scalar<&rounded_pow>("pow"), scalar<&rounded_sqrt>("sqrt"), scalar<&rounded_cbrt>("cbrt"),
      scalar<&rounded_sin>("sin"), scalar<&rounded_cos>("cos"), scalar<&rounded_tan>("tan"),
      scalar<&rounded_asin>("asin"), scalar<&rounded_acos>("acos"), scalar<&rounded_atan>("atan"), scalar<&rounded_atan2>("atan2"),
      scalar<&rounded_radians>("radians"), scalar<&rounded_degrees>("degrees"), scalar<&pi>("pi"),
      scalar<&rounded_haversine>("haversine"),
      scalar<&is_nan>("is_nan"), scalar<&is_finite>("is_finite"), scalar<&is_infinite>("is_infinite"),
  };
}

}  // namespace ms::feature
