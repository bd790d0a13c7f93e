#include "feature/moments.h"

#include <gmpxx.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "feature/value_words.h"

namespace ms::feature {
namespace {

constexpr size_t kFactorsMax = 4;
constexpr int kIntegerBit = -ExactSum::kUnit;  // where the unit of an integer stands in a sum of values

// A magnitude of at most eight limbs times 2^bit units.
struct Product {
  uint64_t limbs[2 * kFactorsMax + 1] = {1};
  size_t count = 1;
  size_t bit = 0;
  bool negative = false;

  void multiply(uint128 factor) {
    uint64_t out[2 * kFactorsMax + 1] = {};
    const uint64_t parts[2] = {static_cast<uint64_t>(factor), static_cast<uint64_t>(factor >> 64)};
    for (size_t i = 0; i < count; ++i) {
      uint64_t carry = 0;
      for (size_t j = 0; j < 2; ++j) {
        const uint128 t = static_cast<uint128>(limbs[i]) * parts[j] + out[i + j] + carry;
        out[i + j] = static_cast<uint64_t>(t), carry = static_cast<uint64_t>(t >> 64);
      }
      if (i + 2 < std::size(out)) out[i + 2] += carry;
    }
    count = std::min(count + 2, std::size(out));
    while (count > 1 && out[count - 1] == 0) --count;
    std::copy_n(out, std::size(out), limbs);
  }
};

bool is_finite(const Type& type, const uint64_t* value) { return type != TypeKind::kFloat64 || std::isfinite(std::bit_cast<double>(*value)); }

void multiply(Product& product, const Type& type, const uint64_t* value) {
  if (type == TypeKind::kFloat64) {
    const uint64_t bits = *value, fraction = bits & ((uint64_t{1} << 52) - 1), exponent = bits >> 52 & 0x7FF;
    product.multiply(exponent == 0 ? fraction : fraction | uint64_t{1} << 52);
    product.bit += exponent == 0 ? 0 : exponent - 1;
    product.negative ^= bits >> 63 != 0;
    return;
  }
  const int128 v = type == TypeKind::kDecimal ? decimal_at(value) : static_cast<int64_t>(*value);
  product.multiply(v < 0 ? -static_cast<uint128>(v) : static_cast<uint128>(v));
  product.bit += kIntegerBit;
  product.negative ^= v < 0;
}

// number * 2^exponent.
struct Dyadic {
  mpz_class number;
  long exponent = 0;
};

Dyadic whole(uint64_t v) {
  Dyadic out;
  mpz_import(out.number.get_mpz_t(), 1, -1, sizeof v, 0, 0, &v);
  return out;
}

Dyadic power_of_ten(int digits) {
  Dyadic out;
  mpz_ui_pow_ui(out.number.get_mpz_t(), 10, static_cast<unsigned long>(digits));
  return out;
}

Dyadic dyadic(const ExactSum& sum, int unit) {
  Dyadic out;
  const auto m = sum.magnitude(sum.low());
  mpz_import(out.number.get_mpz_t(), m.count, -1, sizeof(uint64_t), 0, 0, m.limbs.data());
  if (m.negative) out.number = -out.number;
  out.exponent = unit + 64 * static_cast<long>(sum.low());
  return out;
}

Dyadic operator*(const Dyadic& a, const Dyadic& b) { return {a.number * b.number, a.exponent + b.exponent}; }
Dyadic operator*(long a, const Dyadic& b) { return {a * b.number, b.exponent}; }

Dyadic add(const Dyadic& a, const Dyadic& b, int sign) {
  const long exponent = std::min(a.exponent, b.exponent);
  const mpz_class x = a.number << static_cast<unsigned long>(a.exponent - exponent), y = b.number << static_cast<unsigned long>(b.exponent - exponent);
  return {sign > 0 ? mpz_class(x + y) : mpz_class(x - y), exponent};
}
Dyadic operator+(const Dyadic& a, const Dyadic& b) { return add(a, b, 1); }
Dyadic operator-(const Dyadic& a, const Dyadic& b) { return add(a, b, -1); }

Rounded round_to_double(const mpz_class& number, bool negative, long exponent, bool sticky) {
  const size_t limbs = (mpz_sizeinbase(number.get_mpz_t(), 2) + 63) / 64;
  std::vector<uint64_t> words(limbs);
  size_t written = 0;
  mpz_export(words.data(), &written, -1, sizeof(uint64_t), 0, 0, number.get_mpz_t());
  words.resize(written);
  if (words.empty()) return {};
  const auto value = round_limbs(words, negative, static_cast<int>(std::clamp<long>(exponent, -1'000'000, 1'000'000)), sticky);
  return value ? Rounded{*value, false} : Rounded{0, true};
}

constexpr long kBits = 128;  // of a quotient before it is rounded: more than any rounding looks at

// above / below with one rounding; below is not zero.
Rounded round_ratio(const Dyadic& above, const Dyadic& below) {
  const bool negative = (above.number < 0) != (below.number < 0);
  mpz_class n = abs(above.number), d = abs(below.number);
  if (n == 0) return {};
  const long up = std::max(0L, kBits + static_cast<long>(mpz_sizeinbase(d.get_mpz_t(), 2)) - static_cast<long>(mpz_sizeinbase(n.get_mpz_t(), 2)));
  n <<= static_cast<unsigned long>(up);
  mpz_class quotient, rest;
  mpz_tdiv_qr(quotient.get_mpz_t(), rest.get_mpz_t(), n.get_mpz_t(), d.get_mpz_t());
  return round_to_double(quotient, negative, above.exponent - below.exponent - up, rest != 0);
}

// The square root of above / below, both positive, with one rounding.
Rounded round_root(const Dyadic& above, const Dyadic& below, bool negative) {
  mpz_class n = above.number;
  const mpz_class& d = below.number;
  if (n == 0) return {};
  if (n < 0 || d <= 0) return {std::bit_cast<double>(kQuietNan), false};  // sums that no values have: a damaged state
  long up = std::max(0L, 2 * kBits + static_cast<long>(mpz_sizeinbase(d.get_mpz_t(), 2)) - static_cast<long>(mpz_sizeinbase(n.get_mpz_t(), 2)));
  if ((above.exponent - below.exponent - up) % 2 != 0) ++up;
  n <<= static_cast<unsigned long>(up);
  mpz_class quotient, rest, root, root_rest;
  mpz_tdiv_qr(quotient.get_mpz_t(), rest.get_mpz_t(), n.get_mpz_t(), d.get_mpz_t());
  mpz_sqrtrem(root.get_mpz_t(), root_rest.get_mpz_t(), quotient.get_mpz_t());
  return round_to_double(root, negative, (above.exponent - below.exponent - up) / 2, rest != 0 || root_rest != 0);
}

const Statistic kUndefined{{}, true};
const Statistic kNan{{std::bit_cast<double>(kQuietNan), false}, false};

// n^2 times the mean square of the deviations, n * sum(x^2) - sum(x)^2.
struct Spread {
  Spread(uint64_t n, const ExactSum& x, const ExactSum& xx) : sum(dyadic(x, ExactSum::kUnit)), squares(dyadic(xx, 2 * ExactSum::kUnit)), value(whole(n) * squares - sum * sum) {}
  Dyadic sum, squares, value;
};

bool all_finite(std::initializer_list<const ExactSum*> sums) {
  return std::ranges::all_of(sums, [](const ExactSum* s) { return s->is_finite(); });
}

}  // namespace

void add_product(ExactSum& sum, const Type& x_type, const uint64_t* x, unsigned power, const Type& y_type, const uint64_t* y, unsigned by_power) {
  const bool x_finite = power == 0 || is_finite(x_type, x), y_finite = by_power == 0 || is_finite(y_type, y);
  if (!x_finite || !y_finite) {
    if (power + by_power == 1) return sum.add_special(std::bit_cast<double>(power == 1 ? *x : *y));
    return sum.add_special(std::bit_cast<double>(kQuietNan));
  }
  Product product;
  for (unsigned i = 0; i < power; ++i) multiply(product, x_type, x);
  for (unsigned i = 0; i < by_power; ++i) multiply(product, y_type, y);
  sum.add_scaled({product.limbs, product.count}, product.negative, product.bit);
}

Statistic variance_of(uint64_t n, const ExactSum& x, const ExactSum& xx, int scale) {
  if (n < 2) return kUndefined;
  if (!all_finite({&x, &xx})) return kNan;
  return {round_ratio(Spread(n, x, xx).value, whole(n) * whole(n - 1) * power_of_ten(2 * scale))};
}

Statistic deviation_of(uint64_t n, const ExactSum& x, const ExactSum& xx, int scale) {
  if (n < 2) return kUndefined;
  if (!all_finite({&x, &xx})) return kNan;
  return {round_root(Spread(n, x, xx).value, whole(n) * whole(n - 1) * power_of_ten(2 * scale), false)};
}

Statistic skew_of(uint64_t n, const ExactSum& x, const ExactSum& xx, const ExactSum& xxx) {
  if (n < 3) return kUndefined;
  if (!all_finite({&x, &xx, &xxx})) return kNan;
  const Spread spread(n, x, xx);
  if (spread.value.number == 0) return kUndefined;
  const Dyadic count = whole(n), cubes = dyadic(xxx, 3 * ExactSum::kUnit);
  const Dyadic third = count * count * cubes - 3 * (count * spread.sum * spread.squares) + 2 * (spread.sum * spread.sum * spread.sum);
  const Dyadic below = whole(n - 2) * whole(n - 2) * spread.value * spread.value * spread.value;
  return {round_root(count * whole(n - 1) * third * third, below, third.number < 0)};
}

Statistic kurtosis_of(uint64_t n, const ExactSum& x, const ExactSum& xx, const ExactSum& xxx, const ExactSum& xxxx) {
  if (n < 4) return kUndefined;
  if (!all_finite({&x, &xx, &xxx, &xxxx})) return kNan;
  const Spread spread(n, x, xx);
  if (spread.value.number == 0) return kUndefined;
  const Dyadic count = whole(n), cubes = dyadic(xxx, 3 * ExactSum::kUnit), fourths = dyadic(xxxx, 4 * ExactSum::kUnit);
  const Dyadic& s = spread.sum;
  const Dyadic fourth = count * count * count * fourths - 4 * (count * count * s * cubes) + 6 * (count * s * s * spread.squares) - 3 * (s * s * s * s);
  const Dyadic square = spread.value * spread.value;
  const Dyadic above = whole(n - 1) * (whole(n + 1) * fourth - 3 * (whole(n - 1) * square));
  return {round_ratio(above, whole(n - 2) * whole(n - 3) * square)};
}

Statistic covariance_of(uint64_t n, const ExactSum& x, const ExactSum& y, const ExactSum& xy, int scales) {
  if (n < 2) return kUndefined;
  if (!all_finite({&x, &y, &xy})) return kNan;
  const Dyadic cross = whole(n) * dyadic(xy, 2 * ExactSum::kUnit) - dyadic(x, ExactSum::kUnit) * dyadic(y, ExactSum::kUnit);
  return {round_ratio(cross, whole(n) * whole(n - 1) * power_of_ten(scales))};
}

Statistic correlation_of(uint64_t n, const ExactSum& x, const ExactSum& y, const ExactSum& xy, const ExactSum& yy, const ExactSum& xx) {
  if (n < 2) return kUndefined;
  if (!all_finite({&x, &y, &xy})) return kNan;
  const Spread of_x(n, x, xx), of_y(n, y, yy);
  const Dyadic below = of_x.value * of_y.value;
  if (below.number == 0) return kUndefined;
  const Dyadic cross = whole(n) * dyadic(xy, 2 * ExactSum::kUnit) - of_x.sum * of_y.sum;
  return {round_root(cross * cross, below, cross.number < 0)};
}

Statistic slope_of(uint64_t n, const ExactSum& x, const ExactSum& y, const ExactSum& xy, const ExactSum& yy, int x_scale, int y_scale) {
  if (n < 2) return kUndefined;
  if (!all_finite({&x, &y, &xy})) return kNan;
  const Spread of_y(n, y, yy);
  if (of_y.value.number == 0) return kUndefined;
  const Dyadic cross = whole(n) * dyadic(xy, 2 * ExactSum::kUnit) - dyadic(x, ExactSum::kUnit) * of_y.sum;
  return {round_ratio(cross * power_of_ten(y_scale), of_y.value * power_of_ten(x_scale))};
}

Statistic quotient_of(const ExactSum& x, const ExactSum& y, int x_scale, int y_scale) {
  if (y.is_finite() && y.is_zero()) return kUndefined;
  if (!all_finite({&x, &y})) {
    // beside an infinity only the sign of a finite sum counts, which may be beyond float64
    const auto side = [](const ExactSum& sum) {
      return !sum.is_finite() ? sum_of(sum).value : sum.magnitude(sum.low()).negative ? -1.0 : 1.0;
    };
    const double quotient = side(x) / side(y);
    return std::isnan(quotient) ? kNan : Statistic{{quotient, false}};
  }
  return {round_ratio(dyadic(x, 0) * power_of_ten(y_scale), dyadic(y, 0) * power_of_ten(x_scale))};
}

Rounded mean_of(const ExactSum& sum, uint64_t n, int scale, int unit) {
  if (!sum.is_finite()) return sum_of(sum);
  return round_ratio(dyadic(sum, unit), whole(n) * power_of_ten(scale));
}

bool integer_of(const ExactSum& sum, int128& out) {
  Dyadic value = dyadic(sum, ExactSum::kUnit);
  if (value.exponent < 0) mpz_tdiv_q_2exp(value.number.get_mpz_t(), value.number.get_mpz_t(), static_cast<mp_bitcnt_t>(-value.exponent));
  else value.number <<= static_cast<unsigned long>(value.exponent);
  mpz_class limit;
  mpz_ui_pow_ui(limit.get_mpz_t(), 10, kDecimalDigitsMax);
  if (abs(value.number) >= limit) return false;
  uint64_t words[2] = {0, 0};
  mpz_export(words, nullptr, -1, sizeof(uint64_t), 0, 0, value.number.get_mpz_t());
  out = static_cast<int128>(static_cast<uint128>(words[1]) << 64 | words[0]);
  if (value.number < 0) out = -out;
  return true;
}

int128 least_at_or_above(double bound, int scale) {
  mpz_class above, below = 1;
  mpz_ui_pow_ui(above.get_mpz_t(), 10, static_cast<unsigned long>(scale));
  int exponent = 0;
  const double fraction = std::frexp(bound, &exponent);
  above *= mpz_class(std::ldexp(fraction, 53));
  exponent -= 53;
  if (exponent > 0) above <<= static_cast<unsigned long>(exponent);
  else below <<= static_cast<unsigned long>(-exponent);
  mpz_class least;
  mpz_cdiv_q(least.get_mpz_t(), above.get_mpz_t(), below.get_mpz_t());
  // decimals go to 10^38, beyond 2^126
  constexpr auto kEnd = static_cast<int128>(~static_cast<uint128>(0) >> 1);
  if (mpz_sizeinbase(least.get_mpz_t(), 2) > 127) return least < 0 ? -kEnd : kEnd;
  uint64_t words[2] = {0, 0};
  mpz_export(words, nullptr, -1, sizeof(uint64_t), 0, 0, least.get_mpz_t());
  const auto magnitude = static_cast<int128>(static_cast<uint128>(words[1]) << 64 | words[0]);
  return least < 0 ? -magnitude : magnitude;
}

}  // namespace ms::feature
