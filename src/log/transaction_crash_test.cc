// Power fails at any write or sync while transactions run: what was answered is kept, and every transaction is whole, in all
// its partitions and in the group's offsets, or not there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <future>

#include "base/rng.h"
#include "base/testing/crash_file_system.h"
#include "codec/record_batch.h"
#include "log/fsck.h"
#include "log/log.h"

namespace ms::log {
namespace {

constexpr int32_t kPartitions = 3;

class TransactionCrashRun {
 public:
  TransactionCrashRun(uint64_t seed, bool swallow_syncs) : rng_(seed * 104729 + 7), fs_(seed), clock_(1'000'000'000'000), swallow_(swallow_syncs) {
    options_ = by_hand({.dir = "/log"});
    options_.fs = &fs_;
    options_.clock = &clock_;
    options_.wal_segment_bytes = 640u << 10;
    options_.tail_cache_bytes_max = size_t{1} << (10 + rng_.below(14));
    options_.object_bytes_target = size_t{1} << (12 + rng_.below(8));
    options_.on_failure = [](const Error&) {};
  }

  // The first violation; empty when all is well.
  std::string run(int lives) {
    open();
    topic_ = log_->create_topic("t", kPartitions, {}).value().id;
    if (swallow_) fs_.swallow_syncs(true);
    for (int life = 0; life < lives && violation_.empty(); ++life) {
      fs_.lose_power_after(1 + rng_.below(150));
      for (int i = 0; i < 300 && !fs_.power_is_lost(); ++i) transact();
      log_.reset();
      fs_.power_cycle();
      const auto files = fsck(fs_, "/log");
      if (!files || !files->clean()) violation_ = files ? files->problems[0].found : files.error().message;
      if (!open()) break;
      verify();
      settle();
      verify();
    }
    return violation_;
  }
  int64_t committed_count() const { return static_cast<int64_t>(committed_.size()); }
  int64_t unknown_count() const { return unknowns_; }

 private:
  bool open() {
    auto opened = Log::open(options_);
    if (opened) log_ = std::move(*opened);
    else violation_ = "does not open: " + opened.error().message;
    return opened.has_value();
  }
  Result<ProducerIdentity> step(TransactionStep step) {
    std::promise<Result<ProducerIdentity>> promise;
    log_->transact(std::move(step), [&](Result<ProducerIdentity> done) { promise.set_value(std::move(done)); });
    return promise.get_future().get();
  }
  bool send(int32_t partition, const std::string& value) {
    const std::vector<RecordToWrite> records = {{.timestamp_ms = 1, .value = value}};
    const std::string bytes = build_record_batch({.producer_id = producer_.id, .producer_epoch = producer_.epoch, .base_sequence = 0, .transactional = true}, records).value();
    std::vector<AppendPart> parts;
    parts.push_back({{topic_, {partition}}, Slice::copy(bytes), 0, {.joins = true}});
    std::promise<std::vector<AppendOutcome>> promise;
    log_->append(std::move(parts), [&](std::vector<AppendOutcome> outcomes) { promise.set_value(std::move(outcomes)); });
    return promise.get_future().get().at(0).error == AppendError::kNone;
  }

  // A transaction writes its number to every partition and stages it as the group's offset.
  void transact() {
    clock_.advance(static_cast<int64_t>(rng_.below(1'000)));
    if (rng_.below(12) == 0) (void)log_->reconcile(), (void)log_->merge_objects();
    if (producer_.id < 0 || rng_.below(20) == 0) {
      const auto fresh = step(InitTransaction{"x", 60'000, {}});
      if (!fresh) return;
      producer_ = *fresh;
    }
    const int64_t number = ++last_;
    const std::string padding(rng_.below(4) == 0 ? rng_.below(20'000) : 5, 'f');
    for (int32_t p = 0; p < kPartitions; ++p)
      if (!send(p, fmt::format("{} {}", number, padding))) return void(producer_ = {});
    const std::map<OffsetKey, CommittedOffset> offsets = {{{topic_, 0}, {.offset = {number}, .metadata = {}}}};
    if (!step(StageTransactionOffsets{"x", producer_, "g", offsets, true})) return void(producer_ = {});
    const bool commit = rng_.below(3) > 0;
    const auto ended = step(EndTransaction{"x", producer_, commit, true});
    if (commit && ended) committed_.insert(number);
    if (commit && !ended) maybe_ = number, ++unknowns_;
    producer_ = ended.value_or(ProducerIdentity{});
  }

  // A new producer decides what was open.
  void settle() {
    const auto fresh = step(InitTransaction{"x", 60'000, {}});
    if (!fresh) return void(violation_ = "no new producer: " + fresh.error().message);
    producer_ = *fresh;
    for (int32_t p = 0; p < kPartitions; ++p) {
      const auto state = log_->partition_state({topic_, {p}}).value();
      if (state.last_stable != state.high_watermark) violation_ = "a transaction is open after a new producer came";
    }
  }

  std::set<int64_t> read(int32_t p) {
    std::set<int64_t> out;
    const auto end = log_->partition_state({topic_, {p}}).value().last_stable;
    for (Offset at{0}; at < end;) {
      const auto got = log_->read({topic_, {p}}, at, 5'000);
      if (!got || got->batches.empty()) return violation_ = "reads end early", out;
      for (const ReadBatch& batch : got->batches) {
        at = {batch.last.value + 1};
        if (!batch.committed || batch.base >= end) continue;
        std::string scratch;
        RecordView record;
        auto reader = RecordReader::open(batch.bytes.span(), scratch);
        if (!reader || reader->next(record) != RecordReader::Step::kRecord) return violation_ = "a batch does not parse", out;
        if (!out.insert(std::stoll(std::string(*record.value))).second) violation_ = "a value is there twice";
      }
    }
    return out;
  }

  void verify() {
    const std::set<int64_t> stored = read(0);
    if (stored.contains(maybe_)) committed_.insert(maybe_);
    for (int32_t p = 0; p < kPartitions && violation_.empty(); ++p)
      if (read(p) != committed_) violation_ = fmt::format("partition {} has other transactions than were committed", p);
    const auto offsets = log_->committed_offsets("g");
    const int64_t offset = offsets.empty() ? 0 : offsets.begin()->second.offset.value;
    if (offset != (committed_.empty() ? 0 : *committed_.rbegin())) violation_ = fmt::format("the group is at {}", offset);
  }

  Rng rng_;
  ms::testing::CrashFileSystem fs_;
  ManualClock clock_;
  LogOptions options_;
  const bool swallow_;
  std::unique_ptr<Log> log_;
  TopicId topic_;
  ProducerIdentity producer_;
  std::set<int64_t> committed_;
  int64_t last_ = 0, maybe_ = 0, unknowns_ = 0;  // `maybe_`: the last commit whose answer the power took
  std::string violation_;
};

TEST(TransactionCrash, EveryTransactionIsWholeOrNotThere) {
  int64_t committed = 0, unknown = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    TransactionCrashRun run(seed, false);
    ASSERT_EQ(run.run(5), "") << "seed " << seed;
    committed += run.committed_count(), unknown += run.unknown_count();
  }
  EXPECT_GT(committed, 500);
  EXPECT_GT(unknown, 20);
}

TEST(TransactionCrash, TheCheckerSeesAMissingSync) {
  int caught = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) caught += !TransactionCrashRun(seed, true).run(2).empty();
  EXPECT_GE(caught, 15);
}

}  // namespace
}  // namespace ms::log
