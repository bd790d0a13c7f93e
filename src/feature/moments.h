// Sums of powers and products of numbers of any type, exact, and what statistics make of them with one rounding.
#pragma once

#include <cstdint>

#include "codec/column_batch.h"
#include "feature/exact_sum.h"

namespace ms::feature {

// Adds x^power * y^by_power (at most the fourth degree) to a sum of unit 2^(kUnit * (power + by_power)). Decimals count as integers of
// their units. A NaN or an infinity in a product makes it NaN; in x alone (power 1) it is what it is.
void add_product(ExactSum& sum, const Type& x_type, const uint64_t* x, unsigned power, const Type& y_type, const uint64_t* y, unsigned by_power);

// What finalize() makes of it. `undefined`: null (too few values, or no spread).
struct Statistic {
  Rounded value;
  bool undefined = false;
};


// Sample statistics of n values (n - 1 in the denominator); NaN when any value is not finite.
Statistic variance_of(uint64_t n, const ExactSum& x, const ExactSum& xx, int scale);
Statistic deviation_of(uint64_t n, const ExactSum& x, const ExactSum& xx, int scale);
// The adjusted Fisher-Pearson coefficient G1 = n / ((n - 1)(n - 2)) * sum((x - mean)^3) / s^3; n >= 3.
Statistic skew_of(uint64_t n, const ExactSum& x, const ExactSum& xx, const ExactSum& xxx);
// The sample excess kurtosis G2 = n(n + 1) / ((n - 1)(n - 2)(n - 3)) * sum((x - mean)^4) / s^4 - 3(n - 1)^2 / ((n - 2)(n - 3)); n >= 4.
Statistic kurtosis_of(uint64_t n, const ExactSum& x, const ExactSum& xx, const ExactSum& xxx, const ExactSum& xxxx);
Statistic covariance_of(uint64_t n, const ExactSum& x, const ExactSum& y, const ExactSum& xy, int scales);
Statistic correlation_of(uint64_t n, const ExactSum& x, const ExactSum& y, const ExactSum& xy, const ExactSum& yy, const ExactSum& xx);
// The slope of the line of least squares through (y, x): how much x changes with y.
Statistic slope_of(uint64_t n, const ExactSum& x, const ExactSum& y, const ExactSum& xy, const ExactSum& yy, int x_scale, int y_scale);
// x / y of two sums with one unit; undefined when the exact y is zero; otherwise NaN and infinities as IEEE 754 divides them.
Statistic quotient_of(const ExactSum& x, const ExactSum& y, int x_scale, int y_scale);
// sum / (n * 10^scale) and sum / 10^scale of a sum whose unit is 2^unit.
Rounded mean_of(const ExactSum& sum, uint64_t n, int scale, int unit = ExactSum::kUnit);
// An exact sum of integers (unit kUnit) as an integer; false: it is not between -10^38 and 10^38.
bool integer_of(const ExactSum& sum, int128& out);

// The least integer v with v * 10^-scale >= bound, cut to the ends of int128: how whole numbers are told which bin they are in.
int128 least_at_or_above(double bound, int scale);

}  // namespace ms::feature
