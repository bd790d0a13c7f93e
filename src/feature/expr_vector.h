// Sums of products of float64, rounded once from the exact value. NaN and infinities as IEEE 754 would have them; a finite result
// beyond float64 is an infinity.
#pragma once

#include <optional>
#include <span>

namespace ms::feature {

double rounded_dot(std::span<const double> a, std::span<const double> b);  // of equal size
double rounded_norm(std::span<const double> a);                            // the square root of the sum of squares
// nullopt: one of them is zero.
std::optional<double> rounded_cosine(std::span<const double> a, std::span<const double> b);

}  // namespace ms::feature
