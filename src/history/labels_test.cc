// Labels: features of a training set that look ahead of t.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "catalog/catalog.h"
#include "history/row_groups_fixture.h"
#include "history/training_job_fixture.h"

namespace ms::history {
namespace {

using feature::AggregateKind;
using feature::WindowKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kEvents =
    "date,origin,delay,carrier\n"
    "2001-01-01 00:59:59,ORD,1,AA\n"
    "2001-01-01 01:00:00,ORD,10,BB\n"
    "2001-01-01 01:10:00,JFK,7,AA\n"
    "2001-01-01 01:30:00,ORD,100,CC\n"
    "2001-01-01 02:00:00,ORD,1000,DD\n"
    "2001-01-01 03:00:00,LAX,5,DD\n";

feature::FeatureDefinition label(std::string name, AggregateKind aggregate, std::string of, int64_t from_us, int64_t to_us) {
  return {.name = std::move(name),
          .aggregate = aggregate,
          .of = std::move(of),
          .window = {WindowKind::kSlidingExact, to_us - from_us},
          .ahead_us = to_us};
}

// A service with one feature of the past hour and labels of the next ones, as the catalog gives it.
TrainService with_labels(std::vector<feature::FeatureDefinition> labels) {
  const feature::ViewDefinition past{
      .name = "delays",
      .entity = "origin",
      .source = "flights",
      .features = {{.name = "n", .aggregate = AggregateKind::kCount, .window = {WindowKind::kSlidingExact, kMicrosPerHour}}}};
  const auto entry = [](const feature::ViewDefinition& view) {
    auto program = feature::ViewProgram::compile(kFlights, kOrigin, view);
    CHECK(program);
    return std::make_shared<catalog::ViewEntry>(
        catalog::ViewEntry{view, 2, {kFlights, {}}, kOrigin, *program, std::vector<std::string>(view.features.size(), "hash")});
  };
  feature::ViewDefinition ahead = past;
  ahead.features = std::move(labels);
  catalog::ServiceEntry service{.definition = {"eta", {"delays.*"}}, .version = 1, .views = {entry(past)}, .columns = {{"n", 0, 0}}};
  service.labels = {entry(ahead)};
  return training_service(service);
}

std::vector<feature::FeatureDefinition> some_labels() {
  return {label("sum_next_1h", AggregateKind::kSum, "delay", 0, kMicrosPerHour),
          label("n_next_1h", AggregateKind::kCount, "", 0, kMicrosPerHour),
          label("sum_next_30m_to_2h", AggregateKind::kSum, "delay", 30 * kMicrosPerMinute, 2 * kMicrosPerHour),
          label("n_next_2h", AggregateKind::kCount, "", 0, 2 * kMicrosPerHour)};
}

// The rows from t + a on and before t + b, never those of the past; a window that ends at the newest event is whole.
TEST(Labels, HoldTheRowsOfTheirWindowAlone) {
  TrainingJob run(with_labels(some_labels()),
                  "origin,event_time\nORD,2001-01-01 01:00:00\nJFK,2001-01-01 01:00:00\nORD,2001-01-01 00:00:00\n", kEvents);
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->features, 5u);
  EXPECT_EQ(report->not_mature_rows, 0u);
  EXPECT_THAT(run.column("n"), ElementsAre("1", "0", "0"));
  EXPECT_THAT(run.column("sum_next_1h"), ElementsAre("110", "7", "1"));
  EXPECT_THAT(run.column("n_next_1h"), ElementsAre("2", "1", "1"));
  EXPECT_THAT(run.column("sum_next_30m_to_2h"), ElementsAre("1100", "null EMPTY_WINDOW", "111"));
  EXPECT_THAT(run.column("n_next_2h"), ElementsAre("3", "1", "3"));
}

// The newest event known, of whatever key, is of 03:00.
TEST(Labels, AWindowThatEndsBeyondWhatIsKnownIsNotAnswered) {
  TrainingJob run(with_labels(some_labels()),
                  "origin,event_time\nORD,2001-01-01 01:00:01\nORD,2001-01-01 02:00:01\nORD,2001-01-01 02:00:00\n", kEvents);
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->not_mature_rows, 3u);
  EXPECT_THAT(run.column("n"), ElementsAre("2", "2", "2"));
  EXPECT_THAT(run.column("n_next_1h"), ElementsAre("2", "null NOT_MATURE", "1"));
  EXPECT_THAT(run.column("n_next_2h"), ElementsAre("null NOT_MATURE", "null NOT_MATURE", "null NOT_MATURE"));
}

