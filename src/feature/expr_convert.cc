#include "feature/expr_convert.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "base/decimal.h"
#include "codec/packed_value.h"
#include "feature/expr_decimal.h"

namespace ms::feature {
namespace {

std::string text_of(const ExprColumn& from, const Type& type, size_t row) {
  switch (type) {
    case TypeKind::kBool: return from.b(row) != 0 ? "true" : "false";
    case TypeKind::kFloat64: return number_text(from.f(row));
    case TypeKind::kTimestamp: return format_time(from.i(row));
    case TypeKind::kDecimal: return decimal_text(from.d(row), type.scale);
    default: return fmt::format("{}", from.i(row));
  }
}

bool put(Column& to, size_t row, std::optional<int64_t> value) {
  if (value) to.ints[row] = *value;
  return value.has_value();
}

bool put(Column& to, size_t row, std::optional<int128> units) {
  if (units) to.decimals[row] = *units;
  return units.has_value();
}

bool of_text(std::string_view text, size_t row, Column& to, const Type& type) {
  switch (type) {
    case TypeKind::kInt64: return put(to, row, int_of_text(text));
    case TypeKind::kFloat64: {
      const auto value = float_of_text(text);
      if (value) to.floats[row] = *value;
      return value.has_value();
    }
    case TypeKind::kDecimal: return put(to, row, decimal_of_text(text, type.precision, type.scale));
    case TypeKind::kBool:
      to.bools[row] = text == "true" ? 1 : 0;
      return text == "true" || text == "false";
    default: {
      const auto us = parse_time(text);
      return put(to, row, us ? std::optional(*us) : std::nullopt);
    }
  }
}

bool to_decimal(const ExprColumn& from, const Type& from_type, size_t row, Column& to, const Type& to_type) {
  if (from_type == TypeKind::kFloat64) return put(to, row, decimal_of_float(from.f(row), to_type));
  const bool whole = from_type == TypeKind::kInt64;
  return put(to, row, decimal_to({whole ? int128{from.i(row)} : from.d(row), whole ? Type::decimal(19, 0) : from_type}, to_type));
}

bool of_decimal(int128 units, int scale, size_t row, Column& to, const Type& type) {
  if (type == TypeKind::kFloat64) return to.floats[row] = float_of_decimal(units, scale), true;
  const int128 whole = decimal_whole(units, scale, Whole::kTrunc);
  if (whole < INT64_MIN || whole > INT64_MAX) return false;
  to.ints[row] = static_cast<int64_t>(whole);
  return true;
}

// list<float64> to a vector of as many numbers, none null; a vector to a list.
bool list_to_vector(std::string_view bytes, size_t row, Column& to, uint32_t size, StringArena& arena) {
  const PackedList list(TypeKind::kFloat64, bytes);
  if (list.size() != size) return false;
  char* const out = arena.allocate(size_t{8} * size);
  for (size_t i = 0; i < size; ++i) {
    const PackedElement e = list.at(i);
    if (e.is_null) return false;
    std::memcpy(out + 8 * i, &e.f, 8);
  }
  to.strings[row] = {out, size_t{8} * size};
  return true;
}
bool vector_to_list(std::string_view bytes, size_t row, Column& to, StringArena& arena) {
  PackedListWriter list(TypeKind::kFloat64);
  for (size_t i = 0; i < bytes.size() / 8; ++i) {
    PackedElement e;
    e.is_null = false, e.f = packed_vector_at(bytes, i);
    list.add(e);
  }
  std::string packed;
  list.write(packed);
  to.strings[row] = arena.add(packed);
  return true;
}

}  // namespace

bool castable(const Type& from, const Type& to) {
  using enum TypeKind;
  if (!is_scalar(from) || !is_scalar(to)) {
    const bool numbers = (from == kVector || from.element == kFloat64) && (to == kVector || to.element == kFloat64);
    return from == to || (numbers && ((from == kList && to == kVector) || (from == kVector && to == kList)));
  }
  if (from.kind == to.kind || from == kString || to == kString) return true;
  if (from == kBool) return to == kInt64 || to == kFloat64;
  if (from == kInt64) return true;
  if (from == kFloat64) return to == kInt64 || to == kDecimal;
  if (from == kDecimal) return to == kInt64 || to == kFloat64;
  return from == kTimestamp && to == kInt64;
}

bool convert(const ExprColumn& from, const Type& from_type, size_t row, Column& to, const Type& to_type, StringArena& arena) {
  using enum TypeKind;
  if (from_type == kList) return list_to_vector(from.s(row), row, to, to_type.size, arena);
  if (from_type == kVector) return vector_to_list(from.s(row), row, to, arena);
  if (to_type == kString) return to.strings[row] = arena.add(text_of(from, from_type, row)), true;
  if (from_type == kString) return of_text(from.s(row), row, to, to_type);
  if (to_type == kDecimal) return to_decimal(from, from_type, row, to, to_type);
  if (from_type == kDecimal) return of_decimal(from.d(row), from_type.scale, row, to, to_type);
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
