// Decimals and their text, exactly: nothing goes through a float64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/int128.h"
#include "codec/column_batch.h"

namespace ms {

// 10^digits, digits <= 38.
constexpr int128 power_of_ten(unsigned digits) {
  int128 out = 1;
  for (; digits > 0; --digits) out *= 10;
  return out;
}
constexpr bool decimal_fits(int128 units, const Type& type) {
  const int128 bound = power_of_ten(type.precision);
  return units < bound && units > -bound;
}

enum class DecimalFault : uint8_t {
  kNone,
  kNotANumber,
  kTooFine,   // digits other than 0 behind the scale
  kTooLarge,  // more than precision - scale digits before the point
};
// A JSON number, with an exponent or without, in units of 10^-scale.
DecimalFault parse_decimal(std::string_view number, const Type& type, int128& units);
// "which has more than 2 digits behind the point (decimal(12,2))"
std::string fault_text(DecimalFault fault, const Type& type);

// With exactly `scale` digits behind the point: "12.50", "-0.05", "7".
inline constexpr size_t kDecimalTextMax = 48;
size_t write_decimal(int128 units, uint8_t scale, char* to);  // the number of characters, at most kDecimalTextMax; no terminator
std::string decimal_text(int128 units, uint8_t scale);

}  // namespace ms
