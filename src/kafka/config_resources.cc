#include "kafka/config_resources.h"

#include <algorithm>

#include "kafka/topics.h"
#include "log/topic_config.h"

namespace ms::kafka {

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  for (size_t from = 0; from < list.size();) {
    const size_t comma = std::min(list.find(',', from), list.size());
    if (comma > from) items.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return items;
}

std::string join(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + item;
  return out;
}

ConfigOutcome refuse(ErrorCode error, std::string message) { return {error, std::move(message)}; }

}  // namespace

std::string with_item(const std::string& list, const std::string& item) {
  auto items = split(list);
  for (const auto& added : split(item))
    if (std::ranges::find(items, added) == items.end()) items.push_back(added);
  return join(items);
}

std::string without_item(const std::string& list, const std::string& item) {
  auto items = split(list);
  for (const auto& removed : split(item)) std::erase(items, removed);
  return join(items);
}

std::map<std::string, std::string> broker_config(const KafkaServerOptions& options) {
  return {{"auto.create.topics.enable", options.auto_create_topics ? "true" : "false"},
          {"broker.id", std::to_string(options.node_id)},
          {"default.replication.factor", "1"},
          {"group.initial.rebalance.delay.ms", std::to_string(options.group_initial_rebalance_delay_ms)},
          {"group.max.session.timeout.ms", std::to_string(options.group_session_timeout_max_ms)},
          {"group.min.session.timeout.ms", std::to_string(options.group_session_timeout_min_ms)},
          {"node.id", std::to_string(options.node_id)},
          {"num.partitions", std::to_string(options.default_partitions)},
          {"socket.request.max.bytes", std::to_string(options.request_bytes_max)}};
}

ConfigOutcome change_config(log::Log& log, const ConfigChanges& wanted) {
  if (wanted.resource_type != kTopicResource)
    return refuse(ErrorCode::kInvalidRequest, "only the configuration of topics can be changed");
  const auto info = log.find_topic(wanted.resource_name);
  if (!info) return refuse(ErrorCode::kUnknownTopicOrPartition, "there is no topic '" + wanted.resource_name + "'");
  const log::TopicConfig effective = log.effective_config(*info);
  std::map<std::string, std::optional<std::string>> changes;
  if (wanted.replace_all)
    for (const auto& [name, value] : info->config) changes[name] = std::nullopt;
  for (const ConfigChange& change : wanted.changes) {
    const auto now = effective.find(change.name);
    if (now == effective.end()) return refuse(ErrorCode::kInvalidConfig, "topics have no configuration '" + change.name + "'");
    const bool remove = change.operation == ConfigOperation::kDelete;
    if (!remove && !change.value) return refuse(ErrorCode::kInvalidConfig, "'" + change.name + "' needs a value");
    switch (change.operation) {
      case ConfigOperation::kSet: changes[change.name] = change.value; break;
      case ConfigOperation::kDelete: changes[change.name] = std::nullopt; break;
      case ConfigOperation::kAppend: changes[change.name] = with_item(now->second, *change.value); break;
      case ConfigOperation::kSubtract: changes[change.name] = without_item(now->second, *change.value); break;
      default: return refuse(ErrorCode::kInvalidRequest, "unknown operation " + std::to_string(static_cast<int>(change.operation)));
    }
  }
  if (wanted.validate_only) {
    log::TopicConfig after = info->config;
    for (const auto& [name, value] : changes) value ? void(after[name] = *value) : void(after.erase(name));
    const auto valid = log::check_topic_config(after);
    return valid ? ConfigOutcome{} : refuse(ErrorCode::kInvalidConfig, valid.error().message);
  }
  if (auto altered = log.alter_config(info->id, changes); !altered) return refuse(topic_error(altered.error()), altered.error().message);
  return {};
}

}  // namespace ms::kafka
