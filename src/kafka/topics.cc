#include "kafka/topics.h"

#include <algorithm>

namespace ms::kafka {

bool legal_topic_name(std::string_view name) {
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 249 && name != "." && name != ".." && std::ranges::all_of(name, legal);
}

std::optional<std::string> colliding_topic(const log::Log& log, std::string_view name) {
  const auto unified = [](std::string_view text) {
    std::string out(text);
    std::ranges::replace(out, '.', '_');
    return out;
  };
  if (name.find_first_of("._") == std::string_view::npos) return std::nullopt;
  const std::string wanted = unified(name);
  for (const log::TopicInfo& topic : log.topics())
    if (topic.name != name && topic.name.size() == name.size() && unified(topic.name) == wanted) return topic.name;
  return std::nullopt;
}

bool stamps_append_time(const log::TopicInfo& topic) {
  const auto type = topic.config.find("message.timestamp.type");
  return type != topic.config.end() && type->second == "LogAppendTime";
}

ErrorCode topic_error(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kAlreadyExists: return ErrorCode::kTopicAlreadyExists;
    case ErrorKind::kNotFound: return ErrorCode::kUnknownTopicOrPartition;
    case ErrorKind::kInvalidArgument: return ErrorCode::kInvalidConfig;
    case ErrorKind::kConflict: return ErrorCode::kPolicyViolation;
    default: return ErrorCode::kKafkaStorageError;
  }
}

}  // namespace ms::kafka
