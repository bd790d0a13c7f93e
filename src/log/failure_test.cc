// Failures one by one: torn tail, damaged middle, full disk, failing sync, missing files.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "codec/testing/record_batches.h"
#include "log/commands.h"
#include "log/testing/faulty_disk.h"
#include "log/testing/log_fixture.h"
#include "log/wal.h"

namespace ms::log {
namespace {

using testing::FaultyDisk;

class LogFailure : public testing::LogFixture {
 protected:
  // Changes a bit of the first record with this value; returns where.
  uint64_t damage_in(std::string_view value) {
    std::string bytes(1u << 16, '\0');
    const auto file = fs().open(kFirst, FileSystem::Open::kRead).value();
    EXPECT_TRUE(file->read_at(0, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()}));
    const size_t at = bytes.find(value);
    EXPECT_NE(at, std::string::npos);
    EXPECT_TRUE(fs().corrupt(kFirst, at, 1));
    return at;
  }
  Result<std::unique_ptr<Log>> try_open() {
    close_log();
    options().fs = &fs();
    return Log::open(options());
  }
};

TEST_F(LogFailure, ATornLastFrameIsCut) {
  open();
  const TopicPartition p = topic("events", 1);
  append(p, 1);
  append(p, 1);
  close_log();
  const uint64_t last = frames().back();
  for (const uint64_t at : {last + 100, last + 20, last}) {  // data, then header: each alone makes it torn
    ASSERT_TRUE(fs().corrupt(kFirst, at, 0xFF));
    reopen();
    EXPECT_EQ(contents(p), (std::vector<std::string>{"0.0"}));
    close_log();
  }
  reopen();
  EXPECT_EQ(append(p, 1).base_offset.value, 1);
  reopen();
  EXPECT_EQ(contents(p), (std::vector<std::string>{"0.0", "2.0"}));
}

TEST_F(LogFailure, ADamagedMiddleIsRefusedByFileAndPosition) {
  open();
  const TopicPartition p = topic("events", 1);
  for (int i = 0; i < 5; ++i) append(p, 3);
  close_log();
  const auto all = frames();
  for (const size_t damaged : {size_t{1}, size_t{2}, all.size() - 2}) {
    for (const uint64_t inside : {0u, 30u, 70u, 150u}) {
      ASSERT_TRUE(fs().corrupt(kFirst, all[damaged] + inside, 0x10));
      const auto opened = try_open();
      ASSERT_FALSE(opened) << damaged << " " << inside;
      EXPECT_EQ(opened.error().kind, ErrorKind::kCorruption);
      EXPECT_NE(opened.error().message.find(fmt::format("{} at byte {}", kFirst, all[damaged])), std::string::npos) << opened.error().message;
      ASSERT_TRUE(fs().corrupt(kFirst, all[damaged] + inside, 0x10));
    }
  }
  reopen();
  EXPECT_EQ(contents(p).size(), 15u);
}

TEST_F(LogFailure, MissingFilesAreRefused) {
  expect_damage();
  open();
  const TopicPartition p = topic("events", 1);
  for (int i = 0; i < 100; ++i) append_bytes(p, 20'000);
  close_log();
  const auto names = fs().list("/log/wal").value();
  ASSERT_GE(names.size(), 3u);
  ASSERT_TRUE(fs().rename("/log/wal/" + names[1], "/log/elsewhere"));
  EXPECT_EQ(try_open().error().kind, ErrorKind::kCorruption);
  ASSERT_TRUE(fs().rename("/log/elsewhere", "/log/wal/" + names[1]));
  ASSERT_TRUE(fs().rename("/log/wal/" + names[0], "/log/elsewhere"));
  EXPECT_EQ(try_open().error().kind, ErrorKind::kCorruption);
  ASSERT_TRUE(fs().rename("/log/elsewhere", "/log/wal/" + names[0]));
  reopen();
  ASSERT_TRUE(log().reconcile());
  close_log();
  for (const std::string& name : fs().list("/log/wal").value()) ASSERT_TRUE(fs().remove("/log/wal/" + name));
  EXPECT_EQ(try_open().error().kind, ErrorKind::kCorruption);
}

TEST_F(LogFailure, AFaultyDiskRefusesAppendsAndRecoversByItself) {
  options().object_grace_ms = 0;
  open();
  const TopicPartition p = topic("events", 1, {{"retention.bytes", "100000"}});
  fs().set_capacity(fs().used_bytes() + options().wal_segment_bytes);
  AppendOutcome last;
  int accepted = 0;
  for (; accepted < 1000 && last.error == AppendError::kNone; ++accepted) last = append_bytes(p, 20'000);
  EXPECT_EQ(last.error, AppendError::kNoSpace);
  --accepted;
  EXPECT_EQ(append_bytes(p, 20'000).error, AppendError::kNoSpace);
  EXPECT_EQ(contents(p).size(), static_cast<size_t>(accepted));  // reads go on
  EXPECT_TRUE(commit("g", p, 3));                                // commands have their own reserve
  EXPECT_FALSE(log().reconcile());                               // no room for objects either
  reopen();                                                      // and neither does a restart need space
  EXPECT_EQ(contents(p).size(), static_cast<size_t>(accepted));
  EXPECT_EQ(append_bytes(p, 20'000).error, AppendError::kNoSpace);
  fs().set_capacity(UINT64_MAX);
  EXPECT_EQ(append_bytes(p, 20'000).base_offset.value, accepted);
  EXPECT_TRUE(log().reconcile());
  EXPECT_TRUE(failures().empty());
}

TEST_F(LogFailure, DeletingATopicFreesAFaultyDisk) {
  options().object_grace_ms = 0;
  open();
  const TopicPartition p = topic("events", 1);
  for (int i = 0; i < 100; ++i) append_bytes(p, 20'000);
  ASSERT_TRUE(log().reconcile());
  fs().set_capacity(fs().used_bytes());
  while (append_bytes(p, 20'000).error == AppendError::kNone) continue;
  ASSERT_TRUE(log().delete_topic(p.topic));
  ASSERT_TRUE(log().enforce_retention());
  const TopicPartition q = topic("others", 1);
  EXPECT_EQ(append_bytes(q, 20'000).error, AppendError::kNone);
}

// All that a client may be told is done, asked of a log whose disk failed; true: it was acknowledged.
std::map<std::string, bool> acknowledged(Log& log, const TopicPartition& p, const ProducerIdentity& producer, const std::function<AppendError()>& append) {
  const auto told = [](auto ask) {
    std::promise<bool> answer;
    ask([&](const auto& result) { answer.set_value(result.has_value()); });
    return answer.get_future().get();
  };
  const auto transact = [&](TransactionStep step) { return told([&](auto done) { log.transact(std::move(step), std::move(done)); }); };
  const OffsetKey key{p.topic, 0};
  return {{"append", append() == AppendError::kNone},
          {"create_topic", log.create_topic("new", 1, {}).has_value()},
          {"create_partitions", log.create_partitions(p.topic, 9).has_value()},
          {"alter_config", log.alter_config(p.topic, {{"retention.ms", "60000"}}).has_value()},
          {"delete_records", log.delete_records(p, {1}).has_value()},
          {"commit_offsets", told([&](auto done) { log.commit_offsets("g", {{key, {.offset = {1}}}}, std::move(done)); })},
          {"delete_offsets", told([&](auto done) { log.delete_offsets("h", std::vector{key}, std::move(done)); })},
          {"delete_group_offsets", log.delete_group_offsets("i").has_value()},
          {"change_entries", log.change_entries("users", {{"alice", "x"}}).has_value()},
          {"init", transact(InitTransaction{.id = "other", .timeout_ms = 60'000, .expected = {}})},
          {"add_partitions", transact(AddTransactionPartitions{"tx", producer, {p}})},
          {"stage_offsets", transact(StageTransactionOffsets{.id = "tx", .by = producer, .group = "g", .offsets = {{key, {.offset = {1}}}}, .joins = true})},
          {"end", transact(EndTransaction{.id = "tx", .by = producer, .commit = true})},
          {"delete_topic", log.delete_topic(p.topic).has_value()}};
}

TEST_F(LogFailure, AfterAFailedSyncNothingIsAcknowledged) {
  open();
  const TopicPartition p = topic("events", 2), q{p.topic, {1}};
  append(p, 1);
  for (const char* group : {"h", "i"}) ASSERT_TRUE(commit(group, p, 1));
  std::promise<Result<ProducerIdentity>> begun;
  log().transact(InitTransaction{.id = "tx", .timeout_ms = 60'000, .expected = {}}, [&](auto result) { begun.set_value(std::move(result)); });
  const ProducerIdentity producer = begun.get_future().get().value();
  std::promise<bool> added;
  log().transact(AddTransactionPartitions{"tx", producer, {q}}, [&](auto result) { added.set_value(result.has_value()); });
  ASSERT_TRUE(added.get_future().get());
  fs().fail_syncs(true);
  EXPECT_EQ(append(p, 1).error, AppendError::kStorage);
  EXPECT_EQ(failures().size(), 1u);
  fs().fail_syncs(false);  // a later sync that succeeds says nothing about what was lost
  for (const auto& [what, was] : acknowledged(log(), p, producer, [&] { return append(p, 1).error; })) EXPECT_FALSE(was) << what;
  EXPECT_EQ(contents(p), (std::vector<std::string>{"0.0"}));
  EXPECT_EQ(failures().size(), 1u);
  reopen();
  EXPECT_EQ(contents(p).at(0), "0.0");
  for (const auto& [what, was] : acknowledged(log(), p, producer, [&] { return append(p, 1).error; })) EXPECT_TRUE(was) << what;
}

TEST_F(LogFailure, ADamagedObjectIsIsolatedToItsPartition) {
  expect_damage();
  options().tail_cache_bytes_max = 0;
  open();
  const TopicPartition p = topic("events", 2), q{p.topic, {1}};
  for (int i = 0; i < 3; ++i) append(p, 3), append(q, 3);
  ASSERT_TRUE(log().reconcile());
  ASSERT_TRUE(fs().corrupt("/log/objects/0000000000000001.mso", 32 + 70, 1));
  reopen();
  const auto read = log().read(p, {0}, 1000);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kCorruption);
  EXPECT_NE(read.error().message.find("0000000000000001.mso"), std::string::npos);
  EXPECT_EQ(contents(q).size(), 9u);
  EXPECT_EQ(append(p, 1).error, AppendError::kNone);
}

TEST_F(LogFailure, ADamagedTailKeepsOnlyItsPartitionFromObjects) {
  options().tail_cache_bytes_max = 0;
  open();
  const TopicPartition p = topic("events", 2), q{p.topic, {1}};
  append(p, 1), append(p, 2), append(q, 3);
  const uint64_t batch = damage_in("1.1");
  const auto reconciled = log().reconcile();
  ASSERT_FALSE(reconciled);
  EXPECT_EQ(reconciled.error().kind, ErrorKind::kCorruption);
  EXPECT_NE(reconciled.error().message.find(kFirst), std::string::npos) << reconciled.error().message;
  EXPECT_EQ(objects(), 1u);
  EXPECT_EQ(contents(q).size(), 3u);
  ASSERT_TRUE(fs().corrupt(kFirst, batch, 1));
  ASSERT_TRUE(log().reconcile());
  EXPECT_EQ(objects(), 2u);
  reopen();
  EXPECT_EQ(contents(p), (std::vector<std::string>{"0.0", "1.0", "1.1"}));
  EXPECT_EQ(contents(q).size(), 3u);
}

class LogFailureOfSegments : public ::testing::Test {
 protected:
  // Counts the frames that are found.
  std::unique_ptr<Wal> open_wal() {
    found_ = 0;
    auto wal = Wal::open({&disk_, "/wal", 1u << 20}, 1, [&](const RecoveredFrame&) -> Result<> {
      ++found_;
      return {};
    });
    EXPECT_TRUE(wal) << wal.error().message;
    return std::move(*wal);
  }
  // Commands of at most so many bytes, and nearly as many.
  static std::vector<uint8_t> commands_of(size_t bytes) {
    ByteWriter one, all;
    encode(one, Command(AdvanceLogStart{}));
    for (size_t i = 0; i < bytes / one.size(); ++i) encode(all, Command(AdvanceLogStart{}));
    const std::string out = all.take();
    return {out.begin(), out.end()};
  }
  static std::vector<uint8_t> segment_of(const Wal& wal) { return commands_of(wal.frame_bytes_max() - kWalHeaderBytes); }

  ms::testing::CrashFileSystem fs_{1};
  FaultyDisk disk_{fs_};
  uint64_t found_ = 0;
};

TEST_F(LogFailureOfSegments, AFullDiskAtTheirStartIsNoFailure) {
  for (bool FaultyDisk::*fault : {&FaultyDisk::full_directory, &FaultyDisk::full_header}) {
    const auto wal = open_wal();
    const auto commands = segment_of(*wal);
    for (const uint64_t segment : {1u, 2u, 3u, 4u}) {
      disk_.*fault = true;
      for (int i = 0; i < 2; ++i) EXPECT_EQ(wal->reserve(commands.size(), false).error().kind, ErrorKind::kExhausted) << segment;
      disk_.*fault = false;
      const auto reserved = wal->reserve(commands.size(), false);
      ASSERT_TRUE(reserved) << reserved.error().message;
      ASSERT_TRUE(wal->append({}, commands, {}));
      EXPECT_EQ(wal->current_segment(), segment);
      if (segment >= 2) wal->retire_before(segment);  // from now on the next one is an old one
      EXPECT_LE(fs_.list("/wal").value().size(), 2u);
    }
    for (const std::string& name : fs_.list("/wal").value()) ASSERT_TRUE(fs_.remove("/wal/" + name));
  }
}

// What is acknowledged between a refused group and the next segment is found again, whatever of that segment is durable.
TEST_F(LogFailureOfSegments, AFullDiskAtTheirStartTakesNoFrameAway) {
  const std::vector<uint8_t> small = commands_of(100);
  for (bool FaultyDisk::*fault : {&FaultyDisk::full_directory, &FaultyDisk::full_header}) {
    for (int luck = 0; luck < 16; ++luck) {
      uint64_t acknowledged = 0;
      const auto append = [&](Wal& wal, std::span<const uint8_t> commands) {
        if (!wal.reserve(commands.size(), true)) return;
        ASSERT_TRUE(wal.append({}, commands, {}));
        ++acknowledged;
      };
      auto wal = open_wal();
      append(*wal, segment_of(*wal));
      disk_.*fault = true;
      EXPECT_EQ(wal->reserve(segment_of(*wal).size(), false).error().kind, ErrorKind::kExhausted);
      for (int i = 0; i < 3; ++i) append(*wal, small);
      if (fault == &FaultyDisk::full_directory) EXPECT_EQ(acknowledged, 4u);  // commands have their own reserve
      disk_.*fault = false;
      for (int life = 0; life < 3; ++life) {
        wal.reset();
        fs_.power_cycle();
        wal = open_wal();
        ASSERT_EQ(found_, acknowledged) << luck << " " << life;
        append(*wal, life == 0 ? small : segment_of(*wal));
      }
      wal.reset();
      for (const std::string& name : fs_.list("/wal").value()) ASSERT_TRUE(fs_.remove("/wal/" + name));
      ASSERT_TRUE(fs_.sync_directory("/wal"));
    }
  }
}

TEST_F(LogFailure, TooManyPendingBytesAreRefusedNotBuffered) {
  options().pending_bytes_max = 1000;
  open();
  EXPECT_EQ(append_bytes(topic("events", 1), 2000).error, AppendError::kOverloaded);
}

// Retention removes what a search by time is about to read, twice; between the two it reads an object that says nothing.
TEST_F(LogFailure, ASearchGoesOnBehindWhatRetentionRemoves) {
  FaultyDisk disk(fs());
  options().fs = &disk;
  options().tail_cache_bytes_max = 0;
  options().object_grace_ms = 0;
  const auto log = Log::open(options()).value();
  const TopicPartition p{log->create_topic("events", 1, {}).value().id, {0}};
  const std::vector<RecordToWrite> records = {{.timestamp_ms = 500, .value = "v"}};
  for (int i = 0; i < 4; ++i) {
    std::string bytes = build_record_batch({.compression = Compression::kZstd}, records).value();
    if (i == 1) bytes[kBatchHeaderBytes] = '?';  // no zstd frame any more
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(ms::testing::mend_crc(bytes))});
    std::promise<void> done;
    log->append(std::move(parts), [&](const std::vector<AppendOutcome>&) { done.set_value(); });
    done.get_future().get();
    ASSERT_TRUE(log->reconcile());
    if (i != 1) clock().advance(10 * kMicrosPerSecond);
  }
  disk.opening = [&](const std::string& path) {
    for (const auto& [object, keep] : {std::pair("/0000000000000001.mso", "25000"), std::pair("/0000000000000003.mso", "15000")}) {
      if (!path.ends_with(object)) continue;
      ASSERT_TRUE(log->alter_config(p.topic, {{"retention.ms", keep}}));
      ASSERT_TRUE(log->enforce_retention());
    }
  };
  const auto found = log->offset_for_time(p, 100);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(log->partition_state(p)->log_start, Offset{3});
  EXPECT_EQ(found->value().offset, Offset{3});
}

// Only the end of the log itself is no news.
TEST_F(LogFailure, AStoreThatIsAwayIsReported) {
  FaultyDisk disk(fs());
  int tries = 0;  // by one thread; the second one comes after the first was reported
  std::promise<void> twice;
  disk.opening = [&](const std::string& path) {
    if (path.ends_with(".mso.tmp") && ++tries == 2) twice.set_value();
  };
  disk.objects_away = true;
  options().fs = &disk;
  options().reconcile_interval_ms = 1;
  ::testing::internal::CaptureStderr();
  {
    const auto log = Log::open(options()).value();
    const TopicPartition p{log->create_topic("events", 1, {}).value().id, {0}};
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(batch(1))});
    log->append(std::move(parts), [](const std::vector<AppendOutcome>&) {});
    EXPECT_EQ(twice.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  }
  const std::string logged = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(logged.find("event=log_reconcile_failed error=\"the store is away\""), std::string::npos) << logged;
}

// A compaction that waits for its store: what comes meanwhile still leaves the write-ahead log.
TEST_F(LogFailure, ALongCompactionDoesNotHoldUpTheLog) {
  FaultyDisk disk(fs());
  std::promise<void> compacting, release, moved;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> reads = 0, objects_after = 0;
  disk.opening = [&](const std::string& path) {
    if (path.ends_with(".mso") && reads++ == 0) compacting.set_value(), released.wait();
    if (path.ends_with(".mso.tmp") && reads > 0 && objects_after++ == 0) moved.set_value();
  };
  options().fs = &disk;
  options().tail_cache_bytes_max = 0;
  options().reconcile_interval_ms = 1;
  const auto log = Log::open(options()).value();
  const TopicPartition p{log->create_topic("state", 1, {{"cleanup.policy", "compact"}}).value().id, {0}};
  const auto put = [&] {
    const std::vector<RecordToWrite> records = {{.timestamp_ms = 1, .key = "k", .value = "v"}};
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(build_record_batch({}, records).value())});
    log->append(std::move(parts), [](const std::vector<AppendOutcome>&) {});
  };
  put();
  ASSERT_EQ(compacting.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  put();
  EXPECT_EQ(moved.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  release.set_value();
}

// What was acknowledged hangs on the write-ahead log alone: after an object or a snapshot that the disk has lost, it goes on, and
// what it acknowledges survives the loss of power. The write-ahead log's own syncs: AfterAFailedSync...
TEST_F(LogFailure, ObjectsAndSnapshotsThatTheDiskLosesAreWrittenAgain) {
  FaultyDisk disk(fs());
  options().fs = &disk;
  TopicPartition p;
  std::vector<std::string> acknowledged;
  const auto put = [&](Log& log, int i) {
    const std::string value = std::to_string(i) + std::string(300'000, '.');  // some segments of the write-ahead log in all
    const std::vector<RecordToWrite> records = {{.timestamp_ms = 1, .value = value}};
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(build_record_batch({}, records).value())});
    std::promise<AppendError> done;
    log.append(std::move(parts), [&](const std::vector<AppendOutcome>& outcomes) { done.set_value(outcomes.at(0).error); });
    ASSERT_EQ(done.get_future().get(), AppendError::kNone);
    acknowledged.push_back(value);
  };
  const auto values = [&](Log& log) {
    std::vector<std::string> out;
    for (Offset at{0};;) {
      const auto read = log.read(p, at, 1'000'000).value();
      if (read.batches.empty()) return out;
      for (const ReadBatch& each : read.batches) {
        std::string scratch;
        auto reader = RecordReader::open(each.bytes.span(), scratch).value();
        RecordView record;
        while (reader.next(record) == RecordReader::Step::kRecord) out.emplace_back(*record.value);
        at = {each.last.value + 1};
      }
    }
  };
  int i = 0, failed = 0;
  const std::map<std::string, std::function<bool(const std::string&)>> places = {
      {"object", [](const std::string& path) { return path.ends_with(".mso.tmp"); }},
      {"directory of objects", [](const std::string& path) { return path == "/log/objects"; }},
      {"snapshot", [](const std::string& path) { return path.contains("meta.snapshot"); }},
      {"directory of the snapshot", [](const std::string& path) { return path == "/log"; }}};
  for (const auto& [where, fails] : places) {
    const int failed_before = failed;
    {
      const auto log = Log::open(options()).value();
      if (acknowledged.empty()) p = {log->create_topic("events", 1, {}).value().id, {0}};
      disk.sync_fails = fails;
      for (int n = 0; n < 3; ++n) {
        for (int frames = 0; frames < 4; ++frames) put(*log, i++);
        if (!log->reconcile()) ++failed;
      }
      EXPECT_TRUE(failures().empty()) << failures().front();
      fs().lose_power_after(0);
    }
    disk.sync_fails = [](const std::string&) { return false; };
    fs().power_cycle();
    const auto log = Log::open(options()).value();
    EXPECT_EQ(values(*log), acknowledged) << where;
    EXPECT_TRUE(log->reconcile());
    EXPECT_EQ(values(*log), acknowledged) << where;
    EXPECT_GT(failed, failed_before) << where;
  }
}

}  // namespace
}  // namespace ms::log
