#include "catalog/type_names.h"

#include <fmt/format.h>

#include "base/nearest.h"

namespace ms::catalog {
namespace {

constexpr std::string_view kDouble = "double", kFloat64 = "float64";
const std::string kNames[] = {"bool", "int64", "float64", "double", "string", "timestamp", "decimal", "list", "vector", "map"};

// How a type with parameters is written; empty: it has none.
std::string form_of(std::string_view name) {
  if (name == "decimal") return fmt::format("decimal(P,S) with 1 to {} digits P, S of them behind the point", kDecimalDigitsMax);
  if (name == "list") return "list<T> with T one of bool, int64, float64, string, timestamp, decimal(P,S)";
  if (name == "vector") return fmt::format("vector<float64,N> with 1 to {} numbers", kVectorSizeMax);
  if (name == "map") return "map<string,T> with T one of bool, int64, float64, string, timestamp, decimal(P,S)";
  return {};
}

}  // namespace

std::optional<Type> field_type(std::string text) {
  for (size_t at = text.find(kDouble); at != std::string::npos; at = text.find(kDouble, at)) text.replace(at, kDouble.size(), kFloat64);
  return parse_type(text);
}

std::string no_such_type(const std::string& text) {
  const size_t end = text.find_first_of("(<");
  const std::string name = text.substr(0, end), rest = end == std::string::npos ? "" : text.substr(end);
  std::string out = fmt::format("there is no type '{}'", text);
  // In {...} a comma without quotes ends the value.
  if (!rest.empty() && rest.find_first_of(")>") == std::string::npos)
    return out + "; write types with a comma in quotes: \"decimal(12,2)\"";
  if (const std::string form = form_of(name); !form.empty()) return out + "; it is written " + form;
  if (const std::string near = nearest(name, kNames); !near.empty()) {
    const std::string better = near + rest, form = form_of(near);
    if (form.empty() ? rest.empty() : field_type(better).has_value()) return out + fmt::format("; did you mean '{}'?", better);
    if (!form.empty()) return out + fmt::format("; did you mean {}?", form);
  }
  return out + "; the types are bool, int64, float64, string, timestamp, decimal(P,S), list<T>, vector<float64,N> and map<string,T>";
}

}  // namespace ms::catalog
