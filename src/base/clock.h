// The only source of time. A test bans every other one outside base/.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/types.h"

namespace ms {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_us() const = 0;    // microseconds since 1970, UTC; may jump
  virtual int64_t steady_us() const = 0;  // microseconds since some start; never goes back
};

// The machine's clock. Thread-safe.
const Clock& system_clock();

// A clock that stands still until told. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t us) : us_(us) {}
  int64_t wall_us() const override { return us_.load(std::memory_order_relaxed); }
  int64_t steady_us() const override { return us_.load(std::memory_order_relaxed); }
  void set(int64_t us) { us_.store(us, std::memory_order_relaxed); }
  void advance(int64_t us) { us_.fetch_add(us, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> us_;
};

// CPU seconds (user + system) this process has used.
double process_cpu_seconds();

}  // namespace ms
