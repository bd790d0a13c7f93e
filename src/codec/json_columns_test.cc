#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>

#include "base/rng.h"
#include "codec/json_columns.h"

namespace ms {
namespace {

std::vector<JsonField> fields() {
  return {{.path = "i", .type = TypeKind::kInt64}, {.path = "f", .type = TypeKind::kFloat64}, {.path = "s", .type = TypeKind::kString},
          {.path = "b", .type = TypeKind::kBool}, {.path = "n.deep.x", .type = TypeKind::kInt64}, {.path = "n.y", .type = TypeKind::kString},
          {.path = "t", .type = TypeKind::kTimestamp, .time = JsonTime::kMillis, .required = true}};
}

std::string show(const ColumnBatch& b, size_t row) {
  std::string out;
  for (const Column& c : b.columns) {
    if (!out.empty()) out += " ";
    if (!c.valid(row)) out += "-";
    else if (c.type == TypeKind::kString) out += "'" + std::string(c.strings[row]) + "'";
    else if (c.type == TypeKind::kFloat64) out += std::to_string(c.floats[row]);
    else if (c.type == TypeKind::kBool) out += c.bools[row] ? "true" : "false";
    else out += std::to_string(c.ints[row]);
  }
  return out;
}

// Decodes once from a copy and once in place, which must agree.
std::string decoded(JsonDecoder& decoder, std::string_view text) {
  ColumnBatch near, far;
  decoder.start(near, 1), decoder.start(far, 1);
  std::string padded(text);
  padded.append(64, '7');
  const auto exact = std::make_unique<char[]>(text.size());  // so that a sanitizer sees a read behind it
  std::memcpy(exact.get(), text.data(), text.size());
  const auto a = decoder.decode({exact.get(), text.size()}, 0, near, 0);
  const auto b = decoder.decode(std::string_view(padded).substr(0, text.size()), 64, far, 0);
  EXPECT_EQ(a, b) << text;
  EXPECT_EQ(show(near, 0), show(far, 0)) << text;
  return a ? *a : show(near, 0);
}

TEST(JsonColumns, Values) {
  const auto decoder = JsonDecoder::make(fields());
  const std::pair<const char*, const char*> cases[] = {
      {R"({"i":1,"f":2.5,"s":"x","b":true,"n":{"deep":{"x":7},"y":"z"},"t":5})", "1 2.500000 'x' true 7 'z' 5000"},
      {R"({"t":5})", "- - - - - - 5000"},
      {R"({"i":null,"f":null,"s":null,"b":null,"n":null,"t":-1})", "- - - - - - -1000"},
      {R"( { "t" : 5 , "n" : { "y" : "a" } , "i" : -3 , "other" : [1,{"i":2}] } )", "-3 - - - - 'a' 5000"},
      {R"({"f":3,"t":1.2345})", "- 3.000000 - - - - 1234"},
      {R"({"s":"\u00e9\n\"","t":1})", "- - '\xC3\xA9\n\"' - - - 1000"},
      {R"({"\u0069":9,"t":1})", "9 - - - - - 1000"},
      {R"({"i":1,"i":2,"t":1})", "2 - - - - - 1000"},
      {R"({"i":1,"i":null,"t":1})", "- - - - - - 1000"},
      {R"({"s":"","t":1})", "- - '' - - - 1000"},
      {R"({"i":9223372036854775807,"t":9223372036854775})", "9223372036854775807 - - - - - 9223372036854775000"},
      {R"({"n":{"deep":{"x":1}},"n":{"y":"k"},"t":1})", "- - - - 1 'k' 1000"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(decoded(*decoder, text), want) << text;
}

TEST(JsonColumns, Reasons) {
  const auto decoder = JsonDecoder::make(fields());
  const std::pair<std::string, std::string> cases[] = {
      {"", "json: empty"},
      {"[1]", "json: not an object"},
      {"{\"t\":1}}", "json: more text after the object"},
      {"{\"t\":1} {", "json:"},
      {"{\"t\":1", "json:"},
      {"{\"t\":1,\"s\":\"a\xFF\"}", "json: not UTF-8"},
      {"{\"t\":1,\"s\":\"a\nb\"}", "json: a control character inside a string"},
      {R"({"t":1,"s":"\x"})", "json: a bad escape in a string"},
      {R"({"i":1.5,"t":1})", "json: field 'i' is 1.5, which is not a whole number (int64)"},
      {R"({"i":9223372036854775808,"t":1})", "json: field 'i' is 9223372036854775808, out of range of int64 or not a number"},
      {R"({"i":"1","t":1})", "json: field 'i' is a string, not int64"},
      {R"({"i":true,"t":1})", "json: field 'i' is true, not int64"},
      {R"({"f":1e999,"t":1})", "json: field 'f' is 1e999, out of range of float64 or not a number"},
      {R"({"s":1,"t":1})", "json: field 's' is a number, not string"},
      {R"({"b":0,"t":1})", "json: field 'b' is a number, not bool"},
      {R"({"n":3,"t":1})", "json: field 'n.deep.x' is a number, not an object"},
      {R"({"i":{},"t":1})", "json: field 'i' is an object, not int64"},
      {R"({"i":01,"t":1})", "json: field 'i' is 01, out of range of int64 or not a number"},
      {R"({"i":1})", "event_time: field 't' is missing or null"},
      {R"({"t":null})", "event_time: field 't' is missing or null"},
      {R"({"t":"x"})", "event_time: field 't' is a string, not timestamp"},
      {R"({"t":9223372036854775807})", "event_time: field 't' is 9223372036854775807, which is not a time in its unit within int64 microseconds"},
      {R"({"t":1e3})", "event_time: field 't' is 1e3, which is not a time in its unit within int64 microseconds"},
  };
  for (const auto& [text, want] : cases) {
    const std::string got = decoded(*decoder, text);
    EXPECT_TRUE(got.starts_with(want)) << text << "\n  " << got << "\n  " << want;
  }
}

TEST(JsonColumns, TimesInEveryUnit) {
  const std::tuple<JsonTime, const char*, int64_t> cases[] = {
      {JsonTime::kSeconds, R"({"t":2})", 2'000'000}, {JsonTime::kSeconds, R"({"t":-1.0000019})", -1'000'001},
      {JsonTime::kMicros, R"({"t":7})", 7}, {JsonTime::kRfc3339, R"({"t":"1970-01-01T00:00:01Z"})", 1'000'000}};
  for (const auto& [unit, text, want] : cases) {
    const auto decoder = JsonDecoder::make({{.path = "t", .type = TypeKind::kTimestamp, .time = unit, .required = true}});
    EXPECT_EQ(decoded(*decoder, text), std::to_string(want)) << text;
  }
  const auto decoder = JsonDecoder::make({{.path = "t", .type = TypeKind::kTimestamp, .time = JsonTime::kRfc3339}});
  EXPECT_EQ(decoded(*decoder, R"({"t":7})"), "json: field 't' is a number, not a time in RFC 3339");
}

// The same path for two columns, and records whose keys change places under the speculation.
// Of any length, from a copy and in place, against the C library.
TEST(JsonColumns, FloatsAreTheNearestOnes) {
  const auto decoder = JsonDecoder::make({{.path = "f", .type = TypeKind::kFloat64}});
  Rng rng(6);
  std::vector<std::string> texts = {"0.5000000000000000000000", "0.500000000000000000000000000073709551615", "1e-400", "-1e-400", "5e-324", "2.4703282292062327e-324",
                                    "2.4703282292062328e-324", "1.7976931348623157e308", "0.1", "-0", "-0.0", "9007199254740993", "0.000000000000000000000000000001"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text = rng.below(2) == 0 ? "-" : "";
    const auto digits = [&](uint64_t most) {
      for (uint64_t n = rng.below(most); n > 0; --n) text += static_cast<char>('0' + rng.below(10));
    };
    text += static_cast<char>('0' + rng.below(10));
    if (text.back() != '0') digits(25);
    if (rng.below(4) != 0) text += '.', text += static_cast<char>('0' + rng.below(10)), digits(40);
    if (rng.below(3) == 0) text += fmt::format("e{}", static_cast<int>(rng.below(700)) - 350);
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    const double wanted = std::strtod(text.c_str(), nullptr);
    const std::string record = "{\"f\": " + text + " }", padded = record + std::string(64, '7');
    for (const bool in_place : {false, true}) {
      ColumnBatch batch;
      decoder->start(batch, 1);
      const auto reason = decoder->decode(std::string_view(padded).substr(0, record.size()), in_place ? 64 : 0, batch, 0);
      ASSERT_EQ(reason.has_value(), std::isinf(wanted)) << text;
      if (!reason) ASSERT_EQ(std::bit_cast<uint64_t>(batch.columns[0].floats[0]), std::bit_cast<uint64_t>(wanted)) << text << " " << in_place;
    }
  }
}

TEST(JsonColumns, OrderDoesNotMatter) {
  const auto decoder = JsonDecoder::make({{.path = "t", .type = TypeKind::kInt64}, {.path = "t", .type = TypeKind::kTimestamp}, {.path = "ab", .type = TypeKind::kInt64}, {.path = "a", .type = TypeKind::kInt64}});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(decoded(*decoder, R"({"t":1,"ab":2,"a":3})"), "1 1000 2 3");
    EXPECT_EQ(decoded(*decoder, R"({"a":3,"t":1,"ab":2})"), "1 1000 2 3");
    EXPECT_EQ(decoded(*decoder, R"({"zz":0,"a":3,"t":1,"ab":2})"), "1 1000 2 3");
    EXPECT_EQ(decoded(*decoder, R"({"a\u0062":4,"a":3})"), "- - 4 3");
  }
}

}  // namespace
}  // namespace ms
