// The live engine against a plain derivation: every reply is computed again from the log and the timeline alone.
#include "engine/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "base/rng.h"
#include "catalog/catalog.h"
#include "codec/record_batch.h"
#include "engine/live_views.h"
#include "engine/row_split.h"
#include "engine/topic_reader.h"
#include "feature/view_state.h"

namespace ms::engine {
namespace {

constexpr std::string_view kDefinitions = R"yaml(
sources:
  events:
    topic: events
    format: json
    time: {field: at, unit: us}
    fields: {user: string, amount: int64, price: float64}
    owner: tests
entities:
  user: {key: [user]}
views:
  spending:
    entity: user
    from: events
    where: "amount >= 0"
    features:
      spent: {sum: {of: amount, over: [10s, 10m, "sliding(1m, exact)"]}, count: {over: [10m, lifetime]}, last: {of: amount, over: [1h]}}
      price: {avg: {of: price, over: [10m]}, stddev: {of: price, over: [10m]}, max: {of: price, over: ["tumbling(10s)"]}}
    owner: tests
services:
  model: {features: [spending.*]}
)yaml";
constexpr std::string_view kSecondView = R"yaml(
views:
  visits:
    entity: user
    from: events
    features:
      visits: {count: {over: [1m, 1h]}, count_distinct: {of: amount, over: [1h]}}
    owner: tests
)yaml";

std::string temporary_directory() {
  const auto path = std::filesystem::temp_directory_path() / ("engine-" + random_uuid().to_string());
  std::filesystem::create_directories(path);
  return path.string();
}

// What an answer is, to the bit.
std::string bits_of(const feature::FeatureRow& row) {
  std::string out = row.found ? "found" : "unknown";
  for (const feature::FeatureValue& v : row.values)
    out += fmt::format("|{} {} {:x} '{}' {}", feature::to_string(v.status), v.is_null, v.is_null ? 0 : v.i, v.text, v.event_time_us);
  return out;
}

// A server's inside: log, catalog and engine over one directory.
struct World {
  std::string dir;
  std::unique_ptr<log::Log> log;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<Engine> engine;
  uint32_t shards;

  explicit World(std::string directory, uint32_t shard_count = 2) : dir(std::move(directory)), shards(shard_count) {
    log::LogOptions options{.dir = dir, .fs = &posix_file_system(), .clock = &system_clock()};
    options.wal_segment_bytes = 1 << 20;
    options.reconcile_interval_ms = options.retention_check_interval_ms = 0;
    log = log::Log::open(options).value();
    catalog = catalog::Catalog::open(posix_file_system(), dir + "/catalog").value();
  }
  ~World() {
    if (engine) EXPECT_TRUE(engine->stop());
    engine.reset();
    if (log) EXPECT_TRUE(log->close());
  }

  void start() {
    EngineOptions options{.dir = dir, .fs = &posix_file_system(), .clock = &system_clock(), .shards = shards, .checkpoint_interval_ms = 3'600'000};
    engine = Engine::start(options, *log, *catalog).value();
  }
  void define(std::string_view text) {
    const catalog::DefinitionFile file{"test.yaml", std::string(text)};
    const auto report = catalog->apply({&file, 1}, [&](std::string_view name) -> std::optional<TopicId> {
      const auto topic = log->find_topic(name);
      return topic ? std::optional(topic->id) : std::nullopt;
    });
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_TRUE(report->ok()) << report->text();
  }
  void produce(int32_t partition, const std::vector<std::string>& events) {
    std::vector<RecordToWrite> records;
    for (const std::string& e : events) records.push_back({.timestamp_ms = 0, .value = e});
    const std::string bytes = build_record_batch({}, records).value();
    std::promise<log::AppendOutcome> promise;
    std::vector<log::AppendPart> parts;
    parts.push_back({{log->find_topic("events")->id, PartitionId{partition}}, Slice::copy(bytes)});
    log->append(std::move(parts), [&](std::vector<log::AppendOutcome> outcomes) { promise.set_value(outcomes[0]); });
    ASSERT_EQ(promise.get_future().get().error, log::AppendError::kNone);
  }
  OffsetVector ends() const {
    OffsetVector out;
    const auto topic = log->find_topic("events");
    for (int32_t p = 0; p < topic->partitions; ++p)
      out[{topic->id, PartitionId{p}}] = log->partition_state({topic->id, PartitionId{p}})->last_stable;
    return out;
  }
  void wait_until_applied() const {
    while (!engine->ready() || engine->applied() != ends()) std::this_thread::yield();
  }
};

// The answer for `key` at `t` from the records below `cut`, by nothing but the reader and a fresh state.
std::string derive(World& world, const std::string& view, std::string_view key, Instant t, const OffsetVector& cut) {
  const auto all = live_views(*world.catalog, *world.log);
  const auto live = std::find_if(all.begin(), all.end(), [&](const LiveView& v) { return v.name == view; });
  const auto state = feature::ViewState::make(live->program);
  const auto reader = TopicReader::make({{live->source, {live->program}}});
  for (const auto& [input, until] : cut) {
    for (Offset at{0}; at < until;) {
      const auto read = world.log->read(input, at, 1 << 20).value();
      EXPECT_TRUE(reader->read(input.partition, read.batches, at, until, 100, [&](TopicReader::Chunk& chunk) -> Result<> {
        std::vector<uint32_t> rows(chunk.rows[0]->rows);
        for (uint32_t i = 0; i < rows.size(); ++i) rows[i] = i;
        state->apply(*chunk.rows[0], rows, {INT64_MIN});
        at = chunk.end;
        return {};
      }));
    }
  }
  feature::FeatureRow row;
  state->evaluate(key, feature::table_hash(key), t, false, row);
  return bits_of(row);
}

