// Where a seek goes: every target at the edges, and laws over random positions.
#include "kafka/admin/group_seek.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms::kafka {
namespace {

int64_t seek(const std::string& to, const PartitionPosition& now, int64_t by_time = -1) {
  const auto target = parse_seek_target(to);
  EXPECT_TRUE(target) << to;
  const auto offset = seek_offset(*target, now, by_time);
  return offset ? *offset : -999;
}

TEST(GroupSeek, GoesWhereItIsTold) {
  const PartitionPosition now{.committed = 50, .log_start = 10, .log_end = 100};
  EXPECT_EQ(seek("start", now), 10);
  EXPECT_EQ(seek("end", now), 100);
  EXPECT_EQ(seek("+7", now), 57);
  EXPECT_EQ(seek("-7", now), 43);
  EXPECT_EQ(seek("77", now), 77);
  EXPECT_EQ(seek("2026-01-01", now, 33), 33);
  EXPECT_EQ(seek("2026-01-01", now), 100);  // nothing that late
}

TEST(GroupSeek, StaysWithinWhatTheLogHolds) {
  const PartitionPosition now{.committed = 50, .log_start = 10, .log_end = 100};
  EXPECT_EQ(seek("+51", now), 100);
  EXPECT_EQ(seek("-41", now), 10);
  EXPECT_EQ(seek("0", now), 10);
  EXPECT_EQ(seek("101", now), 100);
  EXPECT_EQ(seek("+9223372036854775807", now), 100);
  EXPECT_EQ(seek("-9223372036854775808", now), 10);
}

TEST(GroupSeek, RelativeNeedsSomethingCommitted) {
  const PartitionPosition now{.committed = -1, .log_start = 0, .log_end = 5};
  EXPECT_EQ(seek("+1", now), -999);
  EXPECT_EQ(seek("3", now), 3);
}

TEST(GroupSeek, TimesAreRoundedUpToMilliseconds) {
  EXPECT_EQ(std::get<SeekToTime>(*parse_seek_target("1970-01-01T00:00:01.000000Z")).ms, 1000);
  EXPECT_EQ(std::get<SeekToTime>(*parse_seek_target("1970-01-01T00:00:01.000001Z")).ms, 1001);
  EXPECT_EQ(std::get<SeekToTime>(*parse_seek_target("1969-01-01")).ms, 0);  // negative times mean something else to the log
}

TEST(GroupSeek, OtherTextsAreRefused) {
  for (const char* text : {"", "+", "-", "+-3", "1x", "--3", "begin", "99999999999999999999", "2026-13-01"})
    EXPECT_FALSE(parse_seek_target(text)) << text;
}

TEST(GroupSeek, LawsOverRandomPositions) {
  Rng rng(26);
  for (int i = 0; i < 20'000; ++i) {
    PartitionPosition now;
    now.log_start = static_cast<int64_t>(rng.below(1'000));
    now.log_end = now.log_start + static_cast<int64_t>(rng.below(1'000));
    now.committed = static_cast<int64_t>(rng.below(2'500));  // also outside, after retention
    const int64_t by = static_cast<int64_t>(rng.below(4'000)) - 2'000;
    const int64_t there = *seek_offset(SeekBy{by}, now, -1);
    ASSERT_GE(there, now.log_start);
    ASSERT_LE(there, now.log_end);
    ASSERT_EQ(there, *seek_offset(SeekToOffset{now.committed + by}, now, -1));
    const bool reached = there == now.committed + by;
    now.committed = there;
    if (reached) ASSERT_EQ(*seek_offset(SeekBy{0}, now, -1), there);
    ASSERT_LE(*seek_offset(SeekBy{by - 1}, now, -1), *seek_offset(SeekBy{by}, now, -1));
    ASSERT_EQ(*now.lag(), now.log_end - there);
  }
}

}  // namespace
}  // namespace ms::kafka
