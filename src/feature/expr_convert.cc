#include "feature/expr_convert.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace ms::feature {
namespace {

std::string text_of(const ExprColumn& from, TypeKind type, size_t row) {
  switch (type) {
    case TypeKind::kBool: return from.b(row) != 0 ? "true" : "false";
    case TypeKind::kFloat64: return number_text(from.f(row));
    case TypeKind::kTimestamp: return format_time(from.i(row));
    default: return fmt::format("{}", from.i(row));
  }
}

bool put(Column& to, size_t row, std::optional<int64_t> value) {
  if (value) to.ints[row] = *value;
  return value.has_value();
}

bool of_text(std::string_view text, size_t row, Column& to, TypeKind type) {
  switch (type) {
    case TypeKind::kInt64: return put(to, row, int_of_text(text));
    case TypeKind::kFloat64: {
      const auto value = float_of_text(text);
      if (value) to.floats[row] = *value;
      return value.has_value();
    }
    case TypeKind::kBool:
      to.bools[row] = text == "true" ? 1 : 0;
      return text == "true" || text == "false";
    default: {
      const auto us = parse_time(text);
      return put(to, row, us ? std::optional(*us) : std::nullopt);
    }
  }
}

}  // namespace

bool castable(TypeKind from, TypeKind to) {
  using enum TypeKind;
  if (from == to || from == kString || to == kString) return true;
  if (from == kBool) return to == kInt64 || to == kFloat64;
  if (from == kInt64) return to != kString;
  if (from == kFloat64) return to == kInt64;
  return from == kTimestamp && to == kInt64;
}

bool convert(const ExprColumn& from, TypeKind from_type, size_t row, Column& to, TypeKind to_type, StringArena& arena) {
  using enum TypeKind;
  if (to_type == kString) return to.strings[row] = arena.add(text_of(from, from_type, row)), true;
  if (from_type == kString) return of_text(from.s(row), row, to, to_type);
  if (to_type == kFloat64) return to.floats[row] = from_type == kBool ? from.b(row) : static_cast<double>(from.i(row)), true;
  if (to_type == kBool) return to.bools[row] = from.i(row) != 0 ? 1 : 0, true;
  if (from_type == kFloat64) return put(to, row, int_of_float(from.f(row)));
  to.ints[row] = from_type == kBool ? from.b(row) : from.i(row);
  return true;
}

std::optional<int64_t> int_of_text(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> float_of_text(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || !((digits[0] >= '0' && digits[0] <= '9') || digits[0] == '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> int_of_float(double value) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return std::nullopt;
  return static_cast<int64_t>(value);
}

}  // namespace ms::feature
