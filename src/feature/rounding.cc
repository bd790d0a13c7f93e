#include "feature/rounding.h"

#include <bit>
#include <cmath>

#include "base/check.h"

namespace ms::feature {
namespace {

constexpr int kLowestExponent = -1074;  // of the last bit of a subnormal
constexpr size_t kLimbsMax = 152;       // two exact sums multiplied, with room to shift

struct Natural {
  std::array<uint64_t, kLimbsMax> w;
  size_t n = 0;

  std::span<const uint64_t> span() const { return {w.data(), n}; }
  void trim() {
    while (n > 0 && w[n - 1] == 0) --n;
  }
};

size_t significant(std::span<const uint64_t> limbs) {
  size_t n = limbs.size();
  while (n > 0 && limbs[n - 1] == 0) --n;
  return n;
}

// value = top * 2^exponent (plus a little when sticky), top not zero.
std::optional<double> round_top(uint64_t top, bool negative, int exponent, bool sticky) {
  const int zeros = std::countl_zero(top);
  top <<= zeros;
  exponent -= zeros;
  const int last = std::max(exponent + 11, kLowestExponent);  // exponent of the result's last bit
  const int shift = last - exponent;
  uint64_t kept = 0;
  uint64_t rest = top;
  if (shift < 64) {
    kept = top >> shift;
    rest = top & ((uint64_t{1} << shift) - 1);
  }
  if (shift <= 64) {
    const uint64_t half = uint64_t{1} << (shift - 1);
    if (rest > half || (rest == half && (sticky || (kept & 1) != 0))) ++kept;
  }
  const double magnitude = std::ldexp(static_cast<double>(kept), last);
  if (std::isinf(magnitude)) return std::nullopt;
  return negative ? -magnitude : magnitude;
}

// to = from * 2^(64 shift_limbs)
void shift_up(std::span<const uint64_t> from, size_t shift_limbs, Natural& to) {
  CHECK(from.size() + shift_limbs <= kLimbsMax);
  std::fill_n(to.w.begin(), shift_limbs, 0);
  std::copy(from.begin(), from.end(), to.w.begin() + static_cast<std::ptrdiff_t>(shift_limbs));
  to.n = from.size() + shift_limbs;
}

struct Division {
  uint64_t quotient, rest;
};

// (high, low) / divisor for high < divisor: the processor's own instruction, where the library would be asked.
Division divide(uint64_t high, uint64_t low, uint64_t divisor) {
#ifdef __x86_64__
  Division out;
  asm("divq %[divisor]" : "=a"(out.quotient), "=d"(out.rest) : "a"(low), "d"(high), [divisor] "r"(divisor) : "cc");
  return out;
#else
  const uint128 number = static_cast<uint128>(high) << 64 | low;
  return {static_cast<uint64_t>(number / divisor), static_cast<uint64_t>(number % divisor)};
#endif
}

// number /= divisor; the answer says whether something remained.
bool divide(Natural& number, uint64_t divisor) {
  uint64_t rest = 0;
  for (size_t i = number.n; i-- > 0;) {
    const Division d = divide(rest, number.w[i], divisor);
    number.w[i] = d.quotient;
    rest = d.rest;
  }
  number.trim();
  return rest != 0;
}

void multiply(std::span<const uint64_t> a, std::span<const uint64_t> b, Natural& out) {
  CHECK(a.size() + b.size() <= kLimbsMax);
  out.n = a.size() + b.size();
  std::fill_n(out.w.begin(), out.n, 0);
  for (size_t i = 0; i < a.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const uint128 t = static_cast<uint128>(a[i]) * b[j] + out.w[i + j] + carry;
      out.w[i + j] = static_cast<uint64_t>(t);
      carry = static_cast<uint64_t>(t >> 64);
    }
    out.w[i + b.size()] = carry;
  }
  out.trim();
}

// a -= b; false: b was larger
bool subtract(Natural& a, const Natural& b) {
  uint64_t borrow = 0;
  for (size_t i = 0; i < a.n; ++i) {
    const uint128 d = static_cast<uint128>(a.w[i]) - (i < b.n ? b.w[i] : 0) - borrow;
    a.w[i] = static_cast<uint64_t>(d);
    borrow = static_cast<uint64_t>(d >> 64) & 1;
  }
  a.trim();
  return borrow == 0;
}

uint64_t root_floor(uint128 x) {
  auto r = static_cast<uint128>(std::sqrt(static_cast<long double>(x)));
  if (r > UINT64_MAX) r = UINT64_MAX;
  while (r * r > x) --r;
  while (r < UINT64_MAX && (r + 1) * (r + 1) <= x) ++r;
  return static_cast<uint64_t>(r);
}

// The 128 bits of `number` from bit `from`.
uint128 bits_at(const Natural& number, size_t from) {
  const auto limb = [&](size_t i) { return i < number.n ? number.w[i] : 0; };
  const size_t i = from / 64, shift = from % 64;
  if (shift == 0) return static_cast<uint128>(limb(i + 1)) << 64 | limb(i);
  const uint64_t low = limb(i) >> shift | limb(i + 1) << (64 - shift);
  const uint64_t high = limb(i + 1) >> shift | limb(i + 2) << (64 - shift);
  return static_cast<uint128>(high) << 64 | low;
}

bool any_below(const Natural& number, size_t bit) {
  for (size_t i = 0; i < bit / 64; ++i) {
    if (number.w[i] != 0) return true;
  }
  return bit % 64 != 0 && (number.w[bit / 64] & ((uint64_t{1} << bit % 64) - 1)) != 0;
}

uint128 magnitude(int128 v) { return v < 0 ? -static_cast<uint128>(v) : static_cast<uint128>(v); }

long double extended(uint128 v) {
  const auto low = static_cast<uint64_t>(v), high = static_cast<uint64_t>(v >> 64);
  if (high == 0) return static_cast<long double>(low);
  return static_cast<long double>(high) * 0x1p64L + static_cast<long double>(low);  // one rounding, in the sum
}

long double root_of(long double x) {
#ifdef __x86_64__
  asm("fsqrt" : "+t"(x));  // std::sqrt calls the library for errno's sake
  return x;
#else
  return std::sqrt(x);
#endif
}

// sqrt(p / q) in 64 bits of mantissa; rounds it to float64 unless the error bound (a few units) reaches a tie.
std::optional<double> short_root(uint128 p, uint64_t q) {
  const long double root = root_of(extended(p) / static_cast<long double>(q));
  uint64_t mantissa = 0;
  std::memcpy(&mantissa, &root, sizeof mantissa);
  const uint64_t below = mantissa & 0x7FF;
  if (below - 0x3F8 <= 0x10) return std::nullopt;  // within 8 units of the middle
  return static_cast<double>(root);
}

// sqrt(p / (n (n - 1))) * 2^exponent from the first 128 bits of p, which is far inside the error bound.
std::optional<double> short_stddev(uint64_t n, const Natural& p, int exponent) {
  if (n >> 32 != 0) return std::nullopt;
  const size_t bits = p.n * 64 - static_cast<size_t>(std::countl_zero(p.w[p.n - 1]));
  const size_t from = bits <= 128 ? 0 : (bits - 127) & ~size_t{1};
  const auto root = short_root(bits_at(p, from), n * (n - 1));
  const int scale = exponent + static_cast<int>(from / 2);
  if (!root || scale < -900 || scale > 900) return std::nullopt;  // nowhere near subnormals or the end: the scaling is exact
  return std::ldexp(*root, scale);
}

}  // namespace

