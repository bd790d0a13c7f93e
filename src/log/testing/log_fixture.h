// A log over the crash file system with small segments, no background work and a clock that stands still. For tests.
#pragma once

#include <gtest/gtest.h>

#include <future>

#include "base/testing/crash_file_system.h"
#include "codec/record_batch.h"
#include "log/fsck.h"
#include "log/log.h"
#include "log/wal_format.h"

namespace ms::log::testing {

class LogFixture : public ::testing::Test {
 protected:
  LogFixture() : fs_(std::make_unique<ms::testing::CrashFileSystem>(1)), clock_(1'000'000'000'000) {
    options_ = by_hand({.dir = "/log"});
    options_.clock = &clock_;
    options_.wal_segment_bytes = 1u << 20;
    options_.on_failure = [this](const Error& error) { failures_.push_back(error.message); };
  }

  // Every test leaves a directory that fsck finds nothing in, unless it damages it.
  void TearDown() override {
    log_.reset();
    if (damaged_ || fs_->power_is_lost() || !fs_->exists("/log").value()) return;
    fs_->fail_syncs(false);
    const auto report = fsck(*fs_, "/log");
    ASSERT_TRUE(report) << report.error().message;
    for (const FsckFinding& f : report->problems) ADD_FAILURE() << f.what << ": " << f.where << ": " << f.found;
  }
  void expect_damage() { damaged_ = true; }

  void open() {
    options_.fs = fs_.get();
    auto opened = Log::open(options_);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  void close_log() { log_.reset(); }
  void reopen() {
    log_.reset();
    open();
  }
  void restart_empty() {
    log_.reset();
    fs_ = std::make_unique<ms::testing::CrashFileSystem>(1);
    next_ = 0;
    open();
  }
  Log& log() { return *log_; }
  LogOptions& options() { return options_; }
  ManualClock& clock() { return clock_; }
  ms::testing::CrashFileSystem& fs() { return *fs_; }
  const std::vector<std::string>& failures() const { return failures_; }

  TopicPartition topic(const std::string& name, int32_t partitions, const TopicConfig& config = {}) {
    return {log_->create_topic(name, partitions, config).value().id, {0}};
  }

  // A batch whose values are "<batch number>.<record number>".
  std::string batch(size_t records, BatchToWrite form = {}) {
    std::vector<std::string> values;
    std::vector<RecordToWrite> out;
    for (size_t i = 0; i < records; ++i) values.push_back(std::to_string(next_) + "." + std::to_string(i));
    for (const std::string& value : values) out.push_back({.timestamp_ms = clock_.wall_us() / 1000, .value = value});
    ++next_;
    return build_record_batch(form, out).value();
  }

  std::vector<AppendOutcome> append(std::vector<AppendPart> parts) {
    std::promise<std::vector<AppendOutcome>> promise;
    auto future = promise.get_future();
    log_->append(std::move(parts), [&](std::vector<AppendOutcome> outcomes) { promise.set_value(std::move(outcomes)); });
    return future.get();
  }
  AppendOutcome append_one(TopicPartition p, std::string_view bytes) {
    std::vector<AppendPart> parts;
    parts.push_back({p, Slice::copy(bytes)});
    return append(std::move(parts)).at(0);
  }
  AppendOutcome append(TopicPartition p, size_t records, BatchToWrite form = {}) { return append_one(p, batch(records, form)); }
  AppendOutcome append_at(TopicPartition p, const std::vector<int64_t>& timestamps, Compression codec = Compression::kNone) {
    std::vector<RecordToWrite> records;
    for (const int64_t t : timestamps) records.push_back({.timestamp_ms = t, .value = "v"});
    return append_one(p, build_record_batch({.compression = codec}, records).value());
  }
  AppendOutcome append_bytes(TopicPartition p, size_t bytes) {
    const std::string value(bytes, 'x');
    const std::vector<RecordToWrite> records = {{.timestamp_ms = 1, .value = value}};
    return append_one(p, build_record_batch({}, records).value());
  }
  Result<> commit(const std::string& group, TopicPartition p, int64_t offset) {
    std::promise<Result<>> promise;
    auto future = promise.get_future();
    std::map<OffsetKey, CommittedOffset> offsets;
    offsets[{p.topic, p.partition.value}] = {.offset = {offset}, .metadata = "m"};
    log_->commit_offsets(group, offsets, [&](Result<> result) { promise.set_value(std::move(result)); });
    return future.get();
  }

  // All values from the log start on, checking that offsets are dense.
  std::vector<std::string> contents(TopicPartition p) {
    std::vector<std::string> out;
    visit(p, [&](const ReadBatch& each) {
      std::string scratch;
      auto reader = RecordReader::open(each.bytes.span(), scratch).value();
      RecordView record;
      while (reader.next(record) == RecordReader::Step::kRecord) out.emplace_back(*record.value);
    });
    return out;
  }
  std::vector<int64_t> append_times(TopicPartition p) {
    std::vector<int64_t> out;
    visit(p, [&](const ReadBatch& each) { out.push_back(each.at.us); });
    return out;
  }
  template <class Visit>
  void visit(TopicPartition p, Visit&& visit_batch) {
    Offset at = log_->partition_state(p).value().log_start;
    for (;;) {
      const auto read = log_->read(p, at, 1000);
      ASSERT_TRUE(read) << read.error().message;
      if (read->batches.empty()) {
        EXPECT_EQ(at, read->high_watermark);
        return;
      }
      for (const ReadBatch& each : read->batches) {
        EXPECT_EQ(each.base, at);
        visit_batch(each);
        at = {each.last.value + 1};
      }
    }
  }
  static constexpr const char* kFirst = "/log/wal/0000000000000001.wal";
  // Where each frame of the first segment begins.
  std::vector<uint64_t> frames() {
    const auto file = fs().open(kFirst, FileSystem::Open::kRead).value();
    std::vector<uint64_t> out;
    for (uint64_t at = kWalHeaderBytes;;) {
      WalHeaderBytes bytes{};
      EXPECT_TRUE(file->read_at(at, bytes));
      const auto header = parse_frame_header(bytes);
      if (!header) return out;
      out.push_back(at);
      at += header->padded_end();
    }
  }
  size_t objects() { return fs_->list("/log/objects").value().size(); }

 private:
  std::unique_ptr<ms::testing::CrashFileSystem> fs_;
  ManualClock clock_;
  LogOptions options_;
  std::vector<std::string> failures_;
  std::unique_ptr<Log> log_;
  int next_ = 0;
  bool damaged_ = false;
};

}  // namespace ms::log::testing
