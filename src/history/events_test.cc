// What a history says about the records that retention has removed.
#include "history/events.h"

#include "history/history_fixture.h"
#include "log/testing/log_fixture.h"

namespace ms::history {
namespace {

class EventsTest : public log::testing::LogFixture {
 protected:
  SourceHistory read(const engine::OffsetVector& until, int64_t max_ahead_us = 5 * kMicrosPerMinute) {
    EventRequest request{.source = kFlights};
    request.source.max_ahead_us = max_ahead_us;
    request.programs = {flights_service().views[0].program};
    auto history = read_events(request, until.begin()->first.topic, until, this->log());
    EXPECT_TRUE(history) << history.error().message;
    return std::move(*history);
  }
  // Appends to a partition; retention removes it all at once.
  void lose(TopicPartition p) {
    append(p, 3);
    ASSERT_TRUE(this->log().reconcile());
    clock().advance(kMicrosPerHour);
    ASSERT_TRUE(this->log().enforce_retention());
    ASSERT_EQ(this->log().partition_state(p)->log_start, Offset{3});
  }
};

// The partition has had no traffic since, so no record tells when the removed ones were appended.
TEST_F(EventsTest, APartitionWithoutTrafficLosesOnlyWhatItHeld) {
  open();
  const TopicPartition idle = topic("flights", 2, {{"retention.ms", "1000"}}), busy{idle.topic, PartitionId{1}};
  const int64_t appended = clock().wall_us();
  lose(idle);
  append(busy, 3);
  for (int restart = 0; restart < 2; ++restart) {
    const SourceHistory history = read({{idle, {3}}, {busy, {3}}});
    EXPECT_EQ(history.lost.until_us, appended + 5 * kMicrosPerMinute);
    EXPECT_EQ(history.lost.partition, idle.partition);
    const feature::Window hour{feature::WindowKind::kSlidingExact, kMicrosPerHour, 0};
    EXPECT_TRUE(history.lost.reach(hour, appended + kMicrosPerHour));
    EXPECT_FALSE(history.lost.reach(hour, appended + 2 * kMicrosPerHour));
    ASSERT_TRUE(this->log().reconcile());  // a snapshot
    reopen();
  }
}

TEST_F(EventsTest, WhatThePinDoesNotAskForIsNotLost) {
  open();
  const TopicPartition p = topic("flights", 1, {{"retention.ms", "1000"}});
  lose(p);
  EXPECT_FALSE(read({{p, {0}}}).lost.any());
  EXPECT_TRUE(read({{p, {1}}}).lost.any());
}

TEST_F(EventsTest, AnyMaxAheadGivesABound) {
  open();
  const TopicPartition p = topic("flights", 1, {{"retention.ms", "1000"}});
  lose(p);
  for (int more = 0; more < 2; ++more) {
    EXPECT_EQ(read({{p, {3 + more}}}, INT64_MAX - 1).lost.until_us, INT64_MAX);
    append(p, 1);
  }
}

}  // namespace
}  // namespace ms::history
