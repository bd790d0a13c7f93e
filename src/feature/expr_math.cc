#include "feature/expr_math.h"

#include <gmp.h>
#include <mpfr.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "base/check.h"
#include "feature/exact_sum.h"
#include "feature/mpfr_thread.h"

namespace ms::feature {
namespace {

static_assert(std::numeric_limits<long double>::digits == 64, "the short way needs the x87 format");

double one_nan() { return std::bit_cast<double>(kQuietNan); }

// Numbers of one thread.
class Numbers {
 public:
  Numbers() {
    free_mpfr_with_thread();  // made before these, so gone after them
    for (auto& v : values_) mpfr_init2(v, 53);
  }
  ~Numbers() {
    for (auto& v : values_) mpfr_clear(v);
  }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  mpfr_ptr operator[](size_t i) { return values_[i]; }
  void precision(mpfr_prec_t bits) {
    for (auto& v : values_) mpfr_set_prec(v, bits);
  }

 private:
  mpfr_t values_[8];
};
Numbers& numbers() {
  thread_local Numbers of_thread;
  return of_thread;
}

// The range of float64's exponents, so that a result below it is rounded once, where its last bit is.
class DoubleRange {
 public:
  DoubleRange() { CHECK(mpfr_set_emin(-1073) == 0 && mpfr_set_emax(1024) == 0); }
  ~DoubleRange() { mpfr_set_emin(emin_), mpfr_set_emax(emax_); }
  DoubleRange(const DoubleRange&) = delete;
  DoubleRange& operator=(const DoubleRange&) = delete;

