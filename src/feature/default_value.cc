#include "feature/default_value.h"

#include <fmt/format.h>

#include <cstring>

#include "base/decimal.h"
#include "codec/decimal_text.h"
#include "codec/json_nested.h"
#include "codec/value_text.h"
#include "feature/expr.h"
#include "feature/value.h"

namespace ms::feature {
namespace {

// `json`: the digits of a number that a float64 may not hold.
Result<std::string> decimal_digits(const ScalarValue& written, const std::string& json) {
  if (!json.empty()) return json;
  if (const auto* text = std::get_if<std::string>(&written)) return *text;
  if (const auto* i = std::get_if<int64_t>(&written)) return std::to_string(*i);
  if (const auto* f = std::get_if<double>(&written)) return fmt::format("{:.{}g}", *f, kDefaultDigitsExact);
  return invalid("bool");
}

Result<ScalarValue> decimal_default(const Type& wanted, const ScalarValue& written, const std::string& json) {
  TRY_ASSIGN(const std::string digits, decimal_digits(written, json));
  int128 units = 0;
  const DecimalFault fault = parse_decimal(digits, wanted, units);
  if (fault == DecimalFault::kNotANumber) return invalid("a string that is no number");
  if (fault != DecimalFault::kNone) return invalid(fmt::format("{}, {}", digits, fault_text(fault, wanted)));
  std::string bytes(sizeof units, '\0');
  std::memcpy(bytes.data(), &units, sizeof units);
  return bytes;
}

Result<ScalarValue> nested_default(const Type& wanted, const std::string& json) {
  JsonNested decoder;
  const auto packed = decoder.decode({.path = "default", .type = wanted, .time = JsonTime::kRfc3339}, json);
  if (!packed) return invalid(fmt::format("{}: {}", json, decoder.reason()));
  return std::string(*packed);
}

bool is_nested(const Type& type) { return type == TypeKind::kList || type == TypeKind::kVector || type == TypeKind::kMap; }

}  // namespace

Result<ScalarValue> default_of(const Type& wanted, const ScalarValue& written, const std::string& json) {
  if (std::holds_alternative<std::monostate>(written) && json.empty()) return written;
  const bool is_list = json.starts_with('['), is_map = json.starts_with('{');
  if (is_nested(wanted) && (is_list || is_map)) return nested_default(wanted, json);
  if (is_list || is_map) return invalid(is_list ? "a list" : "a map");
  if (wanted == TypeKind::kDecimal) return decimal_default(wanted, written, json);
  if (std::holds_alternative<bool>(written) && wanted != TypeKind::kBool) return invalid("bool");
  if (std::holds_alternative<double>(written) && wanted != TypeKind::kFloat64) return invalid("float64");
  if (const auto* text = std::get_if<std::string>(&written); text && wanted != TypeKind::kString) {
    const auto us = parse_time(*text);
    if (wanted != TypeKind::kTimestamp || !us) return invalid("a string");
    return *us;
  }
  if (const auto* i = std::get_if<int64_t>(&written)) {
    if (wanted == TypeKind::kFloat64) return static_cast<double>(*i);
    if (wanted != TypeKind::kInt64) return invalid("int64");
  }
  return written;
}

std::string canonical_default(const Type& type, const ScalarValue& v) {
  if (const auto* b = std::get_if<bool>(&v)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<int64_t>(&v)) return fmt::format("\"{}\"", *i);
  if (const auto* d = std::get_if<double>(&v)) return "\"" + number_text(*d) + "\"";
  const auto* s = std::get_if<std::string>(&v);
  if (s == nullptr) return "null";
  if (type == TypeKind::kDecimal) return "\"" + decimal_text(answer_decimal(*s), type.scale) + "\"";
  return is_nested(type) ? nested_text(type, *s) : canonical_string(*s);
}

}  // namespace ms::feature
