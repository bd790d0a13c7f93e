// Decimals as whole numbers of units of 10^-scale: texts and powers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/int128.h"

namespace ms {

int128 power_of_ten(int exponent);              // 0 .. 38
bool fits_digits(int128 units, int precision);  // |units| < 10^precision
std::string decimal_text(int128 units, int scale);  // "-12.50" with exactly `scale` decimals
// An optional '-', digits, an optional '.' and digits; at least one digit, no exponent. More decimals than `scale` are rounded
// half away from zero. nullopt: no such text, or more than `precision` digits.
std::optional<int128> decimal_of_text(std::string_view text, int precision, int scale);

}  // namespace ms
