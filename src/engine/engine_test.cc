// The live engine against a plain derivation: every reply is computed again from the log and the timeline alone.
#include "engine/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "codec/record_batch.h"
#include "codec/testing/record_batches.h"
#include "engine/testing/replies.h"

namespace ms::engine {
namespace {

using testing::bits_of, testing::derive, testing::key_of, testing::Reply, testing::World;

constexpr std::string_view kSecondView = R"yaml(
views:
  visits:
    entity: user
    from: events
    features:
      visits: {count: {over: [1m, 1h]}, count_distinct: {of: amount, over: [1h]}}
    owner: tests
)yaml";

class EngineTest : public ::testing::Test {
 protected:
  std::vector<std::string> random_events(size_t most) { return testing::random_events(rng_, 1 + rng_.below(most)); }
  Reply ask(World& world, const std::string& view) { return testing::ask(world, view, rng_.below(9)); }
  // Law L1 for every reply: the timeline names the same publish, and the log below it gives the same bits.
  void expect_as_served(World& world, const std::string& view, const std::vector<Reply>& replies) {
    EXPECT_EQ(testing::not_as_served(world, view, replies), "");
  }

  const testing::Directory directory_;
  const std::string dir_ = directory_.path();
  Rng rng_{20260101};
};

TEST_F(EngineTest, EveryReplyEqualsAsServedAtItsOwnInstant) {
  World world(dir_);
  ASSERT_TRUE(world.log->create_topic("events", 3, {}));
  world.define(testing::every_cell_definitions(rng_));
  world.start();
  ASSERT_TRUE(world.engine->refresh(60'000));
  std::vector<Reply> replies;
  for (int round = 0; round < 100; ++round) {
    world.produce(static_cast<int32_t>(rng_.below(3)), random_events(30));
    for (int i = 0; i < 3; ++i) replies.push_back(ask(world, "spending"));
  }
  world.wait_until_applied();
  for (int i = 0; i < 30; ++i) replies.push_back(ask(world, "spending"));
  expect_as_served(world, "spending", replies);
  // Once everything is applied, as_served is as_known.
  const Reply last = ask(world, "spending");
  EXPECT_EQ(derive(world, "spending", last.key, last.as_of, world.ends()), last.bits);
}

// More letters in one chunk, and one larger, than a batch of the dead-letter topic may have: the stream goes on.
TEST_F(EngineTest, LettersOfAnySizeAreWrittenAndTheStreamGoesOn) {
  World world(dir_, 2, 16u << 20);
  ASSERT_TRUE(world.log->create_topic("events", 1, {{"max.message.bytes", "8000000"}}));
  world.define(testing::every_cell_definitions(rng_));
  world.start();
  world.produce(0, std::vector<std::string>(700, std::string(2'000, 'x')));
  world.produce(0, {std::string(3'000'000, 'y')});
  world.wait_until_applied();
  const auto topic = world.log->find_topic("events.dead-letter");
  ASSERT_TRUE(topic);
  const TopicPartition partition{topic->id, PartitionId{0}};
  std::map<size_t, int> sizes;
  std::string cut_from, scratch;
  for (Offset at{0}; at < world.log->partition_state(partition)->high_watermark;) {
    for (const auto& batch : world.log->read(partition, at, 1 << 20).value().batches) {
      auto reader = RecordReader::open(batch.bytes.span(), scratch).value();
      for (RecordView record; reader.next(record) == RecordReader::Step::kRecord;) {
        ++sizes[record.value->size()];
        for (const HeaderView& header : record.headers())
          if (header.key == "cut_from_bytes") cut_from = *header.value;
      }
      at = Offset{batch.last.value + 1};
    }
  }
  EXPECT_EQ(sizes, (std::map<size_t, int>{{2'000, 700}, {256 << 10, 1}}));
  EXPECT_EQ(cut_from, "3000000");
}

// Any client can write to the dead-letter topic; what it writes must not keep the engine from starting.
TEST_F(EngineTest, ForeignRecordsInTheDeadLetterTopicStopNothing) {
  {
    World world(dir_);
    ASSERT_TRUE(world.log->create_topic("events", 1, {}));
    ASSERT_TRUE(world.log->create_topic("events.dead-letter", 1, {}));
    world.define(testing::every_cell_definitions(rng_));
    const std::vector<RecordToWrite> records(1, {.value = "a"});
    std::string torn = build_record_batch({.compression = Compression::kZstd}, records).value();
    torn[kBatchHeaderBytes] = '?';  // no zstd frame any more
    world.produce_batch("events.dead-letter", 0, ms::testing::mend_crc(torn));
  }
  World world(dir_);
  world.start();
  world.produce(0, {"not json"});
  world.wait_until_applied();
  EXPECT_EQ(world.log->partition_state({world.log->find_topic("events.dead-letter")->id, PartitionId{0}})->high_watermark, Offset{2});
}

// Neither what was aborted nor what is still open is an event, or a dead letter.
TEST_F(EngineTest, OnlyCommittedRecordsAreApplied) {
  World world(dir_, 2, 4u << 20);
  ASSERT_TRUE(world.log->create_topic("events", 1, {}));
  world.define(testing::every_cell_definitions(rng_));
  world.start();
  ASSERT_TRUE(world.engine->refresh(60'000));
  const TopicPartition partition{world.log->find_topic("events")->id, PartitionId{0}};
  const auto transact = [&](log::TransactionStep step) {
    std::promise<log::ProducerIdentity> promise;
    world.log->transact(std::move(step), [&](Result<log::ProducerIdentity> done) { promise.set_value(done.value()); });
    return promise.get_future().get();
  };
  log::ProducerIdentity producer = transact(log::InitTransaction{"x", 60'000, {}});
  const auto send = [&](const std::vector<std::string>& events) {
    std::vector<RecordToWrite> records;
    for (const std::string& e : events) records.push_back({.timestamp_ms = 0, .value = e});
    const std::string bytes = build_record_batch({.producer_id = producer.id, .producer_epoch = producer.epoch, .base_sequence = 0, .transactional = true}, records).value();
    std::promise<log::AppendError> promise;
    std::vector<log::AppendPart> parts;
    parts.push_back({partition, Slice::copy(bytes), 0, {.joins = true}});
    world.log->append(std::move(parts), [&](std::vector<log::AppendOutcome> outcomes) { promise.set_value(outcomes[0].error); });
    ASSERT_EQ(promise.get_future().get(), log::AppendError::kNone);
  };
  const auto letters = [&] {
    const auto topic = world.log->find_topic("events.dead-letter");
    return topic ? world.log->partition_state({topic->id, PartitionId{0}})->high_watermark.value : 0;
  };
  const auto event = [&] {
    return fmt::format(R"({{"user":"u{}","amount":3,"price":0.5,"name":"tea","night":true,"at":{}}})", rng_.below(8), system_clock().wall_us());
  };
  std::vector<Reply> replies;
  const auto look = [&] {
    world.wait_until_applied();
    for (int i = 0; i < 10; ++i) replies.push_back(ask(world, "spending"));
  };
  send({"not json", event()});  // offsets 0 and 1
  producer = transact(log::EndTransaction{"x", producer, false, true});
  world.produce(0, {event()});
  look();
  EXPECT_EQ(world.engine->applied().at(partition), Offset{4});
  EXPECT_EQ(letters(), 0);
  send({"not json", event()});
  world.produce(0, {"not json"});
  look();
  EXPECT_EQ(world.engine->applied().at(partition), Offset{4});  // the transaction holds back what lies behind it, too
  EXPECT_EQ(letters(), 0);
  producer = transact(log::EndTransaction{"x", producer, true, true});
  look();
  EXPECT_EQ(world.engine->applied().at(partition), Offset{8});
  EXPECT_EQ(letters(), 2);
  expect_as_served(world, "spending", replies);
}

// Compressed, so that no broker saw the deltas. What lies before the fault counts, live as in any later derivation, and
// each batch has one letter, whose bytes are its own.
TEST_F(EngineTest, BatchesWithOffsetsOutOfOrderGiveTheSameAnswersEverywhere) {
  World world(dir_, 2, 4u << 20);
  ASSERT_TRUE(world.log->create_topic("events", 1, {}));
  world.define(testing::every_cell_definitions(rng_));
  world.start();
  ASSERT_TRUE(world.engine->refresh(60'000));
  std::vector<Reply> replies;
  std::vector<std::string> bad;
  for (const size_t good : {0, 1, 300, 512, 700}) {
    std::vector<std::string> events(1000);
    for (std::string& e : events) e = fmt::format(R"({{"user":"u{}","amount":3,"price":0.5,"name":"tea","night":true,"at":{}}})", rng_.below(8), system_clock().wall_us());
    std::vector<int32_t> deltas(events.size(), 999);
    for (size_t i = 0; i < good; ++i) deltas[i] = static_cast<int32_t>(i);
    bad.push_back(ms::testing::batch_with_deltas(Compression::kGzip, events, deltas));
    world.produce_batch("events", 0, bad.back());
    world.produce(0, random_events(30));
    for (int i = 0; i < 3; ++i) replies.push_back(ask(world, "spending"));
    world.wait_until_applied();
    for (int i = 0; i < 30; ++i) replies.push_back(ask(world, "spending"));
  }
  expect_as_served(world, "spending", replies);
  for (uint64_t user = 0; user < 9; ++user) {
    const Reply last = ask(world, "spending");
    EXPECT_EQ(derive(world, "spending", last.key, last.as_of, world.ends()), last.bits);
  }
  const TopicPartition letters{world.log->find_topic("events.dead-letter")->id, PartitionId{0}};
  std::vector<std::string> buried;
  std::string scratch;
  for (Offset at{0}; at < world.log->partition_state(letters)->high_watermark;) {
    for (const auto& batch : world.log->read(letters, at, 1 << 20).value().batches) {
      auto reader = RecordReader::open(batch.bytes.span(), scratch).value();
      for (RecordView record; reader.next(record) == RecordReader::Step::kRecord;)
        for (const HeaderView& header : record.headers())
          if (header.key == "reason" && header.value->starts_with("batch: ")) buried.emplace_back(record.value->substr(kBatchHeaderBytes));
      at = Offset{batch.last.value + 1};
    }
  }
  ASSERT_EQ(buried.size(), bad.size());
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_EQ(buried[i], bad[i].substr(kBatchHeaderBytes));
}

TEST_F(EngineTest, ARestartGoesOnFromTheCheckpointAndWritesNoLetterTwice) {
  std::vector<Reply> replies;
  uint64_t letters = 0;
  const auto count_letters = [](World& world) {
    const auto topic = world.log->find_topic("events.dead-letter");
    return topic ? world.log->partition_state({topic->id, PartitionId{0}})->high_watermark.value : 0;
  };
  {
    World world(dir_);
    ASSERT_TRUE(world.log->create_topic("events", 2, {}));
    world.define(testing::every_cell_definitions(rng_));
    world.start();
    for (int i = 0; i < 40; ++i) world.produce(i % 2, random_events(20));
    world.wait_until_applied();
    ASSERT_TRUE(world.engine->checkpoint());
    for (int i = 0; i < 40; ++i) world.produce(i % 2, random_events(20));
    world.wait_until_applied();
    for (int i = 0; i < 20; ++i) replies.push_back(ask(world, "spending"));
    expect_as_served(world, "spending", replies);
    letters = static_cast<uint64_t>(count_letters(world));
    ASSERT_GT(letters, 0u);
    // A crash: the directory as it is now, without an orderly stop.
    std::filesystem::copy(dir_, dir_ + "-crashed", std::filesystem::copy_options::recursive);
  }
  for (const std::string& directory : {dir_, dir_ + "-crashed"}) {
    World world(directory);
    world.start();
    world.wait_until_applied();
    EXPECT_EQ(static_cast<uint64_t>(count_letters(world)), letters) << directory;
    std::vector<Reply> more;
    for (int i = 0; i < 20; ++i) more.push_back(ask(world, "spending"));
    world.produce(0, random_events(20));
    world.wait_until_applied();
    for (int i = 0; i < 20; ++i) more.push_back(ask(world, "spending"));
    expect_as_served(world, "spending", more);
    expect_as_served(world, "spending", replies);  // the answers of the life before can still be derived
    for (const Reply& r : more) EXPECT_GT(r.as_of, replies.back().as_of);
  }
  std::filesystem::remove_all(dir_ + "-crashed");
}

// While events come: neither the new view nor the one that was there may miss one.
TEST_F(EngineTest, ANewViewIsBuiltFromTheLogAndJoins) {
  World world(dir_, 4);
  ASSERT_TRUE(world.log->create_topic("events", 2, {}));
  world.define(testing::every_cell_definitions(rng_));
  world.start();
  for (int i = 0; i < 30; ++i) world.produce(i % 2, random_events(20));
  const Reply before = ask(world, "spending");
  world.define(kSecondView);
  EXPECT_FALSE(world.engine->find_view("visits", 1));
  std::jthread producer([&](const std::stop_token& stop) {
    Rng rng(7);
    for (int i = 0; !stop.stop_requested() && i < 400; ++i) world.produce(i % 2, testing::random_events(rng, 20));
  });
  ASSERT_TRUE(world.engine->refresh(60'000));
  producer.request_stop();
  producer.join();
  std::vector<Reply> replies, others;
  for (int i = 0; i < 30; ++i) {
    world.produce(i % 2, random_events(20));
    replies.push_back(ask(world, "visits"));
    others.push_back(ask(world, "spending"));
  }
  world.wait_until_applied();
  for (int i = 0; i < 10; ++i) replies.push_back(ask(world, "visits")), others.push_back(ask(world, "spending"));
  expect_as_served(world, "visits", replies);
  expect_as_served(world, "spending", others);
  const auto timeline = TimelineReader::open(posix_file_system(), dir_ + "/timeline").value();
  const auto joined = timeline->joined_at("visits", 1);
  ASSERT_TRUE(joined);
  EXPECT_GT(*joined, before.as_of);
  EXPECT_LT(*joined, replies.front().as_of);
}

// Retention does not wait for a topic that stands: here partition 0 has a letter that its topic does not take.
TEST_F(EngineTest, RetentionPassesAStalledTopicWhileAViewJoins) {
  for (const bool restarted : {false, true}) {
    const testing::Directory directory;
    {
      World world(directory.path());
      ASSERT_TRUE(world.log->create_topic("events", 2, {{"retention.bytes", "4000"}}));
      ASSERT_TRUE(world.log->create_topic("events.dead-letter", 1, {{"max.message.bytes", "2000"}}));
      world.define(testing::every_cell_definitions(rng_));
      world.start();
      ASSERT_TRUE(world.engine->refresh(60'000));
      world.produce(0, {std::string(3'000, 'x')});
      (void)world.engine->applied();  // waits for the round in progress: later ones end at partition 0
      const std::string event = fmt::format(R"({{"user":"u1","amount":1,"at":{}}})", system_clock().wall_us() - kMicrosPerSecond);
      for (int i = 0; i < 3; ++i) {
        world.produce(1, std::vector<std::string>(100, event));
        ASSERT_TRUE(world.log->reconcile());
      }
      ASSERT_TRUE(world.log->enforce_retention());
      const TopicPartition second{world.log->find_topic("events")->id, PartitionId{1}};
      ASSERT_EQ(world.log->partition_state(second)->log_start, Offset{200});
      ASSERT_EQ(world.engine->applied()[second], Offset{0});
      if (restarted) {
        ASSERT_TRUE(world.engine->stop());
        world.start();
      }
      world.define(kSecondView);
      ASSERT_TRUE(world.engine->refresh(60'000));
      ASSERT_TRUE(world.log->alter_config(world.log->find_topic("events.dead-letter")->id, {{"max.message.bytes", std::nullopt}}));
      world.wait_until_applied();
      feature::FeatureRow row;
      const std::string key = key_of(1);
      const ReadKey asked{world.engine->find_view("visits", 1).value(), key};
      EXPECT_TRUE(testing::patiently([&] { return world.engine->read({&asked, 1}, {&row, 1}); }));
      EXPECT_EQ(row.values.at(1).i, 100);  // over 1 h
    }
  }
}

// Whether a record is a row of a view depends on the fields of that view, not on who reads the topic beside it.
TEST_F(EngineTest, ABrokenFieldTakesTheRecordFromTheViewsThatUseIt) {
  World world(dir_);
  ASSERT_TRUE(world.log->create_topic("events", 1, {}));
  world.define(R"yaml(
sources:
  events: {topic: events, format: json, time: {field: at, unit: us}, fields: {user: string, amount: int64, price: float64}, owner: tests}
entities:
  user: {key: [user]}
views:
  amounts: {entity: user, from: events, features: {amount: {count_distinct: {of: amount, over: [lifetime]}}}, owner: tests}
  prices: {entity: user, from: events, features: {price: {count_distinct: {of: price, over: [lifetime]}}}, owner: tests}
  visits: {entity: user, from: events, features: {visits: {count: {over: [lifetime]}}}, owner: tests}
services:
  model: {features: [amounts.*, prices.*, visits.*]}
)yaml");
  world.start();
  ASSERT_TRUE(world.engine->refresh(60'000));
  const int64_t at = system_clock().wall_us() - kMicrosPerSecond;
  const auto event = [&](std::string_view amount, std::string_view price, int64_t et) { return fmt::format(R"({{"user":"u1","amount":{},"price":{},"at":{}}})", amount, price, et); };
  world.produce(0, {event("1", "1", at), event("\"two\"", "2", at + 1), event("3", "\"three\"", at + 2), event("\"four\"", "\"four\"", at + 3), event("5", "5", at + 4), "no json"});
  world.wait_until_applied();
  const auto count = [&](const std::string& view) {
    const std::string key = key_of(1);
    const ReadKey asked{world.engine->find_view(view, 1).value(), key};
    feature::FeatureRow row;
    EXPECT_TRUE(testing::patiently([&] { return world.engine->read({&asked, 1}, {&row, 1}); }));
    return row.values[0].i;
  };
  EXPECT_EQ(count("amounts"), 3);  // 1, 3, 5
  EXPECT_EQ(count("prices"), 3);   // 1, 2, 5
  EXPECT_EQ(count("visits"), 5);
  const auto letters = world.log->find_topic("events.dead-letter");
  ASSERT_TRUE(letters);
  EXPECT_EQ(world.log->partition_state({letters->id, PartitionId{0}})->high_watermark, Offset{4});  // one for each record
  for (const char* view : {"amounts", "prices", "visits"}) {
    std::vector<Reply> replies;
    for (int i = 0; i < 5; ++i) replies.push_back(ask(world, view));
    expect_as_served(world, view, replies);
  }
}

// What is built again from the log meets its dead records again.
TEST_F(EngineTest, AnotherNumberOfShardsBuriesNothingTwice) {
  for (const uint32_t shards : {2u, 4u, 2u, 2u}) {
    World world(dir_, shards);
    const bool first = !world.log->find_topic("events");
    if (first) {
      ASSERT_TRUE(world.log->create_topic("events", 2, {}));
      world.define(testing::every_cell_definitions(rng_));
    }
    world.start();
    ASSERT_TRUE(world.engine->refresh(60'000));
    if (first) world.produce(0, {"not json", "nor this"}), world.produce(1, {"[]"});
    world.wait_until_applied();
    EXPECT_EQ(world.log->partition_state({world.log->find_topic("events.dead-letter")->id, PartitionId{0}})->high_watermark, Offset{3});
  }
}

// As_served reaches to now, though nobody has asked or produced for long.
TEST_F(EngineTest, TheTimelineOfAnIdleServerReachesToNow) {
  World world(dir_);
  ASSERT_TRUE(world.log->create_topic("events", 1, {}));
  world.define(testing::every_cell_definitions(rng_));
  world.start();
  ASSERT_TRUE(world.engine->refresh(60'000));
  const int64_t now = system_clock().wall_us();
  ASSERT_TRUE(world.engine->sync_timeline());
  EXPECT_GE(TimelineReader::open(posix_file_system(), dir_ + "/timeline").value()->synced_until().us, now);
}

TEST_F(EngineTest, AnotherNumberOfShardsBuildsTheSameAnswers) {
  for (const uint32_t shards : {1u, 8u, 2u}) {
    World world(dir_, shards);
    if (!world.log->find_topic("events")) {
      ASSERT_TRUE(world.log->create_topic("events", 2, {}));
      world.define(testing::every_cell_definitions(rng_));
    }
    world.start();
    ASSERT_TRUE(world.engine->refresh(60'000));
    for (int i = 0; i < 20; ++i) world.produce(i % 2, random_events(20));
    world.wait_until_applied();
    std::vector<Reply> replies;
    for (int i = 0; i < 20; ++i) replies.push_back(ask(world, "spending"));
    expect_as_served(world, "spending", replies);
  }
}

}  // namespace
}  // namespace ms::engine
