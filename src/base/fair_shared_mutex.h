// A reader-writer lock that neither side can starve: everybody queues at one turnstile, readers pass it one by one and
// then share, a writer keeps it until the readers before it have left.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace ms {

// Meets SharedMutex as far as std::unique_lock and std::shared_lock need it.
class FairSharedMutex {
 public:
  void lock() {
    const std::scoped_lock turn(turnstile_);
    readers_.lock();
  }
  void unlock() { readers_.unlock(); }
  void lock_shared() {
    const std::scoped_lock turn(turnstile_);
    readers_.lock_shared();
  }
  void unlock_shared() { readers_.unlock_shared(); }

 private:
  std::mutex turnstile_;
  std::shared_mutex readers_;
};

}  // namespace ms
