#include "codec/decimal_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/json_walk.h"

namespace ms {
namespace {

constexpr int64_t kExponentMax = int64_t{1} << 40;  // beyond what the digits of any text can make up for

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What stands behind the 'e'; huge ones are cut.
int64_t exponent_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int64_t out = 0;
  for (const char c : text) out = std::min<int64_t>(out * 10 + (c - '0'), kExponentMax);
  return negative ? -out : out;
}

}  // namespace

DecimalFault parse_decimal(std::string_view number, const Type& type, int128& units) {
  if (!is_json_number(number)) return DecimalFault::kNotANumber;
  const bool negative = number[0] == '-';
  if (negative) number.remove_prefix(1);
  // The digits as value * 10^shift, value without zeros at its ends; once it has too many digits only their number counts.
  int128 value = 0;
  int64_t digits = 0, zeros = 0, shift = type.scale;
  bool fraction = false;
  for (size_t i = 0; i < number.size(); ++i) {
    const char c = number[i];
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (!is_digit(c)) {
      shift += exponent_of(number.substr(i + 1));
      break;
    }
    if (fraction) --shift;
    if (c == '0') {
      if (digits > 0) ++zeros;
      continue;
    }
    digits += zeros + 1;
    if (digits <= kDecimalDigitsMax) value = value * power_of_ten(static_cast<int>(zeros + 1)) + (c - '0');
    zeros = 0;
  }
  units = 0;
  if (digits == 0) return DecimalFault::kNone;
  shift += zeros;
  if (shift < 0) return DecimalFault::kTooFine;
  if (digits + shift > type.precision) return DecimalFault::kTooLarge;
  units = value * power_of_ten(static_cast<int>(shift));
  if (negative) units = -units;
  return DecimalFault::kNone;
}

std::string fault_text(DecimalFault fault, const Type& type) {
  switch (fault) {
    case DecimalFault::kNone:
      return {};
    case DecimalFault::kNotANumber:
      return "not a number";
    case DecimalFault::kTooFine:
      return fmt::format("which has more than {} digits behind the point ({})", type.scale, type_text(type));
    case DecimalFault::kTooLarge:
      return fmt::format("which has more than {} digits before the point ({})", type.precision - type.scale, type_text(type));
  }
  return {};
}

}  // namespace ms