std::optional<double> round_limbs(std::span<const uint64_t> limbs, bool negative, int exponent, bool sticky) {
  const size_t n = significant(limbs);
  if (n == 0) return 0.0;
  const int zeros = std::countl_zero(limbs[n - 1]);
  uint64_t top = limbs[n - 1] << zeros;
  if (n > 1 && zeros > 0) top |= limbs[n - 2] >> (64 - zeros);
  if (n > 1) sticky |= (limbs[n - 2] << zeros) != 0;
  for (size_t i = 0; !sticky && i + 2 < n; ++i) sticky = limbs[i] != 0;
  return round_top(top, negative, exponent + 64 * static_cast<int>(n - 1) - zeros, sticky);
}

std::optional<double> round_quotient(std::span<const uint64_t> limbs, bool negative, int exponent, uint64_t divisor) {
  Natural number;
  shift_up(limbs.first(significant(limbs)), 2, number);
  if (number.n == 2) return 0.0;
  const bool rest = divide(number, divisor);
  return round_limbs(number.span(), negative, exponent - 128, rest);
}

std::optional<double> round_stddev(uint64_t n, std::span<const uint64_t> sum_magnitude, std::span<const uint64_t> squares, int exponent) {
  // variance = (n * squares - sum^2) / (n (n - 1)); four limbs more leave at least 128 bits after the division
  Natural p, square;
  const uint64_t count[] = {n};
  multiply(squares.first(significant(squares)), count, p);
  const auto sum = sum_magnitude.first(significant(sum_magnitude));
  multiply(sum, sum, square);
  if (square.n > p.n || !subtract(p, square)) return std::nullopt;  // not the sums of any values
  if (p.n == 0) return 0.0;
  if (const auto root = short_stddev(n, p, exponent)) return root;
  Natural quotient;
  shift_up(p.span(), 4, quotient);
  bool sticky = divide(quotient, n);
  sticky |= divide(quotient, n - 1);
  const size_t bits = quotient.n * 64 - static_cast<size_t>(std::countl_zero(quotient.w[quotient.n - 1]));
  const size_t from = (bits - 127) & ~size_t{1};  // even, and 127 or 128 bits remain
  const uint128 head = bits_at(quotient, from);
  const uint64_t root = root_floor(head);
  sticky |= static_cast<uint128>(root) * root != head || any_below(quotient, from);
  return round_top(root, false, exponent - 128 + static_cast<int>(from / 2), sticky);
}

double average_of(int128 sum, uint64_t n) {
  const uint128 size = magnitude(sum);
  constexpr uint64_t kExact = uint64_t{1} << 53;
  if (size <= kExact && n <= kExact) return static_cast<double>(static_cast<int64_t>(sum)) / static_cast<double>(n);
  const uint64_t limbs[] = {static_cast<uint64_t>(size), static_cast<uint64_t>(size >> 64)};
  return *round_quotient(limbs, sum < 0, 0, n);
}

double stddev_of(uint64_t n, int128 sum, const Uint192& squares) {
  const uint128 size = magnitude(sum);
  if (squares.words[2] == 0 && squares.words[1] >> 32 == 0 && n >> 31 == 0 && size >> 64 == 0) {
    const uint128 s2 = static_cast<uint128>(squares.words[1]) << 64 | squares.words[0];
    const uint128 p = s2 * n - size * size;
    if (p == 0) return 0.0;
    if (const auto root = short_root(p, n * (n - 1))) return *root;
  }
  const uint64_t limbs[] = {static_cast<uint64_t>(size), static_cast<uint64_t>(size >> 64)};
  return round_stddev(n, limbs, squares.words, 0).value_or(0);
}

}  // namespace ms::feature
