#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

namespace ms {
namespace {

struct Family {
  const char* type;
  std::map<std::string, std::unique_ptr<Metric>, std::less<>> by_labels;
};

using Histograms = std::map<std::string, std::unique_ptr<Histogram>, std::less<>>;

struct Registry {
  std::mutex mutex;
  std::map<std::string, Histograms, std::less<>> histograms;
  std::map<std::string, Family, std::less<>> families;
};

Registry& registry() {
  static auto* instance = new Registry;  // never destroyed: metrics outlive every static object that counts
  return *instance;
}

Metric& find_or_make(const char* type, std::string_view name, std::string_view labels) {
  const std::scoped_lock lock(registry().mutex);
  Family& family = registry().families.try_emplace(std::string(name), Family{type, {}}).first->second;
  std::unique_ptr<Metric>& metric = family.by_labels[std::string(labels)];
  if (!metric) metric = std::make_unique<Metric>();
  return *metric;
}

void print(std::string& out, const std::string& name, const std::string& labels, const Histogram& histogram) {
  const auto cumulative = histogram.cumulative();
  const char* comma = labels.empty() ? "" : ",";
  for (size_t i = 0; i < Histogram::kBoundsUs.size(); ++i)
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma, static_cast<double>(Histogram::kBoundsUs[i]) / 1e6, cumulative[i]);
  out += fmt::format("{}_bucket{{{}{}le=\"+Inf\"}} {}\n", name, labels, comma, cumulative.back());
  const std::string braces = labels.empty() ? "" : "{" + labels + "}";
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braces, static_cast<double>(histogram.sum_us()) / 1e6, name, braces, cumulative.back());
}

void print(std::string& out, const std::string& name, const Histograms& histograms) {
  const size_t before = out.size();
  for (const auto& [labels, histogram] : histograms)
    if (histogram->count() > 0) print(out, name, labels, *histogram);
  if (out.size() > before) out.insert(before, fmt::format("# TYPE {} histogram\n", name));
}

}  // namespace

void Histogram::observe_us(int64_t us) {
  const auto bucket = std::ranges::lower_bound(kBoundsUs, us) - kBoundsUs.begin();
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(us, std::memory_order_relaxed);
}

int64_t Histogram::count() const { return cumulative().back(); }

std::array<int64_t, Histogram::kBoundsUs.size() + 1> Histogram::cumulative() const {
  std::array<int64_t, kBoundsUs.size() + 1> sums{};
  int64_t sum = 0;
  for (size_t i = 0; i < sums.size(); ++i) sums[i] = sum += buckets_[i].load(std::memory_order_relaxed);
  return sums;
}

Metric& counter(std::string_view name, std::string_view labels) { return find_or_make("counter", name, labels); }
Metric& gauge(std::string_view name, std::string_view labels) { return find_or_make("gauge", name, labels); }

Histogram& histogram(std::string_view name, std::string_view labels) {
  const std::scoped_lock lock(registry().mutex);
  std::unique_ptr<Histogram>& found = registry().histograms[std::string(name)][std::string(labels)];
  if (!found) found = std::make_unique<Histogram>();
  return *found;
}

std::string metrics_text() {
  const std::scoped_lock lock(registry().mutex);
  std::string out;
  for (const auto& [name, family] : registry().families) {
    out += fmt::format("# TYPE {} {}\n", name, family.type);
    for (const auto& [labels, metric] : family.by_labels)
      out += labels.empty() ? fmt::format("{} {}\n", name, metric->get()) : fmt::format("{}{{{}}} {}\n", name, labels, metric->get());
  }
  for (const auto& [name, histograms] : registry().histograms) print(out, name, histograms);
  return out;
}

}  // namespace ms
