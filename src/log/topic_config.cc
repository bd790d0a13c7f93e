#include "log/topic_config.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/check.h"

namespace ms::log {
namespace {

constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMax32 = std::numeric_limits<int32_t>::max();

// A number has bounds, a choice has words ("a|b"), a ratio lies from 0 to 1.
struct Key {
  std::string_view name, preset, words;
  int64_t min = 0, max = -1;
  bool is_ratio = false;
};
constexpr Key number(std::string_view name, std::string_view preset, int64_t min, int64_t max) { return {name, preset, "", min, max}; }
constexpr Key choice(std::string_view name, std::string_view preset, std::string_view words) { return {name, preset, words, 0, -1}; }
constexpr Key ratio(std::string_view name, std::string_view preset) { return {name, preset, "", 0, 1, true}; }

constexpr std::string_view kForEver = "9223372036854775807";
constexpr Key kKeys[] = {
    choice("cleanup.policy", "delete", "delete|compact|compact,delete|delete,compact"),
    choice("compression.type", "producer", "producer|uncompressed|gzip|snappy|lz4|zstd"),
    number("delete.retention.ms", "86400000", 0, kMax64),
    number("file.delete.delay.ms", "60000", 0, kMax64),
    number("flush.messages", kForEver, 1, kMax64),
    number("flush.ms", kForEver, 0, kMax64),
    number("index.interval.bytes", "4096", 0, kMax32),
    number("max.compaction.lag.ms", kForEver, 1, kMax64),
    number("max.message.bytes", "1048588", 0, kMax32),
    number("message.timestamp.after.max.ms", "3600000", 0, kMax64),
    number("message.timestamp.before.max.ms", kForEver, 0, kMax64),
    number("message.timestamp.difference.max.ms", kForEver, 0, kMax64),
    choice("message.timestamp.type", "CreateTime", "CreateTime|LogAppendTime"),
    choice("millstream.durability", "disk", "disk"),
    number("min.compaction.lag.ms", "0", 0, kMax64),
    ratio("min.cleanable.dirty.ratio", "0.5"),
    number("min.insync.replicas", "1", 1, kMax32),
    choice("preallocate", "false", "true|false"),
    number("retention.bytes", "-1", kMin64, kMax64),
    number("retention.ms", "604800000", -1, kMax64),
    number("segment.bytes", "1073741824", 14, kMax32),
    number("segment.index.bytes", "10485760", 4, kMax32),
    number("segment.jitter.ms", "0", 0, kMax64),
    number("segment.ms", "604800000", 1, kMax64),
    choice("unclean.leader.election.enable", "false", "true|false"),
};

const Key* find_key(std::string_view name) {
  for (const Key& key : kKeys)
    if (key.name == name) return &key;
  return nullptr;
}

bool is_word(std::string_view words, std::string_view value) {
  for (size_t at = 0; at <= words.size();) {
    const size_t end = std::min(words.find('|', at), words.size());
    if (words.substr(at, end - at) == value) return true;
    at = end + 1;
  }
  return false;
}

bool to_number(std::string_view text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool to_ratio(std::string_view text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out >= 0 && out <= 1;
}

Result<> check_value(const Key& key, std::string_view value) {
  if (!key.words.empty()) {
    if (is_word(key.words, value)) return {};
    return invalid(fmt::format("{}={} is not one of: {}", key.name, value, key.words));
  }
  double part = 0;
  if (key.is_ratio && to_ratio(value, part)) return {};
  if (key.is_ratio) return invalid(fmt::format("{}={} must be a number from 0 to 1", key.name, value));
  int64_t parsed = 0;
  if (to_number(value, parsed) && parsed >= key.min && parsed <= key.max) return {};
  return invalid(fmt::format("{}={} must be a whole number from {} to {}", key.name, value, key.min, key.max));
}

std::string_view value_of(const TopicConfig& config, const std::string& name) {
  const auto set = config.find(name);
  return set != config.end() ? std::string_view(set->second) : find_key(name)->preset;
}

int64_t number_of(const TopicConfig& config, std::string_view name) {
  int64_t out = 0;
  CHECK(to_number(value_of(config, std::string(name)), out));
  return out;
}

bool has_policy(const TopicConfig& config, std::string_view policy) { return value_of(config, "cleanup.policy").find(policy) != std::string_view::npos; }

double ratio_of(const TopicConfig& config, const std::string& name) {
  double out = 0;
  CHECK(to_ratio(value_of(config, name), out));
  return out;
}

std::optional<Compression> compression_of(const TopicConfig& config) {
  const auto set = config.find("compression.type");
  if (set == config.end() || set->second == "producer") return std::nullopt;
  for (const Compression codec : {Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd})
    if (set->second == to_string(codec)) return codec;
  return Compression::kNone;
}

// The older single bound holds where the newer one-sided bound was not set.
int64_t timestamp_bound(const TopicConfig& config, const std::string& side) {
  const bool use_old = !config.contains(side) && config.contains("message.timestamp.difference.max.ms");
  return number_of(config, use_old ? "message.timestamp.difference.max.ms" : side);
}

}  // namespace

Result<> check_topic_name(std::string_view name) {
  const bool legal = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
  if (name.empty() || name.size() > 249 || name == "." || name == ".." || !legal)
    return invalid(fmt::format("'{}' is not a topic name: 1 to 249 letters, digits, '.', '_' or '-'", name));
  return {};
}

Result<> check_topic_config(const TopicConfig& config) {
  for (const auto& [name, value] : config) {
    const Key* key = find_key(name);
    if (key == nullptr) return invalid(fmt::format("unknown topic config '{}'", name));
    TRY(check_value(*key, value));
  }
  const int64_t least = number_of(config, "min.compaction.lag.ms"), most = number_of(config, "max.compaction.lag.ms");
  if (least > most) return invalid(fmt::format("min.compaction.lag.ms={} must not be more than max.compaction.lag.ms={}", least, most));
  return {};
}

bool begins_to_compact(const TopicConfig& now, const ConfigValues& changes) {
  const auto changed = changes.find("cleanup.policy");
  if (changed == changes.end() || !changed->second || has_policy(now, "compact")) return false;
  return changed->second->find("compact") != std::string::npos;
}

bool deletes(const TopicConfig& checked) { return has_policy(checked, "delete"); }

TopicSettings topic_settings(const TopicConfig& checked) {
  const auto type = checked.find("message.timestamp.type");
  return {.retention_ms = deletes(checked) ? number_of(checked, "retention.ms") : -1,
          .retention_bytes = deletes(checked) ? number_of(checked, "retention.bytes") : -1,
          .compacts = has_policy(checked, "compact"),
          .delete_retention_ms = number_of(checked, "delete.retention.ms"),
          .min_compaction_lag_ms = number_of(checked, "min.compaction.lag.ms"),
          .max_compaction_lag_ms = number_of(checked, "max.compaction.lag.ms"),
          .min_cleanable_dirty_ratio = ratio_of(checked, "min.cleanable.dirty.ratio"),
          .segment_ms = number_of(checked, "segment.ms"),
          .segment_bytes = number_of(checked, "segment.bytes"),
          .max_message_bytes = number_of(checked, "max.message.bytes"),
          .log_append_time = type != checked.end() && type->second == "LogAppendTime",
          .compression = compression_of(checked),
          .timestamp_before_max_ms = timestamp_bound(checked, "message.timestamp.before.max.ms"),
          .timestamp_after_max_ms = timestamp_bound(checked, "message.timestamp.after.max.ms")};
}

TopicConfig effective_topic_config(const TopicConfig& checked) {
  TopicConfig out = checked;
  for (const Key& key : kKeys) out.try_emplace(std::string(key.name), key.preset);
  return out;
}

}  // namespace ms::log