// No event of a file that is read at the start of 2002 was recorded later; five minutes ahead of its clock one may be.
TEST(Labels, AnEventOfAFarFutureMakesNothingMature) {
  const auto count = [](const std::string& newest, bool row_groups) {
    TrainingJob run(with_labels(some_labels()), "origin,event_time\nORD,2001-01-01 01:00:00\nORD,2001-01-01 01:00:01\n",
                    std::string(kEvents) + newest + ",ORD,1,AA\n");
    std::string& file = run.request.event_files["flights"];
    if (row_groups) {
      const auto table = Table::read(file, std::nullopt, 1);
      EXPECT_TRUE(table);
      write_in_groups(**table, file = run.dir / "events.parquet", 1);
    }
    EXPECT_TRUE(run());
    return run.column("n_next_2h");
  };
  for (const bool row_groups : {false, true}) {
    EXPECT_THAT(count("2002-01-01 00:05:00", row_groups), ElementsAre("3", "2"));
    EXPECT_THAT(count("2002-01-01 00:05:01", row_groups), ElementsAre("3", "null NOT_MATURE"));
    EXPECT_THAT(count("9999-12-31 00:00:00", row_groups), ElementsAre("3", "null NOT_MATURE"));
  }
}

TEST(Labels, NeverHoldAnEventThatAFeatureHolds) {
  const std::string spine = "origin,event_time,row\nORD,2001-01-01 01:00:00,1\n";
  for (const bool own : {false, true}) {
    TrainingJob run(with_labels(some_labels()), spine, kEvents);
    run.request.after_event = !own, run.request.exclude_self = own;
    if (own) run.request.self_offset = "row";
    EXPECT_THAT(run.refusal(), HasSubstr("label 'sum_next_1h' begins at the row's own time"));
    TrainingJob later(with_labels({label("sum", AggregateKind::kSum, "delay", 10 * kMicrosPerSecond, kMicrosPerHour)}), spine, kEvents);
    later.request.after_event = !own, later.request.exclude_self = own;
    if (own) later.request.self_offset = "row";
    const auto report = later();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(later.column("n"), ElementsAre(own ? "1" : "2"));
    EXPECT_THAT(later.column("sum"), ElementsAre("100"));
  }
}

// Every label is the sum over the events by hand, however the work is cut.
RC_GTEST_PROP(Labels, AreWhatTheEventsSay, ()) {
  struct Row {
    int key;
    int64_t minute;
  };
  const auto rows =
      rc::gen::container<std::vector<Row>>(rc::gen::construct<Row>(rc::gen::inRange(0, 3), rc::gen::inRange<int64_t>(0, 300)));
  const auto events = *rc::gen::nonEmpty(rows), asked = *rc::gen::nonEmpty(rows);
  const int64_t from = *rc::gen::inRange<int64_t>(0, 60), to = from + *rc::gen::inRange<int64_t>(1, 120);
  const int64_t start = *parse_time("2001-01-01");
  const auto text = [&](const Row& r) {
    return format_time(start + r.minute * kMicrosPerMinute).substr(0, 19) + ",K" + std::to_string(r.key) + "\n";
  };
  std::string history = "date,origin,delay\n", spine = "event_time,origin\n";
  int64_t newest = 0;
  for (const Row& r : events) {
    history += text(r).substr(0, text(r).size() - 1) + "," + std::to_string(r.minute) + "\n";
    newest = std::max(newest, r.minute);
  }
  for (const Row& r : asked) spine += text(r);
  TrainingJob run(with_labels({label("sum", AggregateKind::kSum, "delay", from * kMicrosPerMinute, to * kMicrosPerMinute)}), spine,
                  history);
  run.request.memory_bytes = *rc::gen::element<uint64_t>(1, uint64_t{1} << 30);
  const auto report = run();
  RC_ASSERT(report.has_value());
  const auto said = run.column("sum");
  for (size_t i = 0; i < asked.size(); ++i) {
    int64_t sum = 0, n = 0;
    for (const Row& e : events) {
      if (e.key != asked[i].key || e.minute < asked[i].minute + from || e.minute >= asked[i].minute + to) continue;
      sum += e.minute, ++n;
    }
    const std::string wanted = asked[i].minute + to > newest ? "null NOT_MATURE" : n == 0 ? "null EMPTY_WINDOW" : std::to_string(sum);
    RC_ASSERT(said[i] == wanted);
  }
}

}  // namespace
}  // namespace ms::history
