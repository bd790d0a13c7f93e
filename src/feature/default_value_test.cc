#include "feature/default_value.h"

#include <gtest/gtest.h>

namespace ms::feature {
namespace {

const Type kPrice = Type::decimal(12, 2), kTags = Type::list(TypeKind::kString), kPlace = Type::vector(2), kCounts = Type::map(TypeKind::kInt64);

std::string refusal(const Type& wanted, const ScalarValue& written, const std::string& json = "") {
  const auto value = default_of(wanted, written, json);
  return value ? "fine" : value.error().message;
}
std::string identity(const Type& wanted, const ScalarValue& written, const std::string& json = "") {
  return canonical_default(wanted, default_of(wanted, written, json).value());
}

TEST(DefaultValue, OfEveryTypeHasOneIdentityHoweverItIsWritten) {
  EXPECT_EQ(identity(TypeKind::kInt64, std::monostate{}), "null");
  EXPECT_EQ(identity(TypeKind::kFloat64, int64_t{2}), identity(TypeKind::kFloat64, 2.0));
  for (const ScalarValue& v : {ScalarValue(1.5), ScalarValue(std::string("1.5")), ScalarValue(std::string("15e-1"))})
    EXPECT_EQ(identity(kPrice, v), "\"1.50\"");
  EXPECT_EQ(identity(kPrice, int64_t{-7}), "\"-7.00\"");
  EXPECT_EQ(identity(Type::decimal(38, 20), 0.1, "0.10000000000000000001"), "\"0.10000000000000000001\"");
  EXPECT_EQ(identity(kTags, {}, R"(["a", null])"), R"(["a",null])");
  EXPECT_EQ(identity(kPlace, {}, "[1, -2e1]"), "[1.0,-20.0]");
  EXPECT_EQ(identity(kCounts, {}, R"({"b": 1, "a": null})"), R"({"a":null,"b":1})");
  EXPECT_EQ(identity(Type::list(TypeKind::kTimestamp), {}, R"(["2026-01-01T00:00:00Z"])"), R"(["2026-01-01T00:00:00.000000Z"])");
}

TEST(DefaultValue, ThatDoesNotFitIsRefused) {
  EXPECT_EQ(refusal(kPrice, 1.255), "1.255, which has more than 2 digits behind the point (decimal(12,2))");
  EXPECT_EQ(refusal(kPrice, 0.1, "0.10000000000000000001"), "0.10000000000000000001, which has more than 2 digits behind the point (decimal(12,2))");
  EXPECT_EQ(refusal(kPrice, std::string("12345678901")), "12345678901, which has more than 10 digits before the point (decimal(12,2))");
  EXPECT_EQ(refusal(kPrice, std::string("much")), "a string that is no number");
  EXPECT_EQ(refusal(kPrice, true), "bool");
  EXPECT_EQ(refusal(kPrice, {}, "[1]"), "a list");
  EXPECT_EQ(refusal(TypeKind::kString, {}, "{}"), "a map");
  EXPECT_EQ(refusal(kTags, std::string("[]")), "a string");
  EXPECT_EQ(refusal(kTags, {}, "{}"), "{}: json: field 'default' is an object, not list<string>");
  EXPECT_EQ(refusal(kTags, {}, "[1]"), "[1]: json: field 'default[0]' is a number, not string");
  EXPECT_EQ(refusal(kPlace, {}, "[1]"), "[1]: json: field 'default' has 1 numbers, not vector<float64,2>");
  EXPECT_EQ(refusal(kCounts, {}, R"({"a": 1.5})"), R"({"a": 1.5}: json: field 'default.a' is 1.5, which is not a whole number (int64))");
}

}  // namespace
}  // namespace ms::feature
