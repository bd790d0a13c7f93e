#include "kafka/fetch_waiters.h"

namespace ms::kafka {

void FetchWaiters::add(const std::shared_ptr<Waiter>& waiter, std::span<const TopicPartition> partitions) {
  const std::lock_guard lock(mutex_);
  for (const auto& p : partitions) by_partition_[p].insert(waiter);
}

void FetchWaiters::remove(const std::shared_ptr<Waiter>& waiter, std::span<const TopicPartition> partitions) {
  const std::lock_guard lock(mutex_);
  for (const auto& p : partitions) {
    const auto at = by_partition_.find(p);
    if (at == by_partition_.end()) continue;
    at->second.erase(waiter);
    if (at->second.empty()) by_partition_.erase(at);
  }
}

void FetchWaiters::notify(std::span<const TopicPartition> touched) {
  const std::lock_guard lock(mutex_);
  for (const auto& p : touched) {
    const auto at = by_partition_.find(p);
    if (at == by_partition_.end()) continue;
    for (const auto& waiter : at->second) wake(waiter);
  }
}

void FetchWaiters::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& [partition, waiters] : by_partition_)
    for (const auto& waiter : waiters) wake(waiter);
}

void FetchWaiters::wake(const std::shared_ptr<Waiter>& waiter) {
  if (!waiter->woken_.exchange(true)) waiter->thread_.post([waiter] { waiter->wake_(); });
}

}  // namespace ms::kafka
