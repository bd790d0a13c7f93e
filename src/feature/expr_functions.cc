#include "feature/expr_functions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/sha256.h"
#include "feature/exact_sum.h"

namespace ms::feature {
namespace {

// Equal values have equal bytes: texts as they are, a bool as one byte, all else as eight, lowest first.
int64_t hash_bits(uint64_t bits) {
  char bytes[8];
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(bits >> (8 * i));
  return static_cast<int64_t>(xxh64({bytes, 8}));
}
int64_t hash_of(std::string_view text) { return static_cast<int64_t>(xxh64(text)); }
int64_t hash_of(int64_t value) { return hash_bits(static_cast<uint64_t>(value)); }
int64_t hash_of(Time value) { return hash_of(value.us); }
int64_t hash_of(double value) { return hash_bits(std::isnan(value) ? kQuietNan : value == 0 ? 0 : std::bit_cast<uint64_t>(value)); }
int64_t hash_of(bool value) {
  const char byte = value ? 1 : 0;
  return static_cast<int64_t>(xxh64({&byte, 1}));
}

template <class T>
int64_t hash_value(T value) { return hash_of(value); }

template <class T>
OrNull<int64_t> bucket(T value, int64_t n) {
  if (n < 1) return std::nullopt;
  return static_cast<int64_t>(static_cast<uint64_t>(hash_of(value)) % static_cast<uint64_t>(n));
}

std::string_view sha256(std::string_view text, StringArena& arena) { return arena.add(sha256_hex(text)); }

std::vector<ScalarFunction> everything() {
  std::vector<ScalarFunction> all;
  for (auto* part : {&math_functions, &text_functions, &time_functions, &hash_functions, &decimal_functions, &list_functions})
    for (ScalarFunction& f : part()) all.push_back(std::move(f));
  return all;
}

}  // namespace

std::vector<ScalarFunction> hash_functions() {
  std::vector<ScalarFunction> all = {
      scalar<&hash_value<std::string_view>>("hash"), scalar<&hash_value<int64_t>>("hash"), scalar<&hash_value<double>>("hash"),
      scalar<&hash_value<bool>>("hash"),             scalar<&hash_value<Time>>("hash"),    scalar<&bucket<std::string_view>>("bucket"),
      scalar<&bucket<int64_t>>("bucket"),            scalar<&bucket<double>>("bucket"),    scalar<&bucket<bool>>("bucket"),
      scalar<&bucket<Time>>("bucket"),               scalar<&sha256>("sha256")};
  for (ScalarFunction& f : all) f.exact_types = true;
  return all;
}

std::span<const ScalarFunction> scalar_functions() {
  static const std::vector<ScalarFunction> kAll = everything();
  return kAll;
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> kAll = [] {
    std::vector<std::string> names = {"abs", "floor", "ceil", "trunc", "sign", "least", "greatest", "coalesce", "nullif", "if",
                                      "cast", "try_cast", "try", "extract", "mod"};
    for (const ScalarFunction& f : scalar_functions())
      if (std::find(names.begin(), names.end(), f.name) == names.end()) names.emplace_back(f.name);
    return names;
  }();
  return kAll;
}

std::string_view cure_for_function(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kCures[] = {
      {"ceiling", "ceil"},           {"power", "pow"},           {"log", "ln, log10 or log2"}, {"len", "length"},
      {"char_length", "length"},     {"substring", "substr"},    {"instr", "strpos"},          {"lcase", "lower"},
      {"ucase", "upper"},            {"ifnull", "coalesce"},     {"nvl", "coalesce"},          {"isnull", "'is null'"},
      {"iif", "if"},                 {"iff", "if"},              {"datediff", "date_diff"},    {"dateadd", "date_add"},
      {"date_part", "extract"},      {"dayofweek", "day_of_week"}, {"dow", "day_of_week"},     {"dayofyear", "day_of_year"},
      {"doy", "day_of_year"},        {"xxhash64", "hash"},       {"prefix", "starts_with"},    {"suffix", "ends_with"},
      {"regexp_like", "regexp_matches"}, {"isnan", "is_nan"},    {"truncate", "trunc"},        {"to_timestamp", "from_epoch_s"},
      {"now", "the event time or t; an expression has no clock"}, {"random", "hash; an expression has no randomness"},
      {"cardinality", "length"},     {"array_length", "length"}, {"array_contains", "contains"}, {"list_contains", "contains"},
      {"array_slice", "slice"},      {"list_slice", "slice"},    {"element_at", "m['key']"},   {"list_cosine_similarity", "cosine_similarity"},
      {"list_dot_product", "dot_product"}, {"inner_product", "dot_product"}};
  for (const auto& [theirs, ours] : kCures)
    if (theirs == name) return ours;
  return {};
}

}  // namespace ms::feature
