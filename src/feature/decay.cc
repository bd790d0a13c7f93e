#include "feature/decay.h"

#include <gmpxx.h>
#include <mpfr.h>

#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "feature/mpfr_thread.h"
#include "feature/value_words.h"

namespace ms::feature {
namespace {

// An mpfr_t that is given back.
struct Real {
  explicit Real(mpfr_prec_t bits) { mpfr_init2(value, bits); }
  ~Real() { mpfr_clear(value); }
  Real(const Real&) = delete;
  Real& operator=(const Real&) = delete;
  mpfr_t value;
};

// 2^(part / whole) for 0 < part < whole, rounded to `bits` bits: as a mantissa of `bits` bits, the first of them 2^0. The number is
// irrational, so more precision decides every case (Ziv's strategy).
uint128 power_of_two(int64_t part, int64_t whole, mpfr_prec_t bits) {
  free_mpfr_with_thread();
  for (mpfr_prec_t precision = 2 * bits;; precision *= 2) {
    Real x(precision), rounded(bits);
    mpfr_set_si(x.value, part, MPFR_RNDN);  // exact: precision is more than 64
    mpfr_div_si(x.value, x.value, whole, MPFR_RNDN);
    mpfr_exp2(x.value, x.value, MPFR_RNDN);
    // the quotient is off by half a last place, the power by less than two
    if (!mpfr_can_round(x.value, precision - 4, MPFR_RNDN, MPFR_RNDN, bits)) continue;
    mpfr_set(rounded.value, x.value, MPFR_RNDN);
    mpz_class mantissa;
    CHECK(mpfr_get_z_2exp(mantissa.get_mpz_t(), rounded.value) == 1 - bits);
    uint64_t words[2] = {0, 0};
    mpz_export(words, nullptr, -1, sizeof(uint64_t), 0, 0, mantissa.get_mpz_t());
    return static_cast<uint128>(words[1]) << 64 | words[0];
  }
}

}  // namespace

uint128 decay_weight(int64_t since_us, int64_t half_life_us) {
  CHECK(since_us >= 0 && since_us < half_life_us);
  if (since_us == 0) return static_cast<uint128>(1) << 64;
  return power_of_two(since_us, half_life_us, 65);
}

DecayFactor decay_factor(int64_t age_us, int64_t half_life_us) {
  // 2^(-age / hl) = 2^(rest / hl) * 2^-halvings with 0 <= rest < hl
  const int64_t halvings = (age_us + half_life_us - 1) / half_life_us, rest = halvings * half_life_us - age_us;
  CHECK(age_us >= 0 && halvings <= 66);
  if (rest == 0) return {uint64_t{1} << 63, -63 - static_cast<int>(halvings)};
  return {static_cast<uint64_t>(power_of_two(rest, half_life_us, 64)), -63 - static_cast<int>(halvings)};
}

void add_weight(ExactSum& sum, uint128 weight) {
  const uint64_t words[] = {static_cast<uint64_t>(weight), static_cast<uint64_t>(weight >> 64)};
  sum.add_scaled(words, false, -ExactSum::kUnit);
}

void add_weighted(ExactSum& sum, uint128 weight, const Type& type, const uint64_t* value) {
  uint128 magnitude = 0;
  size_t bit = -ExactSum::kUnit;
  bool negative = false;
  if (type == TypeKind::kFloat64) {
    const auto x = std::bit_cast<double>(*value);
    if (!std::isfinite(x)) return sum.add_special(x);
    const uint64_t fraction = *value & ((uint64_t{1} << 52) - 1), exponent = *value >> 52 & 0x7FF;
    magnitude = exponent == 0 ? fraction : fraction | uint64_t{1} << 52;
    bit = exponent == 0 ? 0 : exponent - 1;
    negative = *value >> 63 != 0;
  } else {
    const int128 v = type == TypeKind::kDecimal ? decimal_at(value) : static_cast<int64_t>(*value);
    negative = v < 0;
    magnitude = negative ? -static_cast<uint128>(v) : static_cast<uint128>(v);
  }
  // 127 bits by 65
  const auto low = static_cast<uint64_t>(magnitude), high = static_cast<uint64_t>(magnitude >> 64);
  const auto weight_low = static_cast<uint64_t>(weight), weight_high = static_cast<uint64_t>(weight >> 64);
  uint64_t words[4] = {};
  const auto add = [&](size_t at, uint128 v) {
    for (size_t i = at; v != 0 && i < 4; ++i) {
      v += words[i];
      words[i] = static_cast<uint64_t>(v);
      v >>= 64;
    }
  };
  add(0, static_cast<uint128>(low) * weight_low);
  add(1, static_cast<uint128>(low) * weight_high);
  add(1, static_cast<uint128>(high) * weight_low);
  add(2, static_cast<uint128>(high) * weight_high);
  sum.add_scaled(words, negative, bit);
}

void add_decayed(ExactSum& sum, const ExactSum& partial, const DecayFactor& factor) {
  sum.add_specials(partial);
  if (partial.is_zero()) return;
  const auto m = partial.magnitude(partial.low());
  std::array<uint64_t, ExactSum::kLimbsMax> words;
  if (m.count == 0) return;
  uint64_t carry = 0;
  for (size_t i = 0; i < m.count; ++i) {
    const uint128 t = static_cast<uint128>(m.limbs[i]) * factor.mantissa + carry;
    words[i] = static_cast<uint64_t>(t), carry = static_cast<uint64_t>(t >> 64);
  }
  words[m.count] = carry;
  sum.add_scaled({words.data(), m.count + 1}, m.negative, 64 * partial.low() + static_cast<size_t>(kDecayUnit - kDecayStepUnit + factor.exponent));
}

}  // namespace ms::feature
