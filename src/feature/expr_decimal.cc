#include "feature/expr_decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "base/decimal.h"
#include "feature/expr_math.h"

namespace ms::feature {
namespace {

int whole_digits(const Type& t) { return t.precision - t.scale; }
Type type_of(int precision, int scale) {
  return Type::decimal(static_cast<uint8_t>(std::clamp(precision, 1, int{kDecimalDigitsMax})), static_cast<uint8_t>(scale));
}

Wide aligned(const Decimal& a, int scale) { return static_cast<Wide>(a.units) * static_cast<Wide>(power_of_ten(scale - a.type.scale)); }

// value / 10^digits, half away from zero.
Wide cut(const Wide& value, int digits) {
  const Wide unit = power_of_ten(digits);
  const Wide size = ((value < 0 ? -value : value) + unit / 2) / unit;
  return value < 0 ? -size : size;
}

}  // namespace

Type decimal_sum_type(const Type& a, const Type& b) {
  const int scale = std::max(a.scale, b.scale);
  return type_of(std::max(whole_digits(a), whole_digits(b)) + scale + 1, scale);
}
std::optional<Type> decimal_product_type(const Type& a, const Type& b) {
  if (a.scale + b.scale > kDecimalDigitsMax) return std::nullopt;
  return type_of(a.precision + b.precision, a.scale + b.scale);
}
Type decimal_remainder_type(const Type& a, const Type& b) {
  const int scale = std::max(a.scale, b.scale);
  return type_of(std::min(whole_digits(a), whole_digits(b)) + scale, scale);
}
std::optional<Type> decimal_common_type(const Type& a, const Type& b) {
  const int scale = std::max(a.scale, b.scale), precision = std::max(whole_digits(a), whole_digits(b)) + scale;
  if (precision > kDecimalDigitsMax) return std::nullopt;
  return type_of(precision, scale);
}

std::optional<int128> narrowed(const Wide& value, int precision) {
  const Wide end = power_of_ten(precision);
  if (value <= -end || value >= end) return std::nullopt;
  return static_cast<int128>(value);
}

std::optional<int128> decimal_sum(const Decimal& a, const Decimal& b, bool subtract, const Type& out) {
  const Wide x = aligned(a, out.scale), y = aligned(b, out.scale);
  return narrowed(subtract ? x - y : x + y, out.precision);
}
std::optional<int128> decimal_product(const Decimal& a, const Decimal& b, const Type& out) {
  return narrowed(static_cast<Wide>(a.units) * static_cast<Wide>(b.units), out.precision);
}
std::optional<int128> decimal_remainder(const Decimal& a, const Decimal& b, const Type& out) {
  return narrowed(aligned(a, out.scale) % aligned(b, out.scale), out.precision);
}
double decimal_quotient(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.type.scale, b.type.scale);
  const Wide x = aligned(a, scale), y = aligned(b, scale);
  return y < 0 ? rounded_ratio(-x, -y) : rounded_ratio(x, y);
}

std::optional<int128> decimal_to(const Decimal& a, const Type& out) {
  if (out.scale >= a.type.scale) return narrowed(aligned(a, out.scale), out.precision);
  return narrowed(cut(a.units, a.type.scale - out.scale), out.precision);
}

std::optional<int128> decimal_of_float(double value, const Type& out) {
  if (!(std::fabs(value) < 1e38)) return std::nullopt;
  const std::string units = nearest_scaled(std::fabs(value), out.scale);
  const auto read = decimal_of_text(units, out.precision, 0);
  return read && std::signbit(value) ? std::optional(-*read) : read;
}

double float_of_decimal(int128 units, int scale) {
  const std::string text = decimal_text(units, 0) + "e-" + std::to_string(scale);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<int128> decimal_to_digits(const Decimal& a, int64_t digits) {
  if (digits >= a.type.scale) return a.units;
  const int64_t dropped = a.type.scale - std::max<int64_t>(digits, -kDecimalDigitsMax - 1);
  if (dropped > kDecimalDigitsMax) return 0;  // the unit is beyond twice any decimal
  const int drop = static_cast<int>(dropped);
  return narrowed(cut(a.units, drop) * static_cast<Wide>(power_of_ten(drop)), a.type.precision);
}

int128 decimal_whole(int128 units, int scale, Whole how) {
  const int128 unit = power_of_ten(scale), quotient = units / unit, rest = units % unit;
  switch (how) {
    case Whole::kFloor: return quotient - (rest < 0 ? 1 : 0);
    case Whole::kCeil: return quotient + (rest > 0 ? 1 : 0);
    case Whole::kTrunc: return quotient;
    case Whole::kRound: return static_cast<int128>(cut(units, scale));
  }
  return quotient;
}

double rounded_ratio(const Wide& above, const Wide& below) {
  constexpr int64_t kExact = int64_t{1} << 53;
  if (above > -kExact && above < kExact && below < kExact) return static_cast<double>(static_cast<int64_t>(above)) / static_cast<double>(static_cast<int64_t>(below));
  uint64_t x[4], y[4];
  const Wide size = above < 0 ? -above : above;
  for (int i = 0; i < 4; ++i) x[i] = static_cast<uint64_t>(size >> (64 * i)), y[i] = static_cast<uint64_t>(below >> (64 * i));
  const double value = rounded_quotient(x, y);
  return above < 0 ? -value : value;
}

}  // namespace ms::feature
