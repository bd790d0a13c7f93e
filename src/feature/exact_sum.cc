#include "feature/exact_sum.h"

#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace ms::feature {
namespace {

// The magnitude of a finite double is mantissa * 2^(shift - 1074).
struct Parts {
  uint64_t mantissa;
  unsigned shift;
  bool negative;
};

Parts parts_of(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  const auto exponent = static_cast<unsigned>(bits >> 52 & 0x7FF);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  if (exponent == 0) return {fraction, 0, bits >> 63 != 0};
  return {fraction | uint64_t{1} << 52, exponent - 1, bits >> 63 != 0};
}

constexpr uint64_t kAll = ~uint64_t{0};

}  // namespace

ExactSum::ExactSum(ExactSum&& o) noexcept : low_(o.low_), count_(o.count_), is_large_(o.is_large_) {
  std::copy_n(o.inline_, 4, inline_);
  o.low_ = o.count_ = 0;
  o.is_large_ = false;
}

ExactSum& ExactSum::operator=(ExactSum&& o) noexcept {
  if (this == &o) return *this;
  delete large();
  low_ = std::exchange(o.low_, 0), count_ = std::exchange(o.count_, 0), is_large_ = std::exchange(o.is_large_, false);
  std::copy_n(o.inline_, 4, inline_);
  return *this;
}

ExactSum& ExactSum::operator=(const ExactSum& o) {
  if (this == &o) return *this;
  if (o.is_large_) {
    make_large() = *o.large();
  } else {
    delete large();
    is_large_ = false;
    std::copy_n(o.inline_, 4, inline_);
  }
  low_ = o.low_, count_ = o.count_;
  return *this;
}

ExactSum::Large& ExactSum::make_large() {
  if (!is_large_) {
    auto* block = new Large;
    std::copy_n(inline_, count_, block->limbs.begin());
    inline_[0] = std::bit_cast<uint64_t>(block);
    is_large_ = true;
  }
  return *large();
}

void ExactSum::shrink() {
  if (!is_large_) return;
  Large* block = large();
  if (count_ > 4 || (block->nans | block->plus_infinities | block->minus_infinities) != 0) return;
  std::copy_n(block->limbs.begin(), count_, inline_);
  is_large_ = false;
  delete block;
}

void ExactSum::store(size_t low, const uint64_t* words, size_t count) {
  // canonical: no limb that only repeats the sign, no zero limb at the bottom
  while (count > 0) {
    const uint64_t top = words[count - 1];
    const bool sign_below = count > 1 && words[count - 2] >> 63 != 0;
    if (top == 0 ? sign_below : (top != kAll || count == 1 || !sign_below)) break;
    --count;
  }
  while (count > 0 && *words == 0) ++words, --count, ++low;
  if (count > 4 && !is_large_) make_large();
  std::copy_n(words, count, is_large_ ? large()->limbs.data() : inline_);
  count_ = static_cast<uint16_t>(count);
  low_ = count == 0 ? uint16_t{0} : static_cast<uint16_t>(low);
  if (is_large_ && count <= 4) shrink();
}

// change_words() where both numbers lie in the same four limbs, as nearly all do: without a branch per limb.
bool ExactSum::change_few(size_t low, std::span<const uint64_t> words, bool subtract) {
  const size_t own_low = count_ == 0 ? low : low_;
  const size_t from = std::min(own_low, low);
  if (own_low - from + count_ > 4 || low - from + words.size() > 4) return false;
  const uint64_t* own = limbs();
  const uint64_t own_sign = count_ > 0 && own[count_ - 1] >> 63 != 0 ? kAll : 0;
  const uint64_t flip = subtract ? kAll : 0;
  const uint64_t sign = words.back() >> 63 != 0 ? kAll : 0;
  uint64_t a[5] = {0, 0, 0, 0, own_sign}, b[5] = {0, 0, 0, 0, sign};
  size_t i = own_low - from;
  for (size_t k = 0; k < count_; ++k, ++i) a[i] = own[k];
  for (; i < 4; ++i) a[i] = own_sign;
  i = low - from;
  for (const uint64_t word : words) b[i++] = word;
  for (; i < 4; ++i) b[i] = sign;
  uint64_t carry = subtract ? 1 : 0;
  for (size_t k = 0; k < 5; ++k) {
    const uint128 t = static_cast<uint128>(a[k]) + (b[k] ^ flip) + carry;
    a[k] = static_cast<uint64_t>(t);
    carry = static_cast<uint64_t>(t >> 64);
  }
  store(from, a, 5);
  return true;
}

