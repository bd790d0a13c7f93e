#include "log/partition_log.h"

#include <algorithm>

#include "base/check.h"

namespace ms::log {

void PartitionLog::push(BatchEntry entry, const BatchRole& role) {
  const std::scoped_lock lock(mutex_);
  CHECK(entry.base == next_);
  transactions_.add(role, entry.base);
  next_ = entry.next();
  bytes_ += entry.size;
  tail_.push_back(std::move(entry));
}

void PartitionLog::add_run(const RunRef& run) {
  const std::scoped_lock lock(mutex_);
  runs_[run.run.base.value] = run;
  // At recovery a run may come before the batches it replaced are pushed: those never become part of the tail.
  reconciled_ = run.run.next.value;
  if (next_ < reconciled_) next_ = reconciled_;
  int64_t replaced = 0;
  for (auto it = std::ranges::lower_bound(tail_, run.run.base.value, {}, &BatchEntry::base); it != tail_.end() && it->base < reconciled_; ++it)
    replaced += it->size;
  bytes_ += static_cast<int64_t>(run.run.bytes) - replaced;
  trim_tail();
}

void PartitionLog::replace_runs(const RunRef& by, std::span<const GoneTransaction> gone) {
  const std::scoped_lock lock(mutex_);
  for (const GoneTransaction& each : gone)
    if (by.run.of == each.of && by.run.base <= each.marker && each.marker < by.run.next) transactions_.forget(each.marker);
  const auto first = runs_.lower_bound(by.run.base.value), end = runs_.lower_bound(by.run.next.value);
  for (auto run = first; run != end; ++run) bytes_ -= static_cast<int64_t>(run->second.run.bytes);
  runs_.erase(first, end);
  runs_[by.run.base.value] = by;
  bytes_ += static_cast<int64_t>(by.run.bytes);
  // What is in memory of it still has what compaction removed, aborted records too.
  while (by.run.compacted > 0 && !tail_.empty() && tail_.front().base < by.run.next.value) tail_.pop_front();
}

void PartitionLog::trim_tail() {
  while (!tail_.empty() && tail_.front().base < reconciled_ && tail_.front().data == nullptr) tail_.pop_front();
}

void PartitionLog::advance_log_start(Offset to) {
  const std::scoped_lock lock(mutex_);
  log_start_ = std::max(log_start_, to.value);
  transactions_.forget_below(log_start_);
  for (auto run = runs_.begin(); run != runs_.end() && run->first < log_start_; ++run)
    last_removed_us_ = std::max(last_removed_us_, run->second.run.last_append_us);
  for (auto entry = tail_.begin(); entry != tail_.end() && entry->base < log_start_; ++entry)
    last_removed_us_ = std::max(last_removed_us_, entry->append_us);
  while (!runs_.empty() && runs_.begin()->second.run.next.value <= log_start_) {
    bytes_ -= static_cast<int64_t>(runs_.begin()->second.run.bytes);
    runs_.erase(runs_.begin());
  }
  while (!tail_.empty() && tail_.front().next() <= log_start_ && tail_.front().base < reconciled_) tail_.pop_front();
}

void PartitionLog::evict(WalPosition end) {
  const std::scoped_lock lock(mutex_);
  auto it = std::ranges::lower_bound(tail_, evicted_, {}, &BatchEntry::base);
  for (; it != tail_.end() && it->at < end; ++it) {
    it->owner.reset();
    it->data = nullptr;
    evicted_ = it->next();
  }
  trim_tail();
}

Offset PartitionLog::log_start() const {
  const std::scoped_lock lock(mutex_);
  return {log_start_};
}
Offset PartitionLog::high_watermark() const {
  const std::scoped_lock lock(mutex_);
  return {next_};
}
PartitionState PartitionLog::state() const {
  const std::scoped_lock lock(mutex_);
  const auto removed = last_removed_us_ > 0 ? std::optional(AppendTime{last_removed_us_}) : std::nullopt;
  return {.log_start = {log_start_}, .high_watermark = {next_}, .last_stable = {transactions_.last_stable(log_start_, next_)}, .bytes = bytes_, .last_removed = removed};
}
int64_t PartitionLog::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

TailBatch PartitionLog::tail_batch(const BatchEntry& entry) const {
  return {entry, entry.data != nullptr ? nullptr : (*wal_)->segment(entry.at.segment)};
}

ReadPlan PartitionLog::plan_read(Offset from, size_t max_bytes) const {
  const std::scoped_lock lock(mutex_);
  ReadPlan plan{.log_start = {log_start_}, .high_watermark = {next_}, .tail = {}, .run = {},
                .last_stable = {transactions_.last_stable(log_start_, next_)}, .aborted = {}};
  if (from.value < log_start_ || from.value >= next_) return plan;
  if (tail_.empty() || from.value < tail_.front().base) {
    auto run = runs_.upper_bound(from.value);
    CHECK(run != runs_.begin());
    plan.run = std::prev(run)->second;
    CHECK(from < plan.run->run.next);
    plan.aborted = transactions_.aborted_in(plan.run->run.base.value, plan.run->run.next.value);
    return plan;
  }
  auto it = std::prev(std::ranges::upper_bound(tail_, from.value, {}, &BatchEntry::base));
  for (size_t bytes = 0; it != tail_.end() && (plan.tail.empty() || bytes + it->size <= max_bytes); ++it) {
    plan.tail.push_back(tail_batch(*it));
    bytes += it->size;
  }
  plan.aborted = transactions_.aborted_in(plan.tail.front().entry.base, plan.tail.back().entry.next());
  return plan;
}

size_t PartitionLog::first_unreconciled_index() const {
  return static_cast<size_t>(std::ranges::lower_bound(tail_, reconciled_, {}, &BatchEntry::base) - tail_.begin());
}

std::vector<TailBatch> PartitionLog::unreconciled(size_t max_bytes, Offset from, Offset end) const {
  const std::scoped_lock lock(mutex_);
  std::vector<TailBatch> out;
  size_t bytes = 0;
  const int64_t first = std::max(from.value, reconciled_);
  auto i = static_cast<size_t>(std::ranges::lower_bound(tail_, first, {}, &BatchEntry::base) - tail_.begin());
  for (; i < tail_.size() && tail_[i].base < end.value; ++i) {
    if (!out.empty() && bytes + tail_[i].size > max_bytes) break;
    out.push_back(tail_batch(tail_[i]));
    bytes += tail_[i].size;
  }
  return out;
}

std::optional<WalPosition> PartitionLog::first_unreconciled() const {
  const std::scoped_lock lock(mutex_);
  const size_t i = first_unreconciled_index();
  return i < tail_.size() ? std::optional(tail_[i].at) : std::nullopt;
}

std::vector<RunRef> PartitionLog::runs() const {
  const std::scoped_lock lock(mutex_);
  std::vector<RunRef> out;
  out.reserve(runs_.size());
  for (const auto& [base, run] : runs_) out.push_back(run);
  return out;
}

std::vector<AbortedTransaction> PartitionLog::aborted_in(Offset from, Offset until) const {
  const std::scoped_lock lock(mutex_);
  return transactions_.aborted_in(from.value, until.value);
}

std::optional<std::variant<RunRef, TailBatch>> PartitionLog::place_for_time(int64_t timestamp_ms, Offset from) const {
  const std::scoped_lock lock(mutex_);
  auto run = runs_.upper_bound(from.value);
  if (run != runs_.begin()) --run;
  for (; run != runs_.end(); ++run) {
    const ObjectRun& r = run->second.run;
    if (!tail_.empty() && std::max(r.base, from).value >= tail_.front().base) break;  // the tail has the rest
    if (r.next > from && r.max_timestamp_ms >= timestamp_ms) return run->second;
  }
  auto it = std::ranges::lower_bound(tail_, from.value, {}, [](const BatchEntry& e) { return e.next() - 1; });
  for (; it != tail_.end(); ++it)
    if (it->max_timestamp_ms >= timestamp_ms) return tail_batch(*it);
  return std::nullopt;
}

std::optional<TailBatch> PartitionLog::tail_with_max_timestamp(Offset from) const {
  const std::scoped_lock lock(mutex_);
  const BatchEntry* best = nullptr;
  for (size_t i = first_unreconciled_index(); i < tail_.size(); ++i)
    if (tail_[i].base >= from.value && (best == nullptr || tail_[i].max_timestamp_ms > best->max_timestamp_ms)) best = &tail_[i];
  return best == nullptr ? std::nullopt : std::optional(tail_batch(*best));
}

}  // namespace ms::log
