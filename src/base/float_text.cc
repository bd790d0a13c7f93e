#include "base/float_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace ms {
namespace {

size_t write_name(std::string_view name, char* to) { return name.copy(to, kFloatTextMax); }

}  // namespace

size_t write_float(double value, char (&to)[kFloatTextMax]) {
  if (std::isnan(value)) return write_name("NaN", to);
  if (std::isinf(value)) return write_name(value > 0 ? "Infinity" : "-Infinity", to);
  char* end = std::to_chars(to, to + kFloatTextMax, value).ptr;
  const bool whole = std::all_of(to, end, [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
  if (whole) *end++ = '.', *end++ = '0';
  return static_cast<size_t>(end - to);
}

std::string float_text(double value) {
  char text[kFloatTextMax];
  return {text, write_float(value, text)};
}

}  // namespace ms
