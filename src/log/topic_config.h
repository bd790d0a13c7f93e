// The topic configurations Kafka's tools know, with Kafka's defaults and bounds. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "codec/compression.h"
#include "log/log.h"

namespace ms::log {

// What the log itself acts on.
struct TopicSettings {
  int64_t retention_ms = 0;     // -1: for ever, as where cleanup.policy does not say delete
  int64_t retention_bytes = 0;  // -1: no bound
  bool compacts = false;        // cleanup.policy says compact; what follows is about that
  int64_t delete_retention_ms = 0;
  int64_t min_compaction_lag_ms = 0, max_compaction_lag_ms = 0;
  double min_cleanable_dirty_ratio = 0;
  int64_t segment_ms = 0;       // what is merged into one run, which retention takes whole, spans at most this
  int64_t segment_bytes = 0;    // and is at most as large
  int64_t max_message_bytes = 0;
  bool log_append_time = false;
  std::optional<Compression> compression;  // nullopt: what the producer chose
  int64_t timestamp_before_max_ms = 0;
  int64_t timestamp_after_max_ms = 0;
};

Result<> check_topic_name(std::string_view name);
// Errors: kInvalidArgument naming the key, the value and what is allowed.
Result<> check_topic_config(const TopicConfig& config);
using ConfigValues = std::map<std::string, std::optional<std::string>>;  // nullopt: back to the default
// Whether these changes make a topic compacted that is not.
bool begins_to_compact(const TopicConfig& now, const ConfigValues& changes);
bool deletes(const TopicConfig& checked);  // cleanup.policy says delete
TopicSettings topic_settings(const TopicConfig& checked);
TopicConfig effective_topic_config(const TopicConfig& checked);

}  // namespace ms::log
