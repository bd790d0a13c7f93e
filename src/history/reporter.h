// Progress of one phase, counted by many threads and told to one sink at a bounded rate.
#pragma once

#include <atomic>
#include <mutex>

#include "base/clock.h"
#include "history/train.h"

namespace ms::history {

class Reporter {
 public:
  Reporter(const ProgressSink& sink, const Clock& clock) : sink_(sink), clock_(clock) {}

  void begin(std::string_view phase, uint64_t total) {
    const std::scoped_lock lock(mutex_);
    phase_ = phase, total_ = total, done_ = 0;
    began_ = told_ = clock_.steady_us();
    tell();
  }
  void add(uint64_t rows) {
    done_.fetch_add(rows, std::memory_order_relaxed);
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || clock_.steady_us() - told_ < kEveryUs) return;
    told_ = clock_.steady_us();
    tell();
  }
  void end() {
    const std::scoped_lock lock(mutex_);
    done_ = total_;
    tell();
  }

 private:
  static constexpr int64_t kEveryUs = 100'000;

  void tell() {
    if (!sink_) return;
    const uint64_t done = std::min<uint64_t>(done_, total_);
    const double seconds = static_cast<double>(clock_.steady_us() - began_) / 1e6;
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    sink_({.phase = phase_, .done = done, .total = total_, .rows_per_second = rate,
           .seconds_left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0});
  }

  const ProgressSink& sink_;
  const Clock& clock_;
  std::mutex mutex_;
  std::string_view phase_;
  std::atomic<uint64_t> done_ = 0;
  uint64_t total_ = 0;
  int64_t began_ = 0, told_ = 0;
};

}  // namespace ms::history
