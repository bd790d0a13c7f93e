// Fetches that wait for records, by partition.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "base/types.h"
#include "io/runtime.h"

namespace ms::kafka {

// Thread-safe. notify() runs on the log's writer thread and only posts.
class FetchWaiters {
 public:
  class Waiter {
   public:
    Waiter(io::IoThread& thread, std::function<void()> wake) : thread_(thread), wake_(std::move(wake)) {}
    // From now on the next notification wakes again. Call before looking at the log, so that none is missed.
    void arm() { woken_.store(false); }

   private:
    friend class FetchWaiters;
    io::IoThread& thread_;
    const std::function<void()> wake_;  // runs on thread_, once per arm()
    std::atomic<bool> woken_{true};
  };

  void add(const std::shared_ptr<Waiter>& waiter, std::span<const TopicPartition> partitions);
  void remove(const std::shared_ptr<Waiter>& waiter, std::span<const TopicPartition> partitions);
  void notify(std::span<const TopicPartition> touched);
  // Wakes everybody for the last time: a woken fetch that finds closed() answers with what it has.
  void close();
  bool closed() const { return closed_.load(); }

 private:
  static void wake(const std::shared_ptr<Waiter>& waiter);

  std::mutex mutex_;
  std::atomic<bool> closed_{false};
  std::unordered_map<TopicPartition, std::unordered_set<std::shared_ptr<Waiter>>> by_partition_;
};

}  // namespace ms::kafka