 private:
  mpfr_exp_t emin_ = mpfr_get_emin(), emax_ = mpfr_get_emax();
};

using OfOne = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
using OfTwo = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);

double in_full(OfOne f, double x) {
  Numbers& n = numbers();
  n.precision(53);
  const DoubleRange range;
  mpfr_set_d(n[0], x, MPFR_RNDN);
  mpfr_subnormalize(n[1], f(n[1], n[0], MPFR_RNDN), MPFR_RNDN);
  return mpfr_get_d(n[1], MPFR_RNDN);
}

double in_full(OfTwo f, double x, double y) {
  Numbers& n = numbers();
  n.precision(53);
  const DoubleRange range;
  mpfr_set_d(n[0], x, MPFR_RNDN);
  mpfr_set_d(n[1], y, MPFR_RNDN);
  mpfr_subnormalize(n[2], f(n[2], n[0], n[1], MPFR_RNDN), MPFR_RNDN);
  return mpfr_get_d(n[2], MPFR_RNDN);
}

// The short way: libm's long double functions err by less than 4 units of their 64-bit results, and where 16 more or less round
// alike, it does not matter which libm it was. One value in 60 is left for MPFR.
double rounded(long double (*fast)(long double), OfOne slow, double x) {
  if (std::isnan(x)) return one_nan();
  const auto sure = if_surely_rounded(fast(x));
  return sure ? *sure : in_full(slow, x);
}

// x * pi / 180, or its inverse: two roundings of 200 bits, then one to float64.
double by_half_turns(double x, bool to_radians) {
  if (std::isnan(x)) return one_nan();
  Numbers& n = numbers();
  n.precision(200);
  mpfr_const_pi(n[0], MPFR_RNDN);
  if (to_radians) mpfr_mul_d(n[0], n[0], x, MPFR_RNDN), mpfr_div_ui(n[0], n[0], 180, MPFR_RNDN);
  else mpfr_d_div(n[0], x, n[0], MPFR_RNDN), mpfr_mul_ui(n[0], n[0], 180, MPFR_RNDN);
  return mpfr_get_d(n[0], MPFR_RNDN);
}

constexpr double kEarthRadiusTenths = 63'710'088;  // of a metre: IUGG's mean radius

// All terms are positive, so nothing cancels: h errs by less than 40 units of 2^-64, half as much under the root, and the arcsine makes
// at most 1.6 times that below h = 0.5, 2.5 times below 0.9. The difference of two float64 in a long double errs by half a unit.
std::optional<double> short_haversine(double latitude1, double longitude1, double latitude2, double longitude2) {
  constexpr long double kRadian = 3.14159265358979323846264338327950288L / 180;
  const long double a = sinl((static_cast<long double>(latitude2) - latitude1) * kRadian / 2);
  const long double b = sinl((static_cast<long double>(longitude2) - longitude1) * kRadian / 2);
  const long double c = cosl(latitude1 * kRadian) * cosl(latitude2 * kRadian);
  const long double h = a * a + c * b * b;
  // The cosine of a latitude near a pole, and the sine near a whole turn, would carry the error of the radian.
  if (!(h > 1e-30L && h < 0.9L) || std::fabs(latitude1) > 80 || std::fabs(latitude2) > 80 || std::fabs(longitude2 - longitude1) > 181) return std::nullopt;
  return if_surely_rounded(2 * static_cast<long double>(kEarthRadiusTenths) / 10 * asinl(sqrtl(h)), h < 0.5L ? 48 : 96);
}

// n[to] = sin((b - a) * pi / 360)^2; n[7] holds pi.
void half_angle(Numbers& n, size_t to, double a, double b) {
  mpfr_set_d(n[to], b, MPFR_RNDN);
  mpfr_sub_d(n[to], n[to], a, MPFR_RNDN);
  for (const int turn : {-720, -360, 360, 720})
    if (mpfr_cmp_si(n[to], turn) == 0) mpfr_set_zero(n[to], 1);  // pi is not exact, whole turns are
  mpfr_mul(n[to], n[to], n[7], MPFR_RNDN);
  mpfr_div_ui(n[to], n[to], 360, MPFR_RNDN);
  mpfr_sin(n[to], n[to], MPFR_RNDN);
  mpfr_sqr(n[to], n[to], MPFR_RNDN);
}
void cosine_of_degrees(Numbers& n, size_t to, double degrees) {
  mpfr_mul_d(n[to], n[7], degrees, MPFR_RNDN);
  mpfr_div_ui(n[to], n[to], 180, MPFR_RNDN);
  mpfr_cos(n[to], n[to], MPFR_RNDN);
  if (std::fabs(degrees) == 90) mpfr_set_zero(n[to], 1);
}

// The distance in n[0], h in n[4], with so many bits.
void haversine_bits(Numbers& n, mpfr_prec_t bits, double latitude1, double longitude1, double latitude2, double longitude2) {
  n.precision(bits);
  mpfr_const_pi(n[7], MPFR_RNDN);
  half_angle(n, 0, latitude1, latitude2);
  half_angle(n, 1, longitude1, longitude2);
  cosine_of_degrees(n, 2, latitude1);
  cosine_of_degrees(n, 3, latitude2);
  mpfr_mul(n[1], n[1], n[2], MPFR_RNDN);
  mpfr_fma(n[4], n[1], n[3], n[0], MPFR_RNDN);
  if (mpfr_cmp_ui(n[4], 1) > 0) mpfr_set_ui(n[4], 1, MPFR_RNDN);
  mpfr_sqrt(n[0], n[4], MPFR_RNDN);
  mpfr_asin(n[0], n[0], MPFR_RNDN);
  mpfr_mul_d(n[0], n[0], 2 * kEarthRadiusTenths, MPFR_RNDN);
  mpfr_div_ui(n[0], n[0], 10, MPFR_RNDN);
}

double long_haversine(double latitude1, double longitude1, double latitude2, double longitude2) {
  Numbers& n = numbers();
  // Away from poles, whole turns and opposite points 128 bits lose less than 18 of them, and nearly always decide.
  if (std::fabs(latitude1) < 89.9 && std::fabs(latitude2) < 89.9 && std::fabs(longitude2 - longitude1) < 359) {
    haversine_bits(n, 128, latitude1, longitude1, latitude2, longitude2);
    if (mpfr_cmp_d(n[4], 0.99) < 0 && mpfr_can_round(n[0], 110, MPFR_RNDN, MPFR_RNDN, 54) != 0) return mpfr_get_d(n[0], MPFR_RNDN);
  }
  haversine_bits(n, 320, latitude1, longitude1, latitude2, longitude2);  // half of them may go where the points are opposite
  return mpfr_get_d(n[0], MPFR_RNDN);
}

struct Mpz {
  mpz_t v;
  Mpz() { mpz_init(v); }
  ~Mpz() { mpz_clear(v); }
  Mpz(const Mpz&) = delete;
  Mpz& operator=(const Mpz&) = delete;
};

// The whole number nearest to significand * 2^exponent * 10^digits, half up, in decimal.
std::string nearest_whole(uint64_t significand, int exponent, int64_t digits) {
  Mpz above, below, power;
  mpz_set_ui(above.v, significand);
  mpz_set_ui(below.v, 1);
  mpz_ui_pow_ui(power.v, 10, static_cast<unsigned long>(std::abs(digits)));
  mpz_ptr scaled = digits >= 0 ? above.v : below.v;
  mpz_mul(scaled, scaled, power.v);
  if (exponent >= 0) mpz_mul_2exp(above.v, above.v, static_cast<mp_bitcnt_t>(exponent));
  else mpz_mul_2exp(below.v, below.v, static_cast<mp_bitcnt_t>(-exponent));
  mpz_mul_2exp(above.v, above.v, 1);
  mpz_add(above.v, above.v, below.v);
  mpz_mul_2exp(below.v, below.v, 1);
  mpz_fdiv_q(above.v, above.v, below.v);
  std::string text(mpz_sizeinbase(above.v, 10) + 2, '\0');
  mpz_get_str(text.data(), 10, above.v);
  text.resize(std::strlen(text.data()));
  return text;
}

}  // namespace

