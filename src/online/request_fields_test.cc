#include "online/request_fields.h"

#include <gtest/gtest.h>

#include "codec/value_text.h"
#include "online/derived.h"
#include "online/online.h"

namespace ms::online {
namespace {

using feature::Field;
using feature::ServiceProgram;

const std::vector<Field> kFields = {{"b", TypeKind::kBool},      {"i", TypeKind::kInt64},          {"f", TypeKind::kFloat64},
                                    {"s", TypeKind::kString},    {"t", TypeKind::kTimestamp},      {"d", Type::decimal(6, 2)},
                                    {"l", Type::list(TypeKind::kInt64)}, {"v", Type::vector(2)},   {"m", Type::map(TypeKind::kString)}};

std::shared_ptr<const ServiceProgram> program_of(const std::vector<Field>& fields, const ServiceProgram::Derived& derived = {}) {
  return ServiceProgram::compile({}, fields, derived).value();
}

std::string error_of(const std::vector<Field>& fields, std::string_view json, size_t entities = 1) {
  const auto program = program_of(fields);
  RequestFields out;
  const auto read = read_request_fields(program.get(), "risk", json, entities, out);
  return read ? "" : read.error().message;
}

TEST(RequestFields, EveryTypeIsTheReplysOwn) {
  const auto program = program_of(kFields);
  RequestFields out;
  const auto read = read_request_fields(program.get(), "risk",
                                        R"( {"m": {"b": "x", "a": null}, "b": true, "i": -9223372036854775808, "f": 5, "s": "\u00e9\"", "t": "2026-01-02T03:04:05.000006Z",
                                            "d": "-12.5", "l": [1, null], "v": [1.5, -0.0]} )",
                                        2, out);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(out.values.size(), kFields.size());  // one for all
  const char* texts[] = {"true", "-9223372036854775808", "5.0", "\"é\\\"\"", "\"2026-01-02T03:04:05.000006Z\"", "-12.50", "[1,null]", "[1.5,-0.0]", R"({"a":null,"b":"x"})"};
  for (size_t entity = 0; entity < 2; ++entity)
    for (size_t f = 0; f < kFields.size(); ++f) EXPECT_EQ(value_json(out.of(entity)[f], kFields[f].type, false), texts[f]);
}

TEST(RequestFields, NullIsAValueAndEachEntityMayHaveItsOwn) {
  const auto program = program_of({{"i", TypeKind::kInt64}, {"f", TypeKind::kFloat64}});
  RequestFields out;
  ASSERT_TRUE(read_request_fields(program.get(), "risk", R"([{"i": null, "f": "NaN"}, {"f": "-Infinity", "i": 7}])", 2, out));
  EXPECT_TRUE(out.values[0].is_null);
  EXPECT_EQ(out.values[0].status, feature::Status::kNull);
  EXPECT_TRUE(std::isnan(out.values[1].f));
  EXPECT_EQ(out.values[2].i, 7);
  EXPECT_EQ(value_json(out.values[3], TypeKind::kFloat64, false), "\"-Infinity\"");
}

