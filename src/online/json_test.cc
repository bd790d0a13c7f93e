#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "codec/json_out.h"
#include "codec/packed_value.h"
#include "codec/value_text.h"
#include "online/online.h"

namespace ms::online {
namespace {

Reply reply_of(const std::vector<Type>& types, size_t entities) {
  auto plan = std::make_shared<ReadPlan>();
  plan->service = "a \"service\"";
  plan->version = 7;
  plan->views.resize(1);
  for (uint32_t i = 0; i < types.size(); ++i) plan->columns.push_back({.name = "f" + std::to_string(i), .type = types[i], .view = 0, .feature = i});
  render(*plan);
  Reply reply;
  reply.plan = plan;
  reply.as_of = {1'767'323'045'000'006};
  reply.entities = entities;
  reply.rows.resize(entities);
  for (auto& row : reply.rows) row.reset(types.size());
  return reply;
}

std::string json_of(const Reply& reply, bool numbers_as_strings = false) {
  std::string text = "before ";
  append_json(reply, numbers_as_strings, text);
  EXPECT_EQ(text.substr(0, 7), "before ");
  return text.substr(7);
}

void show(feature::FeatureValue& value, int64_t i, int64_t event_time_us) {
  value.status = feature::Status::kPresent;
  value.is_null = false;
  value.i = i;
  value.event_time_us = event_time_us;
}

TEST(Json, AReply) {
  Reply reply = reply_of({TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kBool, TypeKind::kTimestamp, TypeKind::kString}, 2);
  reply.cut = {{0, 12}, {1, 9}};
  auto& row = reply.rows[0];
  row.found = true;
  const int64_t et = reply.as_of.us - 90'500'000;
  show(row.values[0], (int64_t{1} << 53) + 1, et);
  show(row.values[1], std::bit_cast<int64_t>(156.0), et);
  show(row.values[2], 1, et);
  show(row.values[3], et, et - 1);
  show(row.values[4], 0, et);
  row.values[4].text = "a\"\\\n";
  const std::string head = R"({"service":"a \"service\"","version":7,"as_of":"2026-01-02T03:04:05.000006Z","features":["f0","f1","f2","f3","f4"],"rows":[)";
  const std::string tail =
      R"("statuses":["PRESENT","PRESENT","PRESENT","PRESENT","PRESENT"],)"
      R"("event_times":["2026-01-02T03:02:34.500006Z","2026-01-02T03:02:34.500006Z","2026-01-02T03:02:34.500006Z","2026-01-02T03:02:34.500005Z","2026-01-02T03:02:34.500006Z"],)"
      R"("ages_ms":[90500,90500,90500,90500,90500]},)"
      R"({"found":false,"values":[null,null,null,null,null],"statuses":["EMPTY_WINDOW","EMPTY_WINDOW","EMPTY_WINDOW","EMPTY_WINDOW","EMPTY_WINDOW"],)"
      R"("event_times":[null,null,null,null,null],"ages_ms":[null,null,null,null,null]}],"service_statuses":[],"cut":[{"shard":0,"publish":12},{"shard":1,"publish":9}]})";
  const std::string others = R"(,156.0,true,"2026-01-02T03:02:34.500006Z","a\"\\\u000a"],)";
  EXPECT_EQ(json_of(reply), head + R"({"found":true,"values":[9007199254740993)" + others + tail);
  EXPECT_EQ(json_of(reply, true), head + R"({"found":true,"values":["9007199254740993")" + others + tail);
}

// Every kind of value at its longest: the room that is taken ahead is enough (JsonOut checks it, and so does AddressSanitizer).
TEST(Json, RoomForTheLongestValues) {
  const int64_t least = std::numeric_limits<int64_t>::min() + 1;
  const std::string controls(1'000, '\x01');
  for (const TypeKind type : {TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kTimestamp, TypeKind::kString}) {
    Reply reply = reply_of(std::vector<Type>(50, type), 20);
    for (int i = 0; i < 256; ++i) reply.cut.push_back({UINT32_MAX, UINT64_MAX >> 1});
    for (auto& row : reply.rows)
      for (auto& value : row.values) {
        show(value, least, least);
        value.status = feature::Status::kEmptyWindow;
        if (type == TypeKind::kFloat64) value.f = -std::numeric_limits<double>::denorm_min() * 1e300;
        if (type == TypeKind::kString) value.text = controls;
      }
    EXPECT_GT(json_of(reply, true).size(), 20u * 50 * 80) << to_string(type);
  }
}

TEST(Json, DecimalsListsVectorsAndMaps) {
  const auto decimal = [](int128 units) { return std::string(reinterpret_cast<const char*>(&units), sizeof units); };
  std::string list, vector, map;
  PackedListWriter amounts(TypeKind::kDecimal), names(TypeKind::kString), numbers(TypeKind::kInt64);
  amounts.add({.is_null = false, .d = 5}), amounts.add_null();
  amounts.write(list);
  for (const double v : {0.5, -std::numeric_limits<double>::infinity()}) vector.append(reinterpret_cast<const char*>(&v), sizeof v);
  names.add({.is_null = false, .text = "\""}), numbers.add({.is_null = false, .i = (int64_t{1} << 53) + 1});
  names.write(map), numbers.write(map);
  Reply reply = reply_of(
      {Type::decimal(38, 2), Type::list(Type::decimal(5, 1)), Type::vector(2), Type::map(TypeKind::kInt64), Type::list(TypeKind::kInt64)},
      1);
  const std::string units = decimal(1 - power_of_ten(38));
  const std::string_view texts[] = {units, list, vector, map, ""};
  for (size_t i = 0; i < 4; ++i) show(reply.rows[0].values[i], 0, 0), reply.rows[0].values[i].text = texts[i];
  EXPECT_EQ(value_json(reply.rows[0].values[0], reply.plan->columns[0].type, true), "\"-999999999999999999999999999999999999.99\"");
  EXPECT_EQ(value_json(reply.rows[0].values[3], reply.plan->columns[3].type, false), R"({"\"":9007199254740993})");
  EXPECT_EQ(value_json(reply.rows[0].values[4], reply.plan->columns[4].type, false), "null");
  const auto values = [&](bool as_strings) {
    const std::string json = json_of(reply, as_strings);
    const size_t from = json.find("\"values\":");
    return json.substr(from + 9, json.find(",\"statuses\"") - from - 9);
  };
  EXPECT_EQ(values(false), R"([-999999999999999999999999999999999999.99,[0.5,null],[0.5,"-Infinity"],{"\"":9007199254740993},null])");
  EXPECT_EQ(values(true), R"(["-999999999999999999999999999999999999.99",["0.5",null],[0.5,"-Infinity"],{"\"":"9007199254740993"},null])");
}

