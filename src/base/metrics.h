// Counters, gauges and histograms with one global registry, printed in the Prometheus text format.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace ms {

// Thread-safe. Lives for ever; take the reference once and keep it.
class Metric {
 public:
  void add(int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Durations in buckets. Thread-safe. Lives for ever; take the reference once and keep it.
class Histogram {
 public:
  static constexpr std::array<int64_t, 16> kBoundsUs{100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
                                                     50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
  void observe_us(int64_t us);  // two atomic additions
  int64_t count() const;
  int64_t sum_us() const { return sum_us_.load(std::memory_order_relaxed); }
  // How many took at most kBoundsUs[i]; the last one: all.
  std::array<int64_t, kBoundsUs.size() + 1> cumulative() const;

 private:
  std::array<std::atomic<int64_t>, kBoundsUs.size() + 1> buckets_{};
  std::atomic<int64_t> sum_us_{0};
};

// `labels` is the text between the braces, sorted and escaped by the caller: `topic="a",reason="b"`; may be empty.
// Names follow Prometheus: millstream_<thing>_<unit>[_total]. The same name and labels give the same Metric.
Metric& counter(std::string_view name, std::string_view labels = {});
Metric& gauge(std::string_view name, std::string_view labels = {});
Histogram& histogram(std::string_view name, std::string_view labels = {});  // in seconds; not printed before its first value

std::string metrics_text();

}  // namespace ms