struct Reply {
  std::string key;
  Instant as_of;
  ReadCut cut;
  std::string bits;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override { dir_ = temporary_directory(); }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  static std::string key_of(uint64_t user) {
    std::string key;
    feature::append_key_part(key, fmt::format("u{}", user));
    return key;
  }
  std::string random_event() {
    const int64_t now = system_clock().wall_us();
    int64_t at = now - static_cast<int64_t>(rng_.below(30)) * kMicrosPerSecond;
    if (rng_.below(10) == 0) at = now - static_cast<int64_t>(rng_.below(2 * kMicrosPerHour));  // late
    if (rng_.below(10) == 0) at = now + static_cast<int64_t>(rng_.below(20'000));              // ahead of the clock
    switch (rng_.below(40)) {
      case 0: return "not json";
      case 1: return fmt::format(R"({{"user":"u1","amount":"seven","at":{}}})", now);
      case 2: return fmt::format(R"({{"user":"u1","amount":1,"at":{}}})", now + kMicrosPerHour);  // beyond max_ahead
      default: break;
    }
    return fmt::format(R"({{"user":"u{}","amount":{},"price":{},"at":{}}})", rng_.below(8), static_cast<int64_t>(rng_.below(100)) - 5,
                       static_cast<double>(rng_.below(1000)) / 7, at);
  }
  std::vector<std::string> random_events(size_t most) {
    std::vector<std::string> out(1 + rng_.below(most));
    for (std::string& e : out) e = random_event();
    return out;
  }
  Reply ask(World& world, const std::string& view) {
    Reply reply{.key = key_of(rng_.below(9))};
    const ReadKey key{world.engine->find_view(view, 1).value(), reply.key};
    feature::FeatureRow row;
    const auto result = world.engine->read({&key, 1}, {&row, 1});
    reply.as_of = result.as_of;
    reply.cut = result.cut.at(0);
    reply.bits = bits_of(row);
    return reply;
  }
  // Law L1 for every reply: the timeline names the same publish, and the log below it gives the same bits.
  void expect_as_served(World& world, const std::string& view, const std::vector<Reply>& replies) {
    ASSERT_TRUE(world.engine->sync_timeline());
    const auto timeline = TimelineReader::open(posix_file_system(), world.dir + "/timeline").value();
    for (const Reply& r : replies) {
      const uint32_t shard = shard_of(feature::shard_hash(r.key), timeline->shards_at(r.as_of).value());
      ASSERT_EQ(shard, r.cut.shard);
      const auto cut = timeline->cut_at(shard, r.as_of).value();
      ASSERT_TRUE(cut) << format_time(r.as_of.us);
      EXPECT_EQ(cut->publish, r.cut.publish);
      EXPECT_EQ(derive(world, view, r.key, r.as_of, cut->applied), r.bits);
    }
  }

  std::string dir_;
  Rng rng_{20260101};
};

TEST_F(EngineTest, EveryReplyEqualsAsServedAtItsOwnInstant) {
  World world(dir_);
  ASSERT_TRUE(world.log->create_topic("events", 3, {}));
  world.define(kDefinitions);
  world.start();
  ASSERT_TRUE(world.engine->refresh(60'000));
  std::vector<Reply> replies;
  for (int round = 0; round < 150; ++round) {
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
    world.define(kDefinitions);
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

TEST_F(EngineTest, ANewViewIsBuiltFromTheLogAndJoins) {
  World world(dir_, 4);
  ASSERT_TRUE(world.log->create_topic("events", 2, {}));
  world.define(kDefinitions);
  world.start();
  for (int i = 0; i < 30; ++i) world.produce(i % 2, random_events(20));
  const Reply before = ask(world, "spending");
  world.define(kSecondView);
  EXPECT_FALSE(world.engine->find_view("visits", 1));
  ASSERT_TRUE(world.engine->refresh(60'000));
  std::vector<Reply> replies;
  for (int i = 0; i < 30; ++i) {
    world.produce(i % 2, random_events(20));
    replies.push_back(ask(world, "visits"));
  }
  expect_as_served(world, "visits", replies);
  const auto timeline = TimelineReader::open(posix_file_system(), dir_ + "/timeline").value();
  const auto joined = timeline->joined_at("visits", 1);
  ASSERT_TRUE(joined);
  EXPECT_GT(*joined, before.as_of);
  EXPECT_LT(*joined, replies.front().as_of);
}

TEST_F(EngineTest, AnotherNumberOfShardsBuildsTheSameAnswers) {
  for (const uint32_t shards : {1u, 8u, 2u}) {
    World world(dir_, shards);
    if (!world.log->find_topic("events")) {
      ASSERT_TRUE(world.log->create_topic("events", 2, {}));
      world.define(kDefinitions);
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
