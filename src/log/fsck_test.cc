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

// Metadata that no log makes: the write-ahead log was lost whole, and a snapshot from elsewhere stands for it.
class FsckOfASnapshotTest : public FsckTest {
 protected:
  // The first partition has five offsets.
  void SetUp() override {
    FsckTest::SetUp();
    close_log();
    ASSERT_TRUE(state_.apply(CreateTopic{p_.topic, "t", 1, {}, false}, {1}));
    ASSERT_EQ(state_.append({.to = p_, .records = 5}, {1}).error, AppendError::kNone);
  }
  ObjectRun run(int64_t base, int64_t next) const { return {.of = p_, .base = {base}, .next = {next}, .bytes = 1}; }
  void add_object(uint64_t object, const ObjectRun& run) {
    ASSERT_TRUE(state_.apply(ReserveObjects{1}, {1}));
    ASSERT_TRUE(state_.apply(AddObject{object, 10, {run}}, {1}));
  }
  // The state's bytes with these for those, which no command would have let in.
  std::string planted(const std::string& there, const std::string& wrong) const {
    std::string bytes = state_.encode();
    const size_t at = bytes.find(there);
    EXPECT_NE(at, std::string::npos);
    return bytes.replace(at, there.size(), wrong);
  }
  static std::string bytes_of(const ObjectRun& run) {
    ByteWriter out;
    encode_compacted(out, run);
    return out.take();
  }
  static std::string bytes_of(int64_t log_start, int64_t next_offset, int64_t reconciled_floor) {
    ByteWriter out;
    out.i64(log_start), out.i64(next_offset), out.i64(reconciled_floor);
    return out.take();
  }
  std::vector<FsckFinding> problems(const std::string& state) {
    EXPECT_TRUE(fs().create_directories("/made"));
    EXPECT_TRUE(write_snapshot(fs(), "/made/meta.snapshot", 0, 1, state));
    return fsck(fs(), "/made")->problems;
  }
  // Of the offsets, and then that the objects' directory is missing.
  void expect_offsets(const std::vector<FsckFinding>& problems, const std::string& found) {
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_EQ(problems[0].what, "offsets");
    EXPECT_EQ(problems[0].where, "topic 't' partition 0");
    EXPECT_NE(problems[0].found.find(found), std::string::npos) << problems[0].found;
    EXPECT_FALSE(problems[0].advice.empty());
    EXPECT_EQ(problems[1].where, "/made/objects");
  }
  MetaState state_;
};

TEST_F(FsckOfASnapshotTest, OffsetsThatAreNowhere) {
  add_object(1, run(0, 3));
  expect_offsets(problems(state_.encode()), "offsets 3 to 5 were acknowledged");
}

TEST_F(FsckOfASnapshotTest, OffsetsThatNoRunHas) {
  add_object(1, run(0, 2)), add_object(2, run(2, 5));
  expect_offsets(problems(planted(bytes_of(run(2, 5)), bytes_of(run(4, 5)))), "offsets 2 to 4 are in no run");
}

TEST_F(FsckOfASnapshotTest, OffsetsThatTwoRunsHave) {
  add_object(1, run(0, 3)), add_object(2, run(3, 5));
  expect_offsets(problems(planted(bytes_of(run(3, 5)), bytes_of(run(1, 5)))), "offsets 1 to 3 are in more than one run");
}

TEST_F(FsckOfASnapshotTest, ALogThatStartsBehindItsEnd) {
  add_object(1, run(0, 5));
  EXPECT_TRUE(fs().create_directories("/made/objects"));
  const auto found = problems(planted(bytes_of(0, 5, 0), bytes_of(7, 5, 0)));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].what, "offsets");
  EXPECT_EQ(found[0].found, "the log starts at 7, removed runs ended at 0, the log ends at 5");
  EXPECT_EQ(found[1].what, "object");
}

}  // namespace
}  // namespace ms::log
