// Derived features in training sets: over chunks and batches, beside labels, from the spine's request columns.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "catalog/definitions.h"
#include "catalog/planner.h"
#include "history/training_file.h"
#include "history/training_job_fixture.h"

namespace ms::history {
namespace {

using ::testing::HasSubstr;

constexpr const char* kDefinitions = R"yaml(
sources:
  flights: {time: {field: date, unit: us}, fields: {origin: string, delay: int64}}
entities:
  origin: {key: [origin]}
views:
  delays: {entity: origin, from: flights, features: {n: {count: {over: lifetime}}, d: {sum: {of: delay, over: lifetime}}}}
services:
  eta:
    features: [delays.*]
    request: {add: int64, carrier: string}
    derived: {total: "n_count_lifetime + request.add", text: "request.carrier || cast(total as string)", twice: "d_sum_lifetime * 2"}
    labels: {delays: {n: {count: {over: "next(1h)"}}}}
)yaml";

constexpr std::string_view kEvents =
    "date,origin,delay\n"
    "2001-01-01 00:00:00,ORD,1\n"
    "2001-01-01 00:10:00,ORD,9223372036854775806\n"
    "2001-01-01 00:20:00,JFK,7\n"
    "2001-01-01 09:00:00,LAX,7\n";

TrainService service() {
  const catalog::DefinitionFile file{"f.yaml", kDefinitions};
  const auto planned = catalog::plan_definitions({}, catalog::parse_definitions({&file, 1}), nullptr);
  EXPECT_TRUE(planned.report.ok()) << planned.report.text();
  return training_service(*planned.next->services[0]);
}

TEST(DerivedColumns, EveryRowOfEveryChunk) {
  constexpr size_t kRows = kChunkRows * kBlockChunks + 3'000;  // two blocks, and a batch that is not full
  std::string spine = "date,origin,request.add,carrier\n";
  for (size_t i = 0; i < kRows; ++i) spine += fmt::format("2001-01-01 0{}:00:00,{},{},c\n", 1 + i / 100'000, i % 3 == 0 ? "JFK" : "SFO", i % 7 == 0 ? "" : std::to_string(i));
  TrainingJob job(service(), spine, kEvents);
  const auto report = job();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->features, 6u);
  const auto totals = job.column("total");
  for (size_t i = 0; i < kRows; ++i)
    ASSERT_EQ(totals[i], i % 7 == 0 ? "null NULL" : std::to_string(i + (i % 3 == 0 ? 1 : 0))) << i;
  Column texts;
  job.output->fill(*job.output->find("text"), TypeKind::kString, kRows - 2, 2, texts);
  EXPECT_EQ(texts.strings[0], "c" + totals[kRows - 2]);
  EXPECT_EQ(texts.strings[1], "c" + totals[kRows - 1]);
}

TEST(DerivedColumns, StandBetweenFeaturesAndLabelsWithTheirStatuses) {
  TrainingJob job(service(), "date,origin,add,carrier\n2001-01-01 01:00:00,ORD,1,x\n2001-01-01 01:00:00,JFK,9223372036854775807,\n", kEvents);
  job.request.event_times = true;
  ASSERT_TRUE(job());
  std::vector<std::string> names;
  for (const std::string& name : job.output->names())
    if (name.find("__") == std::string::npos) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"date", "origin", "add", "carrier", "n_count_lifetime", "d_sum_lifetime", "total", "text", "twice", "n_count_next_1h"}));
  EXPECT_EQ(job.column("total"), (std::vector<std::string>{"3", "null ERROR"}));
  EXPECT_EQ(job.column("twice"), (std::vector<std::string>{"null ERROR", "14"}));
  Column times;
  job.output->fill(*job.output->find("total__event_time"), TypeKind::kTimestamp, 0, 2, times);
  EXPECT_FALSE(times.valid(0) || times.valid(1));
}

TEST(DerivedColumns, WhatTheSpineLacksIsRefusedByName) {
  const auto refusal = [](std::string_view head, std::string_view row) {
    return TrainingJob(service(), fmt::format("{}\n{}\n", head, row), kEvents).refusal();
  };
  EXPECT_THAT(refusal("date,origin,carrier", "2001-01-01 01:00:00,ORD,x"), HasSubstr("it has no column 'request.add' or 'add' for the request field 'add' (int64)"));
  EXPECT_THAT(refusal("date,origin,add,carrier", "2001-01-01 01:00:00,ORD,1.5,x"), HasSubstr("1.5"));
  EXPECT_THAT(refusal("date,origin,add,carrier,total", "2001-01-01 01:00:00,ORD,1,x,1"), HasSubstr("its column 'total' is also the name of a feature"));
}

}  // namespace
}  // namespace ms::history
