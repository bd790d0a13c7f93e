#include "catalog/type_names.h"

#include <gtest/gtest.h>

namespace ms::catalog {
namespace {

TEST(TypeNames, DoubleIsFloat64) {
  EXPECT_TRUE(field_type("double") == Type(TypeKind::kFloat64));
  EXPECT_TRUE(field_type("map<string, double>") == Type::map(TypeKind::kFloat64));
  EXPECT_TRUE(field_type("vector<double,8>") == Type::vector(8));
  EXPECT_TRUE(field_type("decimal(12, 2)") == Type::decimal(12, 2));
  EXPECT_FALSE(field_type("doubledouble"));
}

TEST(TypeNames, MistakesGetTheNearest) {
  const std::pair<const char*, const char*> cases[] = {
      {"strin", "there is no type 'strin'; did you mean 'string'?"},
      {"lst<string>", "there is no type 'lst<string>'; did you mean 'list<string>'?"},
      {"decimal", "there is no type 'decimal'; it is written decimal(P,S) with 1 to 38 digits P, S of them behind the point"},
      {"decimal(39,2)", "there is no type 'decimal(39,2)'; it is written decimal(P,S) with 1 to 38 digits P, S of them behind the point"},
      {"decimal(12", "there is no type 'decimal(12'; write types with a comma in quotes: \"decimal(12,2)\""},
      {"decimel", "there is no type 'decimel'; did you mean decimal(P,S) with 1 to 38 digits P, S of them behind the point?"},
      {"list<list<string>>",
       "there is no type 'list<list<string>>'; it is written list<T> with T one of bool, int64, float64, string, timestamp, decimal(P,S)"},
      {"vector<float64,0>", "there is no type 'vector<float64,0>'; it is written vector<float64,N> with 1 to 4096 numbers"},
      {"map<int64,string>",
       "there is no type 'map<int64,string>'; it is written map<string,T> with T one of bool, int64, float64, string, timestamp, "
       "decimal(P,S)"},
      {"uuid",
       "there is no type 'uuid'; the types are bool, int64, float64, string, timestamp, decimal(P,S), list<T>, vector<float64,N> and "
       "map<string,T>"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(no_such_type(text), want);
}

}  // namespace
}  // namespace ms::catalog
