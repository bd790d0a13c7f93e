// Casts: one value to another type. What cannot be one fails.
#pragma once

#include "feature/expr_eval.h"

namespace ms::feature {

bool castable(const Type& from, const Type& to);  // whether cast exists between the two
// Puts the value of row `row` into `to`, a column of the new type; false: it cannot be cast.
bool convert(const ExprColumn& from, const Type& from_type, size_t row, Column& to, const Type& to_type, StringArena& arena);

std::optional<int64_t> int_of_text(std::string_view text);     // the whole text is a decimal integer
std::optional<double> float_of_text(std::string_view text);    // also NaN, Infinity, -Infinity
std::optional<int64_t> int_of_float(double value);             // truncates towards zero; nullopt for NaN and out of range

}  // namespace ms::feature
