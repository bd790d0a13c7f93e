// What is planted in a directory is found, by name; what a crash leaves is no problem.
#include "log/fsck.h"

#include <fmt/format.h>

#include "log/object_reader.h"
#include "log/snapshot.h"
#include "log/stream_object.h"
#include "log/testing/log_fixture.h"

namespace ms::log {
namespace {

class FsckTest : public testing::LogFixture {
 protected:
  void SetUp() override {
    open();
    p_ = topic("events", 2);
    for (int i = 0; i < 4; ++i) {
      append(p_, 3);
      append({p_.topic, {1}}, 1);
      if (i % 2 == 0) ASSERT_TRUE(log().reconcile());
    }
    append(p_, 2);  // in the write-ahead log only
  }

  FsckReport check() {
    close_log();
    auto report = fsck(fs(), "/log");
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(FsckReport{});
  }
  // Exactly one kind of problem, all at this place.
  void expect_only(const std::string& what, const std::string& where) {
    expect_damage();
    const FsckReport report = check();
    EXPECT_FALSE(report.clean());
    for (const FsckFinding& f : report.problems) {
      EXPECT_EQ(f.what, what) << f.where << ": " << f.found;
      EXPECT_NE(f.where.find(where), std::string::npos) << f.where << ": " << f.found;
      EXPECT_FALSE(f.advice.empty());
    }
  }
  std::string object(size_t i) { return "/log/objects/" + fs().list("/log/objects").value().at(i); }
  void put(const std::string& path, std::string_view bytes) { ASSERT_TRUE(write_file_atomically(fs(), path, bytes)); }
  std::string get(const std::string& path) { return read_file(fs(), path).value(); }
  uint64_t size(const std::string& path) { return get(path).size(); }

