// What handlers need to know of topics: legal names, configuration, creation.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kafka/error_code.h"
#include "log/log.h"

namespace ms::kafka {

// Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], and neither "." nor "..".
bool legal_topic_name(std::string_view name);

// The topic whose name is this one but for '.' and '_', which Kafka does not tell apart in names of metrics; nullopt: none.
std::optional<std::string> colliding_topic(const log::Log& log, std::string_view name);

// `topic`: nullopt for one that does not exist.
inline bool has_partition(const std::optional<log::TopicInfo>& topic, int32_t partition) { return topic && partition >= 0 && partition < topic->partitions; }

// message.timestamp.type=LogAppendTime
bool stamps_append_time(const log::TopicInfo& topic);

// The error a client must see for a failed topic command.
ErrorCode topic_error(const Error& error);

}  // namespace ms::kafka
