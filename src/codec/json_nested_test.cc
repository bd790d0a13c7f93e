// Decimals, lists, vectors and maps in JSON events, decoded from a copy and in place.
#include "codec/json_nested.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codec/packed_value.h"
#include "codec/value_text.h"

namespace ms {
namespace {

std::string decoded(const JsonField& field, const std::string& record) {
  const auto decoder = JsonDecoder::make({field});
  const std::string padded = record + std::string(64, '"');
  std::string out[2];
  for (const bool in_place : {false, true}) {
    ColumnBatch batch;
    decoder->start(batch, 1);
    const auto reason = decoder->decode(std::string_view(padded).substr(0, record.size()), in_place ? 64 : 0, batch, 0);
    const Column& c = batch.columns[0];
    if (reason) out[in_place] = *reason;
    else if (!c.valid(0)) out[in_place] = "-";
    else if (c.type == TypeKind::kDecimal) out[in_place] = decimal_text(c.decimals[0], c.type.scale);
    else out[in_place] = valid_packed(c.type, c.strings[0]) ? nested_text(c.type, c.strings[0]) : "not valid";
  }
  EXPECT_EQ(out[0], out[1]) << record;
  return out[0];
}

TEST(JsonNested, Decimals) {
  const JsonField field{.path = "d", .type = Type::decimal(12, 2)};
  const std::pair<const char*, const char*> cases[] = {
      {R"({"d":12.5})", "12.50"},
      {R"({"d": -0.05 })", "-0.05"},
      {R"({"d":"9999999999.99"})", "9999999999.99"},
      {R"({"d":"\u0031.5"})", "1.50"},
      {R"({"d":1e2})", "100.00"},
      {R"({"d":null})", "-"},
      {R"({"d":0.30000000000000000000000000000000000000000000000000000})", "0.30"},
      {R"({"d":1.005})", "json: field 'd' is 1.005, which has more than 2 digits behind the point (decimal(12,2))"},
      {R"({"d":"1.005"})", "json: field 'd' is 1.005, which has more than 2 digits behind the point (decimal(12,2))"},
      {R"({"d":10000000000})", "json: field 'd' is 10000000000, which has more than 10 digits before the point (decimal(12,2))"},
      {R"({"d":01})", "json: field 'd' is 01, out of range of decimal(12,2) or not a number"},
      {R"({"d":"x"})", "json: field 'd' is a string that is no number, not decimal(12,2)"},
      {R"({"d":true})", "json: field 'd' is true, not decimal(12,2)"},
      {R"({"d":[1]})", "json: field 'd' is an array, not decimal(12,2)"},
  };
  for (const auto& [record, want] : cases) EXPECT_EQ(decoded(field, record), want);
}

TEST(JsonNested, Values) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"list<string>", R"({"x":["a",null,"b\u00e9",""]})", R"(["a",null,"bé",""])"},
      {"list<string>", R"({"x": [ ] , "y":1})", "[]"},
      {"list<string>", R"({"x":null})", "-"},
      {"list<string>", R"({"x":["a]","{"]})", R"(["a]","{"])"},
      {"list<int64>", R"({"x":[1,-9223372036854775808,null]})", "[1,-9223372036854775808,null]"},
      {"list<bool>", R"({"x":[true,false]})", "[true,false]"},
      {"list<float64>", R"({"x":[1,0.1,1e-400]})", "[1.0,0.1,0.0]"},
      {"list<decimal(38,1)>", R"({"x":[1,"0.5",null]})", "[1.0,0.5,null]"},
      {"list<timestamp>", R"({"x":[1500,2.5]})", R"(["1970-01-01T00:00:01.500000Z","1970-01-01T00:00:00.002500Z"])"},
      {"vector<float64,3>", R"({"x":[1, 2.5 ,-0]})", "[1.0,2.5,-0.0]"},
      {"map<string,float64>", R"({"x":{"b":1,"a":2.5,"b":3,"c":null}})", R"({"a":2.5,"b":3.0,"c":null})"},
      {"map<string,float64>", R"({"x":{}})", "{}"},
      {"map<string,string>", R"({"x":{"\u0062":"1","b":"2","a":"{\"q\":1}"}})", R"({"a":"{\"q\":1}","b":"2"})"},
      {"map<string,decimal(5,2)>", R"({"x":{"z":1.25}})", R"({"z":1.25})"},
  };
  for (const auto& [type, record, want] : cases) EXPECT_EQ(decoded({.path = "x", .type = *parse_type(type)}, record), want) << type;
}

