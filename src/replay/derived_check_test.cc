#include "replay/derived_check.h"

#include <gtest/gtest.h>

#include <cmath>

#include "catalog/definitions.h"
#include "catalog/planner.h"

namespace ms::replay {
namespace {

constexpr const char* kDefinitions = R"yaml(
sources:
  p: {time: {field: at}, fields: {u: string, a: double}}
entities:
  u: {key: [u]}
views:
  v: {entity: u, from: p, features: {a: {sum: {of: a, over: 1h}, count: {over: 1h}}}}
services:
  s:
    features: [v.*]
    request: {x: double}
    derived: {of_sum: "a_sum_1h + request.x", of_count: "a_count_1h + 1", of_both: "of_sum * of_count", of_none: "request.x * 2"}
)yaml";

const std::vector<Type> kRequest = {TypeKind::kFloat64};
const std::vector<Type> kDerived = {TypeKind::kFloat64, TypeKind::kInt64, TypeKind::kFloat64, TypeKind::kFloat64};

feature::FeatureValue real(double f) {
  feature::FeatureValue v;
  v.status = feature::Status::kPresent, v.is_null = false, v.f = f;
  return v;
}
feature::FeatureValue whole(int64_t i) {
  feature::FeatureValue v;
  v.status = feature::Status::kPresent, v.is_null = false, v.i = i;
  return v;
}

std::string encoded(const std::vector<Type>& types, const std::vector<feature::FeatureValue>& values) {
  ByteWriter out;
  online::encode_values(types, values, out);
  return out.take();
}

struct DerivedCheckTest : testing::Test {
  DerivedCheckTest() {
    const catalog::DefinitionFile file{"f.yaml", kDefinitions};
    const auto planned = catalog::plan_definitions({}, catalog::parse_definitions({&file, 1}), nullptr);
    EXPECT_TRUE(planned.report.ok()) << planned.report.text();
    snapshot = planned.next;
    view = snapshot->views[0];
    row.reset(2);
    row.values[0] = real(2.5), row.values[1] = whole(3);
  }
  // With x = 0.5, a sum of 2.5 over 3 rows.
  online::Sample sample(double of_both = 12.0) const {
    return {.service = "s", .service_version = 1, .as_of = {1}, .cut = {}, .views = {{"v", 1, "key", ""}},
            .request = encoded(kRequest, {real(0.5)}), .derived = encoded(kDerived, {real(3.0), whole(4), real(of_both), real(1.0)})};
  }
  DerivedCheck::Counts run(const std::vector<online::Sample>& samples, const std::vector<bool>& lost) {
    DerivedCheck check(*snapshot, samples);
    for (uint32_t i = 0; i < samples.size(); ++i)
      if (!lost.empty()) check.add(i, *view, row, lost);
    found.clear();
    return check
        .run([&](uint32_t s, const std::string& feature, const std::string& served, const std::string& again) -> Result<> {
          found.push_back(std::to_string(s) + " " + feature + ": " + served + " / " + again);
          return {};
        })
        .value();
  }
  std::shared_ptr<const catalog::CatalogSnapshot> snapshot;
  std::shared_ptr<const catalog::ViewEntry> view;
  feature::FeatureRow row;
  std::vector<std::string> found;
};

TEST_F(DerivedCheckTest, EqualBitsAreNoDifference) {
  const auto counts = run({sample(), sample()}, {false, false});
  EXPECT_EQ(counts.values, 8u);
  EXPECT_EQ(counts.not_checkable + counts.forgotten, 0u);
  EXPECT_TRUE(found.empty());
}

TEST_F(DerivedCheckTest, ABitIsADifference) {
  run({sample(), sample(std::nextafter(12.0, 13.0))}, {false, false});
  EXPECT_EQ(found, std::vector<std::string>{"1 of_both: 12.000000000000002 PRESENT (bits 4028000000000001) / 12.0 PRESENT (bits 4028000000000000)"});
}

TEST_F(DerivedCheckTest, WhatMayNeedLostRecordsIsNotCheckable) {
  const auto counts = run({sample(99)}, {true, false});
  EXPECT_EQ(counts.values, 2u);  // of_count, of_none
  EXPECT_EQ(counts.not_checkable, 2u);
  EXPECT_TRUE(found.empty());
}

TEST_F(DerivedCheckTest, AViewInAGapLeavesJustTheRequest) {
  const auto counts = run({sample(99)}, {});
  EXPECT_EQ(counts.values, 1u);
  EXPECT_EQ(counts.not_checkable, 0u);
  EXPECT_TRUE(found.empty());
}

TEST_F(DerivedCheckTest, VersionsNobodyKnowsAndValuesThatFitNoService) {
  online::Sample other = sample(), odd = sample(), plain = sample();
  other.service_version = 7;
  odd.request = encoded({TypeKind::kInt64}, {whole(1)});
  plain.request.clear(), plain.derived.clear();
  const auto counts = run({other, odd, plain}, {false, false});
  EXPECT_EQ(counts.forgotten, 1u);
  EXPECT_EQ(found, std::vector<std::string>{"1 (derived features): 4 values over 1 request fields / 4 over 1 of other types"});
}

}  // namespace
}  // namespace ms::replay
