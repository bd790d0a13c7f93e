// Bytes and records by topic, counted where they enter and leave over Kafka's port.
#pragma once

#include <shared_mutex>
#include <unordered_map>

#include "base/metrics.h"
#include "base/types.h"
#include "log/log.h"

namespace ms::kafka {

struct TopicCounters {
  Metric &in_bytes, &in_records, &out_bytes, &out_records;
};

// Thread-safe. Topics beyond the first `topics_max` are counted together, as topic="(others)".
class TopicTraffic {
 public:
  TopicTraffic(size_t topics_max, const log::Log& log) : topics_max_(topics_max), log_(log) {}
  const TopicCounters& of(TopicId id);  // lives for ever

 private:
  const size_t topics_max_;
  const log::Log& log_;
  std::shared_mutex mutex_;
  std::unordered_map<TopicId, TopicCounters> topics_;  // whose nodes stay where they are
};

}  // namespace ms::kafka
