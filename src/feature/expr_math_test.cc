// The short ways against MPFR alone, on random arguments: the same bits.
#include "feature/expr_math.h"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <bit>
#include <cmath>
#include <functional>

#include "base/rng.h"
#include "feature/expr_vector.h"

namespace ms::feature {
namespace {

constexpr int kArguments = 20'000;

// MPFR's answer to float64, with the exponents of float64: rounded once also where it is subnormal.
double by_mpfr(const std::function<int(mpfr_ptr)>& compute) {
  const mpfr_exp_t low = mpfr_get_emin(), high = mpfr_get_emax();
  mpfr_set_emin(-1073), mpfr_set_emax(1024);
  mpfr_t out;
  mpfr_init2(out, 53);
  mpfr_subnormalize(out, compute(out), MPFR_RNDN);
  const double value = mpfr_get_d(out, MPFR_RNDN);
  mpfr_clear(out);
  mpfr_set_emin(low), mpfr_set_emax(high);
  return value;
}

class Argument {
 public:
  explicit Argument(double x) { mpfr_init2(value_, 53), mpfr_set_d(value_, x, MPFR_RNDN); }
  ~Argument() { mpfr_clear(value_); }
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;
  operator mpfr_srcptr() const { return value_; }

 private:
  mpfr_t value_;
};

// Of any size that does something, now and then of any bits at all.
double random_argument(Rng& rng) {
  if (rng.below(8) == 0) {
    const double any = std::bit_cast<double>(rng.next());
    return std::isnan(any) ? 1.0 : any;
  }
  return std::ldexp(rng.unit() * 2 - 1, static_cast<int>(rng.below(24)) - 12);
}

bool same(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

TEST(ExprMath, RealFunctionsHaveTheBitsOfMpfr) {
  using OfOne = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
  const std::tuple<const char*, std::function<std::optional<double>(double)>, OfOne> functions[] = {
      {"exp", rounded_exp, mpfr_exp},     {"ln", rounded_ln, mpfr_log},       {"log10", rounded_log10, mpfr_log10}, {"log2", rounded_log2, mpfr_log2},
      {"cbrt", rounded_cbrt, mpfr_cbrt},  {"sqrt", rounded_sqrt, mpfr_sqrt},  {"sin", rounded_sin, mpfr_sin},       {"cos", rounded_cos, mpfr_cos},
      {"tan", rounded_tan, mpfr_tan},     {"asin", rounded_asin, mpfr_asin},  {"acos", rounded_acos, mpfr_acos},    {"atan", rounded_atan, mpfr_atan}};
  for (const auto& [name, ours, theirs] : functions) {
    Rng rng(7);
    int answered = 0;
    for (int i = 0; i < kArguments; ++i) {
      const double x = random_argument(rng);
      const auto value = ours(x);
      if (!value) continue;
      ++answered;
      const Argument argument(x);
      ASSERT_TRUE(same(*value, by_mpfr([&](mpfr_ptr out) { return theirs(out, argument, MPFR_RNDN); }))) << name << " of " << x;
    }
    EXPECT_GT(answered, kArguments / 3) << name;
  }
}

TEST(ExprMath, PowerAndAngleHaveTheBitsOfMpfr) {
  Rng rng(8);
  for (int i = 0; i < kArguments; ++i) {
    const double x = random_argument(rng), y = rng.below(2) == 0 ? random_argument(rng) : static_cast<double>(rng.below(60)) - 30;
    const Argument a(x), b(y);
    if (const auto value = rounded_pow(x, y)) {
      ASSERT_TRUE(same(*value, by_mpfr([&](mpfr_ptr out) { return mpfr_pow(out, a, b, MPFR_RNDN); }))) << x << " to " << y;
    }
    ASSERT_TRUE(same(rounded_atan2(x, y), by_mpfr([&](mpfr_ptr out) { return mpfr_atan2(out, a, b, MPFR_RNDN); }))) << x << ", " << y;
  }
}

// By another formula, the square of the chord, in 400 bits.
double chord_distance(double latitude1, double longitude1, double latitude2, double longitude2) {
  mpfr_t v[10];
  for (auto& x : v) mpfr_init2(x, 400);
  mpfr_const_pi(v[0], MPFR_RNDN);
  mpfr_div_ui(v[0], v[0], 180, MPFR_RNDN);
  const auto point = [&](size_t at, double latitude, double longitude) {  // x, y, z
    mpfr_mul_d(v[8], v[0], latitude, MPFR_RNDN);
    mpfr_mul_d(v[9], v[0], longitude, MPFR_RNDN);
    mpfr_cos(v[7], v[8], MPFR_RNDN);
    mpfr_sin(v[at + 2], v[8], MPFR_RNDN);
    mpfr_cos(v[at], v[9], MPFR_RNDN);
    mpfr_sin(v[at + 1], v[9], MPFR_RNDN);
    mpfr_mul(v[at], v[at], v[7], MPFR_RNDN);
    mpfr_mul(v[at + 1], v[at + 1], v[7], MPFR_RNDN);
  };
  point(1, latitude1, longitude1);
  point(4, latitude2, longitude2);
  mpfr_set_zero(v[7], 1);
  for (size_t i = 1; i <= 3; ++i) {
    mpfr_sub(v[8], v[i], v[i + 3], MPFR_RNDN);
    mpfr_fma(v[7], v[8], v[8], v[7], MPFR_RNDN);
  }
  mpfr_sqrt(v[7], v[7], MPFR_RNDN);
  mpfr_div_ui(v[7], v[7], 2, MPFR_RNDN);
  mpfr_asin(v[7], v[7], MPFR_RNDN);
  mpfr_mul_ui(v[7], v[7], 2 * 63'710'088, MPFR_RNDN);
  mpfr_div_ui(v[7], v[7], 10, MPFR_RNDN);
  const double out = mpfr_get_d(v[7], MPFR_RNDN);
  for (auto& x : v) mpfr_clear(x);
  return out;
}

TEST(ExprMath, DistancesAreRoundedOnce) {
  Rng rng(9);
  for (int i = 0; i < 3'000; ++i) {
    const double latitude = rng.unit() * 180 - 90, longitude = rng.unit() * 360 - 180;
    const double near = rng.below(2) == 0 ? 1e-4 : 1;  // half of them within a street
    const double other = std::clamp(latitude + near * (rng.unit() * 100 - 50), -90.0, 90.0), away = longitude + near * (rng.unit() * 180 - 90);
    ASSERT_TRUE(same(*rounded_haversine(latitude, longitude, other, away), chord_distance(latitude, longitude, other, away)))
        << latitude << " " << longitude << " " << other << " " << away;
  }
}

// Random rows of numbers, some with terms that cancel.
std::vector<double> random_row(Rng& rng, size_t size, int spread) {
  std::vector<double> out;
  for (size_t i = 0; i < size; ++i) {
    const double x = std::ldexp(rng.unit() * 2 - 1, static_cast<int>(rng.below(static_cast<uint64_t>(2 * spread))) - spread);
    out.push_back(i % 2 == 1 && rng.below(2) == 0 ? -out.back() : x);
  }
  return out;
}

TEST(ExprVector, SumsOfProductsAreRoundedOnce) {
  Rng rng(10);
  for (int i = 0; i < 3'000; ++i) {
    const size_t size = 1 + rng.below(40);
    const int spread = i % 3 == 0 ? 2 : i % 3 == 1 ? 60 : 1000;
    const std::vector<double> a = random_row(rng, size, spread), b = i % 5 == 0 ? std::vector<double>(size, 3.0) : random_row(rng, size, spread);
    mpfr_t sum, squares, other, term;
    for (mpfr_ptr v : {sum, squares, other, term}) mpfr_init2(v, 4400), mpfr_set_zero(v, 1);
    for (size_t k = 0; k < size; ++k) {
      const auto add = [&](mpfr_ptr to, double x, double y) {
        mpfr_set_d(term, x, MPFR_RNDN), mpfr_mul_d(term, term, y, MPFR_RNDN), mpfr_add(to, to, term, MPFR_RNDN);
      };
      add(sum, a[k], b[k]), add(squares, a[k], a[k]), add(other, b[k], b[k]);
    }
    ASSERT_TRUE(same(rounded_dot(a, b), mpfr_zero_p(sum) ? 0.0 : mpfr_get_d(sum, MPFR_RNDN))) << "row " << i;
    mpfr_sqrt(term, squares, MPFR_RNDN);
    ASSERT_TRUE(same(rounded_norm(a), mpfr_get_d(term, MPFR_RNDN))) << "row " << i;
    const auto cosine = rounded_cosine(a, b);
    mpfr_mul(term, squares, other, MPFR_RNDN), mpfr_sqrt(term, term, MPFR_RNDN), mpfr_div(term, sum, term, MPFR_RNDN);
    if (cosine) ASSERT_TRUE(same(*cosine, mpfr_zero_p(sum) ? 0.0 : mpfr_get_d(term, MPFR_RNDN))) << "row " << i;
    for (mpfr_ptr v : {sum, squares, other, term}) mpfr_clear(v);
  }
}

}  // namespace
}  // namespace ms::feature
