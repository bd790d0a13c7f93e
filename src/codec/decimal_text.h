// Decimals of JSON and their text, exactly: nothing goes through a float64 (base/decimal.h has what is not JSON).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/decimal.h"
#include "codec/column_batch.h"

namespace ms {

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

}  // namespace ms
