// Decimals as whole numbers of units of 10^-scale: texts and powers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/int128.h"

namespace ms {

int128 power_of_ten(int exponent);              // 0 .. 38
bool fits_digits(int128 units, int precision);  // |units| < 10^precision
// With exactly `scale` digits behind the point: "12.50", "-0.05", "7". The second writes to `to`, without a terminator, and returns the
// number of characters.
std::string decimal_text(int128 units, int scale);
inline constexpr size_t kDecimalTextMax = 48;
size_t write_decimal(int128 units, int scale, char* to);
// An optional '-', digits, an optional '.' and digits; at least one digit, no exponent. More decimals than `scale` are rounded
// half away from zero. nullopt: no such text, or more than `precision` digits.
std::optional<int128> decimal_of_text(std::string_view text, int precision, int scale);

}  // namespace ms
