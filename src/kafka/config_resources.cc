#include "kafka/config_resources.h"

#include <algorithm>
#include <set>

#include "kafka/audit_changes.h"
#include "kafka/broker.h"
#include "kafka/group_config.h"
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
          {"offsets.retention.check.interval.ms", std::to_string(options.offsets_retention_check_interval_ms)},
          {"offsets.retention.minutes", std::to_string(options.offsets_retention_minutes)},
          {"socket.request.max.bytes", std::to_string(options.request_bytes_max)}};
}

bool is_list_config(std::string_view name) { return name == "cleanup.policy"; }

namespace {

// Is the request one that Kafka's brokers would pass on to the controller?
std::optional<ConfigOutcome> check_changes(const ConfigChanges& wanted) {
  if (wanted.resource_type != kTopicResource && wanted.resource_type != kGroupResource)
    return refuse(ErrorCode::kInvalidRequest, "only the configuration of topics and groups can be changed");
  std::set<std::string_view> names;
  for (const ConfigChange& change : wanted.changes) {
    if (!names.insert(change.name).second) return refuse(ErrorCode::kInvalidRequest, "'" + change.name + "' is named twice");
    if (change.operation < ConfigOperation::kSet || change.operation > ConfigOperation::kSubtract)
      return refuse(ErrorCode::kInvalidRequest, "unknown operation " + std::to_string(static_cast<int>(change.operation)));
    if (change.operation != ConfigOperation::kDelete && !change.value) return refuse(ErrorCode::kInvalidRequest, "'" + change.name + "' needs a value");
  }
  return std::nullopt;
}

// The new value of each configuration that is named; nullopt: back to its default.
using NewValues = std::map<std::string, std::optional<std::string>>;
std::optional<ConfigOutcome> new_values(const ConfigChanges& wanted, const log::TopicConfig& effective, NewValues& out) {
  for (const ConfigChange& change : wanted.changes) {
    if (change.operation == ConfigOperation::kDelete) {
      out[change.name] = std::nullopt;  // also of a name that topics do not have, as in Kafka
      continue;
    }
    const auto now = effective.find(change.name);
    if (now == effective.end()) return refuse(ErrorCode::kInvalidConfig, std::string(wanted.resource_type == kGroupResource ? "groups" : "topics") + " have no configuration '" + change.name + "'");
    const bool of_list = change.operation == ConfigOperation::kAppend || change.operation == ConfigOperation::kSubtract;
    if (of_list && !is_list_config(change.name))
      return refuse(ErrorCode::kInvalidConfig, "'" + change.name + "' is not a list: nothing can be appended to it or subtracted from it");
    switch (change.operation) {
      case ConfigOperation::kSet: out[change.name] = change.value; break;
      case ConfigOperation::kDelete: break;
      case ConfigOperation::kAppend: out[change.name] = with_item(now->second, *change.value); break;
      case ConfigOperation::kSubtract: out[change.name] = without_item(now->second, *change.value); break;
    }
  }
  return std::nullopt;
}

ConfigOutcome change_group(Broker& broker, const ConfigChanges& wanted) {
  const std::string& group = wanted.resource_name;
  if (group.empty()) return refuse(ErrorCode::kInvalidRequest, "the configuration of a group needs its name");
  GroupConfig after = group_config(broker.log, group);
  NewValues changes;
  if (wanted.replace_all)
    for (const auto& [name, value] : after) changes[name] = std::nullopt;
  const ConsumerGroupSettings& server = broker.options.consumer_groups;
  if (auto refused = new_values(wanted, effective_group_config(server, after), changes)) return *refused;
  for (const auto& [name, value] : changes) value ? void(after[name] = *value) : void(after.erase(name));
  const auto settings = settings_of(server, after);
  if (!settings) return refuse(ErrorCode::kInvalidConfig, settings.error().message);
  if (wanted.validate_only) return {};
  if (auto changed = change_group_config(broker.log, group, changes); !changed) return refuse(ErrorCode::kKafkaStorageError, changed.error().message);
  const auto own = after.empty() ? std::nullopt : std::optional(*settings);
  broker.coordinator.run([&broker, group, own] { broker.coordinator.configure(group, own); });
  return {};
}

ConfigOutcome change_topic(Broker& broker, const ConfigChanges& wanted) {
  log::Log& log = broker.log;
  const auto info = log.find_topic(wanted.resource_name);
  const log::TopicInfo before = info.value_or(log::TopicInfo{});  // as in Kafka, values are looked at before the topic
  NewValues changes;
  if (wanted.replace_all)
    for (const auto& [name, value] : before.config) changes[name] = std::nullopt;
  if (auto refused = new_values(wanted, log.effective_config(before), changes)) return *refused;
  log::TopicConfig after = before.config;
  for (const auto& [name, value] : changes) value ? void(after[name] = *value) : void(after.erase(name));
  if (const auto valid = log::check_topic_config(after); !valid) return refuse(ErrorCode::kInvalidConfig, valid.error().message);
  if (!info) return refuse(ErrorCode::kUnknownTopicOrPartition, "there is no topic '" + wanted.resource_name + "'");
  if (wanted.validate_only) return {};
  auto altered = broker.options.alter_topic ? broker.options.alter_topic(*info, changes) : log.alter_config(info->id, changes);
  if (!altered) return refuse(topic_error(altered.error()), altered.error().message);
  return {};
}

ConfigOutcome change_config(Broker& broker, const ConfigChanges& wanted) {
  if (auto refused = check_changes(wanted)) return *refused;
  return wanted.resource_type == kGroupResource ? change_group(broker, wanted) : change_topic(broker, wanted);
}

}  // namespace

Resource config_resource(int8_t resource_type, const std::string& name) {
  if (resource_type == kTopicResource) return topic_resource(name);
  return resource_type == kGroupResource ? group_resource(name) : cluster_resource();
}

ErrorCode denied_config(int8_t resource_type) {
  if (resource_type == kTopicResource) return ErrorCode::kTopicAuthorizationFailed;
  return resource_type == kGroupResource ? ErrorCode::kGroupAuthorizationFailed : ErrorCode::kClusterAuthorizationFailed;
}

std::vector<ConfigOutcome> change_configs(Broker& broker, Call& call, std::span<const ConfigChanges> wanted) {
  std::map<std::pair<int8_t, std::string_view>, size_t> named;
  for (const ConfigChanges& one : wanted) ++named[{one.resource_type, one.resource_name}];
  std::vector<ConfigOutcome> out;
  for (const ConfigChanges& one : wanted) {
    const Resource resource = config_resource(one.resource_type, one.resource_name);
    if (!call.may(Operation::kAlterConfigs, resource)) out.push_back(refuse(denied_config(one.resource_type), call.denial(Operation::kAlterConfigs, resource)));
    else if (named[{one.resource_type, one.resource_name}] > 1) out.push_back(refuse(ErrorCode::kInvalidRequest, "a resource may be named once only"));
    else out.push_back(change_config(broker, one));
    if (out.back().error == ErrorCode::kNone && !one.validate_only) audit_config_change(broker, call, one);
  }
  return out;
}

}  // namespace ms::kafka
