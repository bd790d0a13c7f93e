// One answer before defaults and expiry.
#pragma once

#include <bit>
#include <string_view>

#include "feature/exact_sum.h"
#include "feature/moments.h"
#include "feature/value.h"
#include "feature/value_words.h"

namespace ms::feature {

struct Answer {
  enum class Kind : uint8_t { kValue, kNull, kOverflow };
  uint64_t bits = 0;
  Kind kind = Kind::kNull;
  std::string_view text;  // of answer_is_bytes() types, in the arena of the answers
};
constexpr Answer kNothing{};
constexpr Answer kTooLarge{0, Answer::Kind::kOverflow, {}};

inline Answer integer(uint64_t v) { return {v, Answer::Kind::kValue, {}}; }
inline Answer real(double v) { return {std::bit_cast<uint64_t>(v), Answer::Kind::kValue, {}}; }
inline Answer real(const Rounded& r) { return r.overflow ? kTooLarge : real(r.value); }
inline Answer statistic(const Statistic& s) { return s.undefined ? kNothing : real(s.value); }
inline Answer bytes(std::string_view text, StringArena& arena) { return {0, Answer::Kind::kValue, arena.add(text)}; }
inline Answer decimal(int128 units, StringArena& arena) { return bytes({reinterpret_cast<const char*>(&units), sizeof units}, arena); }

inline Answer value_answer(const Type& type, const uint64_t* words, StringArena& arena) {
  if (is_bytes(type)) return bytes(bytes_at(words), arena);
  return type == TypeKind::kDecimal ? decimal(decimal_at(words), arena) : integer(*words);
}

}  // namespace ms::feature
