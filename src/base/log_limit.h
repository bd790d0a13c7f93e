// For log lines that strangers can cause: one a second at most.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/types.h"

namespace ms {

// Thread-safe.
class LogLimit {
 public:
  // Whether a line may be written at this time of a steady clock; the last one was a second ago or more.
  bool admit(int64_t steady_us) {
    int64_t next = next_us_.load(std::memory_order_relaxed);
    return steady_us >= next && next_us_.compare_exchange_strong(next, steady_us + kMicrosPerSecond, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> next_us_ = std::numeric_limits<int64_t>::min();
};

}  // namespace ms