std::optional<double> if_surely_rounded(long double y, uint64_t units) {
  const double rounded = static_cast<double>(y);
  if (!(std::fabs(rounded) >= std::numeric_limits<double>::min() * 2) || std::isinf(rounded)) return std::nullopt;
  uint64_t significand = 0;
  std::memcpy(&significand, &y, 8);
  const uint64_t beyond = significand & 0x7FF;  // the bits that a float64 does not have
  constexpr uint64_t kHalf = 0x400;
  if (beyond + units >= kHalf && beyond <= kHalf + units) return std::nullopt;
  return rounded;
}

double rounded_exp(double x) {
  if (std::isinf(x)) return x < 0 ? 0 : x;
  return rounded(expl, mpfr_exp, x);
}
std::optional<double> rounded_ln(double x) {
  if (x <= 0) return std::nullopt;
  return rounded(logl, mpfr_log, x);
}
std::optional<double> rounded_log10(double x) {
  if (x <= 0) return std::nullopt;
  return rounded(log10l, mpfr_log10, x);
}
std::optional<double> rounded_log2(double x) {
  if (x <= 0) return std::nullopt;
  return rounded(log2l, mpfr_log2, x);
}

std::optional<double> rounded_pow(double x, double y) {
  if (y == 0 || x == 1) return 1.0;
  if (std::isnan(x) || std::isnan(y)) return one_nan();
  if (x == 0 && y < 0) return std::nullopt;
  if (x < 0 && std::isfinite(x) && std::isfinite(y) && y != std::trunc(y)) return std::nullopt;
  if (std::isfinite(x) && std::isfinite(y) && x != 0)
    if (const auto sure = if_surely_rounded(powl(x, y))) return sure;
  return in_full(mpfr_pow, x, y);
}

std::optional<double> rounded_sqrt(double x) {
  if (x < 0) return std::nullopt;
  return std::isnan(x) ? one_nan() : std::sqrt(x);  // IEEE 754 has it rounded
}
double rounded_cbrt(double x) { return rounded(cbrtl, mpfr_cbrt, x); }

