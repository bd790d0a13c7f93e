// Whole numbers out of digits, eight at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ms {

// The value of the `count` <= 8 digits at `at`; false when something else is among them. Eight bytes must be readable there:
// so much arithmetic is cheaper than a loop whose end cannot be foreseen.
// Source: the digits of a word added up in pairs, fours and eights, as D. Lemire, "Number parsing at a gigabyte per second".
inline bool eight_digits(const char* at, size_t count, uint64_t& out) {
  constexpr uint64_t kZeros = 0x3030303030303030, kHighHalves = 0xF0F0F0F0F0F0F0F0, kPairs = 0x000000FF000000FF;
  uint64_t v;
  std::memcpy(&v, at, 8);
  if (const size_t missing = 64 - 8 * count; missing != 0) v = v << missing | kZeros >> (64 - missing);  // zeros in front
  if (((v & kHighHalves) | (v + 0x0606060606060606 & kHighHalves) >> 4) != 0x3333333333333333) return false;
  v -= kZeros;
  v = v * 10 + (v >> 8);
  out = ((v & kPairs) * 0x000F424000000064 + (v >> 16 & kPairs) * 0x0000271000000001) >> 32;
  return true;
}

// A JSON number without fraction and exponent, of at most 16 digits; not empty, eight bytes behind it must be readable. False: it is
// none, or a longer one.
inline bool json_integer(std::string_view token, int64_t& out) {
  const bool negative = token[0] == '-';
  const std::string_view digits = token.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > 16 || (digits[0] == '0' && digits.size() > 1)) return false;
  const size_t low_count = std::min<size_t>(digits.size(), 8), high_count = digits.size() - low_count;
  uint64_t low = 0, high = 0;
  if (!eight_digits(digits.data() + high_count, low_count, low)) return false;
  if (high_count != 0 && !eight_digits(digits.data(), high_count, high)) return false;
  const auto value = static_cast<int64_t>(high * 100'000'000 + low);
  out = negative ? -value : value;
  return true;
}

}  // namespace ms
