#include "history/own_rows.h"

#include <gmock/gmock.h>

#include "history/training_job_fixture.h"

namespace ms::history {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two events of one key at one instant, one cancelled.
constexpr std::string_view kEvents =
    "date,origin,delay,carrier,cancelled\n"
    "2001-01-01 00:05:00,ORD,30,AA,false\n"
    "2001-01-01 00:10:00,ORD,10,AA,false\n"
    "2001-01-01 00:10:00,ORD,70,AA,true\n"
    "2001-01-01 00:10:00,JFK,5,AA,false\n"
    "2001-01-01 00:30:00,ORD,9,AA,false\n";
constexpr std::string_view kSpine =
    "origin,event_time,row\n"
    "ORD,2001-01-01 00:10:00,1\n"
    "ORD,2001-01-01 00:10:00,2\n"
    "JFK,2001-01-01 00:10:00,3\n"
    "ORD,2001-01-01 00:30:00,4\n"
    "ORD,2001-01-01 00:05:00,0\n";

feature::ViewDefinition sums(std::string where = "") {
  using feature::AggregateKind;
  using feature::WindowKind;
  const feature::Window hour{WindowKind::kSlidingExact, kMicrosPerHour}, closed{WindowKind::kTumbling, 10 * kMicrosPerMinute};
  return {
      .name = "delays",
      .entity = "origin",
      .source = "flights",
      .where = std::move(where),
      .features = {{.name = "delay", .aggregate = AggregateKind::kSum, .of = "delay", .window = hour},
                   {.name = "last2", .aggregate = AggregateKind::kSum, .of = "delay", .window = {.kind = WindowKind::kLast, .count = 2}},
                   {.name = "closed", .aggregate = AggregateKind::kCount, .window = closed}}};
}

struct Job : TrainingJob {
  explicit Job(const feature::ViewDefinition& view, std::string_view spine = kSpine) : TrainingJob(service_of(view), spine, kEvents) {
    request.exclude_self = true;
    request.self_offset = "row";
  }
};

TEST(OwnRows, EveryRowCountsTheOthersUpToItsTime) {
  Job run(sums());
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(run.column("delay"), ElementsAre("100", "40", "null EMPTY_WINDOW", "110", "null EMPTY_WINDOW"));
  EXPECT_THAT(run.column("last2"), ElementsAre("100", "40", "null EMPTY_WINDOW", "80", "null EMPTY_WINDOW"));
  // What ends at an earlier boundary is as before.
  EXPECT_THAT(run.column("closed"), ElementsAre("1", "1", "0", "0", "0"));
}

// A row that the view's `where` leaves out is there, but does not count anyway.
TEST(OwnRows, AFilteredRowIsNoMistake) {
  Job run(sums("not cancelled"));
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(run.column("delay"), ElementsAre("30", "40", "null EMPTY_WINDOW", "40", "null EMPTY_WINDOW"));
}

TEST(OwnRows, TheSpineMayBeTheHistory) {
  Job run(sums(), kEvents);
  run.request.self_offset.clear();
  run.request.time_column = "date";
  run.service.columns.resize(1);
  run.service.columns[0].name = "before";
  run.request.event_files["flights"] = run.request.spine;
  const auto report = run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(run.column("before"), ElementsAre("null EMPTY_WINDOW", "100", "40", "null EMPTY_WINDOW", "110"));
}

TEST(OwnRows, APositionThatIsNotTheRowsIsRefused) {
  for (const auto& [wrong, said] : {std::pair<std::string, std::string>{"ORD,2001-01-01 00:10:00,4", "offset 4"},  // another time
                                    {"ORD,2001-01-01 00:10:00,3", "offset 3"},                                     // another key
                                    {"ORD,2001-01-01 00:10:00,77", "offset 77"},
                                    {"ORD,2001-01-01 00:10:01,1", "offset 1"}}) {
    for (const bool filtered : {false, true}) {
      Job run(sums(filtered ? "not cancelled" : ""), "origin,event_time,row\nORD,2001-01-01 00:30:00,4\n" + wrong + "\n");
      const std::string refusal = run.refusal();
      EXPECT_THAT(refusal, HasSubstr("spine.csv: row 2: source 'flights' has no event at partition 0, " + said +
                                     " with the row's key and its time"));
      EXPECT_EQ(run.dir.files(), 2u);
    }
  }
}

TEST(OwnRows, APositionMustBeThereAndAskedFor) {
  EXPECT_THAT(Job(sums(), "origin,event_time,row\nORD,2001-01-01 00:30:00,4\nORD,2001-01-01 00:10:00,-1\n").refusal(),
              HasSubstr("row 2: 'row' is null or no position of an event"));
  EXPECT_THAT(Job(sums(), "origin,event_time,row\nORD,2001-01-01 00:30:00,4\nORD,2001-01-01 00:10:00,\n").refusal(),
              HasSubstr("row 2: 'row' is null or no position of an event"));
  EXPECT_THAT(Job(sums(), "origin,event_time,row\nORD,2001-01-01 00:30:00,abc\n").refusal(), HasSubstr("column 'row' is string"));
  Job nameless(sums());
  nameless.request.self_offset.clear();
  EXPECT_THAT(nameless.refusal(), HasSubstr("--self-offset COLUMN"));
  Job unasked(sums());
  unasked.request.exclude_self = false;
  EXPECT_THAT(unasked.refusal(), HasSubstr("it needs exclude_self"));
  Job stranger(sums());
  stranger.request.self_source = "trains";
  EXPECT_THAT(stranger.refusal(), HasSubstr("has no source 'trains'; it reads 'flights'"));
}

}  // namespace
}  // namespace ms::history
