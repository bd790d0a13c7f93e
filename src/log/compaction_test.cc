// Compaction: the parts by themselves, and a log under random work against a reference of its rule.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <fmt/format.h>

#include "base/rng.h"
#include "codec/testing/record_batches.h"
#include "log/batch_cleaner.h"
#include "log/compaction_plan.h"
#include "log/key_map.h"
#include "log/testing/log_fixture.h"

namespace ms::log {
namespace {

TEST(KeyMap, KeepsTheNewestAndSaysWhenItIsFull) {
  KeyMap map(100, 1u << 20);
  for (int64_t i = 0; i < 300; ++i) EXPECT_TRUE(map.put(std::to_string(i % 100), i));
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(map.find(std::to_string(i)), 200 + i);
  EXPECT_EQ(map.find("other"), std::nullopt);
  EXPECT_EQ(map.size(), 100u);
  KeyMap small(1'000'000, 1'000);
  EXPECT_LE(small.bytes(), 1'000u);
  int64_t taken = 0;
  while (small.put(std::to_string(taken), taken)) ++taken;
  EXPECT_GT(taken, 20);
  EXPECT_TRUE(small.put("3", 900));  // known already
  EXPECT_EQ(small.find("3"), 900);
  KeyMap least(0, 0);
  EXPECT_TRUE(least.put("a", 1));
  EXPECT_FALSE(least.put("b", 2));
  EXPECT_EQ(least.find("b"), std::nullopt);
}

RunRef run_of(int64_t base, int64_t next, uint64_t bytes, int64_t at_ms, uint64_t compacted = 0) {
  return {1, {.base = {base}, .next = {next}, .bytes = bytes, .last_append_us = at_ms * 1000, .compacted = compacted}};
}

TEST(PlanCompaction, GoesByTheShareThatWasNotCompared) {
  TopicSettings settings = topic_settings({{"cleanup.policy", "compact"}, {"min.compaction.lag.ms", "10"}, {"max.compaction.lag.ms", "1000"}});
  const auto plan = [&](const std::vector<RunRef>& runs, int64_t last_stable = 1'000, int64_t now_ms = 500) {
    const auto p = plan_compaction(runs, {last_stable}, settings, now_ms * 1000);
    return p ? std::pair(p->dirty.value, p->end.value) : std::pair(int64_t{-1}, int64_t{-1});
  };
  const std::pair<int64_t, int64_t> none{-1, -1};
  EXPECT_EQ(plan({}), none);
  EXPECT_EQ(plan({run_of(0, 10, 5, 1)}), std::pair(int64_t{0}, int64_t{10}));
  EXPECT_EQ(plan({run_of(0, 10, 5, 1), run_of(10, 20, 5, 495)}), std::pair(int64_t{0}, int64_t{10}));  // too young
  EXPECT_EQ(plan({run_of(0, 10, 5, 1), run_of(10, 20, 5, 1)}, 19), std::pair(int64_t{0}, int64_t{10}));  // not stable
  EXPECT_EQ(plan({run_of(0, 10, 5, 1), run_of(10, 20, 5, 1)}, 9), none);
  EXPECT_EQ(plan({run_of(0, 10, 50, 1, 10), run_of(10, 20, 50, 1)}), none);  // half is not more than half
  EXPECT_EQ(plan({run_of(0, 10, 50, 1, 10), run_of(10, 20, 51, 1)}), std::pair(int64_t{10}, int64_t{20}));
  EXPECT_EQ(plan({run_of(0, 10, 50, 1, 10), run_of(10, 20, 51, 1, 4)}), std::pair(int64_t{14}, int64_t{20}));
  EXPECT_EQ(plan({run_of(0, 10, 50, 1, 10)}, 1'000, 5'000), none);  // nothing to do, however old
  EXPECT_EQ(plan({run_of(0, 10, 50, 1, 10), run_of(10, 20, 1, 1)}, 1'000, 1'001), none);
  EXPECT_EQ(plan({run_of(0, 10, 50, 1, 10), run_of(10, 20, 1, 1)}, 1'000, 1'002), std::pair(int64_t{10}, int64_t{20}));
  settings.compacts = false;
  EXPECT_EQ(plan({run_of(0, 10, 5, 1)}), none);
}

struct Rec {
  int64_t offset = 0;
  std::string key;
  std::optional<std::string> value;
  bool operator==(const Rec&) const = default;
};

std::vector<Rec> records_of(std::span<const uint8_t> batch) {
  std::string scratch;
  auto reader = RecordReader::open(batch, scratch).value();
  RecordView record;
  std::vector<Rec> out;
  auto step = reader.next(record);
  for (; step == RecordReader::Step::kRecord; step = reader.next(record))
    out.push_back({record.offset, std::string(record.key.value_or("")), record.value ? std::optional(std::string(*record.value)) : std::nullopt});
  EXPECT_EQ(step, RecordReader::Step::kEnd);
  return out;
}

RC_GTEST_PROP(ThinRecordBatch, KeepsWhatIsToStayAsItWas, ()) {
  const auto codec = *rc::gen::element(Compression::kNone, Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd);
  const auto keep = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint8_t>>(rc::gen::inRange<uint8_t>(0, 2)));
  const auto horizon = *rc::gen::arbitrary<bool>() ? std::optional(*rc::gen::inRange<int64_t>(0, 1'000'000)) : std::nullopt;
  std::vector<std::string> texts;
  std::vector<RecordToWrite> records;
  for (size_t i = 0; i < keep.size(); ++i) texts.push_back(std::to_string(i));
  for (size_t i = 0; i < keep.size(); ++i)
    records.push_back({.timestamp_ms = *rc::gen::inRange<int64_t>(-5, 2'000'000), .key = texts[i], .value = i % 3 ? std::optional<std::string_view>("v") : std::nullopt,
                       .headers = {{"h", texts[i]}}});
  const std::string batch = build_record_batch({.compression = codec, .producer_id = 4, .producer_epoch = 2, .base_sequence = 9, .base = {100}}, records).value();
  const std::span bytes(reinterpret_cast<const uint8_t*>(batch.data()), batch.size());
  const std::string thin = thin_record_batch(bytes, keep, horizon).value();
  const std::span left(reinterpret_cast<const uint8_t*>(thin.data()), thin.size());
  const auto before = parse_record_batch(bytes).value(), after = check_record_batch(left).value();
  RC_ASSERT(after.base_offset == before.base_offset && after.last_offset_delta == before.last_offset_delta);
  RC_ASSERT(after.producer_id == 4 && after.producer_epoch == 2 && after.base_sequence == 9);
  RC_ASSERT(after.has_delete_horizon() == (horizon.has_value() && after.records > 0));
  std::string scratch, thin_scratch;
  auto all = RecordReader::open(bytes, scratch).value(), some = RecordReader::open(left, thin_scratch).value();
  RecordView a, b;
  int64_t largest = INT64_MIN;
  for (const uint8_t stays : keep) {
    RC_ASSERT(all.next(a) == RecordReader::Step::kRecord);
    if (!stays) continue;
    RC_ASSERT(some.next(b) == RecordReader::Step::kRecord);
    RC_ASSERT(a.offset == b.offset && a.timestamp_ms == b.timestamp_ms && a.key == b.key && a.value == b.value);
    RC_ASSERT(std::ranges::equal(a.headers_raw, b.headers_raw));
    largest = std::max(largest, a.timestamp_ms);
  }
  RC_ASSERT(some.next(b) == RecordReader::Step::kEnd);
  RC_ASSERT(after.largest_timestamp_ms() == largest);
}

class CompactionTest : public testing::LogFixture {
 protected:
  TopicPartition compacted(const TopicConfig& more = {}) {
    TopicConfig config = {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0"}, {"delete.retention.ms", "1000"}};
    for (const auto& [key, value] : more) config[key] = value;
    return topic("compacted", 1, config);
  }
  AppendOutcome put(TopicPartition p, const std::vector<std::pair<std::string, std::optional<std::string>>>& entries, BatchToWrite form = {}, TransactionTerms terms = {}) {
    std::vector<RecordToWrite> records;
    for (const auto& [key, value] : entries) records.push_back({.timestamp_ms = clock().wall_us() / 1000, .key = key, .value = value});
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(build_record_batch(form, records).value()), 0, std::move(terms)});
    return append(std::move(parts)).at(0);
  }
  void compact() {
    ASSERT_TRUE(log().reconcile());
    ASSERT_TRUE(log().compact());
  }
  // Committed records from `from` on.
  std::vector<Rec> records(TopicPartition p, int64_t from = 0) {
    std::vector<Rec> out;
    for (;;) {
      const auto read = log().read(p, {from}, 500);
      EXPECT_TRUE(read) << read.error().message;
      if (!read || read->batches.empty()) return out;
      for (const ReadBatch& batch : read->batches) {
        EXPECT_GT(batch.last.value, from - 1);
        from = batch.last.value + 1;
        if (!batch.committed) continue;
        for (Rec& r : records_of(batch.bytes.span())) out.push_back(std::move(r));
      }
    }
  }
  size_t markers(TopicPartition p) {
    size_t out = 0;
    for (int64_t from = 0;;) {
      const auto read = log().read(p, {from}, 500);
      if (!read || read->batches.empty()) return out;
      for (const ReadBatch& batch : read->batches) out += parse_record_batch(batch.bytes.span())->control(), from = batch.last.value + 1;
    }
  }
  Result<ProducerIdentity> step(TransactionStep step) {
    std::promise<Result<ProducerIdentity>> promise;
    log().transact(std::move(step), [&](Result<ProducerIdentity> done) { promise.set_value(std::move(done)); });
    return promise.get_future().get();
  }
};

TEST_F(CompactionTest, TheNewestOfEachKeyStaysAtItsOffset) {
  open();
  const TopicPartition p = compacted();
  put(p, {{"a", "1"}, {"b", "1"}, {"a", "2"}});
  put(p, {{"c", "1"}});
  put(p, {{"b", "2"}, {"d", "1"}}, {.compression = Compression::kZstd});
  put(p, {{"d", "2"}});
  const std::vector<Rec> expected = {{2, "a", "2"}, {3, "c", "1"}, {4, "b", "2"}, {6, "d", "2"}};
  compact();
  const auto check = [&] {
    EXPECT_EQ(records(p), expected);
    EXPECT_EQ(records(p, 6), (std::vector<Rec>{{6, "d", "2"}}));
    EXPECT_EQ(log().partition_state(p)->high_watermark.value, 7);
    EXPECT_EQ(log().partition_state(p)->log_start.value, 0);
    EXPECT_EQ(log().offset_for_time(p, 0).value()->offset.value, 2);
    EXPECT_TRUE(log().offset_of_max_timestamp(p).value());
    EXPECT_EQ(log().read(p, {0}, 1)->batches.front().base.value, 0);
  };
  check();
  reopen();
  check();
  compact();  // nothing to do
  check();
  clock().advance(options().object_grace_ms * 1000);
  ASSERT_TRUE(log().enforce_retention());
  EXPECT_EQ(objects(), 1u);
  check();
  put(p, {{"c", "2"}, {"e", "1"}});
  compact();
  EXPECT_EQ(records(p), (std::vector<Rec>{{2, "a", "2"}, {4, "b", "2"}, {6, "d", "2"}, {7, "c", "2"}, {8, "e", "1"}}));
  EXPECT_EQ(records(p, 3).front().offset, 4);
  EXPECT_EQ(log().read(p, {3}, 1)->batches.front().base.value, 4);  // the batch of offset 3 is gone
}

TEST_F(CompactionTest, TombstonesStayForAWhile) {
  open();
  const TopicPartition p = compacted();
  put(p, {{"a", "1"}});
  put(p, {{"a", std::nullopt}, {"b", "1"}});
  compact();
  EXPECT_EQ(records(p), (std::vector<Rec>{{1, "a", std::nullopt}, {2, "b", "1"}}));
  clock().advance(999'000);
  put(p, {{"c", "1"}});
  compact();
  EXPECT_EQ(records(p).front(), (Rec{1, "a", std::nullopt}));
  clock().advance(1'000);
  put(p, {{"c", "2"}});
  compact();
  EXPECT_EQ(records(p), (std::vector<Rec>{{2, "b", "1"}, {4, "c", "2"}}));
}

TEST_F(CompactionTest, RecordsWithoutKeysAreRefusedByNumber) {
  open();
  const TopicPartition p = compacted();
  for (const Compression codec : {Compression::kNone, Compression::kLz4}) {
    const std::vector<RecordToWrite> mixed = {{.key = "a", .value = "1"}, {.value = "2"}, {.key = "", .value = "3"}, {.value = "4"}};
    const AppendOutcome outcome = append_one(p, build_record_batch({.compression = codec}, mixed).value());
    EXPECT_EQ(outcome.error, AppendError::kInvalidRecord);
    EXPECT_EQ(outcome.refused_records, (std::vector<int32_t>{1, 3}));
    const std::vector<std::string> values = {"a", "b"};
    EXPECT_EQ(append_one(p, ms::testing::batch_with_deltas(codec, values, {0, 2})).error, AppendError::kInvalidRecord);
  }
  EXPECT_EQ(log().partition_state(p)->high_watermark.value, 0);
  ASSERT_TRUE(log().alter_config(p.topic, {{"cleanup.policy", "delete"}}));
  EXPECT_EQ(append(p, 1).error, AppendError::kNone);
  ASSERT_TRUE(log().alter_config(p.topic, {{"cleanup.policy", "compact,delete"}}));
  put(p, {{"a", "1"}});
  compact();  // as in Kafka, what has no key goes
  EXPECT_EQ(records(p), (std::vector<Rec>{{1, "a", "1"}}));
}

TEST_F(CompactionTest, TransactionsGoAsInKafka) {
  open();
  const TopicPartition p = compacted();
  const auto transact = [&](const std::string& key, const std::string& value, bool commit) {
    const ProducerIdentity by = step(InitTransaction{"t", 60'000, {}}).value();
    EXPECT_EQ(put(p, {{key, value}}, {.producer_id = by.id, .producer_epoch = by.epoch, .base_sequence = 0, .transactional = true}, {.id = "t", .joins = true}).error, AppendError::kNone);
    EXPECT_TRUE(step(EndTransaction{"t", by, commit, false}));
  };
  transact("a", "committed", true);  // 0, marker 1
  transact("a", "aborted", false);   // 2, marker 3
  transact("b", "committed", true);  // 4, marker 5
  put(p, {{"c", "1"}});               // 6
  compact();
  EXPECT_EQ(records(p), (std::vector<Rec>{{0, "a", "committed"}, {4, "b", "committed"}, {6, "c", "1"}}));
  EXPECT_EQ(markers(p), 3u);
  EXPECT_TRUE(log().read(p, {0}, 10'000)->aborted.empty());  // nothing of it is left
  clock().advance(2'000'000);
  put(p, {{"a", "2"}});  // 7
  compact();
  EXPECT_EQ(markers(p), 2u);  // the aborted one's has had its time; that of "a" gets its own now
  clock().advance(2'000'000);
  put(p, {{"d", "1"}});
  compact();
  EXPECT_EQ(markers(p), 1u);
  EXPECT_EQ(records(p), (std::vector<Rec>{{4, "b", "committed"}, {6, "c", "1"}, {7, "a", "2"}, {8, "d", "1"}}));
  // Beyond the last stable offset nothing is touched.
  const ProducerIdentity by = step(InitTransaction{"t", 60'000, {}}).value();
  put(p, {{"c", "2"}}, {.producer_id = by.id, .producer_epoch = by.epoch, .base_sequence = 0, .transactional = true}, {.id = "t", .joins = true});
  put(p, {{"c", "3"}});
  compact();
  reopen();
  EXPECT_EQ(records(p), (std::vector<Rec>{{4, "b", "committed"}, {6, "c", "1"}, {7, "a", "2"}, {8, "d", "1"}, {9, "c", "2"}, {10, "c", "3"}}));
  ASSERT_TRUE(step(EndTransaction{"t", by, false, false}));
  compact();
  EXPECT_EQ(records(p), (std::vector<Rec>{{4, "b", "committed"}, {7, "a", "2"}, {8, "d", "1"}, {10, "c", "3"}}));
}

// After any sequence of work what can be read is what the rule leaves: see Reference.
class Reference {
 public:
  void append(int64_t offset, const std::string& key, std::optional<std::string> value) { all_.push_back({offset, key, std::move(value)}); }
  // What must be there: of each key the newest record, unless it is a tombstone. What may be there: only records that were appended,
  // in their places; no superseded one below `compacted`; and all from `touched` on.
  void check(const std::vector<Rec>& found, int64_t log_start, int64_t compacted, int64_t touched) const {
    std::map<int64_t, Rec> by_offset;
    std::map<std::string, int64_t> newest, newest_compacted;
    for (const Rec& r : all_) {
      by_offset[r.offset] = r;
      newest[r.key] = r.offset;
      if (r.offset < compacted) newest_compacted[r.key] = r.offset;
    }
    std::set<int64_t> there;
    int64_t before = -1;
    for (const Rec& r : found) {
      ASSERT_GT(r.offset, before);
      before = r.offset;
      ASSERT_TRUE(by_offset.contains(r.offset));
      ASSERT_EQ(by_offset.at(r.offset), r);
      there.insert(r.offset);
      if (r.offset < compacted) ASSERT_EQ(newest_compacted.at(r.key), r.offset) << "superseded record of key " << r.key << " is there";
    }
    for (const auto& [key, offset] : newest)
      if (offset >= log_start && by_offset.at(offset).value) ASSERT_TRUE(there.contains(offset)) << "the newest of key " << key << " at " << offset << " is lost";
    for (const auto& [offset, r] : by_offset)
      if (offset >= touched && offset >= log_start) ASSERT_TRUE(there.contains(offset));
    // The final state is the same as without compaction.
    std::map<std::string, std::string> state, expected;
    for (const Rec& r : all_)
      if (r.offset >= log_start) r.value ? void(expected[r.key] = *r.value) : void(expected.erase(r.key));
    for (const Rec& r : found) r.value ? void(state[r.key] = *r.value) : void(state.erase(r.key));
    ASSERT_EQ(state, expected);
  }

 private:
  std::vector<Rec> all_;
};

// Random produce, reconcile, compact, merge, retention, deletions, restarts and power losses.
class CompactionLaw : public CompactionTest {
 protected:
  void run(uint64_t seed) {
    Rng rng(seed);
    options().object_bytes_target = size_t{1} << (9 + rng.below(8));
    options().tail_cache_bytes_max = size_t{1} << (8 + rng.below(8));
    options().compaction_map_bytes_max = rng.below(3) == 0 ? 24 * (2 + rng.below(20)) : 1u << 20;
    options().object_grace_ms = 5;
    options().block_cache_bytes_max = 1u << (8 + rng.below(10));
    restart_empty();
    const TopicPartition p = compacted({{"delete.retention.ms", std::to_string(rng.below(200))}, {"cleanup.policy", rng.below(2) ? "compact" : "compact,delete"},
                                        {"retention.ms", "1000000"}, {"segment.bytes", std::to_string(200 + rng.below(4'000))}});
    Reference reference;
    int64_t compacted_until = 0, touched = 0;
    const uint64_t keys = 1 + rng.below(30);
    for (int i = 0; i < 150; ++i) {
      clock().advance(static_cast<int64_t>(rng.below(50'000)));
      switch (rng.below(12)) {
        case 0: ASSERT_TRUE(log().reconcile()); break;
        case 1:
          ASSERT_TRUE(log().reconcile());
          ASSERT_TRUE(log().compact());
          compacted_until = touched = log().partition_state(p)->high_watermark.value;
          break;
        case 2: ASSERT_TRUE(log().merge_objects()); break;
        case 3: ASSERT_TRUE(log().enforce_retention()); break;
        case 4:
          if (rng.below(3) == 0) reopen();
          break;
        case 5:
          if (rng.below(10) == 0) {
            const auto state = log().partition_state(p).value();
            ASSERT_TRUE(log().delete_records(p, {std::min(state.high_watermark.value, state.log_start.value + static_cast<int64_t>(rng.below(4)))}));
          }
          break;
        case 6:
          if (rng.below(3) != 0) break;
          touched = log().partition_state(p)->high_watermark.value;
          lose_power(rng);
          break;
        default: produce(rng, p, keys, reference);
      }
      const auto state = log().partition_state(p).value();
      const auto found = records(p, state.log_start.value);
      std::vector<Rec> visible;
      for (const Rec& r : found)
        if (r.offset >= state.log_start.value) visible.push_back(r);
      reference.check(visible, state.log_start.value, compacted_until, touched);
      if (HasFatalFailure()) return;
      seek_everywhere(p, state, visible);
      if (HasFatalFailure()) return;
    }
    close_log();
    const auto files = fsck(fs(), "/log");
    ASSERT_TRUE(files && files->clean()) << (files ? files->problems[0].where + files->problems[0].found : files.error().message);
  }

 private:
  // In the middle of work in the background; everything acknowledged was before.
  void lose_power(Rng& rng) {
    fs().lose_power_after(1 + rng.below(60));
    for (int i = 0; i < 3; ++i) {
      (void)log().reconcile();
      (void)log().compact();
      (void)log().merge_objects();
      clock().advance(6'000);
      (void)log().enforce_retention();
    }
    close_log();
    fs().power_cycle();
    const auto files = fsck(fs(), "/log");
    ASSERT_TRUE(files && files->clean()) << (files ? files->problems[0].where + files->problems[0].found : files.error().message);
    open();
  }
  void produce(Rng& rng, TopicPartition p, uint64_t keys, Reference& reference) {
    std::vector<std::pair<std::string, std::optional<std::string>>> entries;
    for (uint64_t left = 1 + rng.below(6); left > 0; --left)
      entries.emplace_back(fmt::format("k{}", rng.below(keys)), rng.below(4) == 0 ? std::nullopt : std::optional(fmt::format("v{}", ++values_)));
    const auto outcome = put(p, entries, {.compression = rng.below(3) == 0 ? Compression::kLz4 : Compression::kNone});
    ASSERT_EQ(outcome.error, AppendError::kNone);
    for (size_t i = 0; i < entries.size(); ++i) reference.append(outcome.base_offset.value + static_cast<int64_t>(i), entries[i].first, entries[i].second);
  }
  // From every offset a read gives the next record there is.
  void seek_everywhere(TopicPartition p, const PartitionState& state, const std::vector<Rec>& visible) {
    auto next = visible.begin();
    for (int64_t at = state.log_start.value; at < state.high_watermark.value; at += 7) {
      while (next != visible.end() && next->offset < at) ++next;
      if (next == visible.end()) break;
      std::vector<Rec> found;
      for (int64_t from = at; found.empty();) {
        const auto read = log().read(p, {from}, 1);
        ASSERT_TRUE(read && !read->batches.empty());
        ASSERT_GE(read->batches.front().last.value, from);
        for (Rec& r : records_of(read->batches.front().bytes.span()))
          if (r.offset >= at) found.push_back(std::move(r));
        from = read->batches.back().last.value + 1;
      }
      ASSERT_EQ(found.front(), *next) << "from offset " << at;
    }
  }
  int values_ = 0;
};

TEST_F(CompactionLaw, WhatIsLeftIsWhatTheRuleSays) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    run(seed);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ms::log
