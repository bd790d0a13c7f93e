// What the engine keeps on disk when the disk is full and when the process stands still.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "engine/shard.h"
#include "engine/testing/world.h"
#include "engine/timeline.h"

namespace ms::engine {
namespace {

using log::TopicInfo;
using testing::World;

constexpr std::string_view kDefinitions = R"yaml(
sources:
  events: {topic: events, format: json, time: {field: at, unit: us}, fields: {user: string}, owner: tests}
entities:
  user: {key: [user]}
views:
  visits: {entity: user, from: events, features: {visits: {count: {over: [lifetime]}}}, owner: tests}
services:
  model: {features: [visits.*]}
)yaml";

// The system's clock with jumps, as a process sees it that stood still.
class JumpingClock final : public Clock {
 public:
  int64_t wall_us() const override { return system_clock().wall_us() + ahead_us_; }
  int64_t steady_us() const override { return system_clock().steady_us(); }
  void jump(int64_t us) { ahead_us_ += us; }

 private:
  std::atomic<int64_t> ahead_us_{0};
};

// The system's files; those of the timeline can be told to tear writes for want of space, the ceiling's likewise, checkpoints not
// to be made, and opening a file can be watched.
class TestFiles final : public FileSystem {
 public:
  std::atomic<bool> full = false, full_ceiling = false, full_checkpoints = false;
  std::atomic<uint64_t> refused = 0;
  std::function<void()> opened = [] {}, written = [] {};  // a file; to a timeline

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    opened();
    if (full_checkpoints && mode == Open::kCreateNew && path.find(".checkpoint") != std::string::npos)
      return fail(ErrorKind::kExhausted, "no space left");
    TRY_ASSIGN(auto file, disk_.open(path, mode));
    if (path.ends_with(".tl")) return std::make_unique<WatchedFile>(std::move(file), *this, full);
    if (path.ends_with("/ceiling")) return std::make_unique<WatchedFile>(std::move(file), *this, full_ceiling);
    return file;
  }
  Result<> rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  Result<> remove(const std::string& path) override { return disk_.remove(path); }
  Result<> create_directories(const std::string& path) override { return disk_.create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return disk_.list(directory); }
  Result<bool> exists(const std::string& path) override { return disk_.exists(path); }
  Result<> sync_directory(const std::string& directory) override { return disk_.sync_directory(directory); }

 private:
  class WatchedFile final : public File {
   public:
    WatchedFile(std::unique_ptr<File> file, TestFiles& files, const std::atomic<bool>& full)
        : file_(std::move(file)), files_(files), full_(full) {}
    Result<size_t> read_at(uint64_t at, std::span<uint8_t> to) const override { return file_->read_at(at, to); }
    Result<> write_at(uint64_t at, std::span<const std::span<const uint8_t>> parts) override {
      if (&full_ == &files_.full) files_.written();
      if (!full_) return file_->write_at(at, parts);
      ++files_.refused;
      const auto half = parts[0].first(parts[0].size() / 2);
      TRY(file_->write_at(at, {&half, 1}));
      return fail(ErrorKind::kExhausted, "no space left");
    }
    Result<> allocate(uint64_t size) override { return file_->allocate(size); }
    Result<> truncate(uint64_t size) override { return file_->truncate(size); }
    Result<> sync_data() override { return file_->sync_data(); }
    Result<uint64_t> size() const override { return file_->size(); }

   private:
    std::unique_ptr<File> file_;
    TestFiles& files_;
    const std::atomic<bool>& full_;
  };
  FileSystem& disk_ = posix_file_system();
};

