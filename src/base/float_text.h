// A float64 as text that keeps its bits and its type.
#pragma once

#include <cstddef>
#include <string>

namespace ms {

// The shortest text that reads back to the same bits, with ".0" where that text would be an integer's: 0.1, 156.0, -0.0,
// 1e+22, 5e-324. NaN, Infinity and -Infinity by these names; the bits of a NaN do not show.
inline constexpr size_t kFloatTextMax = 32;
size_t write_float(double value, char (&to)[kFloatTextMax]);  // the number of characters; no terminator
std::string float_text(double value);

}  // namespace ms
