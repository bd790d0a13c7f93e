#include "log/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "codec/testing/record_batches.h"
#include "log/append_check.h"
#include "log/testing/faulty_disk.h"
#include "log/testing/log_fixture.h"

namespace ms::log {
namespace {

using testing::LogFixture;

class LogTest : public LogFixture {};

TEST_F(LogTest, AppendsReadBackWithOffsetsAndTimes) {
  open();
  const TopicPartition p = topic("events", 2);
  EXPECT_EQ(append(p, 3).base_offset.value, 0);
  clock().advance(5);
  const AppendOutcome second = append(p, 2);
  EXPECT_EQ(second.base_offset.value, 3);
  EXPECT_EQ(second.append_time.us, clock().wall_us());
  const ReadResult read = log().read(p, {4}, 1 << 20).value();
  ASSERT_EQ(read.batches.size(), 1u);
  EXPECT_EQ(read.batches[0].base.value, 3);
  EXPECT_EQ(read.batches[0].last.value, 4);
  EXPECT_EQ(read.high_watermark.value, 5);
  EXPECT_EQ(log().read(p, {5}, 100).value().batches.size(), 0u);
  EXPECT_TRUE(log().read(p, {6}, 100).error().message.starts_with("OFFSET_OUT_OF_RANGE"));
  EXPECT_EQ(log().read({p.topic, {2}}, {0}, 100).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(contents(p), (std::vector<std::string>{"0.0", "0.1", "0.2", "1.0", "1.1"}));
}

TEST_F(LogTest, EverythingSurvivesARestart) {
  open();
  const TopicPartition p = topic("events", 1, {{"retention.ms", "-1"}});
  append(p, 3);
  const int64_t producer = log().new_producer_id().value();
  commit("g", p, 2);
  const auto before = contents(p);
  reopen();
  EXPECT_EQ(contents(p), before);
  EXPECT_EQ(log().find_topic("events")->config.at("retention.ms"), "-1");
  EXPECT_EQ(log().committed_offsets("g").at({p.topic, 0}).offset.value, 2);
  EXPECT_EQ(log().new_producer_id().value(), producer + 1);
  EXPECT_EQ(append(p, 1).base_offset.value, 3);
}

TEST_F(LogTest, EntriesOfASpaceSurviveRestartAndSnapshot) {
  open();
  ASSERT_TRUE(log().change_entries("users", {{"ann", "1"}, {"bob", ""}}));
  ASSERT_TRUE(log().change_entries("quotas", {{"ann", "q"}}));
  ASSERT_TRUE(log().change_entries("users", {{"ann", "2"}, {"bob", std::nullopt}, {"nobody", std::nullopt}}));
  const Entries users = {{"ann", "2"}};
  EXPECT_EQ(log().entries("users"), users);
  reopen();
  EXPECT_EQ(log().entries("users"), users);
  append(topic("t", 1), 1);
  ASSERT_TRUE(log().reconcile());  // writes a snapshot
  ASSERT_TRUE(log().change_entries("quotas", {{"ann", std::nullopt}}));
  reopen();
  EXPECT_EQ(log().entries("users"), users);
  EXPECT_EQ(log().entries("quotas"), Entries{});
  const std::string large(kEntryChangesBytesMax, 'x');
  EXPECT_EQ(log().change_entries("users", {{"bob", large}}).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(log().entries("users"), users);
}

TEST_F(LogTest, ReadsTheSameFromMemoryLogAndObjects) {
  for (const size_t cache : {size_t{0}, size_t{64} << 20}) {
    options().tail_cache_bytes_max = cache;
    restart_empty();
    const TopicPartition p = topic("events", 1), q = topic("others", 1);
    for (int i = 0; i < 50; ++i) append(i % 3 == 0 ? q : p, 1 + i % 4), clock().advance(1000);
    const auto before = contents(p);
    const auto times = append_times(p);
    ASSERT_TRUE(log().reconcile());
    EXPECT_EQ(contents(p), before);
    append(p, 2);
    EXPECT_EQ(contents(p).size(), before.size() + 2);
    reopen();
    EXPECT_EQ(contents(p).size(), before.size() + 2);
    auto after = append_times(p);
    after.pop_back();
    EXPECT_EQ(after, times);
    ASSERT_TRUE(log().reconcile());
    EXPECT_EQ(contents(p).size(), before.size() + 2);
    }
}

TEST_F(LogTest, TopicsAndConfigs) {
  open();
  const TopicPartition p = topic("a", 1);
  EXPECT_EQ(log().create_topic("a", 1, {}).error().kind, ErrorKind::kAlreadyExists);
  EXPECT_EQ(log().create_topic("a/b", 1, {}).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(log().create_topic("b", 0, {}).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(log().create_topic("b", 1, {{"cleanup.policy", "shrink"}}).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(log().create_topic("b", 1, {{"no.such", "1"}}).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(log().create_topic("b", 200'000, {}).error().kind, ErrorKind::kConflict);
  ASSERT_TRUE(log().create_partitions(p.topic, 3));
  EXPECT_EQ(log().create_partitions(p.topic, 3).error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(append({p.topic, {2}}, 1).error, AppendError::kNone);
  ASSERT_TRUE(log().alter_config(p.topic, {{"retention.ms", "5"}, {"retention.bytes", std::nullopt}}));
  EXPECT_EQ(log().alter_config(p.topic, {{"retention.ms", "x"}}).error().kind, ErrorKind::kInvalidArgument);
  const TopicConfig effective = log().effective_config(*log().find_topic("a"));
  EXPECT_EQ(effective.at("retention.ms"), "5");
  EXPECT_EQ(effective.at("max.message.bytes"), "1048588");
  commit("g", p, 1);
  ASSERT_TRUE(log().delete_topic(p.topic));
  EXPECT_EQ(log().delete_topic(p.topic).error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(log().groups_with_offsets().empty());
  EXPECT_EQ(append(p, 1).error, AppendError::kUnknownTopicOrPartition);
  EXPECT_NE(topic("a", 1).topic, p.topic);
}

// The tail cache counts the bytes of batches: a small one must not keep the large request alive that brought it.
TEST_F(LogTest, ASmallBatchLeavesItsLargeBlock) {
  open();
  const TopicPartition p = topic("events", 2);
  const std::string small = batch(3);
  const auto in_block = [&](size_t block_bytes, size_t count) {
    auto block = std::make_shared<std::string>(small + small + std::string(block_bytes - 2 * small.size(), '\0'));
    const auto* data = reinterpret_cast<const uint8_t*>(block->data());
    std::vector<AppendPart> parts;
    for (size_t i = 0; i < count; ++i)
      parts.push_back({{p.topic, {static_cast<int32_t>(i)}}, Slice(block, data + i * small.size(), small.size()), block_bytes});
    for (const auto& outcome : append(std::move(parts))) EXPECT_EQ(outcome.error, AppendError::kNone);
    return std::weak_ptr<std::string>(block);
  };
  EXPECT_TRUE(in_block(1 << 20, 1).expired());
  EXPECT_TRUE(in_block(1 << 20, 2).expired());
  EXPECT_FALSE(in_block(2 * small.size() + 20, 2).expired());  // together they fill it
  EXPECT_EQ(contents(p).size(), 9u);
  reopen();
  EXPECT_EQ(contents(p).size(), 9u);
}

TEST_F(LogTest, EachPartOfAnAppendIsJudgedByItself) {
  open();
  const TopicPartition p = topic("events", 1, {{"max.message.bytes", "400"}});
  std::string damaged = batch(1);
  damaged.back() ^= 1;
  std::vector<AppendPart> parts;
  for (const std::string& bytes : {batch(1), damaged, batch(50), batch(2)}) parts.push_back({p, Slice::copy(bytes)});
  parts.push_back({{p.topic, {9}}, Slice::copy(batch(1))});
  const auto outcomes = append(std::move(parts));
  ASSERT_EQ(outcomes.size(), 5u);
  EXPECT_EQ(outcomes[0].error, AppendError::kNone);
  EXPECT_EQ(outcomes[1].error, AppendError::kCorruptMessage);
  EXPECT_EQ(outcomes[2].error, AppendError::kMessageTooLarge);
  EXPECT_EQ(outcomes[3].error, AppendError::kNone);
  EXPECT_EQ(outcomes[3].base_offset.value, 1);
  EXPECT_EQ(outcomes[4].error, AppendError::kUnknownTopicOrPartition);
}

// What can be seen without decompressing is refused; readers find the rest.
TEST_F(LogTest, RecordsThatDoNotParseAreRefused) {
  open();
  const TopicPartition p = topic("events", 1);
  const std::vector<std::string> values{"a", "b", "c"};
  for (const std::vector<int32_t>& deltas : {std::vector{2, 2, 2}, std::vector{0, 2, 1}, std::vector{0, 0, 2}}) {
    const AppendOutcome outcome = append_one(p, ms::testing::batch_with_deltas(Compression::kNone, values, deltas));
    EXPECT_EQ(outcome.error, AppendError::kInvalidRecord);
    EXPECT_FALSE(outcome.message.empty());
  }
  std::string torn = ms::testing::batch_with_deltas(Compression::kNone, values, {0, 1, 2});
  torn[kBatchHeaderBytes] = 'x';  // the first record's length
  EXPECT_EQ(append_one(p, ms::testing::mend_crc(torn)).error, AppendError::kInvalidRecord);
  EXPECT_EQ(append_one(p, ms::testing::batch_with_deltas(Compression::kGzip, values, {2, 2, 2})).error, AppendError::kNone);
  EXPECT_EQ(append_one(p, ms::testing::batch_with_deltas(Compression::kNone, values, {0, 1, 2})).base_offset.value, 3);
  EXPECT_FALSE(log().offset_for_time(p, 1).value());  // passes the unreadable batch by
}

TEST_F(LogTest, IdempotentProducers) {
  open();
  const TopicPartition p = topic("events", 1);
  const auto send = [&](int16_t epoch, int32_t sequence, size_t count = 2) {
    return append(p, count, {.producer_id = 7, .producer_epoch = epoch, .base_sequence = sequence});
  };
  EXPECT_EQ(send(0, 100).base_offset.value, 0);  // no stored state: any first sequence
  EXPECT_EQ(send(0, 102).base_offset.value, 2);
  const AppendOutcome again = send(0, 100);
  EXPECT_EQ(again.error, AppendError::kNone);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.base_offset.value, 0);
  EXPECT_EQ(send(0, 105).error, AppendError::kOutOfOrderSequence);
  EXPECT_EQ(send(1, 5).error, AppendError::kOutOfOrderSequence);  // a new epoch starts at 0
  for (int32_t i = 0; i < 5; ++i) EXPECT_EQ(send(0, 104 + 2 * i).base_offset.value, 4 + 2 * i);
  EXPECT_EQ(send(0, 102).error, AppendError::kOutOfOrderSequence);  // six back: no longer known
  reopen();
  EXPECT_TRUE(send(0, 112).duplicate);
  EXPECT_EQ(send(1, 0).base_offset.value, 14);
  EXPECT_EQ(send(0, 114).error, AppendError::kInvalidProducerEpoch);
  EXPECT_EQ(append(p, 1, {.producer_id = 8, .producer_epoch = 0, .base_sequence = INT32_MAX}).error, AppendError::kNone);
  EXPECT_EQ(append(p, 1, {.producer_id = 8, .producer_epoch = 0, .base_sequence = 0}).error, AppendError::kNone);
  EXPECT_EQ(append(p, 1, {.producer_id = 9}).error, AppendError::kInvalidRecord);
}

TEST_F(LogTest, LookupsByTime) {
  open();
  const TopicPartition p = topic("events", 1);
  for (const Compression codec : {Compression::kNone, Compression::kZstd, Compression::kLz4}) {
    append_at(p, {100, 300, 200}, codec);
    append_at(p, {150, 400}, codec);
  }
  const auto check = [&] {
    EXPECT_EQ(log().offset_for_time(p, 0).value()->offset.value, 0);
    EXPECT_EQ(log().offset_for_time(p, 101).value()->offset.value, 1);
    EXPECT_EQ(log().offset_for_time(p, 301).value()->offset.value, 4);
    EXPECT_EQ(log().offset_for_time(p, 301).value()->timestamp_ms, 400);
    EXPECT_FALSE(log().offset_for_time(p, 401).value());
    EXPECT_EQ(log().offset_of_max_timestamp(p).value()->offset.value, 4);
  };
  check();
  ASSERT_TRUE(log().reconcile());
  check();
  reopen();
  check();
  EXPECT_FALSE(log().offset_of_max_timestamp(topic("empty", 1)).value());
}

// What was acknowledged is found while batches leave the tail for objects.
TEST_F(LogTest, LookupsByTimeSkipNothingWhileBatchesMove) {
  options().tail_cache_bytes_max = 0;
  open();
  const TopicPartition p = topic("events", 1);
  std::atomic<int64_t> acknowledged = 0;
  std::atomic<bool> done = false;
  append_at(p, {0});
  std::thread reader([&] {
    while (!done) {
      const int64_t last = acknowledged;
      const auto found = log().offset_for_time(p, last);
      ASSERT_TRUE(found && *found) << last;
      EXPECT_EQ((*found)->offset.value, last);
    }
  });
  for (int64_t i = 1; i <= 300; ++i) {
    append_at(p, {i});
    acknowledged = i;
    EXPECT_TRUE(log().reconcile());
  }
  done = true;
  reader.join();
}

TEST_F(LogTest, LogAppendTime) {
  open();
  const TopicPartition p = topic("events", 1, {{"message.timestamp.type", "LogAppendTime"}});
  clock().advance(5'000'000);
  const int64_t now_ms = clock().wall_us() / 1000;
  append_at(p, {1, 2});
  EXPECT_EQ(log().offset_for_time(p, 4).value()->timestamp_ms, now_ms);
  reopen();
  EXPECT_EQ(log().offset_of_max_timestamp(p).value()->timestamp_ms, now_ms);
}

TEST_F(LogTest, ATopicsCompressionReplacesTheProducers) {
  open();
  constexpr std::pair<const char*, Compression> kTypes[] = {{"uncompressed", Compression::kNone}, {"gzip", Compression::kGzip}, {"snappy", Compression::kSnappy},
                                                            {"lz4", Compression::kLz4}, {"zstd", Compression::kZstd}};
  for (const auto& [name, to] : kTypes) {
    const TopicPartition p = topic(name, 1, {{"compression.type", name}});
    std::vector<std::string> sent;
    int32_t sequence = 0;
    for (const auto& [unused, from] : kTypes) {
      const std::string bytes = batch(3, {.compression = from, .producer_id = 7, .producer_epoch = 0, .base_sequence = sequence});
      sequence += 3;
      EXPECT_EQ(append_one(p, bytes).error, AppendError::kNone);
      EXPECT_TRUE(append_one(p, bytes).duplicate);
      std::string scratch;
      auto reader = RecordReader::open({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, scratch).value();
      RecordView record;
      while (reader.next(record) == RecordReader::Step::kRecord) sent.emplace_back(*record.value);
    }
    EXPECT_EQ(contents(p), sent) << name;
    visit(p, [&](const ReadBatch& each) {
      const auto header = check_record_batch(each.bytes.span());  // its CRC as well
      ASSERT_TRUE(header);
      EXPECT_EQ(header->compression(), to) << name;
      EXPECT_EQ(header->producer_id, 7);
      EXPECT_EQ(header->max_timestamp_ms, clock().wall_us() / 1000);
    });
  }
}

TEST_F(LogTest, AnotherCompressionIsBoundedOnBothSides) {
  open();
  const TopicPartition p = topic("events", 1, {{"compression.type", "uncompressed"}, {"max.message.bytes", "500000"}});
  const auto send = [&](size_t bytes) {
    const std::string value(bytes, 'x');
    const std::vector<RecordToWrite> records = {{.timestamp_ms = clock().wall_us() / 1000, .value = value}};
    return append_one(p, build_record_batch({.compression = Compression::kZstd}, records).value()).error;
  };
  EXPECT_EQ(send(400'000), AppendError::kNone);
  EXPECT_EQ(send(500'000), AppendError::kMessageTooLarge);      // max.message.bytes, when it is out again
  EXPECT_EQ(send(100'000'000), AppendError::kMessageTooLarge);  // a bomb: a few kilobytes as they came
  const std::vector<std::string> values = {"a", "b", "c"};
  EXPECT_EQ(append_one(p, ms::testing::batch_with_deltas(Compression::kGzip, values, {2, 2, 2})).error, AppendError::kInvalidRecord);
  EXPECT_EQ(log().partition_state(p)->high_watermark.value, 1);
}

// Bombs that would be small again, or that are only looked into.
TEST_F(LogTest, WhatIsDecompressedIsBoundedByItself) {
  open();
  for (const TopicConfig& config : {TopicConfig{{"compression.type", "gzip"}}, TopicConfig{{"cleanup.policy", "compact"}}}) {
    const TopicPartition p = topic(config.begin()->first, 1, config);
    const auto send = [&](size_t bytes) {
      const std::string value(bytes, 'x');
      const std::vector<RecordToWrite> records = {{.timestamp_ms = clock().wall_us() / 1000, .key = "k", .value = value}};
      return append_one(p, build_record_batch({.compression = Compression::kZstd}, records).value()).error;
    };
    EXPECT_EQ(send(1'000'000), AppendError::kNone);
    EXPECT_EQ(send(kRecompressedFromMax), AppendError::kMessageTooLarge);
  }
}

// Group commit: what comes while a sync runs shares the next one.
TEST_F(LogTest, AppendsDuringASyncShareOneFrameAndOneSync) {
  testing::FaultyDisk disk(fs());
  options().fs = &disk;
  const auto log = Log::open(options()).value();
  const TopicPartition p{log->create_topic("events", 4, {}).value().id, {0}};
  constexpr size_t kAppends = 100;
  std::promise<void> begun, go_on;
  std::vector<std::promise<AppendOutcome>> done(1 + kAppends);
  const auto append = [&](size_t i) {
    std::vector<AppendPart> parts;
    parts.push_back({{p.topic, PartitionId{static_cast<int32_t>(i % 4)}}, Slice::copy(batch(1))});
    log->append(std::move(parts), [&, i](std::vector<AppendOutcome> outcomes) { done[i].set_value(std::move(outcomes[0])); });
  };
  disk.syncing = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    begun.set_value();
    go_on.get_future().wait();
  };
  const size_t frames_before = frames().size();
  const uint64_t syncs_before = fs().syncs();
  append(0);
  begun.get_future().wait();
  for (size_t i = 1; i <= kAppends; ++i) append(i);
  go_on.set_value();
  for (auto& each : done) EXPECT_EQ(each.get_future().get().error, AppendError::kNone);
  EXPECT_EQ(frames().size(), frames_before + 2);
  EXPECT_EQ(fs().syncs(), syncs_before + 2);
}

TEST_F(LogTest, RetentionMovesTheLogStartAndRemovesObjects) {
  open();
  const TopicPartition p = topic("events", 1, {{"retention.ms", "1000"}});
  const AppendTime first = append(p, 3).append_time;
  EXPECT_FALSE(log().partition_state(p)->last_removed);
  ASSERT_TRUE(log().reconcile());
  clock().advance(800'000);
  const AppendTime second = append(p, 2).append_time;
  ASSERT_TRUE(log().reconcile());
  clock().advance(800'000);
  ASSERT_TRUE(log().enforce_retention());
  EXPECT_EQ(log().partition_state(p)->log_start.value, 3);
  EXPECT_EQ(log().partition_state(p)->last_removed, first);
  EXPECT_EQ(contents(p).size(), 2u);
  EXPECT_EQ(objects(), 2u);  // the grace has not passed
  clock().advance(options().object_grace_ms * 1000);
  ASSERT_TRUE(log().enforce_retention());
  EXPECT_EQ(objects(), 1u);
  for (int i = 0; i < 2; ++i) {
    reopen();
    EXPECT_EQ(log().partition_state(p)->log_start.value, 5);
    EXPECT_EQ(log().partition_state(p)->last_removed, second);
    ASSERT_TRUE(log().reconcile());  // from the write-ahead log, then from its snapshot
  }
  EXPECT_TRUE(log().read(p, {4}, 100).error().message.starts_with("OFFSET_OUT_OF_RANGE"));
  ASSERT_TRUE(log().alter_config(p.topic, {{"retention.ms", "-1"}, {"retention.bytes", "1"}}));
  append(p, 1);
  ASSERT_TRUE(log().reconcile());
  append(p, 1);
  ASSERT_TRUE(log().reconcile());
  ASSERT_TRUE(log().enforce_retention());
  EXPECT_EQ(log().partition_state(p)->log_start.value, 6);
  EXPECT_EQ(log().partition_state(p)->high_watermark.value, 7);
}

TEST_F(LogTest, DeletedRecordsAreGoneAsAfterRetention) {
  open();
  const TopicPartition p = topic("events", 1);
  append_at(p, {100, 900, 200, 300});
  append_at(p, {400, 500});
  ASSERT_TRUE(commit("g", p, 1));
  const auto start = [&](int64_t before) { return log().delete_records(p, {before}); };
  EXPECT_TRUE(start(7).error().message.starts_with("OFFSET_OUT_OF_RANGE"));
  EXPECT_TRUE(start(-1).error().message.starts_with("OFFSET_OUT_OF_RANGE"));
  EXPECT_EQ(log().delete_records({p.topic, {1}}, {0}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(start(0)->value, 0);
  EXPECT_EQ(start(2)->value, 2);  // within a batch that is not in an object yet
  EXPECT_EQ(start(1)->value, 2);  // it never goes back
  const auto check = [&](int64_t first) {
    EXPECT_EQ(log().partition_state(p)->log_start.value, first);
    EXPECT_EQ(log().partition_state(p)->high_watermark.value, 6);
    EXPECT_TRUE(log().read(p, {first - 1}, 100).error().message.starts_with("OFFSET_OUT_OF_RANGE"));
    EXPECT_EQ(log().read(p, {first}, 100)->batches.empty(), first == 6);
    EXPECT_EQ(log().committed_offsets("g").begin()->second.offset.value, 1);  // the group finds out when it reads
  };
  for (int i = 0; i < 4; ++i) {
    check(2);
    EXPECT_EQ(log().offset_for_time(p, 100).value()->offset.value, 2);
    EXPECT_EQ(log().offset_for_time(p, 501).value(), std::nullopt);
    EXPECT_EQ(log().offset_of_max_timestamp(p).value()->offset.value, 5);
    if (i % 2 == 0) ASSERT_TRUE(log().reconcile());
    else reopen();
  }
  EXPECT_EQ(start(3)->value, 3);  // within a run of an object
  EXPECT_EQ(log().offset_of_max_timestamp(p).value()->timestamp_ms, 500);
  EXPECT_EQ(start(6)->value, 6);
  check(6);
  EXPECT_FALSE(log().offset_of_max_timestamp(p).value());
  reopen();
  check(6);
  EXPECT_EQ(append(p, 1).base_offset.value, 6);
}

// What was deleted before it came into an object leaves no object behind, nor does it count for retention.bytes.
TEST_F(LogTest, RecordsDeletedBeforeTheyWereReconciledTakeNoSpaceForLong) {
  open();
  const TopicPartition p = topic("events", 1);
  append(p, 3);
  ASSERT_TRUE(log().delete_records(p, {3}));
  ASSERT_TRUE(log().reconcile());
  EXPECT_EQ(objects(), 1u);
  ASSERT_TRUE(log().enforce_retention());
  EXPECT_EQ(log().partition_state(p)->bytes, 0);
  clock().advance(options().object_grace_ms * 1000);
  ASSERT_TRUE(log().enforce_retention());
  EXPECT_EQ(objects(), 0u);
  append(p, 1);
  reopen();
  EXPECT_EQ(contents(p).size(), 1u);
}

TEST_F(LogTest, ListenersSeeWhatIsReadable) {
  open();
  const TopicPartition p = topic("events", 1);
  std::vector<TopicPartition> seen;
  const uint64_t id = log().add_listener([&](std::span<const TopicPartition> touched) {
    EXPECT_EQ(log().partition_state(p)->high_watermark.value, 1);
    seen.assign(touched.begin(), touched.end());
  });
  append(p, 1);
  topic("barrier", 1);  // its answer comes after the listener's call
  EXPECT_EQ(seen, std::vector{p});
  log().remove_listener(id);
}

TEST_F(LogTest, SegmentsAreRecycledAndOldFramesNeverPassAsNew) {
  open();
  const TopicPartition p = topic("events", 1, {{"max.message.bytes", "100000"}});
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 10; ++i) append_bytes(p, 20'000);
    ASSERT_TRUE(log().reconcile());
    if (round % 7 == 0) reopen();
  }
  EXPECT_LE(fs().list("/log/wal").value().size(), 4u);
  EXPECT_EQ(contents(p).size(), 400u);
  reopen();
  EXPECT_EQ(contents(p).size(), 400u);
}

}  // namespace
}  // namespace ms::log