// What the text of a value takes is never more than what was foreseen.
TEST(Json, RoomForNestedValues) {
  const std::string controls(20, '\1');
  for (const Type element : {Type(TypeKind::kBool), Type(TypeKind::kInt64), Type(TypeKind::kFloat64), Type(TypeKind::kString),
                             Type(TypeKind::kTimestamp), Type::decimal(38, 38)}) {
    for (const size_t count : {0, 1, 7, 1000}) {
      PackedListWriter names(TypeKind::kString), values(element);
      for (size_t i = 0; i < count; ++i) {
        const bool is_null = i % 3 == 2;
        names.add({.is_null = false, .text = controls});
        if (is_null) values.add_null();
        else
          values.add({.is_null = false,
                      .i = element == TypeKind::kBool ? 0 : INT64_MIN,
                      .f = -std::numeric_limits<double>::denorm_min() * 1e300,
                      .d = 1 - power_of_ten(38),
                      .text = controls});
      }
      std::string packed;
      names.write(packed), values.write(packed);
      EXPECT_LE(nested_text(Type::map(element), packed).size(), nested_text_max(packed.size())) << type_text(element);
      packed.clear(), values.write(packed);
      EXPECT_LE(nested_text(Type::list(element), packed).size(), nested_text_max(packed.size())) << type_text(element);
    }
  }
}

TEST(Json, EveryStatusByItsName) {
  using enum feature::Status;
  std::string names;
  for (const feature::Status status : {kPresent, kNull, kEmptyWindow, kExpired, kDeleted, kOverflow, kError}) {
    Reply reply = reply_of({TypeKind::kInt64}, 1);
    reply.rows[0].values[0].status = status;
    const std::string json = json_of(reply);
    const size_t from = json.find("\"statuses\":[") + 12, to = json.find("],\"event_times\"");
    names += json.substr(from, to - from) + " ";
  }
  EXPECT_EQ(names, R"("PRESENT" "NULL" "EMPTY_WINDOW" "EXPIRED" "DELETED" "OVERFLOW" "ERROR" )");
}

TEST(Json, TimesOfOneReply) {
  std::string text;
  JsonOut out(text);
  out.room(1'000);
  for (const int64_t us : {int64_t{-1}, int64_t{0}, int64_t{0}, int64_t{86'400'000'000 - 1}, int64_t{253'402'300'800'000'000}, std::numeric_limits<int64_t>::min(), int64_t{1}}) out.time(us);
  out.finish();
  EXPECT_EQ(text, "\"1969-12-31T23:59:59.999999Z\"\"1970-01-01T00:00:00.000000Z\"\"1970-01-01T00:00:00.000000Z\"\"1970-01-01T23:59:59.999999Z\"" +
                      ('"' + format_time(253'402'300'800'000'000) + "\"\"" + format_time(std::numeric_limits<int64_t>::min()) + '"') + "\"1970-01-01T00:00:00.000001Z\"");
}

}  // namespace
}  // namespace ms::online
