// How much there is that still comes back to the broker: connections, open or with calls in flight, and work that waits for the
// log. Outlives the broker, so that the last one can say goodbye.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace ms::kafka {

// Thread-safe.
class AliveCount {
 public:
  void add(int n) {
    const std::lock_guard lock(mutex_);
    count_ += n;
    changed_.notify_all();
  }
  bool wait_for_none(std::chrono::milliseconds deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, deadline, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// One that counts until it is released.
using AliveHold = std::shared_ptr<void>;
inline AliveHold hold(const std::shared_ptr<AliveCount>& count) {
  count->add(1);
  return AliveHold(nullptr, [count](void*) { count->add(-1); });
}

}  // namespace ms::kafka