  TopicPartition p_;
};

TEST_F(FsckTest, AWholeDirectoryIsCleanAndCounted) {
  const FsckReport report = check();
  EXPECT_TRUE(report.clean());
  EXPECT_TRUE(report.remarks.empty());
  EXPECT_EQ(report.topics, 1);
  EXPECT_EQ(report.partitions, 2);
  EXPECT_EQ(report.records, 4 * 4 + 2);
  EXPECT_EQ(report.objects, 2);
  EXPECT_EQ(report.batches, 6);
  EXPECT_GT(report.wal_frames, 5);
}

TEST_F(FsckTest, AnEmptyDirectoryIsClean) {
  close_log();
  ms::testing::CrashFileSystem empty(1);
  ASSERT_TRUE(empty.create_directories("/other"));
  EXPECT_TRUE(fsck(empty, "/other")->clean());
}

TEST_F(FsckTest, AChangedByteOfABatch) {
  close_log();
  ASSERT_TRUE(fs().corrupt(object(1), kObjectHeaderBytes + kBatchHeaderBytes + 5, 1));
  expect_only("batch", object(1));
}

TEST_F(FsckTest, AChangedByteOfAFooterOrAHeader) {
  close_log();
  ASSERT_TRUE(fs().corrupt(object(0), size(object(0)) - kObjectTailBytes - 3, 1));
  expect_only("object", object(0));
  ASSERT_TRUE(fs().corrupt(object(0), size(object(0)) - kObjectTailBytes - 3, 1));
  ASSERT_TRUE(fs().corrupt(object(0), 17, 1));
  expect_only("object", object(0));
}

TEST_F(FsckTest, AnObjectCutShortOrTooLong) {
  close_log();
  const std::string path = object(0), whole = get(path);
  put(path, whole.substr(0, whole.size() - 1));
  expect_only("object", path);
  put(path, whole + "x");
  expect_only("object", path);
  put(path, "");
  expect_only("object", path);
}

TEST_F(FsckTest, AMissingObject) {
  close_log();
  const std::string path = object(0);
  ASSERT_TRUE(fs().remove(path));
  expect_only("object", path);
}

// A copy of another object under this name, and an object that is whole but not the one that the metadata knows.
TEST_F(FsckTest, AnotherObjectUnderTheName) {
  close_log();
  const std::string path = object(1);
  put(path, get(object(0)));
  expect_only("object", path);
  ObjectBuilder other(2);
  const std::string bytes = batch(1);
  other.begin_run(p_, {0});
  other.add({.bytes = Slice::copy(bytes), .base = {0}, .last = {0}, .at = {1}}, parse_record_batch(Slice::copy(bytes).span()).value());
  std::string whole;
  for (const auto& part : other.finish()) whole.append(reinterpret_cast<const char*>(part.data()), part.size());
  put(path, whole);
  expect_only("run", path);
}

TEST_F(FsckTest, FilesThatNobodyKnows) {
  close_log();
  put("/log/objects/notes.txt", "x");
  expect_only("file", "notes.txt");
  ASSERT_TRUE(fs().remove("/log/objects/notes.txt"));
  put("/log/objects/" + object_name(999), "x");
  expect_only("file", object_name(999));
  ASSERT_TRUE(fs().remove("/log/objects/" + object_name(999)));
  put("/log/wal/notes", "x");
  expect_only("file", "/log/wal/notes");
}

TEST_F(FsckTest, ADamagedMiddleOfTheWriteAheadLog) {
  const uint64_t second = frames()[1];
  close_log();
  ASSERT_TRUE(fs().corrupt(kFirst, second + kWalHeaderBytes, 1));
  expect_only("wal", "/log/wal");
}

TEST_F(FsckTest, ATornTailIsARemark) {
  const uint64_t last = frames().back();
  close_log();
  ASSERT_TRUE(fs().corrupt(kFirst, last + kWalHeaderBytes, 1));
  const FsckReport report = check();
  EXPECT_TRUE(report.clean());
  ASSERT_EQ(report.remarks.size(), 1u);
  EXPECT_NE(report.remarks[0].where.find(fmt::format("at byte {}", last)), std::string::npos);
  EXPECT_EQ(report.records, 4 * 4);
  reopen();  // fsck has not cut it, and a start goes on
  append(p_, 1);
}

TEST_F(FsckTest, AMissingOrDamagedSegmentOrSnapshot) {
  for (int i = 0; i < 60; ++i) append_bytes(p_, 60'000);
  ASSERT_TRUE(log().reconcile());
  for (int i = 0; i < 60; ++i) append_bytes(p_, 60'000);
  close_log();
  ASSERT_TRUE(fs().exists("/log/meta.snapshot").value());
  EXPECT_TRUE(check().clean());
  const auto snapshot = read_snapshot(fs(), "/log/meta.snapshot").value();
  const std::string middle = fmt::format("/log/wal/{:016x}.wal", snapshot->first_segment + 1), bytes = get(middle);
  ASSERT_TRUE(fs().remove(middle));
  expect_only("wal", "/log/wal");
  put(middle, bytes);
  ASSERT_TRUE(fs().corrupt("/log/meta.snapshot", 40, 1));
  expect_only("wal", "/log/wal");
}

// The write-ahead log was lost whole, and a snapshot from elsewhere stands for it.
TEST_F(FsckTest, OffsetsThatAreNowhere) {
  close_log();
  MetaState state;
  ASSERT_TRUE(state.apply(CreateTopic{p_.topic, "t", 1, {}, false}, {1}));
  ASSERT_TRUE(state.apply(ReserveObjects{1}, {1}));
  ASSERT_EQ(state.append({.to = p_, .records = 5}, {1}).error, AppendError::kNone);
  ASSERT_TRUE(state.apply(AddObject{1, 10, {{.of = p_, .base = {0}, .next = {3}, .bytes = 1}}}, {1}));
  ASSERT_TRUE(fs().create_directories("/made"));
  ASSERT_TRUE(write_snapshot(fs(), "/made/meta.snapshot", 0, 1, state.encode()));
  const auto problems = fsck(fs(), "/made")->problems;
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].what, "offsets");
  EXPECT_NE(problems[0].found.find("offsets 3 to 5 were acknowledged"), std::string::npos);
  EXPECT_EQ(problems[1].where, "/made/objects");
}

}  // namespace
}  // namespace ms::log
