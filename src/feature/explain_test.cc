#include "feature/explain.h"

#include <gtest/gtest.h>

#include "feature/state_testing.h"

namespace ms::feature::testing {
namespace {

constexpr int64_t kMinute = kMicrosPerMinute, kHour = kMicrosPerHour, kDay = kMicrosPerDay;

class ExplainState : public ::testing::Test {
 protected:
  void add(const std::string& key, int64_t et, int64_t now, uint8_t passes = 1) {
    const Event event{.key = key, .et = et, .at = now, .partition = 0, .offset = next_++, .arguments = {}, .filters = {passes}};
    apply_events(*state_, {}, {&event, 1}, now);
  }
  WindowReads reads(size_t feature, int64_t t, const std::string& key = "u") {
    std::vector<WindowReads> by_feature;
    known_ = state_->explain(key, hash_of(key), {t}, false, by_feature);
    return by_feature.at(feature);
  }
  static std::string text(const WindowReads& reads) {
    std::string out;
    for (const TilesRead& read : reads.tiles) out += std::to_string(read.tiles) + "x" + format_duration(read.width_us) + " ";
    return out + std::to_string(reads.rows);
  }

  int64_t next_ = 0;
  bool known_ = false;
  std::vector<FeatureSpec> specs_{spec(AggregateKind::kCount, sliding(kHour)), spec(AggregateKind::kCount, exact(10 * kMinute)),
                                  spec(AggregateKind::kCount, tumbling(kHour)),
                                  spec(AggregateKind::kCount, lifetime(), -1, TypeKind::kInt64, 0)};
  std::unique_ptr<ViewState> state_ = ViewState::make(specs_);
};

TEST_F(ExplainState, CountsTilesAndRawRowsOfEachWindow) {
  const int64_t t = 100 * kDay + 90 * kMinute;
  for (int64_t back = 1; back <= 80; ++back) add("u", t - back * kMinute - 1, t);
  add("u", t + 1, t);  // waits
  EXPECT_EQ(text(reads(0, t)), "12x5m 0");
  EXPECT_TRUE(known_);
  EXPECT_EQ(text(reads(1, t)), "2x5m 0");            // the tail falls between two tiles
  EXPECT_EQ(text(reads(1, t + kMinute)), "1x5m 5");  // it cuts one: four of its rows, and the one that waited
  uint64_t closed_hour = 0;
  for (const TilesRead& read : reads(2, t).tiles) closed_hour += read.tiles;
  EXPECT_EQ(closed_hour, 11u);  // from minute 9 on
  EXPECT_EQ(text(reads(0, t, "nobody")), "0");
  EXPECT_FALSE(known_);
}

TEST_F(ExplainState, EverythingOlderIsOneTileOfLifetime) {
  const int64_t t = 100 * kDay;
  for (int64_t day = 0; day < 50; ++day) add("u", t - day * kDay - 1, t);
  state_->maintain({t}, 100);
  const WindowReads all = reads(3, t);
  ASSERT_FALSE(all.tiles.empty());
  EXPECT_EQ(all.tiles.front().width_us, TilesRead::kBase);
  EXPECT_EQ(all.tiles.front().tiles, 1u);
}

TEST_F(ExplainState, NewestEventTimes) {
  const int64_t t = 100 * kDay;
  add("a", t - 5, t), add("a", t - kMinute, t), add("b", t + 7, t), add("c", t - 2 * kMinute, t);
  std::vector<int64_t> times;
  EXPECT_EQ(state_->newest_event_times(0, 2, 1, t, times), 2u);
  EXPECT_EQ(times, (std::vector<int64_t>{t - 5, kNoEventTime}));  // what waits is not there yet
  times.clear();
  EXPECT_GE(state_->newest_event_times(0, 10, 2, t, times), 3u);
  EXPECT_EQ(times, (std::vector<int64_t>{t - 5, t - 2 * kMinute}));
  times.clear();
  state_->newest_event_times(1, 1, 1, t + 8, times);
  EXPECT_EQ(times, std::vector<int64_t>{t + 7});
}

}  // namespace
}  // namespace ms::feature::testing
