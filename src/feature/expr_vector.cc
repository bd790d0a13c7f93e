#include "feature/expr_vector.h"

#include <mpfr.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "feature/exact_sum.h"
#include "feature/expr_math.h"
#include "feature/mpfr_thread.h"

namespace ms::feature {
namespace {

double one_nan() { return std::bit_cast<double>(kQuietNan); }

// A sum of products in two float64, high + low, and how far it may be from the exact sum: Ogita, Rump and Oishi's Dot2, whose
// error is below n^2 2^-106 of the sum of absolute values. Not usable where a product leaves the range in which it is exact.
struct Short {
  double high = 0, low = 0, error = 0;
  bool usable = true;
};
Short short_dot(std::span<const double> a, std::span<const double> b) {
  Short s;
  double size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double product = a[i] * b[i], product_low = std::fma(a[i], b[i], -product);
    const double sum = s.high + product, back = sum - s.high;
    s.low += ((s.high - (sum - back)) + (product - back)) + product_low;
    s.high = sum;
    const double absolute = std::fabs(product);
    size += absolute;
    s.usable = s.usable && (absolute >= 1e-200 || a[i] == 0 || b[i] == 0);
  }
  s.usable = s.usable && size < 1e300;
  const auto n = static_cast<double>(a.size() + 2);
  s.error = n * n * 0x1p-104 * size;
  return s;
}

// Exact sums by MPFR, for what the short way cannot decide. Every number has the exponents it needs.
class Exact {
 public:
  Exact() { free_mpfr_with_thread(), mpfr_init2(value_, 4500); }  // a product of float64 has bits from 2^-2148 to 2^2048, sums of 2^32 of them 32 more
  ~Exact() { mpfr_clear(value_); }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  mpfr_ptr get() { return value_; }

  void set_dot(std::span<const double> a, std::span<const double> b) {
    mpfr_t product;
    mpfr_init2(product, 106);
    mpfr_set_zero(value_, 1);
    for (size_t i = 0; i < a.size(); ++i) {
      mpfr_set_d(product, a[i], MPFR_RNDN);
      mpfr_mul_d(product, product, b[i], MPFR_RNDN);
      mpfr_add(value_, value_, product, MPFR_RNDN);
    }
    mpfr_clear(product);
  }

 private:
  mpfr_t value_;
};

bool all_finite(std::span<const double> a) {
  for (const double v : a)
    if (!std::isfinite(v)) return false;
  return true;
}

// With a NaN or an infinity among the factors no rounding matters.
double special_dot(std::span<const double> a, std::span<const double> b) {
  bool plus = false, minus = false;
  for (size_t i = 0; i < a.size(); ++i) {
    const double product = std::isinf(a[i]) || std::isinf(b[i]) || std::isnan(a[i]) || std::isnan(b[i]) ? a[i] * b[i] : 0;
    if (std::isnan(product)) return one_nan();
    plus |= product > 0, minus |= product < 0;
  }
  if (plus && minus) return one_nan();
  return plus ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
}

bool is_zero(std::span<const double> a) {
  for (const double v : a)
    if (v != 0) return false;
  return true;
}

double long_cosine(std::span<const double> a, std::span<const double> b) {
  Exact dot, left, right;
  dot.set_dot(a, b);
  left.set_dot(a, a);
  right.set_dot(b, b);
  mpfr_t out;
  mpfr_init2(out, 400);
  mpfr_mul(out, left.get(), right.get(), MPFR_RNDN);
  mpfr_sqrt(out, out, MPFR_RNDN);
  mpfr_div(out, dot.get(), out, MPFR_RNDN);
  const double value = mpfr_get_d(out, MPFR_RNDN);
  mpfr_clear(out);
  return value;
}

}  // namespace

double rounded_dot(std::span<const double> a, std::span<const double> b) {
  if (!all_finite(a) || !all_finite(b)) return special_dot(a, b);
  const Short s = short_dot(a, b);
  if (s.usable && s.error == 0) return 0;  // nothing but zeros
  if (s.usable) {
    const double below = s.high + (s.low - s.error), above = s.high + (s.low + s.error);
    if (below == above && below != 0) return below;
  }
  Exact exact;
  exact.set_dot(a, b);
  return mpfr_zero_p(exact.get()) ? 0.0 : mpfr_get_d(exact.get(), MPFR_RNDN);
}

double rounded_norm(std::span<const double> a) {
  for (const double v : a)
    if (std::isnan(v)) return one_nan();
  if (!all_finite(a)) return std::numeric_limits<double>::infinity();
  const Short s = short_dot(a, a);
  if (s.usable && s.error < s.high * 0x1p-66)
    if (const auto sure = if_surely_rounded(sqrtl(static_cast<long double>(s.high) + s.low))) return *sure;
  Exact exact;
  exact.set_dot(a, a);
  mpfr_t root;
  mpfr_init2(root, 53);
  mpfr_sqrt(root, exact.get(), MPFR_RNDN);
  double value = mpfr_get_d(root, MPFR_RNDN);
  if (value < std::numeric_limits<double>::min()) {  // its last bit is a higher one
    mpfr_set_prec(root, 1100);
    mpfr_sqrt(root, exact.get(), MPFR_RNDN);
    value = mpfr_get_d(root, MPFR_RNDN);
  }
  mpfr_clear(root);
  return value;
}

std::optional<double> rounded_cosine(std::span<const double> a, std::span<const double> b) {
  if (!all_finite(a) || !all_finite(b)) return one_nan();
  if (is_zero(a) || is_zero(b)) return std::nullopt;
  const Short dot = short_dot(a, b), left = short_dot(a, a), right = short_dot(b, b);
  const auto small = [](const Short& s) { return s.usable && s.error < std::fabs(s.high) * 0x1p-66; };
  if (small(dot) && small(left) && small(right)) {
    const auto exact = [](const Short& s) { return static_cast<long double>(s.high) + s.low; };
    if (const auto sure = if_surely_rounded(exact(dot) / (sqrtl(exact(left)) * sqrtl(exact(right))))) return sure;
  }
  return long_cosine(a, b);
}

}  // namespace ms::feature
