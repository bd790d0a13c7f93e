// Real functions of float64, correctly rounded: the float64 nearest to the exact value, ties to even, the same bits on every
// machine. nullopt: no such value (ln(0), sqrt(-1), sin(infinity)). NaN in, NaN out, but for pow as IEEE 754 has it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ms::feature {

// The float64 nearest to every number that is `units` units of y's last bit or less from it; nullopt: there is none, or it is
// tiny or infinite. What this gives does not depend on how y was computed, only on how near it is.
std::optional<double> if_surely_rounded(long double y, uint64_t units = 16);

double rounded_exp(double x);
std::optional<double> rounded_ln(double x);
std::optional<double> rounded_log10(double x);
std::optional<double> rounded_log2(double x);
std::optional<double> rounded_pow(double x, double y);
std::optional<double> rounded_sqrt(double x);
double rounded_cbrt(double x);
std::optional<double> rounded_sin(double x);
std::optional<double> rounded_cos(double x);
std::optional<double> rounded_tan(double x);
std::optional<double> rounded_asin(double x);
std::optional<double> rounded_acos(double x);
double rounded_atan(double x);
double rounded_atan2(double y, double x);
double rounded_radians(double degrees);
double rounded_degrees(double radians);

// `x` to `digits` decimal places (negative: tens, hundreds, ...): the exact value of x, half away from zero, to the nearest
// float64. Beyond float64: infinity.
double rounded_to_digits(double x, int64_t digits);
// nullopt: int64 overflow.
std::optional<int64_t> rounded_to_digits(int64_t x, int64_t digits);

// The whole number nearest to x * 10^digits, half up, in decimal digits; x finite and not negative.
std::string nearest_scaled(double x, int digits);
// above / below as 256-bit whole numbers, lowest words first; below is not zero.
double rounded_quotient(std::span<const uint64_t, 4> above, std::span<const uint64_t, 4> below);

// Metres along the great circle of a sphere with radius 6,371,008.8 m, from degrees. nullopt: not finite, a latitude beyond
// 90, a longitude beyond 360.
std::optional<double> rounded_haversine(double latitude1, double longitude1, double latitude2, double longitude2);

}  // namespace ms::feature
