// Many small stream objects become few: which, how the metadata changes hands, and that readers see nothing of it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <thread>

#include "base/metrics.h"
#include "log/merge_plan.h"
#include "log/meta_state.h"
#include "log/stream_object.h"
#include "log/testing/log_fixture.h"

namespace ms::log {
namespace {

constexpr TopicId kTopic{Uuid{{1}}};
TopicPartition at(int32_t partition) { return {kTopic, {partition}}; }
ObjectRun run_of(int32_t partition, int64_t base, int64_t next) { return {.of = at(partition), .base = {base}, .next = {next}, .bytes = 1}; }
RunName name_of(uint64_t object, const ObjectRun& run) { return {object, run.of, run.base, run.next}; }

std::map<uint64_t, LiveObject> objects_of(const std::vector<uint64_t>& bytes) {
  std::map<uint64_t, LiveObject> out;
  for (const uint64_t each : bytes) out[out.size() + 1] = {.bytes = each, .runs = 1};
  return out;
}

TEST(ChooseMerge, EnoughSmallObjectsOfOneSizeOrAFullOne) {
  const MergeLimits limits{.object_bytes = 1'000'000, .runs = 100};
  EXPECT_TRUE(choose_merge(objects_of(std::vector<uint64_t>(kMergeObjectsMin - 1, 100)), limits).empty());
  EXPECT_EQ(choose_merge(objects_of(std::vector<uint64_t>(kMergeObjectsMin, 100)), limits).size(), kMergeObjectsMin);
  EXPECT_TRUE(choose_merge(objects_of({600'000, 600'000, 600'000, 600'000, 600'000, 600'000, 600'000, 600'000}), limits).empty());
  EXPECT_EQ(choose_merge(objects_of({400'000, 400'000, 400'000}), limits), (std::vector<uint64_t>{1, 2}));
  auto wide = objects_of(std::vector<uint64_t>(kMergeObjectsMin, 100));
  wide[3].runs = 51;  // too many for one command with others
  EXPECT_TRUE(choose_merge(wide, limits).empty());
}

// Whatever the sizes: merging ends, few objects stay, and a byte is written a bounded number of times.
RC_GTEST_PROP(ChooseMerge, EndsWithFewObjectsAndLittleWritten, ()) {
  const MergeLimits limits{.object_bytes = 1u << 20, .runs = 1'000'000};
  const auto sizes = *rc::gen::container<std::vector<uint64_t>>(rc::gen::inRange<uint64_t>(1, 1u << 17));
  std::map<uint64_t, LiveObject> objects;
  uint64_t next = 1, written = 0, total = 0;
  for (const uint64_t size : sizes) {
    objects[next++] = {.bytes = size, .runs = 1};
    total += size;
    for (auto chosen = choose_merge(objects, limits); !chosen.empty(); chosen = choose_merge(objects, limits)) {
      RC_ASSERT(chosen.size() >= 2u);
      LiveObject merged;
      for (const uint64_t object : chosen) merged.bytes += objects.at(object).bytes, objects.erase(object);
      RC_ASSERT(merged.bytes <= limits.object_bytes);
      objects[next++] = merged;
      written += merged.bytes;
    }
  }
  RC_ASSERT(written <= total * 8);
  const auto small = std::ranges::count_if(objects, [&](const auto& item) { return item.second.bytes <= limits.object_bytes / 2; });
  RC_ASSERT(small < static_cast<int64_t>(8 * kMergeObjectsMin));
}

TEST(RunLimits, ARunIsASmallPartOfWhatRetentionKeeps) {
  const auto limits = [](const TopicConfig& config) { return run_limits(topic_settings(config)); };
  EXPECT_EQ(limits({}).span_us, 7 * kMicrosPerDay / 10);
  EXPECT_EQ(limits({}).bytes, 1 << 30);
  EXPECT_EQ(limits({{"retention.ms", "-1"}}).span_us, 7 * kMicrosPerDay);  // segment.ms
  EXPECT_EQ(limits({{"retention.bytes", "1000"}, {"segment.ms", "5"}}).bytes, 100);
  EXPECT_EQ(limits({{"segment.ms", "5"}, {"segment.bytes", "77"}}).span_us, 5'000);
  EXPECT_EQ(limits({{"segment.bytes", "77"}}).bytes, 77);
  EXPECT_EQ(limits({{"segment.ms", "9223372036854775807"}, {"retention.ms", "-1"}}).span_us, INT64_MAX);
  const OpenRun open{.of = at(0), .end = {5}, .bytes = 60, .since = {1'000}};
  ObjectRun next = run_of(0, 5, 9);
  next.bytes = 40, next.last_append_us = 2'000;
  EXPECT_TRUE(continues(open, next, {.bytes = 100, .span_us = 1'000}));
  EXPECT_FALSE(continues(open, next, {.bytes = 99, .span_us = 1'000}));
  EXPECT_FALSE(continues(open, next, {.bytes = 100, .span_us = 999}));
  EXPECT_FALSE(continues({.of = at(0), .end = {4}}, next, {.bytes = 100, .span_us = 10'000}));
  EXPECT_FALSE(continues({.of = at(1), .end = {5}}, next, {.bytes = 100, .span_us = 10'000}));
}

TEST(StandFor, RunsCoverTheirSourcesExactly) {
  const ObjectRun a = run_of(0, 0, 3), b = run_of(0, 3, 5), c = run_of(1, 0, 2);
  const std::vector<RunName> all = {name_of(1, a), name_of(2, b), name_of(1, c)};
  const auto stands = [&](const std::vector<ObjectRun>& runs) { return stand_for(runs, all); };
  EXPECT_TRUE(stands({run_of(0, 0, 5), run_of(1, 0, 2)}));
  EXPECT_TRUE(stands({a, b, c}));
  EXPECT_FALSE(stands({run_of(0, 0, 5)}));                                        // one is left over
  EXPECT_FALSE(stands({run_of(0, 0, 4), run_of(0, 4, 5), run_of(1, 0, 2)}));      // cuts a source
  EXPECT_FALSE(stands({run_of(0, 0, 6), run_of(1, 0, 2)}));                       // more than there is
  EXPECT_FALSE(stands({run_of(1, 0, 2), run_of(0, 0, 5)}));                       // out of order
  EXPECT_FALSE(stands({a, a, b, c}));
  EXPECT_FALSE(stand_for(std::vector{run_of(0, 0, 5)}, std::vector{name_of(1, run_of(0, 0, 2)), name_of(2, b)}));  // a hole
  EXPECT_FALSE(stand_for(std::vector{run_of(0, 3, 3)}, {}));
}

// A partition with three runs in objects 1 to 3, the third shared with another partition; objects 4 to 6 are reserved.
MetaState three_objects() {
  MetaState state;
  EXPECT_TRUE(state.apply(CreateTopic{kTopic, "t", 2, {}, false}, {1}));
  EXPECT_TRUE(state.apply(ReserveObjects{6}, {1}));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(state.append({.to = at(i % 2), .records = 1}, {2}).error, AppendError::kNone);
  EXPECT_TRUE(state.apply(AddObject{1, 10, {run_of(0, 0, 2)}}, {3}));
  EXPECT_TRUE(state.apply(AddObject{2, 10, {run_of(0, 2, 4)}}, {3}));
  EXPECT_TRUE(state.apply(AddObject{3, 10, {run_of(0, 4, 6), run_of(1, 0, 5)}}, {3}));
  return state;
}

TEST(ReplaceRuns, ChangesHandsAtOnceOrNotAtAll) {
  MetaState state = three_objects();
  const ReplaceRuns first{4, 10, {run_of(0, 0, 4)}, {name_of(1, run_of(0, 0, 2)), name_of(2, run_of(0, 2, 4))}};
  ASSERT_TRUE(state.apply(first, {5}));
  EXPECT_EQ(state.doomed_objects(), (std::map<uint64_t, int64_t>{{1, 5}, {2, 5}}));
  EXPECT_EQ(state.find(at(0))->runs.at(0).first, 4u);
  EXPECT_EQ(state.find(at(0))->runs.size(), 2u);
  EXPECT_EQ(state.find(at(0))->reconciled(), 6);
  const std::string before = state.encode();
  EXPECT_EQ(state.apply(first, {5}).error().kind, ErrorKind::kInvalidArgument);  // the name is taken
  ReplaceRuns late = first;
  late.object = 5;
  EXPECT_EQ(state.apply(late, {5}).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(state.encode(), before);
  // Only one of two partitions of an object: it stays for the other.
  ASSERT_TRUE(state.apply(ReplaceRuns{5, 10, {run_of(0, 0, 6)}, {name_of(4, run_of(0, 0, 4)), name_of(3, run_of(0, 4, 6))}}, {7}));
  EXPECT_EQ(state.doomed_objects(), (std::map<uint64_t, int64_t>{{1, 5}, {2, 5}, {4, 7}}));
  ASSERT_TRUE(state.apply(AdvanceLogStart{at(1), {5}}, {8}));
  EXPECT_TRUE(state.doomed_objects().contains(3));
  // A log start within the run: retention took nothing of it yet.
  ASSERT_TRUE(state.apply(AdvanceLogStart{at(0), {3}}, {8}));
  ASSERT_TRUE(state.apply(ReplaceRuns{6, 10, {run_of(0, 0, 6)}, {name_of(5, run_of(0, 0, 6))}}, {9}));
  EXPECT_EQ(MetaState::decode(state.encode())->encode(), state.encode());
}

TEST(ReplaceRuns, OfATopicThatWasDeletedMeanwhileDoomsTheObject) {
  MetaState state = three_objects();
  ASSERT_TRUE(state.apply(DeleteTopic{kTopic}, {4}));
  ASSERT_TRUE(state.apply(ReplaceRuns{4, 10, {run_of(0, 0, 4)}, {name_of(1, run_of(0, 0, 2)), name_of(2, run_of(0, 2, 4))}}, {5}));
  EXPECT_EQ(state.doomed_objects(), (std::map<uint64_t, int64_t>{{1, 4}, {2, 4}, {3, 4}, {4, 5}}));
}

TEST(ReplaceRuns, ReadsBackAsItWasWritten) {
  constexpr size_t kRunBytes = 16 + 4 + 6 * 8;
  const ReplaceRuns command{4, 10, {run_of(0, 0, 4)}, {name_of(1, run_of(0, 0, 2)), name_of(2, run_of(0, 2, 4))}};
  ByteWriter out, again;
  encode(out, Command{command});
  ByteReader in(out.str());
  encode(again, std::get<Command>(decode_entry(in).value()));
  EXPECT_EQ(again.str(), out.str());
  std::string dense = out.str();  // as it was written before there was compaction
  dense[0] = static_cast<char>(dense[0] - 1);
  dense.erase(1 + 8 + 8 + 1 + kRunBytes, 1);  // of the one run
  dense.pop_back();
  ByteReader older(dense);
  ByteWriter now;
  encode(now, std::get<Command>(decode_entry(older).value()));
  EXPECT_EQ(now.str(), out.str());
  EXPECT_TRUE(older.at_end());
  EXPECT_TRUE(in.at_end());
  for (size_t size = 0; size < out.size(); ++size) {
    ByteReader cut(std::string_view(out.str()).substr(0, size));
    EXPECT_FALSE(decode_entry(cut));
  }
}

class MergeTest : public testing::LogFixture {
 protected:
  // Each round is one small object.
  void rounds(const std::vector<TopicPartition>& to, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      for (const TopicPartition& p : to) append(p, 1 + i % 3);
      ASSERT_TRUE(log().reconcile());
      clock().advance(1'000);
    }
  }
  size_t objects_after_the_grace() {
    clock().advance(options().object_grace_ms * 1000);
    EXPECT_TRUE(log().enforce_retention());
    return objects();
  }
};

TEST_F(MergeTest, SmallObjectsBecomeOneAndReadersSeeTheSame) {
  open();
  const TopicPartition a = topic("a", 1), b = topic("b", 1);
  rounds({a, b}, 3 * kMergeObjectsMin);
  append(a, 2);  // in the tail
  const auto contents_a = contents(a), contents_b = contents(b);
  const auto times = append_times(a);
  const int64_t bytes = log().partition_state(a)->bytes;
  const auto check = [&] {
    EXPECT_EQ(contents(a), contents_a);
    EXPECT_EQ(contents(b), contents_b);
    EXPECT_EQ(append_times(a), times);
    EXPECT_EQ(log().partition_state(a)->bytes, bytes);
    EXPECT_EQ(log().offset_for_time(b, clock().wall_us() / 1000 - 5)->has_value(), log().offset_for_time(a, clock().wall_us() / 1000 - 5)->has_value());
  };
  ASSERT_TRUE(log().merge_objects());
  check();
  EXPECT_EQ(objects(), 3 * kMergeObjectsMin + 1);  // the grace has not passed
  check();
  reopen();
  check();
  EXPECT_EQ(objects_after_the_grace(), 1u);
  check();
  reopen();
  check();
  ASSERT_TRUE(log().reconcile());
  check();
}

// Without this bound a quiet topic would be one run that is always fresh, and retention would never take anything.
TEST_F(MergeTest, RetentionStillTakesWhatIsOld) {
  open();
  const TopicPartition p = topic("events", 1, {{"retention.ms", "100"}});
  for (int day = 0; day < 10; ++day) {
    rounds({p}, kMergeObjectsMin);
    ASSERT_TRUE(log().merge_objects());
    clock().advance(12'000);
    ASSERT_TRUE(log().enforce_retention());
  }
  const auto state = log().partition_state(p).value();
  EXPECT_GT(state.log_start.value, 0);
  EXPECT_LT(state.high_watermark.value - state.log_start.value, state.high_watermark.value * 7 / 10);
  const auto kept = contents(p);
  reopen();
  EXPECT_EQ(contents(p), kept);
}

TEST_F(MergeTest, AnObjectThatCannotBeReadIsLeftAlone) {
  expect_damage();
  options().tail_cache_bytes_max = 0;
  open();
  const TopicPartition p = topic("events", 1);
  rounds({p}, kMergeObjectsMin + 1);
  const std::string first = "/log/objects/" + fs().list("/log/objects")->front();
  ASSERT_TRUE(fs().corrupt(first, kObjectHeaderBytes + kBatchHeaderBytes + 3, 1));
  ASSERT_TRUE(log().merge_objects());
  EXPECT_EQ(objects_after_the_grace(), 2u);
  EXPECT_EQ(log().read(p, {0}, 100).error().kind, ErrorKind::kCorruption);
  EXPECT_EQ(log().read(p, {1}, 100)->batches.front().base.value, 1);
}

// Readers hold plans of runs that change hands, and objects go at once: what they ask for is found again.
TEST_F(MergeTest, ReadersInFlightNeverFail) {
  options().tail_cache_bytes_max = 0;
  options().block_cache_bytes_max = 0;
  options().object_grace_ms = 0;
  open();
  const TopicPartition p = topic("events", 1);
  append(p, 1);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    for (int64_t from = 0; !done;) {
      const auto read = log().read(p, {from}, 300);
      ASSERT_TRUE(read) << read.error().message;
      if (!read->batches.empty()) EXPECT_EQ(read->batches.front().base.value, from);
      for (const ReadBatch& each : read->batches) EXPECT_EQ(each.base.value, std::exchange(from, each.last.value + 1));
      if (from == read->high_watermark.value) from = 0;
      const auto found = log().offset_for_time(p, 0);
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_EQ((*found)->offset.value, 0);
    }
  });
  const int64_t merged_before = counter("millstream_log_objects_merged_total").get();
  for (int i = 0; i < 200; ++i) {
    append(p, 1);
    ASSERT_TRUE(log().reconcile());
    ASSERT_TRUE(log().merge_objects());
    if (i % 3 == 0) ASSERT_TRUE(log().enforce_retention());
  }
  done = true;
  reader.join();
  EXPECT_GT(counter("millstream_log_objects_merged_total").get() - merged_before, 20);
}

}  // namespace
}  // namespace ms::log
