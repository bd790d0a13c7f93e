// Decimals of JSON, exactly: nothing goes through a float64 (base/decimal.h has what is not JSON, and the way back to text).
#pragma once

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

}  // namespace ms
