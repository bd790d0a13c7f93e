// Counters and gauges with one global registry, printed in the Prometheus text format.
#pragma once

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

// `labels` is the text between the braces, sorted and escaped by the caller: `topic="a",reason="b"`; may be empty.
// Names follow Prometheus: millstream_<thing>_<unit>[_total]. The same name and labels give the same Metric.
Metric& counter(std::string_view name, std::string_view labels = {});
Metric& gauge(std::string_view name, std::string_view labels = {});

std::string metrics_text();

}  // namespace ms
