// For log lines that strangers can cause.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"

namespace ms {

// One line a second at most. Thread-safe.
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

// So many lines a minute for each of whom they are about: one cannot drown what is said of another. Thread-safe.
class LogLimits {
 public:
  static constexpr int64_t kLinesPerMinute = 10;
  static constexpr size_t kKnownMax = 1'000;  // beyond it, those that are new share one allowance

  // Whether a line about `who` may be written, and then how many were left out since the last one. nullopt: leave it out.
  std::optional<int64_t> admit(std::string_view who, int64_t steady_us) {
    const std::lock_guard lock(mutex_);
    Allowance& of = find(who, steady_us);
    if (steady_us >= of.ends_us) of.ends_us = steady_us + 60 * kMicrosPerSecond, of.lines = 0;
    if (of.lines >= kLinesPerMinute) return ++of.left_out, std::nullopt;
    ++of.lines;
    return std::exchange(of.left_out, 0);
  }

 private:
  struct Allowance {
    int64_t ends_us = std::numeric_limits<int64_t>::min();
    int64_t lines = 0, left_out = 0;
  };
  Allowance& find(std::string_view who, int64_t steady_us) {
    if (const auto at = known_.find(who); at != known_.end()) return at->second;
    if (known_.size() >= kKnownMax) std::erase_if(known_, [&](const auto& one) { return forget(one.second, steady_us); });
    return known_.size() >= kKnownMax ? others_ : known_[std::string(who)];
  }
  // Its minute is over; what it was not told is told with the others'.
  bool forget(const Allowance& of, int64_t steady_us) {
    if (steady_us < of.ends_us) return false;
    others_.left_out += of.left_out;
    return true;
  }

  std::mutex mutex_;
  std::map<std::string, Allowance, std::less<>> known_;
  Allowance others_;
};

}  // namespace ms