TEST(JsonNested, Reasons) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"list<string>", R"({"x":["a",3]})", "json: field 'x[1]' is a number, not string"},
      {"list<string>", R"({"x":"a"})", "json: field 'x' is a string, not list<string>"},
      {"list<string>", R"({"x":{"a":1}})", "json: field 'x' is an object, not list<string>"},
      {"list<string>", R"({"x":[["a"]]})", "json: field 'x[0]' is an array, not string"},
      {"list<string>", R"({"x":["a" "b"]})", "json: field 'x': expected ',' or ']' at line 1, column 6 of its value"},
      {"list<string>", R"({"x":["a",]})", "json: field 'x': expected a value at line 1, column 6 of its value"},
      {"list<string>", R"({"x":["\x"]})", "json: field 'x': unknown escape in a string at line 1, column 5 of its value"},
      {"list<string>", R"({"x":["a"})", "json:"},
      {"list<int64>", R"({"x":[1.5]})", "json: field 'x[0]' is 1.5, which is not a whole number (int64)"},
      {"list<int64>", R"({"x":[1,9223372036854775808]})", "json: field 'x[1]' is 9223372036854775808, out of range of int64"},
      {"list<float64>", R"({"x":[1e999]})", "json: field 'x[0]' is 1e999, out of range of float64"},
      {"list<decimal(3,1)>", R"({"x":[0.05]})", "json: field 'x[0]' is 0.05, which has more than 1 digits behind the point (decimal(3,1))"},
      {"list<timestamp>", R"({"x":["t"]})", "json: field 'x[0]' is a string, not timestamp"},
      {"vector<float64,2>", R"({"x":[1]})", "json: field 'x' has 1 numbers, not vector<float64,2>"},
      {"vector<float64,2>", R"({"x":[1,2,3]})", "json: field 'x' has more than 2 numbers, not vector<float64,2>"},
      {"vector<float64,2>", R"({"x":[1,null]})", "json: field 'x[1]' is null, not a number"},
      {"vector<float64,2>", R"({"x":[1,"2"]})", "json: field 'x[1]' is a string, not float64"},
      {"map<string,int64>", R"({"x":{"a":true}})", "json: field 'x.a' is true, not int64"},
      {"map<string,int64>", R"({"x":[1]})", "json: field 'x' is an array, not map<string,int64>"},
      {"map<string,int64>", R"({"x":{"a":{"b":1}}})", "json: field 'x.a' is an object, not int64"},
  };
  for (const auto& [type, record, want] : cases) {
    const std::string got = decoded({.path = "x", .type = *parse_type(type)}, record);
    EXPECT_TRUE(got.starts_with(want)) << record << "\n  " << got << "\n  " << want;
  }
}

// A map as a whole, and one of its members as a field of its own.
TEST(JsonNested, AMapAndItsMember) {
  const auto decoder = JsonDecoder::make({{.path = "m", .type = Type::map(TypeKind::kInt64)},
                                          {.path = "m.a", .type = TypeKind::kInt64},
                                          {.path = "m", .type = Type::map(TypeKind::kFloat64)}});
  const std::string record = R"({"m":{"b":2,"a":1},"z":0})", padded = record + std::string(64, ' ');
  for (const size_t behind : {0, 64}) {
    ColumnBatch batch;
    decoder->start(batch, 1);
    ASSERT_EQ(decoder->decode(std::string_view(padded).substr(0, record.size()), behind, batch, 0), std::nullopt);
    EXPECT_EQ(nested_text(batch.columns[0].type, batch.columns[0].strings[0]), R"({"a":1,"b":2})");
    EXPECT_EQ(batch.columns[1].ints[0], 1);
    EXPECT_EQ(nested_text(batch.columns[2].type, batch.columns[2].strings[0]), R"({"a":1.0,"b":2.0})");
  }
}

// Deep brackets are refused at the first of them; a long list costs what it holds.
TEST(JsonNested, HostileShapes) {
  const JsonField field{.path = "x", .type = *parse_type("list<int64>")};
  std::string deep = "{\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_EQ(decoded(field, deep), "json: field 'x[0]' is an array, not int64");
  std::string wide = "{\"x\":[0";
  for (int i = 0; i < 200'000; ++i) wide += ",0";
  EXPECT_EQ(decoded(field, wide + "]}").size(), 400'003u);
}

}  // namespace
}  // namespace ms
