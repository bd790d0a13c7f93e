#include "kafka/topic_traffic.h"

#include <fmt/format.h>

#include <mutex>

namespace ms::kafka {

namespace {

TopicCounters counters_of(std::string_view topic) {
  const std::string label = fmt::format(R"(topic="{}")", topic);
  return {counter("millstream_kafka_topic_in_bytes_total", label), counter("millstream_kafka_topic_in_records_total", label),
          counter("millstream_kafka_topic_out_bytes_total", label), counter("millstream_kafka_topic_out_records_total", label)};
}

}  // namespace

const TopicCounters& TopicTraffic::of(TopicId id) {
  {
    const std::shared_lock lock(mutex_);
    if (const auto at = topics_.find(id); at != topics_.end()) return at->second;
  }
  const auto topic = log_.find_topic(id);
  const std::unique_lock lock(mutex_);
  if (const auto at = topics_.find(id); at != topics_.end()) return at->second;
  if (topic && topics_.size() < topics_max_) return topics_.emplace(id, counters_of(topic->name)).first->second;
  static const TopicCounters others = counters_of("(others)");
  return others;
}

}  // namespace ms::kafka