class EngineDurableTest : public ::testing::Test {
 protected:
  void begin(World& world) {
    ASSERT_TRUE(world.log->create_topic("events", 1, {}));
    world.define(kDefinitions);
    world.start();
    ASSERT_TRUE(world.engine->refresh(60'000));
  }
  static std::string event() { return fmt::format(R"({{"user":"u","at":{}}})", system_clock().wall_us() - kMicrosPerMinute); }

  struct Reply {
    Instant as_of;
    ReadCut cut;
    int64_t visits = 0;
  };
  static Reply ask(World& world) {
    std::string key;
    feature::append_key_part(key, std::string_view("u"));
    const ReadKey read{world.engine->find_view("visits", 1).value(), key};
    feature::FeatureRow row;
    const auto result = testing::patiently([&] { return world.engine->read({&read, 1}, {&row, 1}); }).value();
    return {result.as_of, result.cut.at(0), row.values.at(0).i};
  }
  // One event is one visit: the offset that the timeline names is the count that the reader got.
  static void expect_as_served(World& world, const std::vector<Reply>& replies) {
    ASSERT_TRUE(world.engine->sync_timeline());
    const auto timeline = TimelineReader::open(posix_file_system(), world.dir + "/timeline").value();
    const TopicPartition input{world.log->find_topic("events")->id, PartitionId{0}};
    for (const Reply& r : replies) {
      const auto cut = timeline->cut_at(r.cut.shard, r.as_of).value();
      ASSERT_TRUE(cut);
      EXPECT_EQ(cut->publish, r.cut.publish);
      const auto applied = cut->applied.find(input);
      EXPECT_EQ(applied == cut->applied.end() ? 0 : applied->second.value, r.visits);
    }
  }

  const testing::Directory directory_;
};

// What the checkpoint has is not in the log any more; what came later is only there.
TEST_F(EngineDurableTest, ARestartIsTheCheckpointAndTheTailOfTheLog) {
  TestFiles files;
  World world(directory_.path(), 2);
  world.fs = &files;
  begin(world);
  world.produce(0, std::vector<std::string>(10, event()));
  world.wait_until_applied();
  ASSERT_TRUE(world.engine->checkpoint());
  ASSERT_TRUE(world.log->reconcile());
  world.produce(0, std::vector<std::string>(5, event()));
  world.wait_until_applied();
  const TopicInfo topic = *world.log->find_topic("events");
  ASSERT_TRUE(world.log->alter_config(topic.id, {{"retention.bytes", "1"}}));
  ASSERT_TRUE(world.log->enforce_retention());
  ASSERT_EQ(world.log->partition_state({topic.id, PartitionId{0}})->log_start, Offset{10});
  files.full_checkpoints = true;
  EXPECT_FALSE(world.engine->stop());  // so there is no newer checkpoint
  world.start();
  world.wait_until_applied();
  EXPECT_EQ(ask(world).visits, 15);
  EXPECT_EQ(world.engine->view_status().at(0).applied_rows, 5u);
  files.full_checkpoints = false;
}

TEST_F(EngineDurableTest, AStopWithoutTimeLeavesTheLastCheckpointOut) {
  World world(directory_.path(), 2);
  world.stop_checkpoint_ms = 0;
  begin(world);
  world.produce(0, std::vector<std::string>(10, event()));
  world.wait_until_applied();
  ASSERT_TRUE(world.engine->checkpoint());
  const auto files = posix_file_system().list(world.dir + "/state").value();
  world.produce(0, std::vector<std::string>(5, event()));
  world.wait_until_applied();
  const std::vector<Reply> replies = {ask(world)};
  EXPECT_TRUE(world.engine->stop());
  EXPECT_EQ(posix_file_system().list(world.dir + "/state").value(), files);
  world.start();
  world.wait_until_applied();
  EXPECT_EQ(ask(world).visits, 15);
  EXPECT_EQ(world.engine->view_status().at(0).applied_rows, 5u);
  expect_as_served(world, replies);  // the timeline was closed in order
  EXPECT_TRUE(TimelineReader::open(posix_file_system(), world.dir + "/timeline").value()->gaps().empty());
}

TEST_F(EngineDurableTest, AFullDiskTakesNothingFromTheTimeline) {
  TestFiles files;
  World world(directory_.path(), 1);
  world.fs = &files;
  begin(world);
  std::vector<Reply> replies;
  for (int round = 0; round < 3; ++round) {
    files.full = true;
    const uint64_t before = files.refused;
    for (int i = 0; i < 20 || files.refused < before + 2; ++i) {
      world.produce(0, {event()});
      world.wait_until_applied();
      replies.push_back(ask(world));
    }
    files.full = false;
    EXPECT_FALSE(replies.empty());
  }
  expect_as_served(world, replies);
}

TEST_F(EngineDurableTest, ADiskThatStaysFullHoldsTheTopicsNotMoreAndMoreMemory) {
  TestFiles files;
  World world(directory_.path(), 2);
  world.fs = &files;
  world.unwritten_bytes_max = 4'000;
  begin(world);
  files.full = true;
  for (int i = 0; i < 500; ++i) world.produce(0, {event()});  // each a batch and so a publish
  for (const uint64_t before = files.refused; files.refused < before + 10;) std::this_thread::yield();
  const std::vector<Reply> replies = {ask(world)};  // reads go on
  EXPECT_GT(replies.front().visits, 0);
  EXPECT_LT(replies.front().visits, 500);
  files.full = false;
  world.wait_until_applied();
  EXPECT_EQ(ask(world).visits, 500);
  expect_as_served(world, replies);
}

// An instant above the durable ceiling could be issued again by the next process. Without one nobody waits for ever.
TEST_F(EngineDurableTest, WhileTheCeilingCannotBeWrittenReadsAreRefused) {
  TestFiles files;
  JumpingClock clock;
  World world(directory_.path(), 2);
  world.fs = &files;
  world.clock = &clock;
  begin(world);
  std::vector<Reply> replies;
  for (int round = 0; round < 3; ++round) {
    world.produce(0, {event()});
    world.wait_until_applied();
    replies.push_back(ask(world));
    files.full_ceiling = true;
    clock.jump(10 * kMicrosPerSecond);
    const ReadKey key{world.engine->find_view("visits", 1).value(), "u"};
    feature::FeatureRow row;
    for (int i = 0; i < 3; ++i) {
      const auto refused = world.engine->read({&key, 1}, {&row, 1});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
    }
    EXPECT_FALSE(world.engine->ready());
    const OffsetVector before = world.engine->applied();
    world.produce(0, {event()});
    EXPECT_EQ(world.engine->applied(), before);
    EXPECT_EQ(world.engine->view_status().size(), 1u);
    if (round == 2) break;
    files.full_ceiling = false;
    world.wait_until_applied();
    replies.push_back(ask(world));
  }
  expect_as_served(world, replies);
  EXPECT_TRUE(world.engine->stop());
}

TEST_F(EngineDurableTest, ALongPauseStopsNeitherStartNorJoin) {
  TestFiles files;
  JumpingClock clock;
  {
    World world(directory_.path(), 2);
    begin(world);
    world.produce(0, {event(), event()});
    world.wait_until_applied();
  }
  World world(directory_.path(), 2);
  world.fs = &files;
  world.clock = &clock;
  files.opened = files.written = [&] { clock.jump(3 * kMicrosPerSecond); };  // more than the ceiling lies ahead
  world.start();
  for (int i = 0; i < 20; ++i) {
    std::string text(kDefinitions);
    for (size_t at = 0; (at = text.find("visits", at)) != std::string::npos; at += 8) text.replace(at, 6, fmt::format("visit{:03}", i));
    text.replace(text.find("model"), 5, fmt::format("model{}", i));
    world.define(text);
    EXPECT_TRUE(world.engine->refresh(60'000));
    world.produce(0, {event()});
  }
  world.wait_until_applied();
  EXPECT_EQ(ask(world).visits, 22);
}

}  // namespace
}  // namespace ms::engine
