// From exact integers to float64 with one rounding (to nearest, ties to even), and nothing else that rounds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/int128.h"

namespace ms::feature {

// A sum of squares of int64: up to 2^64 rows of 2^126 each fit.
struct Uint192 {
  uint64_t words[3] = {0, 0, 0};

  void add(uint128 v) { add_words(static_cast<uint64_t>(v), static_cast<uint64_t>(v >> 64), 0); }
  void add(const Uint192& o) { add_words(o.words[0], o.words[1], o.words[2]); }
  void subtract(uint128 v) { subtract_words(static_cast<uint64_t>(v), static_cast<uint64_t>(v >> 64), 0); }
  void subtract(const Uint192& o) { subtract_words(o.words[0], o.words[1], o.words[2]); }

 private:
  void add_words(uint64_t a, uint64_t b, uint64_t c) {
    uint128 s = static_cast<uint128>(words[0]) + a;
    words[0] = static_cast<uint64_t>(s);
    s = static_cast<uint128>(words[1]) + b + static_cast<uint64_t>(s >> 64);
    words[1] = static_cast<uint64_t>(s);
    words[2] += c + static_cast<uint64_t>(s >> 64);
  }
  void subtract_words(uint64_t a, uint64_t b, uint64_t c) {
    uint128 d = static_cast<uint128>(words[0]) - a;
    words[0] = static_cast<uint64_t>(d);
    d = static_cast<uint128>(words[1]) - b - (static_cast<uint64_t>(d >> 64) & 1);
    words[1] = static_cast<uint64_t>(d);
    words[2] -= c + (static_cast<uint64_t>(d >> 64) & 1);
  }
};

// All functions below give nullopt when the exact finite result rounds beyond the largest float64.
// |value| = limbs * 2^exponent, limbs little-endian without sign; `sticky`: a little more than that, by less than one unit.
std::optional<double> round_limbs(std::span<const uint64_t> limbs, bool negative, int exponent, bool sticky = false);
// limbs * 2^exponent / divisor; divisor > 0.
std::optional<double> round_quotient(std::span<const uint64_t> limbs, bool negative, int exponent, uint64_t divisor);
// The sample standard deviation of n >= 2 values from their exact sum |sum| * 2^exponent and sum of squares
// squares * 2^(2 exponent): the float64 nearest to the square root of the exact rational variance.
std::optional<double> round_stddev(uint64_t n, std::span<const uint64_t> sum_magnitude, std::span<const uint64_t> squares, int exponent);

// The same for integers, with short ways that give the same bits.
double average_of(int128 sum, uint64_t n);
double stddev_of(uint64_t n, int128 sum, const Uint192& squares);

}  // namespace ms::feature
