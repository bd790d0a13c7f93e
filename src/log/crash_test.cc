// Random work, random power losses, an outside checker: everything acknowledged is there, once, at its offset.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <set>

#include "base/metrics.h"
#include "base/testing/crash_file_system.h"
#include "codec/record_batch.h"
#include "log/fsck.h"
#include "log/log.h"

namespace ms::log {
namespace {

constexpr int32_t kPartitions = 3;

struct Sent {
  std::string first_value;  // unique in the run
  int64_t records = 0;
  int32_t sequence = 0;
  std::optional<AppendOutcome> acknowledged;
};

// What the outside knows of one partition. One idempotent producer writes to it.
struct PartitionModel {
  std::map<int64_t, Sent> acknowledged;  // by base offset
  std::vector<Sent> unknown;             // sent, never answered or answered with a storage error
  int32_t next_sequence = 0;
  Offset deleted;  // records below were deleted, acknowledged
};

class CrashRun {
 public:
  CrashRun(uint64_t seed, bool swallow_syncs) : rng_(seed * 7919 + 1), fs_(seed), clock_(1'000'000'000'000), swallow_(swallow_syncs) {
    options_ = by_hand({.dir = "/log"});
    options_.fs = &fs_;
    options_.clock = &clock_;
    options_.wal_segment_bytes = 640u << 10;
    options_.tail_cache_bytes_max = size_t{1} << (10 + rng_.below(14));
    options_.object_bytes_target = size_t{1} << (12 + rng_.below(8));
    options_.group_bytes_max = size_t{1} << (13 + rng_.below(6));
    options_.object_grace_ms = 10;
    options_.on_failure = [](const Error&) {};
    partitions_.resize(kPartitions);
  }

  struct Totals {
    uint64_t acknowledged = 0, unknown = 0, trimmed = 0, removed = 0, deleted = 0, expired = 0;
  };
  const Totals& totals() const { return totals_; }

  // Violations of what the log promises, empty when all is well.
  std::vector<std::string> run(int lives) {
    if (!open() || !set_up()) return violations_;
    if (swallow_) fs_.swallow_syncs(true);
    for (int life = 0; life < lives && violations_.empty(); ++life) {
      fs_.lose_power_after(1 + rng_.below(rng_.below(4) == 0 ? 1500 : 120));
      for (int step = 0; step < 400 && !fs_.power_is_lost(); ++step) work();
      log_.reset();
      fs_.power_cycle();
      check_files();
      // Power may go again while recovering.
      if (rng_.below(3) == 0) {
        fs_.lose_power_after(rng_.below(12));
        if (auto opened = Log::open(options_)) log_ = std::move(*opened);
        log_.reset();
        fs_.power_cycle();
      }
      if (!open()) return violations_;
      verify();
      retry_unknown();
      verify();
    }
    log_.reset();
    check_files();
    return violations_;
  }

 private:
  void violation(std::string what) { violations_.push_back(std::move(what)); }

