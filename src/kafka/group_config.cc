#include "kafka/group_config.h"

#include <algorithm>
#include <charconv>

namespace ms::kafka {

namespace {

const std::string kSpace = "group-configs";  // entries are named SETTING/GROUP: no setting has a slash in it

struct Setting {
  std::string_view name;
  int64_t ConsumerGroupSettings::* value;
  int64_t min, max;  // Kafka's defaults of group.consumer.{min,max}.*
};
constexpr Setting kSettings[] = {{"consumer.heartbeat.interval.ms", &ConsumerGroupSettings::heartbeat_interval_ms, 5'000, 15'000},
                                 {"consumer.session.timeout.ms", &ConsumerGroupSettings::session_timeout_ms, 45'000, 60'000}};

std::string entry_of(std::string_view setting, const std::string& group) { return std::string(setting) + "/" + group; }

}  // namespace

GroupConfig group_config(const log::Log& log, const std::string& group) {
  GroupConfig out;
  const log::Entries all = log.entries(kSpace);
  for (const Setting& s : kSettings)
    if (const auto at = all.find(entry_of(s.name, group)); at != all.end()) out.emplace(s.name, at->second);
  return out;
}

std::map<std::string, GroupConfig> group_configs(const log::Log& log) {
  std::map<std::string, GroupConfig> out;
  for (const auto& [entry, value] : log.entries(kSpace)) {
    const size_t slash = entry.find('/');
    out[entry.substr(slash + 1)][entry.substr(0, slash)] = value;
  }
  return out;
}

Result<> change_group_config(log::Log& log, const std::string& group, const std::map<std::string, std::optional<std::string>>& changes) {
  log::EntryChanges entries;
  for (const auto& [name, value] : changes) entries[entry_of(name, group)] = value;
  return log.change_entries(kSpace, entries);
}

GroupConfig effective_group_config(const ConsumerGroupSettings& server, const GroupConfig& set) {
  GroupConfig out = set;
  for (const Setting& s : kSettings) out.try_emplace(std::string(s.name), std::to_string(server.*s.value));
  return out;
}

Result<ConsumerGroupSettings> settings_of(const ConsumerGroupSettings& server, const GroupConfig& set) {
  ConsumerGroupSettings out = server;
  for (const Setting& s : kSettings) {
    const auto at = set.find(std::string(s.name));
    if (at == set.end()) continue;
    const std::string& text = at->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.*s.value);
    if (error != std::errc() || end != text.data() + text.size() || out.*s.value < s.min || out.*s.value > s.max)
      return invalid("'" + at->first + "' takes a number from " + std::to_string(s.min) + " to " + std::to_string(s.max) + ", not '" + text + "'");
  }
  if (out.session_timeout_ms <= out.heartbeat_interval_ms) return invalid("a session must last longer than the interval of heartbeats; set consumer.session.timeout.ms higher");
  return out;
}

}  // namespace ms::kafka
