#include "feature/service_program.h"

#include <gtest/gtest.h>

#include "feature/service_rows.h"

namespace ms::feature {
namespace {

const std::vector<FeatureColumn> kFeatures = {{"delay_avg_3h", TypeKind::kFloat64}, {"arrivals_1h", TypeKind::kInt64}, {"last_route", TypeKind::kString}};
const std::vector<Field> kRequest = {{"planned_min", TypeKind::kFloat64}, {"route", TypeKind::kString}};

FeatureValue value(double f) {
  FeatureValue v;
  v.status = Status::kPresent, v.is_null = false, v.f = f;
  return v;
}
FeatureValue whole(int64_t i) {
  FeatureValue v;
  v.status = Status::kPresent, v.is_null = false, v.i = i;
  return v;
}
FeatureValue nothing(Status status) {
  FeatureValue v;
  v.status = status;
  return v;
}

TEST(ServiceProgram, ExpressionsOverAnswersAndTheRequest) {
  const auto program = ServiceProgram::compile(kFeatures, kRequest,
                                               {{"ratio", "delay_avg_3h / request.planned_min"},
                                                {"many", "arrivals_1h * 2 > 10"},
                                                {"high", "coalesce(ratio, 0) > 0.5 and many"}});
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ((*program)->features_used(), (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ((*program)->request_used(), (std::vector<uint32_t>{0}));
  EXPECT_EQ((*program)->results()[0].type, TypeKind::kFloat64);
  EXPECT_EQ((*program)->results()[2].type, TypeKind::kBool);

  std::vector<ServiceInput> features(3), request(2);
  features[0].reset(TypeKind::kFloat64, 6), features[1].reset(TypeKind::kInt64, 6), request[0].reset(TypeKind::kFloat64, 6);
  const FeatureValue averages[] = {value(30), value(30), nothing(Status::kEmptyWindow), value(10), nothing(Status::kExpired), nothing(Status::kOverflow)};
  const FeatureValue counts[] = {whole(6), whole(6), whole(7), whole(INT64_MAX), nothing(Status::kError), whole(1)};
  for (size_t r = 0; r < 6; ++r) features[0].set(r, averages[r]), features[1].set(r, counts[r]);
  request[0].values.floats = {40, 0, 40, 2, 2, 40};
  for (size_t r = 0; r < 6; ++r) request[0].values.set_valid(r);

  StringArena arena;
  std::vector<ServiceResult> out;
  (*program)->run(features, request, 6, arena, out);
  using enum Status;
  EXPECT_EQ(out[0].statuses, (std::vector{kPresent, kNull, kNull, kPresent, kNull, kError}));  // 30 / 0 is null
  EXPECT_EQ(out[0].values.floats[0], 0.75);
  EXPECT_EQ(out[1].statuses, (std::vector{kPresent, kPresent, kPresent, kError, kError, kPresent}));
  // false decides: a failure beside it does not matter.
  EXPECT_EQ(out[2].statuses, (std::vector{kPresent, kPresent, kPresent, kError, kPresent, kPresent}));
  EXPECT_EQ((*program)->error_reason(1, 3), "derived.many, column 13: int64 overflow in '*'");
  EXPECT_EQ((*program)->error_reason(0, 5), "'delay_avg_3h' has no value: it is ERROR or OVERFLOW");
  EXPECT_EQ((*program)->error_reason(0, 0), "");
  EXPECT_EQ((*program)->canonical(0), R"(["/","float64",["field","float64","delay_avg_3h"],["field","float64","request.planned_min"]])");
}

TEST(ServiceProgram, RowsAloneGiveWhatBatchesGive) {
  const auto program = ServiceProgram::compile(kFeatures, kRequest, {{"same", "last_route = request.route"}, {"label", "upper(last_route) || '/' || request.route"}});
  ASSERT_TRUE(program);
  const std::string_view texts[] = {"ord-lax", "", "b"};
  const auto run = [&](size_t first, size_t rows) {
    std::vector<ServiceInput> features(3), request(2);
    features[2].reset(TypeKind::kString, rows), request[1].reset(TypeKind::kString, rows);
    for (size_t r = 0; r < rows; ++r) {
      FeatureValue v = whole(0);
      v.text = texts[first + r];
      features[2].set(r, v);
      request[1].values.set_valid(r), request[1].values.strings[r] = "b";
    }
    StringArena arena;
    std::vector<ServiceResult> out;
    (*program)->run(features, request, rows, arena, out);
    std::vector<std::string> shown;
    for (size_t r = 0; r < rows; ++r) shown.push_back(std::to_string(out[0].values.bools[r]) + std::string(out[1].values.strings[r]));
    return shown;
  };
  const std::vector<std::string> whole_batch = run(0, 3);
  EXPECT_EQ(whole_batch, (std::vector<std::string>{"0ORD-LAX/b", "0/b", "1B/b"}));
  for (size_t r = 0; r < 3; ++r) EXPECT_EQ(run(r, 1)[0], whole_batch[r]);
}

TEST(ServiceRows, WhatIsComputedFromTheUnknownIsUnknown) {
  const auto program = ServiceProgram::compile(kFeatures, kRequest, {{"double", "delay_avg_3h * 2"}, {"sum", "double + arrivals_1h"}, {"alone", "request.planned_min + 1"}});
  ASSERT_TRUE(program);
  EXPECT_EQ((*program)->inputs(1).features, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ((*program)->inputs(2).request, std::vector<uint32_t>{0});
  ServiceRows rows;
  StringArena arena;
  for (const bool again : {false, true}) {  // nothing of a batch is left in the next
    rows.begin(**program, 2);
    rows.set_feature(0, 0, value(1.5)), rows.set_feature(1, 0, whole(2)), rows.set_feature(1, 1, whole(2));
    if (again) rows.set_feature(0, 1, value(2.5));
    else rows.set_unknown(0, 1);
    rows.set_request(0, 1, value(4));
    rows.derive(arena);
    EXPECT_EQ(rows.value(1, 0, arena).f, 5.0);
    EXPECT_EQ(rows.known(0, 1), again);
    EXPECT_EQ(rows.known(1, 1), again);
    EXPECT_TRUE(rows.known(2, 1) && rows.known(1, 0));
    EXPECT_EQ(rows.value(2, 0, arena).status, Status::kNull);
    EXPECT_EQ(rows.value(2, 1, arena).f, 5.0);
  }
  EXPECT_EQ(rows.value(1, 1, arena).f, 7.0);
}

// Each uses the one before twice: the text that its identity is made of would double.
TEST(ServiceProgram, WhatGrowsWithoutBoundIsRefused) {
  ServiceProgram::Derived derived = {{"d0", "arrivals_1h + 1"}};
  for (int i = 1; i < 60; ++i) derived.emplace_back("d" + std::to_string(i), "d" + std::to_string(i - 1) + " - d" + std::to_string(i - 1));
  DefinitionPlace place;
  const auto program = ServiceProgram::compile(kFeatures, kRequest, derived, &place);
  ASSERT_FALSE(program);
  EXPECT_EQ(place.part, "derived[12]");
  EXPECT_EQ(program.error().message, "derived feature 'd12' has more than 10,000 parts, with those of the derived features that it uses");
}

TEST(ServiceProgram, NamesThatMeanSomethingElseAreExplained) {
  const auto mistake = [](const ServiceProgram::Derived& derived) {
    const auto program = ServiceProgram::compile(kFeatures, kRequest, derived);
    return program ? "none" : program.error().message;
  };
  EXPECT_EQ(mistake({{"a", "b + 1"}, {"b", "1"}}), "derived.a, column 1: 'b' comes later; put it before 'a', which uses it");
  EXPECT_EQ(mistake({{"a", "1 + a"}}), "derived.a, column 5: 'a' cannot be computed from itself");
  EXPECT_EQ(mistake({{"a", "1.0 + planned_min"}}), "derived.a, column 7: there is no feature 'planned_min'; the field of the request is 'request.planned_min'");
}

TEST(ServiceProgram, MistakesNameThePart) {
  const auto mistake = [](const std::vector<Field>& request, const ServiceProgram::Derived& derived) {
    DefinitionPlace place;
    const auto program = ServiceProgram::compile(kFeatures, request, derived, &place);
    return program ? "none" : place.part + ":" + std::to_string(place.column) + " " + program.error().message;
  };
  EXPECT_EQ(mistake(kRequest, {{"r", "delay_avg_3h / request.planed_min"}}),
            "derived[0]:16 derived.r, column 16: there is no field 'request.planed_min'; did you mean 'request.planned_min'?");
  EXPECT_EQ(mistake(kRequest, {{"r", "planned_min"}}).substr(0, 12), "derived[0]:1");
  EXPECT_EQ(mistake(kRequest, {{"arrivals_1h", "1"}}), "derived[0]:0 derived feature 'arrivals_1h' has the name of another feature");
  EXPECT_EQ(mistake({{"x", TypeKind::kInt64}, {"x", TypeKind::kBool}}, {}), "request[1]:0 'request.x' is the name of a feature or of another request field");
}

}  // namespace
}  // namespace ms::feature
