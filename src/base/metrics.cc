#include "base/metrics.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <mutex>

namespace ms {
namespace {

struct Family {
  const char* type;
  std::map<std::string, std::unique_ptr<Metric>, std::less<>> by_labels;
};

struct Registry {
  std::mutex mutex;
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

}  // namespace

Metric& counter(std::string_view name, std::string_view labels) { return find_or_make("counter", name, labels); }
Metric& gauge(std::string_view name, std::string_view labels) { return find_or_make("gauge", name, labels); }

std::string metrics_text() {
  const std::scoped_lock lock(registry().mutex);
  std::string out;
  for (const auto& [name, family] : registry().families) {
    out += fmt::format("# TYPE {} {}\n", name, family.type);
    for (const auto& [labels, metric] : family.by_labels)
      out += labels.empty() ? fmt::format("{} {}\n", name, metric->get()) : fmt::format("{}{{{}}} {}\n", name, labels, metric->get());
  }
  return out;
}

}  // namespace ms