std::optional<double> rounded_sin(double x) {
  if (std::isinf(x)) return std::nullopt;
  return rounded(sinl, mpfr_sin, x);
}
std::optional<double> rounded_cos(double x) {
  if (std::isinf(x)) return std::nullopt;
  return rounded(cosl, mpfr_cos, x);
}
std::optional<double> rounded_tan(double x) {
  if (std::isinf(x)) return std::nullopt;
  return rounded(tanl, mpfr_tan, x);
}
std::optional<double> rounded_asin(double x) {
  if (std::fabs(x) > 1) return std::nullopt;
  return rounded(asinl, mpfr_asin, x);
}
std::optional<double> rounded_acos(double x) {
  if (std::fabs(x) > 1) return std::nullopt;
  return rounded(acosl, mpfr_acos, x);
}
double rounded_atan(double x) { return rounded(atanl, mpfr_atan, x); }
double rounded_atan2(double y, double x) {
  if (std::isnan(x) || std::isnan(y)) return one_nan();
  const auto sure = if_surely_rounded(atan2l(y, x));
  return sure ? *sure : in_full(mpfr_atan2, y, x);
}

double rounded_radians(double degrees) { return by_half_turns(degrees, true); }
double rounded_degrees(double radians) { return by_half_turns(radians, false); }

double rounded_to_digits(double x, int64_t digits) {
  if (std::isnan(x)) return one_nan();
  if (!std::isfinite(x) || x == 0) return x;
  int exponent = 0;
  const auto significand = static_cast<uint64_t>(std::ldexp(std::frexp(std::fabs(x), &exponent), 53));
  exponent -= 53;
  if (digits >= std::max(0, -exponent)) return x;  // it has no more decimals than that
  if (digits < -309) return std::copysign(0.0, x);
  const std::string text = nearest_whole(significand, exponent, digits) + "e" + std::to_string(-digits);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<double>::infinity();
  return std::copysign(value, x);
}

std::string nearest_scaled(double x, int digits) {
  int exponent = 0;
  const auto significand = static_cast<uint64_t>(std::ldexp(std::frexp(x, &exponent), 53));
  return nearest_whole(significand, exponent - 53, digits);
}

double rounded_quotient(std::span<const uint64_t, 4> above, std::span<const uint64_t, 4> below) {
  Numbers& n = numbers();
  n.precision(256);
  Mpz x, y;
  mpz_import(x.v, 4, -1, 8, 0, 0, above.data());
  mpz_import(y.v, 4, -1, 8, 0, 0, below.data());
  mpfr_set_z(n[0], x.v, MPFR_RNDN);
  mpfr_set_z(n[1], y.v, MPFR_RNDN);
  mpfr_set_prec(n[2], 53);
  mpfr_div(n[2], n[0], n[1], MPFR_RNDN);
  return mpfr_get_d(n[2], MPFR_RNDN);
}

std::optional<int64_t> rounded_to_digits(int64_t x, int64_t digits) {
  if (digits >= 0) return x;
  if (digits < -19) return 0;
  int128 unit = 1;
  for (int64_t i = 0; i > digits; --i) unit *= 10;
  const int128 wide = x;
  const int128 size = ((wide < 0 ? -wide : wide) + unit / 2) / unit * unit;
  const int128 value = wide < 0 ? -size : size;
  if (value > INT64_MAX || value < INT64_MIN) return std::nullopt;
  return static_cast<int64_t>(value);
}

std::optional<double> rounded_haversine(double latitude1, double longitude1, double latitude2, double longitude2) {
  for (const double v : {latitude1, longitude1, latitude2, longitude2})
    if (std::isnan(v)) return one_nan();
  if (!(std::fabs(latitude1) <= 90 && std::fabs(latitude2) <= 90 && std::fabs(longitude1) <= 360 && std::fabs(longitude2) <= 360)) return std::nullopt;
  if (latitude1 == latitude2 && longitude1 == longitude2) return 0.0;
  const auto sure = short_haversine(latitude1, longitude1, latitude2, longitude2);
  return sure ? sure : long_haversine(latitude1, longitude1, latitude2, longitude2);
}

}  // namespace ms::feature