void ExactSum::change_words(size_t low, std::span<const uint64_t> words, bool subtract) {
  if (change_few(low, words, subtract)) return;
  const size_t own_low = count_ == 0 ? low : low_;
  const size_t from = std::min(own_low, low);
  const size_t end = std::max(own_low + count_, low + words.size()) + 1;
  std::array<uint64_t, kLimbsMax + 2> sum;
  CHECK(end - from <= sum.size());
  const uint64_t* own = limbs();
  const uint64_t own_sign = count_ > 0 && own[count_ - 1] >> 63 != 0 ? kAll : 0;
  const uint64_t flip = subtract ? kAll : 0;
  const uint64_t sign = words.back() >> 63 != 0 ? kAll : 0;
  uint64_t carry = subtract ? 1 : 0;
  for (size_t i = from; i < end; ++i) {
    const uint64_t a = i < own_low ? 0 : i < own_low + count_ ? own[i - own_low] : own_sign;
    if (i < low) {
      sum[i - from] = a;
      continue;
    }
    const uint64_t b = (i - low < words.size() ? words[i - low] : sign) ^ flip;
    const uint128 t = static_cast<uint128>(a) + b + carry;
    sum[i - from] = static_cast<uint64_t>(t);
    carry = static_cast<uint64_t>(t >> 64);
  }
  store(from, sum.data(), end - from);
}

void ExactSum::change_special(double x, bool subtract) {
  Large& block = make_large();
  uint64_t& counter = std::isnan(x) ? block.nans : x > 0 ? block.plus_infinities : block.minus_infinities;
  counter += subtract ? kAll : 1;
  shrink();
}

void ExactSum::change(double x, bool subtract) {
  if (!std::isfinite(x)) return change_special(x, subtract);
  const Parts p = parts_of(x);
  if (p.mantissa == 0) return;
  const uint128 shifted = static_cast<uint128>(p.mantissa) << (p.shift % 64);  // at most 116 bits
  const uint64_t words[] = {static_cast<uint64_t>(shifted), static_cast<uint64_t>(shifted >> 64)};
  change_words(p.shift / 64, words, subtract != p.negative);
}

void ExactSum::change_square(double x, bool subtract) {
  if (!std::isfinite(x)) return change_special(std::fabs(x), subtract);
  const Parts p = parts_of(x);
  if (p.mantissa == 0) return;
  const uint128 square = static_cast<uint128>(p.mantissa) * p.mantissa;
  const unsigned shift = 2 * p.shift % 64;
  const uint128 low = square << shift;  // the last bits of square * 2^shift
  const uint64_t high = shift == 0 ? 0 : static_cast<uint64_t>(square >> (128 - shift));
  const uint64_t words[] = {static_cast<uint64_t>(low), static_cast<uint64_t>(low >> 64), high};
  // a top limb of zero or less than 2^63: two's complement as it is (106 + 63 bits end below bit 191)
  change_words(2 * p.shift / 64, words, subtract);
}

void ExactSum::add_scaled(std::span<const uint64_t> magnitude, bool negative, size_t bit) {
  CHECK(magnitude.size() + 2 <= kLimbsMax);
  std::array<uint64_t, kLimbsMax> words;
  const unsigned shift = bit % 64;
  uint64_t carry = 0;
  size_t n = 0;
  for (const uint64_t limb : magnitude) {
    words[n++] = limb << shift | carry;
    carry = shift == 0 ? 0 : limb >> (64 - shift);
  }
  words[n++] = carry;
  while (n > 0 && words[n - 1] == 0) --n;
  if (n == 0) return;
  words[n++] = 0;  // the sign
  change_words(bit / 64, {words.data(), n}, negative);
}

void ExactSum::add_specials(const ExactSum& o) { change_specials(o, false); }

void ExactSum::change(const ExactSum& o, bool subtract) {
  if (o.count_ > 0) change_words(o.low_, {o.limbs(), o.count_}, subtract);
  change_specials(o, subtract);
}

