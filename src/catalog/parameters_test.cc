#include "catalog/parameters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "feature/every_cell.h"

namespace ms::catalog {
namespace {

// The ranges of parameters stand here and in feature_spec.cc: what one takes the other takes too.
TEST(Parameters, RangesAreThoseOfTheAggregates) {
  for (const feature::testing::Cell& cell : feature::testing::every_cell()) {
    if (cell.window != feature::WindowKind::kSliding) continue;
    for (const Parameter& p : parameters_of(cell.aggregate)) {
      if (std::holds_alternative<bool feature::AggregateParameters::*>(p.member) || p.name == "bounds") continue;
      const bool whole = std::holds_alternative<int64_t feature::AggregateParameters::*>(p.member);
      const auto takes = [&](double value) {
        feature::FeatureSpec spec = *spec_of(cell);
        const std::string word = fmt::format("{}", value);
        const bool set = set_parameter(spec.parameters, p, {&word, 1}, true).has_value();
        if (!set) {  // what the parser refuses, set by hand
          if (auto member = std::get_if<int64_t feature::AggregateParameters::*>(&p.member)) spec.parameters.*(*member) = static_cast<int64_t>(value);
          else if (auto real = std::get_if<double feature::AggregateParameters::*>(&p.member)) spec.parameters.*(*real) = value;
          else spec.parameters.quantiles = {value};
        }
        EXPECT_EQ(set, result_type(spec).has_value()) << to_string(cell.aggregate) << " " << p.name << " " << value;
        return set;
      };
      for (const double value : {p.least, p.most}) EXPECT_TRUE(takes(value)) << p.name << " " << value;
      for (const double value : {whole ? p.least - 1 : p.least - 0.00001, whole ? p.most + 1 : p.most * 1.001}) EXPECT_FALSE(takes(value)) << p.name << " " << value;
    }
  }
}

}  // namespace
}  // namespace ms::catalog
