#include "base/decimal.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ms {
namespace {

constexpr std::array<int128, 39> kPowers = [] {
  std::array<int128, 39> out{};
  out[0] = 1;
  for (size_t i = 1; i < out.size(); ++i) out[i] = out[i - 1] * 10;
  return out;
}();

}  // namespace

int128 power_of_ten(int exponent) { return kPowers[static_cast<size_t>(exponent)]; }

bool fits_digits(int128 units, int precision) {
  const int128 end = power_of_ten(precision);
  return units > -end && units < end;
}

std::string decimal_text(int128 units, int scale) {
  char text[kDecimalTextMax];
  return {text, write_decimal(units, scale, text)};
}

size_t write_decimal(int128 units, int scale, char* to) {
  auto rest = units < 0 ? -static_cast<uint128>(units) : static_cast<uint128>(units);
  char digits[kDecimalTextMax];
  char* const end = digits + sizeof digits;
  char* at = end;
  for (int written = 0; rest != 0 || written <= scale; ++written) {
    if (written == scale && scale != 0) *--at = '.';
    *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (units < 0) *--at = '-';
  std::memcpy(to, at, static_cast<size_t>(end - at));
  return static_cast<size_t>(end - at);
}

std::optional<int128> decimal_of_text(std::string_view text, int precision, int scale) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point), decimals = text.substr(std::min(point + 1, text.size()));
  if (whole.empty() && decimals.empty()) return std::nullopt;
  const int128 end = power_of_ten(precision);
  int128 units = 0;
  const auto digits = [&](std::string_view part, size_t take) {
    for (size_t i = 0; i < part.size(); ++i) {
      if (part[i] < '0' || part[i] > '9') return false;
      if (i >= take) continue;
      const int digit = part[i] - '0';
      if (units > (end - 1 - digit) / 10) return false;
      units = units * 10 + digit;
    }
    return true;
  };
  const auto kept = static_cast<size_t>(scale);
  if (!digits(whole, whole.size()) || !digits(decimals, kept)) return std::nullopt;
  for (size_t i = decimals.size(); i < kept; ++i) {
    if (units > (end - 1) / 10) return std::nullopt;
    units *= 10;
  }
  if (decimals.size() > kept && decimals[kept] >= '5') ++units;
  if (units >= end) return std::nullopt;
  return negative ? -units : units;
}

}  // namespace ms
