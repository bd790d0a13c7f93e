// The functions of the language on decimals.
#include "feature/expr_decimal.h"
#include "feature/expr_functions.h"

namespace ms::feature {
namespace {

using Fit = std::optional<Signature>;
using Given = std::span<const Type>;

Fit same_type(Given g) {
  if (g.size() != 1 || g[0] != TypeKind::kDecimal) return std::nullopt;
  return Signature{{g[0]}, g[0]};
}
Fit to_sign(Given g) {
  if (g.size() != 1 || g[0] != TypeKind::kDecimal) return std::nullopt;
  return Signature{{g[0]}, TypeKind::kInt64};
}
Fit to_whole(Given g) {
  if (g.size() != 1 || g[0] != TypeKind::kDecimal) return std::nullopt;
  const int digits = std::min(int{kDecimalDigitsMax}, g[0].precision - g[0].scale + 1);
  return Signature{{g[0]}, Type::decimal(static_cast<uint8_t>(digits), 0)};
}
Fit to_digits(Given g) {
  if (g.size() != 2 || g[0] != TypeKind::kDecimal) return std::nullopt;
  return Signature{{g[0], TypeKind::kInt64}, g[0]};
}

template <class F>
void each(const Call& c, F f) {
  for (size_t r = 0; r < c.rows; ++r)
    if (c.out.own.valid(r)) f(r, c.args[0]->d(r));
}
void absolute(const Call& c) {
  each(c, [&](size_t r, int128 v) { c.out.own.decimals[r] = v < 0 ? -v : v; });
}
void sign(const Call& c) {
  each(c, [&](size_t r, int128 v) { c.out.own.ints[r] = v > 0 ? 1 : v < 0 ? -1 : 0; });
}
template <Whole How>
void whole(const Call& c) {
  each(c, [&](size_t r, int128 v) { c.out.own.decimals[r] = decimal_whole(v, c.args[0]->column->type.scale, How); });
}
void round_to(const Call& c) {
  each(c, [&](size_t r, int128 v) {
    const auto units = decimal_to_digits({v, c.args[0]->column->type}, c.args[1]->i(r));
    if (units) c.out.own.decimals[r] = *units;
    else c.fail(r);
  });
}

}  // namespace

std::vector<ScalarFunction> decimal_functions() {
  return {
      {.name = "abs", .run = absolute, .fit = same_type, .shape = "decimal"},
      {.name = "sign", .run = sign, .fit = to_sign, .shape = "decimal"},
      {.name = "floor", .run = whole<Whole::kFloor>, .fit = to_whole, .shape = "decimal"},
      {.name = "ceil", .run = whole<Whole::kCeil>, .fit = to_whole, .shape = "decimal"},
      {.name = "trunc", .run = whole<Whole::kTrunc>, .fit = to_whole, .shape = "decimal"},
      {.name = "round", .run = whole<Whole::kRound>, .fit = to_whole, .shape = "decimal"},
      {.name = "round", .run = round_to, .fails = "more digits than the decimal has", .fit = to_digits, .shape = "decimal, int64"},
  };
}

}  // namespace ms::feature
