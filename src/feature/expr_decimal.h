// Decimals of the language: exact, or the row fails. docs/expressions.md states the types of results.
#pragma once

#include <optional>

#include "codec/column_batch.h"

namespace ms::feature {

using Wide = _BitInt(256);  // holds any product of two decimals, and any of their sums after alignment

// The types of results. nullopt: they would need more than 38 decimals (products), or digits (a common type).
Type decimal_sum_type(const Type& a, const Type& b);
std::optional<Type> decimal_product_type(const Type& a, const Type& b);
Type decimal_remainder_type(const Type& a, const Type& b);
std::optional<Type> decimal_common_type(const Type& a, const Type& b);

// One decimal with its type.
struct Decimal {
  int128 units = 0;
  Type type;
};
// In units of `out`; nullopt: more digits than `out` has.
std::optional<int128> decimal_sum(const Decimal& a, const Decimal& b, bool subtract, const Type& out);
std::optional<int128> decimal_product(const Decimal& a, const Decimal& b, const Type& out);
std::optional<int128> decimal_remainder(const Decimal& a, const Decimal& b, const Type& out);  // b is not zero; the sign of a
double decimal_quotient(const Decimal& a, const Decimal& b);                                   // b is not zero; the nearest float64

// Another scale, half away from zero.
std::optional<int128> decimal_to(const Decimal& a, const Type& out);
std::optional<int128> decimal_of_float(double value, const Type& out);  // the exact value, half away from zero
double float_of_decimal(int128 units, int scale);                       // the nearest
// Rounded to `digits` decimals, in the same type.
std::optional<int128> decimal_to_digits(const Decimal& a, int64_t digits);
// The whole number below, above, towards zero, or nearest (half away from zero).
enum class Whole : uint8_t { kFloor, kCeil, kTrunc, kRound };
int128 decimal_whole(int128 units, int scale, Whole how);

std::optional<int128> narrowed(const Wide& value, int precision);
double rounded_ratio(const Wide& above, const Wide& below);  // the float64 nearest to the quotient; below > 0

}  // namespace ms::feature
