// The parameters of aggregates, as definitions and the catalog's document write them: cap, n, k, distinct, precision, q, error, bounds.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "feature/definition.h"

namespace ms::catalog {

struct Parameter {
  std::string_view name;
  std::variant<bool feature::AggregateParameters::*, int64_t feature::AggregateParameters::*, double feature::AggregateParameters::*,
               std::vector<double> feature::AggregateParameters::*> member;
  double least = 0, most = 0;  // of a number, and of each in a list without order
  bool required = false;
};

// What an aggregate takes beside arguments, windows, filter, default and ttl.
std::span<const Parameter> parameters_of(feature::AggregateKind aggregate);
// The aggregates that take a parameter of that name, in words: "top_k, count_by and sum_by"; empty: none.
std::string takers_of(std::string_view parameter);

// Sets it from words as YAML has them; `one`: a single one that is not in a list. Errors: InvalidArgument.
Result<> set_parameter(feature::AggregateParameters& out, const Parameter& parameter, std::span<const std::string> words, bool one);

}  // namespace ms::catalog
