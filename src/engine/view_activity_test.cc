#include "engine/view_activity.h"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "base/types.h"

namespace ms::engine {
namespace {

feature::PreparedRows rows_of(const std::vector<std::string>& keys, std::vector<int64_t> times, int32_t partition = 0) {
  feature::PreparedRows rows;
  rows.rows = keys.size(), rows.partition = partition;
  for (const std::string& key : keys) rows.keys.push_back(key), rows.table_hashes.push_back(feature::table_hash(key));
  rows.event_times_us = std::move(times);
  return rows;
}

TEST(HotKeys, BoundsHoldAndNoFrequentKeyIsMissed) {
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    HotKeys hot;
    std::map<std::string, uint64_t> exact;
    const uint64_t distinct = 1 + rng.below(2'000), rows = 1 + rng.below(20'000);
    for (uint64_t i = 0; i < rows; ++i) {
      const std::string key = std::to_string(rng.below(1 + rng.below(distinct)));
      hot.add(key, feature::table_hash(key), 1);
      ++exact[key];
    }
    EXPECT_EQ(hot.rows(), rows);
    std::map<std::string, uint64_t> kept;
    for (const HotKey& k : hot.hottest(HotKeys::kKeysKept)) {
      EXPECT_GE(k.rows_max, exact[k.key]);
      EXPECT_LE(k.rows_max - k.error, exact[k.key]);
      kept[k.key] = k.rows_max;
    }
    for (const auto& [key, n] : exact)
      if (n > rows / HotKeys::kKeysKept) EXPECT_TRUE(kept.contains(key)) << key << " has " << n << " of " << rows;
  }
}

TEST(HotKeys, WhatWasHotLongAgoFades) {
  HotKeys hot;
  for (uint64_t i = 0; i < HotKeys::kRowsRemembered; ++i) hot.add("old", 1, 1);
  for (uint64_t i = 0; i < 2 * HotKeys::kRowsRemembered; ++i) hot.add("new", 2, 1);
  const auto hottest = hot.hottest(1);
  ASSERT_EQ(hottest.size(), 1u);
  EXPECT_EQ(hottest[0].key, "new");
  EXPECT_LE(hot.rows(), HotKeys::kRowsRemembered);
}

TEST(RowRate, CountsWholeSeconds) {
  RowRate rate;
  for (int64_t s = 1'000; s < 1'020; ++s) rate.add(s * kMicrosPerSecond, static_cast<uint64_t>(s - 999));
  EXPECT_EQ(rate.per_second(1'020 * kMicrosPerSecond, 10), (11.0 + 20) / 2);
  EXPECT_EQ(rate.per_second(1'019 * kMicrosPerSecond + 5, 1), 19);  // the second that runs is not over
  EXPECT_EQ(rate.per_second(1'100 * kMicrosPerSecond, 10), 0);
  rate.add((1'019 + RowRate::kSeconds) * kMicrosPerSecond, 7);  // takes the place of an old second
  EXPECT_EQ(rate.per_second((1'020 + RowRate::kSeconds) * kMicrosPerSecond, 60), 7.0 / 60);
}

TEST(ViewActivity, LateIsBehindAnEarlierRowOfThePartition) {
  ViewActivity activity;
  activity.note(rows_of({"a", "a", "b"}, {10, 5, 10}), 0);
  activity.note(rows_of({"a", "c"}, {9, 11}), 0);
  activity.note(rows_of({"a"}, {1}, 1), 0);
  const ActivityReport report = activity.report(0, 2);
  EXPECT_EQ(report.late, 2u);
  EXPECT_EQ(report.hottest_of_rows, 6u);
  EXPECT_EQ(report.sampled_one_in, 1u);
  ASSERT_EQ(report.hottest.size(), 2u);
  EXPECT_EQ(report.hottest[0].key, "a");
  EXPECT_EQ(report.hottest[0].rows_max, 4u);
  EXPECT_EQ(report.hottest[0].error, 0u);
}

TEST(ViewActivity, ManyRowsAreSampledWithTheirWeight) {
  ViewActivity activity;
  Rng rng(8);
  std::vector<std::string> keys(500);
  for (int chunk = 0; chunk < 1'000; ++chunk) {
    for (std::string& key : keys) key = rng.below(4) == 0 ? "hot" : std::to_string(rng.below(100'000));
    activity.note(rows_of(keys, std::vector<int64_t>(keys.size(), 1)), 0);
  }
  const ActivityReport report = activity.report(0, 1);
  EXPECT_EQ(report.sampled_one_in, 256u);
  EXPECT_NEAR(static_cast<double>(report.hottest_of_rows), 500'000, 256);
  ASSERT_EQ(report.hottest.size(), 1u);
  EXPECT_EQ(report.hottest[0].key, "hot");
  EXPECT_NEAR(static_cast<double>(report.hottest[0].rows_max), 125'000, 20'000);
}

// Keys that take turns in the rhythm of the step are no hotter than they are; nothing is shown where nothing stands out.
TEST(ViewActivity, ARhythmOfTheStreamIsNoHotKey) {
  ViewActivity activity;
  std::vector<std::string> keys(512);
  uint64_t next = 0;
  for (int chunk = 0; chunk < 1'000; ++chunk) {
    for (std::string& key : keys) key = std::to_string(next++ % 1'024);
    activity.note(rows_of(keys, std::vector<int64_t>(keys.size(), 1)), 0);
  }
  EXPECT_TRUE(activity.report(0, 10).hottest.empty());
}

}  // namespace
}  // namespace ms::engine