  void check_files() {
    const auto report = fsck(fs_, "/log");
    if (!report) return violation("fsck: " + report.error().message);
    for (const FsckFinding& f : report->problems) violation(f.where + ": " + f.found);
  }
  bool open() {
    auto opened = Log::open(options_);
    if (!opened) {
      violation("does not open: " + opened.error().message);
      return false;
    }
    log_ = std::move(*opened);
    return true;
  }
  bool set_up() {
    const auto created = log_->create_topic("t", kPartitions, {{"retention.bytes", std::to_string(300'000)}});
    if (!created) return violation("no topic"), false;
    topic_ = created->id;
    return true;
  }

  std::string batch_of(const Sent& sent, size_t filler) const {
    std::vector<std::string> values;
    std::vector<RecordToWrite> records;
    for (int64_t i = 0; i < sent.records; ++i) values.push_back(fmt::format("{}/{}/{}", sent.first_value, i, std::string(filler, 'f')));
    for (const std::string& value : values) records.push_back({.timestamp_ms = clock_.wall_us() / 1000, .value = value});
    return build_record_batch({.producer_id = 1, .producer_epoch = 0, .base_sequence = sent.sequence}, records).value();
  }

  std::vector<AppendOutcome> send(const std::vector<std::pair<int32_t, std::string>>& batches, bool one_call) {
    std::vector<std::future<std::vector<AppendOutcome>>> answers;
    std::vector<AppendPart> parts;
    const auto flush = [&] {
      if (parts.empty()) return;
      auto promise = std::make_shared<std::promise<std::vector<AppendOutcome>>>();
      answers.push_back(promise->get_future());
      log_->append(std::exchange(parts, {}), [promise](std::vector<AppendOutcome> o) { promise->set_value(std::move(o)); });
    };
    for (const auto& [partition, bytes] : batches) {
      parts.push_back({{topic_, {partition}}, Slice::copy(bytes)});
      if (!one_call) flush();
    }
    flush();
    std::vector<AppendOutcome> outcomes;
    for (auto& answer : answers)
      for (auto& outcome : answer.get()) outcomes.push_back(std::move(outcome));
    return outcomes;
  }

  void append_some() {
    std::vector<std::pair<int32_t, std::string>> batches;
    std::vector<Sent> sent;
    for (uint64_t count = 1 + rng_.below(5); count > 0; --count) {
      const auto partition = static_cast<int32_t>(rng_.below(kPartitions));
      PartitionModel& model = partitions_[static_cast<size_t>(partition)];
      Sent one{.first_value = fmt::format("b{}", next_batch_++), .records = 1 + static_cast<int64_t>(rng_.below(4)), .sequence = model.next_sequence};
      model.next_sequence += static_cast<int32_t>(one.records);
      batches.emplace_back(partition, batch_of(one, rng_.below(3) == 0 ? rng_.below(20'000) : rng_.below(200)));
      sent.push_back(std::move(one));
    }
    const auto outcomes = send(batches, rng_.below(2) == 0);
    for (size_t i = 0; i < sent.size(); ++i) note(partitions_[static_cast<size_t>(batches[i].first)], std::move(sent[i]), outcomes[i]);
  }

  void note(PartitionModel& model, Sent sent, const AppendOutcome& outcome) {
    if (outcome.error == AppendError::kNone) {
      ++totals_.acknowledged;
      sent.acknowledged = outcome;
      model.acknowledged[outcome.base_offset.value] = std::move(sent);
    } else if (outcome.error == AppendError::kStorage) {
      ++totals_.unknown;
      model.unknown.push_back(std::move(sent));
    } else {
      violation(fmt::format("append refused with {}: {}", static_cast<int>(outcome.error), outcome.message));
    }
  }

  void work() {
    clock_.advance(static_cast<int64_t>(rng_.below(5'000)));
    switch (rng_.below(13)) {
      case 0: (void)log_->reconcile(); break;
      case 1: (void)log_->enforce_retention(); break;
      case 2: commit(); break;
      case 3: create_topic(); break;
      case 4: delete_some(); break;
      case 5: (void)log_->merge_objects(); break;
      case 6: expire(); break;
      default: append_some();
    }
  }

  void commit() {
    std::promise<Result<>> promise;
    auto answer = promise.get_future();
    std::map<OffsetKey, CommittedOffset> offsets;
    offsets[{topic_, 0}] = {.offset = {++committed_try_}};
    log_->commit_offsets("g", offsets, [&](Result<> r) { promise.set_value(std::move(r)); });
    if (answer.get()) committed_ = committed_try_, may_be_gone_ = false;
  }
  // What is there, or what was there before: that must change nothing.
  void expire() {
    const auto now = log_->committed_offsets("g");
    const bool stale = rng_.below(2) == 0;
    if (stale) commit();
    std::promise<Result<uint64_t>> promise;
    auto answer = promise.get_future();
    log_->expire_offsets("g", now, [&](Result<uint64_t> r) { promise.set_value(std::move(r)); });
    const auto expired = answer.get();
    if (stale || now.empty()) {
      if (expired && *expired > 0 && committed_ == committed_try_) violation("a newer commit expired");
      return;
    }
    if (expired && *expired != 1) violation("what was there did not expire");
    may_be_gone_ = true;  // without an answer it is or is not
    if (expired) committed_ = 0, gone_ = committed_try_, ++totals_.expired;
  }
  // Now and then, up to any record of the last few batches; most of the work stays for retention.
  void delete_some() {
    const auto partition = static_cast<int32_t>(rng_.below(kPartitions));
    const TopicPartition p{topic_, {partition}};
    const auto state = log_->partition_state(p);
    if (rng_.below(4) != 0 || !state) return;
    const auto size = static_cast<uint64_t>(state->high_watermark.value - state->log_start.value);
    const auto start = log_->delete_records(p, {state->log_start.value + static_cast<int64_t>(rng_.below(size + 1))});
    if (!start) return;
    partitions_[static_cast<size_t>(partition)].deleted = *start;
    ++totals_.deleted;
  }
  void create_topic() {
    const std::string name = fmt::format("x{}", next_topic_++);
    if (log_->create_topic(name, 1, {})) topics_.insert(name);
  }

  // As an idempotent client does after a restart: the same sequences again, in order.
  void retry_unknown() {
    for (int32_t p = 0; p < kPartitions; ++p) {
      PartitionModel& model = partitions_[static_cast<size_t>(p)];
      for (Sent& sent : std::exchange(model.unknown, {})) {
        const auto outcome = send({{p, batch_of(sent, 10)}}, true).at(0);
        // Its original may be further back than the five batches a broker remembers; then it is out of order.
        if (outcome.error == AppendError::kOutOfOrderSequence && found_.contains(sent.first_value)) continue;
        if (outcome.error == AppendError::kNone && outcome.duplicate != found_.contains(sent.first_value))
          violation(fmt::format("{} retried: duplicate is {}, stored before is {}", sent.first_value, outcome.duplicate, !outcome.duplicate));
        note(model, std::move(sent), outcome);
      }
    }
  }

  void verify() {
    found_.clear();
    totals_.trimmed += !fs_.exists("/log/wal/0000000000000001.wal").value_or(true);
    for (int32_t p = 0; p < kPartitions; ++p) verify_partition(p);
    const auto offsets = log_->committed_offsets("g");
    const int64_t stored = offsets.empty() ? 0 : offsets.begin()->second.offset.value;
    if (stored == 0 ? committed_ > 0 && !may_be_gone_ : stored < committed_ || stored <= gone_ || stored > committed_try_)
      violation(fmt::format("committed {}, expired {}, reads as {}", committed_, gone_, stored));
    if (stored == 0) gone_ = committed_try_;
    committed_ = stored, may_be_gone_ = false;
    for (const std::string& name : topics_)
      if (!log_->find_topic(name)) violation("topic " + name + " is lost");
  }

  void verify_partition(int32_t p) {
    const TopicPartition at{topic_, {p}};
    const auto state = log_->partition_state(at);
    if (!state) return violation("no partition");
    totals_.removed += state->log_start.value > 0;
    const Offset deleted = partitions_[static_cast<size_t>(p)].deleted;
    if (state->log_start < deleted) violation(fmt::format("records below {} are back: the log starts at {}", deleted.value, state->log_start.value));
    std::map<int64_t, std::pair<std::string, int64_t>> stored;  // base -> first value, append time
    for (Offset from = state->log_start; from < state->high_watermark;) {
      const auto read = log_->read(at, from, 5'000);
      if (!read || read->batches.empty()) return violation(read ? "reads end early" : "read: " + read.error().message);
      for (const ReadBatch& batch : read->batches) {
        const bool first_batch = from == state->log_start && batch.base < from && batch.last >= from;  // records of it were deleted
        if (batch.base != from && !first_batch) violation(fmt::format("offset {} where {} belongs", batch.base.value, from.value));
        from = {batch.last.value + 1};
        std::string scratch;
        RecordView record;
        auto reader = RecordReader::open(batch.bytes.span(), scratch);
        if (!reader || reader->next(record) != RecordReader::Step::kRecord) return violation("a batch does not parse");
        const std::string first(record.value->substr(0, record.value->find('/')));
        if (!found_.insert(first).second) violation(first + " is there twice");
        stored[batch.base.value] = {first, batch.at.us};
      }
    }
    for (const auto& [base, sent] : partitions_[static_cast<size_t>(p)].acknowledged) {
      if (base + sent.records <= state->log_start.value) continue;  // retention
      const auto found = stored.find(base);
      if (found == stored.end() || found->second.first != sent.first_value)
        violation(fmt::format("{} acknowledged at offset {} of partition {} is not there", sent.first_value, base, p));
      else if (found->second.second != sent.acknowledged->append_time.us)
        violation(fmt::format("{} has another append time", sent.first_value));
    }
  }

  Rng rng_;
  ms::testing::CrashFileSystem fs_;
  ManualClock clock_;
  LogOptions options_;
  const bool swallow_;
  std::unique_ptr<Log> log_;
  TopicId topic_;
  std::vector<PartitionModel> partitions_;
  std::set<std::string> topics_, found_;
  std::vector<std::string> violations_;
  Totals totals_;
  int64_t committed_ = 0, committed_try_ = 0, gone_ = 0;  // `gone_`: the last one that has expired
  bool may_be_gone_ = false;
  int next_batch_ = 0, next_topic_ = 0;
};

// The long form: MILLSTREAM_CRASH_SEEDS=20000.
uint64_t seeds() {
  const char* set = std::getenv("MILLSTREAM_CRASH_SEEDS");
  return set != nullptr ? std::strtoull(set, nullptr, 10) : 150;
}

TEST(LogCrash, NothingAcknowledgedIsLostOrDoubled) {
  CrashRun::Totals all;
  const int64_t merged_before = counter("millstream_log_objects_merged_total").get();
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    CrashRun run(seed, false);
    const auto violations = run.run(5);
    all.acknowledged += run.totals().acknowledged, all.unknown += run.totals().unknown;
    all.trimmed += run.totals().trimmed, all.removed += run.totals().removed;
    all.deleted += run.totals().deleted, all.expired += run.totals().expired;
    ASSERT_TRUE(violations.empty()) << "seed " << seed << ": " << violations.size() << " violations, first: " << violations[0];
  }
  // The runs reach what they are about: answers lost to the power, a recycled first segment, records retention removed, deleted ones.
  EXPECT_GT(all.acknowledged, 50 * seeds());
  EXPECT_GT(all.unknown, seeds());
  EXPECT_GT(all.trimmed, seeds() / 10);
  EXPECT_GT(all.removed, seeds() / 10);
  EXPECT_GT(all.deleted, seeds());
  EXPECT_GT(all.expired, seeds() / 2);
  EXPECT_GT(counter("millstream_log_objects_merged_total").get() - merged_before, static_cast<int64_t>(seeds()));
}

// Proof that the checker can fail: syncs that do nothing must be caught.
TEST(LogCrash, TheCheckerSeesAMissingSync) {
  int caught = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) caught += !CrashRun(seed, true).run(2).empty();
  EXPECT_GE(caught, 15);
}

}  // namespace
}  // namespace ms::log
