#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/rng.h"
#include "base/testing/crash_file_system.h"
#include "base/testing/doc_example.h"
#include "engine/checkpoint.h"
#include "engine/instants.h"
#include "engine/timeline.h"
#include "engine/timeline_writer.h"

namespace ms::engine {
namespace {

class Directory {
 public:
  Directory() : path_(std::filesystem::temp_directory_path() / random_uuid().to_string()) {
    std::filesystem::create_directories(path_);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TimelineBlock sample_block() {
  return {.synced_until = {1'000'000},
          .closed = false,
          .new_inputs = {{TopicId{random_uuid()}, PartitionId{3}}},
          .joins = {{"airport", 2, {900'000}}},
          .shards = {{.shard = 1,
                      .first_publish = 7,
                      .base = {{0, Offset{10}}},
                      .publishes = {{{999'000}, {{0, Offset{20}}}}, {{999'001}, {}}}}}};
}

TEST(TimelineFormat, RoundTripTornTailAndDamage) {
  const TimelineBlock block = sample_block();
  const std::string bytes = encode_timeline_block(block);
  const std::span all(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const auto back = decode_timeline_block(all);
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->block, block);
  EXPECT_EQ((*back)->bytes, bytes.size());
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const auto torn = decode_timeline_block(all.first(cut));
    ASSERT_TRUE(torn) << cut;
    EXPECT_FALSE(*torn) << cut;
  }
  for (size_t i = 4; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    const auto result = decode_timeline_block({reinterpret_cast<const uint8_t*>(damaged.data()), damaged.size()});
    EXPECT_FALSE(result) << i;
  }
}

const std::string kFormats = std::string(MS_SOURCE_DIR) + "/docs/formats/";
const TopicId kDocTopic{Uuid::parse("00112233-4455-6677-8899-aabbccddeeff").value()};

TEST(TimelineFormat, TheExamplesOfItsPage) {
  EXPECT_EQ(encode_timeline_header({.shards = 2, .begin = {1767225600000000}}), testing::doc_example(kFormats + "timeline.md", "header"));
  const TimelineBlock block{.synced_until = {1767225600300000},
                            .new_inputs = {{kDocTopic, PartitionId{0}}},
                            .joins = {{"airport", 1, {1767225600200000}}},
                            .shards = {{.shard = 1, .first_publish = 4294967297, .publishes = {{{1767225600200000}, {{0, Offset{300}}}}}}}};
  EXPECT_EQ(encode_timeline_block(block), testing::doc_example(kFormats + "timeline.md", "block"));
}

TEST(Checkpoint, TheExampleOfItsPage) {
  const Checkpoint c{.shards = {{.applied = {{{kDocTopic, PartitionId{0}}, Offset{300}}}, .views = {{"airport", 1, "ab", "S"}}}},
                     .dead_letter_ends = {{"arrivals", Offset{2}}}};
  EXPECT_EQ(encode_checkpoint(c), testing::doc_example(kFormats + "checkpoint.md", "checkpoint"));
}

TEST(Timeline, ReaderFindsCutsJoinsAndGaps) {
  Directory dir;
  FileSystem& fs = posix_file_system();
  const TopicPartition input{TopicId{random_uuid()}, PartitionId{0}};
  {
    auto writer = TimelineWriter::create(fs, dir.path(), 2, {1000}).value();
    const uint32_t n = writer->input_number(input);
    const uint64_t base = writer->publish_base();
    ASSERT_TRUE(writer->append({.synced_until = {2500},
                                .joins = {{"v", 1, {1500}}},
                                .shards = {{.shard = 0,
                                            .first_publish = base + 1,
                                            .publishes = {{{1500}, {{n, Offset{5}}}}, {{2000}, {{n, Offset{9}}}}}}}}));
    ASSERT_TRUE(writer->append({.synced_until = {4000},
                                .shards = {{.shard = 0,
                                            .first_publish = base + 3,
                                            .base = {{n, Offset{9}}},
                                            .publishes = {{{3000}, {{n, Offset{12}}}}}}}}));
  }
  auto second = TimelineWriter::create(fs, dir.path(), 4, {6000}).value();  // the first life ended without an orderly stop
  const uint32_t n = second->input_number(input);
  ASSERT_TRUE(second->append({.synced_until = {8000},
                              .shards = {{.shard = 0, .first_publish = second->publish_base() + 1, .publishes = {{{7000}, {{n, Offset{12}}}}}}}}));
  const auto reader = TimelineReader::open(fs, dir.path()).value();
  const auto offset_at = [&](int64_t t) { return reader->cut_at(0, {t}).value().value().applied.at(input).value; };
  EXPECT_EQ(offset_at(1500), 5);
  EXPECT_EQ(offset_at(1999), 5);
  EXPECT_EQ(offset_at(2000), 9);
  EXPECT_EQ(offset_at(2999), 9);
  EXPECT_EQ(offset_at(3000), 12);
  EXPECT_EQ(offset_at(4000), 12);
  EXPECT_EQ(reader->cut_at(0, {4001}).value(), std::nullopt);  // never synced
  EXPECT_EQ(reader->cut_at(0, {6000}).value(), std::nullopt);
  EXPECT_EQ(offset_at(7500), 12);
  EXPECT_EQ(reader->cut_at(0, {8001}).value(), std::nullopt);
  EXPECT_EQ(reader->shards_at({2000}).value(), 2u);
  EXPECT_EQ(reader->shards_at({7000}).value(), 4u);
  EXPECT_FALSE(reader->shards_at({1000}));
  EXPECT_EQ(reader->joined_at("v", 1), Instant{1500});
  EXPECT_EQ(reader->joined_at("v", 2), std::nullopt);
  ASSERT_EQ(reader->gaps().size(), 1u);
}

TEST(Checkpoint, RoundTripAndFallBackToTheOneBefore) {
  Directory dir;
  FileSystem& fs = posix_file_system();
  EXPECT_FALSE(load_checkpoint(fs, dir.path()).value());
  const TopicPartition input{TopicId{random_uuid()}, PartitionId{0}};
  for (int64_t i = 1; i <= 3; ++i) {
    const Checkpoint c{.shards = {{.applied = {{input, Offset{i}}}, .views = {{"v", 1, "id", "state"}}}},
                       .dead_letter_ends = {{"s", Offset{4}}}};
    ASSERT_TRUE(store_checkpoint(fs, dir.path(), c));
  }
  EXPECT_EQ(fs.list(dir.path()).value().size(), 2u);
  const auto newest = load_checkpoint(fs, dir.path()).value().value();
  EXPECT_EQ(newest.shards.at(0).applied.at(0).second, Offset{3});
  EXPECT_EQ(newest.shards.at(0).views.at(0).state, "state");
  EXPECT_EQ(newest.dead_letter_ends.at("s"), Offset{4});
  // Damage the newest: the one before it is taken.
  const std::string newest_path = dir.path() + "/" + fs.list(dir.path()).value().back();
  std::string bytes = read_file(fs, newest_path).value();
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  ASSERT_TRUE(write_file_atomically(fs, newest_path, bytes));
  EXPECT_EQ(load_checkpoint(fs, dir.path()).value().value().shards.at(0).applied.at(0).second, Offset{2});
}

TEST(Checkpoints, OneThatIsGivenUpLeavesTheOnesBefore) {
  Directory dir;
  FileSystem& fs = posix_file_system();
  Checkpoint checkpoint;
  checkpoint.shards.resize(1);
  ASSERT_TRUE(store_checkpoint(fs, dir.path(), checkpoint));
  const auto before = fs.list(dir.path()).value();
  checkpoint.shards[0].views.push_back({"large", 1, "", std::string(40u << 20, 's')});
  for (int parts = 0; parts < 3; ++parts) {
    const auto stored = store_checkpoint(fs, dir.path(), checkpoint, [left = parts]() mutable { return left-- == 0; });
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().kind, ErrorKind::kTimeout);
    EXPECT_EQ(fs.list(dir.path()).value(), before);
  }
  ASSERT_TRUE(store_checkpoint(fs, dir.path(), checkpoint, [] { return false; }));
  EXPECT_EQ(load_checkpoint(fs, dir.path()).value().value().shards.at(0).views.at(0).state, checkpoint.shards[0].views[0].state);
}

TEST(Instants, NeverGoBackAndNeverPassTheCeiling) {
  constexpr int64_t kSecond = kMicrosPerSecond;
  ManualClock clock(1000);
  InstantSource instants(clock, {5000});
  instants.raise_ceiling({kSecond});
  EXPECT_EQ(instants.read()->us, 5000);  // the clock is behind the floor
  const Instant p = instants.publish();
  EXPECT_EQ(p.us, 5001);
  EXPECT_EQ(instants.read(), p);
  clock.set(8000);
  EXPECT_EQ(instants.read()->us, 8000);
  EXPECT_GT(instants.publish().us, 8000);
  clock.set(7000);
  EXPECT_EQ(instants.read()->us, 8001);
  EXPECT_TRUE(instants.has_room());
  clock.set(2 * kSecond);
  EXPECT_FALSE(instants.has_room());
  EXPECT_FALSE(instants.read());
  const Instant behind = instants.publish();  // of a chunk that had room
  EXPECT_GT(behind.us, 8001);
  EXPECT_LE(behind.us, kSecond);
  EXPECT_EQ(instants.publish().us, behind.us + 1);
  std::thread raiser([&] { instants.raise_ceiling({3 * kSecond}); });
  EXPECT_TRUE(instants.await_room(std::chrono::minutes(1)));
  raiser.join();
  EXPECT_EQ(instants.read()->us, 2 * kSecond);
  EXPECT_EQ(instants.publish().us, 2 * kSecond + 1);
}

TEST(Instants, NobodyWaitsForACeilingThatIsStuck) {
  ManualClock clock(kMicrosPerSecond);
  InstantSource instants(clock, {5000});
  std::thread failing([&] { instants.stick(); });
  EXPECT_FALSE(instants.await_room(std::chrono::hours(1)));
  failing.join();
  EXPECT_TRUE(instants.stuck());
  instants.raise_ceiling({2 * kMicrosPerSecond});
  EXPECT_FALSE(instants.stuck());
  EXPECT_TRUE(instants.await_room(std::chrono::hours(1)));
}

TEST(Instants, TheCeilingFileSurvivesATornWrite) {
  Directory dir;
  FileSystem& fs = posix_file_system();
  const std::string path = dir.path() + "/ceiling";
  {
    auto file = CeilingFile::open(fs, path).value();
    EXPECT_EQ(file.stored().us, 0);
    ASSERT_TRUE(file.store({100}));
    ASSERT_TRUE(file.store({200}));
    ASSERT_TRUE(file.store({300}));
  }
  EXPECT_EQ(CeilingFile::open(fs, path).value().stored().us, 300);
  {  // damage every slot in turn: the other one answers
    auto raw = fs.open(path, FileSystem::Open::kReadWrite).value();
    const std::array<uint8_t, 4> garbage{1, 2, 3, 4};
    const std::span<const uint8_t> part(garbage);
    ASSERT_TRUE(raw->write_at(8, {&part, 1}));
  }
  EXPECT_EQ(CeilingFile::open(fs, path).value().stored().us, 200);
}

TEST(Formats, TheExampleOfTheCeiling) {
  ms::testing::CrashFileSystem fs(1);
  ASSERT_TRUE(fs.create_directories("/state"));
  auto ceiling = CeilingFile::open(fs, "/state/ceiling");
  ASSERT_TRUE(ceiling);
  ASSERT_TRUE(ceiling->store({1767225600000000}));
  const std::string bytes = read_file(fs, "/state/ceiling")->substr(0, 12);
  EXPECT_EQ(ms::testing::doc_example(MS_SOURCE_DIR "/docs/formats/checkpoint.md", "ceiling"), bytes) << fmt::format("{:02x}", fmt::join(std::vector<uint8_t>(bytes.begin(), bytes.end()), " "));
  EXPECT_EQ(CeilingFile::open(fs, "/state/ceiling")->stored().us, 1767225600000000);
}

}  // namespace
}  // namespace ms::engine
