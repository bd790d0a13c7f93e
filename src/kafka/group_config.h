// Settings of single groups (Kafka's resource type GROUP), kept as named entries of the log.
#pragma once

#include <map>
#include <string>

#include "base/error.h"
#include "kafka/kafka_server.h"

namespace ms::kafka {

using GroupConfig = std::map<std::string, std::string>;  // what is set, by name; the rest are the server's settings

GroupConfig group_config(const log::Log& log, const std::string& group);
std::map<std::string, GroupConfig> group_configs(const log::Log& log);  // of every group that has settings of its own
// nullopt: back to the server's. Durable on return, all or nothing. May wait for the disk.
Result<> change_group_config(log::Log& log, const std::string& group, const std::map<std::string, std::optional<std::string>>& changes);

// Every setting that a group has, and its value.
GroupConfig effective_group_config(const ConsumerGroupSettings& server, const GroupConfig& set);
// Errors: kInvalidArgument for a value out of Kafka's bounds, or a session that is no longer than the interval of heartbeats.
Result<ConsumerGroupSettings> settings_of(const ConsumerGroupSettings& server, const GroupConfig& set);

}  // namespace ms::kafka