void ExactSum::change_specials(const ExactSum& o, bool subtract) {
  if (!o.is_large_) return;
  const Large& from = *o.large();
  if ((from.nans | from.plus_infinities | from.minus_infinities) == 0) return;
  Large& to = make_large();
  const auto move = [&](uint64_t& a, uint64_t b) { a = subtract ? a - b : a + b; };
  move(to.nans, from.nans);
  move(to.plus_infinities, from.plus_infinities);
  move(to.minus_infinities, from.minus_infinities);
  shrink();
}

ExactSum::Magnitude ExactSum::magnitude(size_t from) const {
  Magnitude out;
  if (count_ == 0) return out;
  CHECK(from <= low_);
  const uint64_t* own = limbs();
  const size_t zeros = low_ - from;
  std::fill_n(out.limbs.begin(), zeros, 0);
  std::copy_n(own, count_, out.limbs.begin() + static_cast<std::ptrdiff_t>(zeros));
  out.count = zeros + count_;
  out.negative = own[count_ - 1] >> 63 != 0;
  if (!out.negative) return out;
  uint64_t carry = 1;
  for (size_t i = zeros; i < out.count; ++i) {
    out.limbs[i] = ~out.limbs[i] + carry;
    carry = carry != 0 && out.limbs[i] == 0 ? 1 : 0;
  }
  return out;
}

void ExactSum::save(ByteWriter& out) const {
  // flags: 1 = specials follow; then limbs
  const bool special = (nans() | plus_infinities() | minus_infinities()) != 0;
  out.u8(special ? 1 : 0);
  if (special) out.varint(nans()), out.varint(plus_infinities()), out.varint(minus_infinities());
  out.u8(static_cast<uint8_t>(count_));
  if (count_ == 0) return;
  out.u8(static_cast<uint8_t>(low_));
  for (size_t i = 0; i < count_; ++i) out.u64(limbs()[i]);
}

bool ExactSum::load(ByteReader& in) {
  *this = ExactSum();
  const uint8_t flags = in.u8();
  if (flags > 1) return false;
  if (flags == 1) {
    Large& block = make_large();
    block.nans = in.varint(), block.plus_infinities = in.varint(), block.minus_infinities = in.varint();
    if (in.ok() && (block.nans | block.plus_infinities | block.minus_infinities) == 0) return false;
  }
  const size_t count = in.u8();
  if (count == 0) return in.ok();
  const size_t low = in.u8();
  if (low + count > kLimbsMax - 1) return false;
  std::array<uint64_t, kLimbsMax> words;
  for (size_t i = 0; i < count; ++i) words[i] = in.u64();
  if (!in.ok()) return false;
  store(low, words.data(), count);
  return count_ == count && low_ == low;
}

namespace {

// The answer of NaN and infinities, if there are any.
std::optional<double> special_of(const ExactSum& sum) {
  if (sum.nans() != 0 || (sum.plus_infinities() != 0 && sum.minus_infinities() != 0)) return std::bit_cast<double>(kQuietNan);
  if (sum.plus_infinities() != 0) return HUGE_VAL;
  if (sum.minus_infinities() != 0) return -HUGE_VAL;
  return std::nullopt;
}

int unit_at(size_t limb) { return ExactSum::kUnit + 64 * static_cast<int>(limb); }

Rounded rounded(std::optional<double> value) { return value ? Rounded{*value, false} : Rounded{0, true}; }

}  // namespace

Rounded sum_of(const ExactSum& sum) {
  if (const auto special = special_of(sum)) return {*special, false};
  const auto m = sum.magnitude(sum.low());
  return rounded(round_limbs(m.span(), m.negative, unit_at(sum.low())));
}

Rounded average_of(const ExactSum& sum, uint64_t n) {
  if (const auto special = special_of(sum)) return {*special, false};
  const auto m = sum.magnitude(sum.low());
  auto out = rounded(round_quotient(m.span(), m.negative, unit_at(sum.low()), n));
  if (out.value == 0) out.value = 0;
  return out;
}

Rounded stddev_of(uint64_t n, const ExactSum& sum, const ExactSum& squares) {
  if (special_of(sum)) return {std::bit_cast<double>(kQuietNan), false};
  // limbs of zeros below both are left out: one of the sum is two of the squares
  const size_t low = sum.is_zero() ? squares.low() / 2 : std::min(sum.low(), squares.low() / 2);
  const auto m = sum.magnitude(low);
  const auto s = squares.magnitude(2 * low);
  return rounded(round_stddev(n, m.span(), s.span(), unit_at(low)));
}

}  // namespace ms::feature