TEST(RequestFields, WhatIsWrongIsSaidWithWhatToSend) {
  const std::vector<Field> two = {{"amount", TypeKind::kFloat64}, {"currency", TypeKind::kString}};
  EXPECT_EQ(error_of(two, ""), R"(request field 'amount' (float64) of service 'risk' is missing; send "request": {"amount": 1.5, "currency": "..."}, null where there is no value)");
  EXPECT_EQ(error_of(two, R"({"amount": 1})").substr(0, 58), "request field 'currency' (string) of service 'risk' is mis");
  EXPECT_EQ(error_of(two, R"({"amuont": 1})"), "service 'risk' has no request field 'amuont'; did you mean 'amount'?");
  EXPECT_EQ(error_of(two, R"({"amount": 1, "amount": 1})"), "request field 'amount' is given twice");
  EXPECT_EQ(error_of(two, R"({"amount": "1"})"), R"(request field 'amount' is "1"; it is float64: send a number, or null)");
  EXPECT_EQ(error_of(two, R"({"amount": 1e999})"), "request field 'amount' is 1e999, which is out of range; it is float64: send a number, or null");
  EXPECT_EQ(error_of(two, R"({"currency": 1})"), "request field 'currency' is 1; it is string: send a string, or null");
  EXPECT_EQ(error_of(two, "{\"currency\": \"\xff\"}"), "request field 'currency' is not UTF-8");
  EXPECT_EQ(error_of(two, R"([{"amount": 1, "currency": null}, {"amount": true}])", 2), "request[1]: request field 'amount' is true; it is float64: send a number, or null");
  EXPECT_EQ(error_of(two, R"([{"amount": 1, "currency": null}])", 2), "\"request\" is a list of 1, but there are 2 entities: one for each, or one object for all");
  EXPECT_EQ(error_of(two, R"([{"amount": 1, "currency": null}, {"amount": 1, "currency": null}])", 1), "\"request\" has more than one for each of the 1 entities");
  EXPECT_EQ(error_of({{"i", TypeKind::kInt64}}, R"({"i": 9223372036854775808})"), "request field 'i' is 9223372036854775808, which is out of range; it is int64: send a whole number, or null");
  EXPECT_EQ(error_of({{"i", TypeKind::kInt64}}, R"({"i": 1.0})"), "request field 'i' is 1.0, which is not a whole number; it is int64: send a whole number, or null");
  EXPECT_EQ(error_of({{"d", Type::decimal(4, 1)}}, R"({"d": 1.25})"), "request field 'd' is 1.25, which has more than 1 digits behind the point (decimal(4,1)); it is decimal(4,1): send a number, or a string with one, or null");
  EXPECT_EQ(error_of({{"t", TypeKind::kTimestamp}}, R"({"t": 12})").substr(0, 26), "request field 't' is 12; i");
  EXPECT_EQ(error_of({{"l", Type::list(TypeKind::kInt64)}}, R"({"l": [1, "x"]})").substr(0, 28), "request field 'l[1]' is a st");
  EXPECT_EQ(error_of({}, R"({"x": 1})"), "service 'risk' takes no request fields, but 'x' was sent");
  RequestFields out;
  EXPECT_TRUE(read_request_fields(nullptr, "eta", "{}", 3, out));
  EXPECT_TRUE(read_request_fields(nullptr, "eta", "", 3, out));
  EXPECT_FALSE(read_request_fields(nullptr, "eta", R"({"x": 1})", 3, out));
}

// More entities than one batch holds, derived as each of them alone.
TEST(Derived, BehindTheFeaturesOfEveryEntity) {
  const std::vector<feature::FeatureColumn> columns = {{"n", TypeKind::kInt64}};
  auto plan = std::make_shared<ReadPlan>();
  plan->service = "risk", plan->version = 1;
  plan->views.resize(1);
  plan->columns = {{.name = "n", .type = TypeKind::kInt64, .view = 0, .feature = 0}};
  plan->program = ServiceProgram::compile(columns, std::vector<Field>{{"m", TypeKind::kInt64}, {"c", TypeKind::kString}},
                                          {{"sum", "n + request.m"}, {"text", "request.c || '-' || cast(sum as string)"}, {"price", "cast(sum as decimal(10,2))"}})
                      .value();
  render(*plan);
  Reply reply;
  reply.plan = plan;
  reply.entities = 2'500;
  std::string request = "[";
  for (size_t i = 0; i < reply.entities; ++i) {
    reply.rows.emplace_back().reset(1);
    feature::FeatureValue& n = reply.rows[i].values[0];
    n.status = feature::Status::kPresent, n.is_null = false, n.i = static_cast<int64_t>(i);
    request += (i == 0 ? "" : ",") + std::string(R"({"m": )") + (i % 7 == 0 ? "null" : i % 5 == 0 ? "9223372036854775807" : "1") + R"(, "c": "x"})";
  }
  request += "]";
  ASSERT_TRUE(read_request_fields(plan->program.get(), "risk", request, reply.entities, reply.request));
  derive(reply);
  std::string text;
  append_json(reply, false, text);
  EXPECT_NE(text.find(R"("features":["n","sum","text","price"])"), std::string::npos);
  EXPECT_NE(text.find(R"("values":[0,null,null,null],"statuses":["PRESENT","NULL","NULL","NULL"],"event_times":[null,null,null,null])"), std::string::npos);
  EXPECT_NE(text.find(R"("values":[2001,2002,"x-2002",2002.00],"statuses":["PRESENT","PRESENT","PRESENT","PRESENT"])"), std::string::npos);
  EXPECT_NE(text.find(R"("values":[2005,null,null,null],"statuses":["PRESENT","ERROR","ERROR","ERROR"])"), std::string::npos);
}

}  // namespace
}  // namespace ms::online
