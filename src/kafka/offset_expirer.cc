#include "kafka/offset_expirer.h"

#include "base/logging.h"

namespace ms::kafka {

namespace {
constexpr size_t kGroupsPerTurn = 64;
constexpr size_t kOffsetsPerCommand = 100;  // a command repeats their metadata, up to 4 KiB each, and fits the smallest segment of the log
}  // namespace

OffsetExpirer::OffsetExpirer(const KafkaServerOptions& options, log::Log& log, Coordinator& coordinator, io::IoThread& thread, std::shared_ptr<AliveCount> alive)
    : log_(log),
      coordinator_(coordinator),
      thread_(thread),
      clock_(*options.clock),
      interval_ms_(options.offsets_retention_check_interval_ms),
      retention_ms_(options.offsets_retention_minutes * 60'000),
      alive_(std::move(alive)),
      expired_(counter("millstream_kafka_offsets_expired_total")) {}

void OffsetExpirer::start() {
  if (interval_ms_ <= 0) return;
  thread_.post([this, hold = hold(alive_)] {
    timer_ = std::make_unique<io::Timer>(thread_);
    wait_for_next();
  });
}

void OffsetExpirer::wait_for_next() {
  timer_->start(interval_ms_ * kMicrosPerMilli, [this] {
    wait_for_next();
    if (!running_) begin();
  });
}

void OffsetExpirer::stop() {
  thread_.post([this, hold = hold(alive_)] {
    stopped_ = true;
    timer_.reset();
  });
}

void OffsetExpirer::check(io::Job done) {
  thread_.post([this, hold = hold(alive_), done = std::move(done)]() mutable {
    asked_next_.push_back(std::move(done));
    if (!running_) begin();
  });
}

void OffsetExpirer::begin() {
  running_ = hold(alive_);
  asked_ = std::exchange(asked_next_, {});
  now_ms_ = clock_.wall_us() / kMicrosPerMilli;
  left_ = log_.groups_with_offsets();
  groups_ = {left_.begin(), left_.end()};
  coordinator_.forget_groups_without(groups_);
  turn();
}

void OffsetExpirer::turn() {
  for (size_t n = 0; n < kGroupsPerTurn && !left_.empty() && !stopped_; ++n) {
    look(left_.back());
    left_.pop_back();
  }
  if (commands_ > 0) return;  // the answer to the last one goes on
  if (left_.empty() || stopped_) return end();
  thread_.post([this] { turn(); });
}

void OffsetExpirer::end() {
  if (!stopped_) coordinator_.record_empty_groups(groups_);
  if (!error_.empty()) log_warn("kafka_offsets_expire_failed", {{"error", std::exchange(error_, {})}});
  left_.clear();
  const AliveHold ended = std::exchange(running_, nullptr);
  for (io::Job& done : std::exchange(asked_, {})) done();
  if (!asked_next_.empty()) begin();
}

void OffsetExpirer::look(const std::string& group) {
  const CommittedOffsets committed = log_.committed_offsets(group);
  if (committed.empty()) return;
  CommittedOffsets expired = expired_offsets(committed, log_.unstable_offsets(group), coordinator_.use_of(group), {now_ms_, retention_ms_});
  if (!expired.empty()) expire(group, std::move(expired));
}

void OffsetExpirer::expire(const std::string& group, CommittedOffsets expired) {
  const auto expiry = std::make_shared<Expiry>(Expiry{.group = group});
  while (!expired.empty()) {
    CommittedOffsets some;
    while (some.size() < kOffsetsPerCommand && !expired.empty()) some.insert(expired.extract(expired.begin()));
    ++expiry->commands, ++commands_;
    log_.expire_offsets(group, std::move(some), [this, expiry](Result<uint64_t> result) {
      thread_.post([this, expiry, result = std::move(result)] { on_expired(expiry, result); });
    });
  }
}

void OffsetExpirer::on_expired(const std::shared_ptr<Expiry>& expiry, const Result<uint64_t>& expired) {
  if (expired) expiry->expired += *expired;
  else error_ = expired.error().message;
  if (--expiry->commands == 0 && expiry->expired > 0) {
    expired_.add(static_cast<int64_t>(expiry->expired));
    const bool gone = log_.committed_offsets(expiry->group).empty();
    log_info("kafka_offsets_expired", {{"group", expiry->group}, {"offsets", expiry->expired}, {"group_is_gone", gone ? "true" : "false"}});
    if (gone) coordinator_.forget_empty(expiry->group);
  }
  if (--commands_ == 0) turn();
}

}  // namespace ms::kafka
