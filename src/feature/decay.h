// Weights of decaying windows: powers of two with any exponent, correctly rounded (MPFR), so the same bits everywhere.
#pragma once

#include <cstdint>

#include "base/int128.h"
#include "codec/column_batch.h"
#include "feature/exact_sum.h"

namespace ms::feature {

// 2^(since / half_life) in units of 2^-64, rounded to nearest (ties cannot be): 2^64 .. 2^65. 0 <= since < half_life, microseconds.
uint128 decay_weight(int64_t since_us, int64_t half_life_us);

// 2^(-age / half_life) = mantissa * 2^exponent with 64 significant bits. 0 <= age <= 66 half-lives.
struct DecayFactor {
  uint64_t mantissa = 0;  // its top bit is set
  int exponent = 0;       // -63 .. -129
};
DecayFactor decay_factor(int64_t age_us, int64_t half_life_us);

// Units of the exact sums: of weights in tiles, and of weights times factors.
inline constexpr int kDecayUnit = ExactSum::kUnit - 64;
inline constexpr int kDecayStepUnit = kDecayUnit - 130;

// Adds value * weight of a row (a weight alone without a value) to a sum of kDecayUnit.
void add_weight(ExactSum& sum, uint128 weight);
void add_weighted(ExactSum& sum, uint128 weight, const Type& type, const uint64_t* value);
// Adds partial (kDecayUnit) * factor to a sum of kDecayStepUnit.
void add_decayed(ExactSum& sum, const ExactSum& partial, const DecayFactor& factor);

}  // namespace ms::feature
