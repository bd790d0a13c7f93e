// CreateTopics (19), versions 2-7.
//
// - Partition count -1 means the broker's default, replication factor -1 or 1 (there is one broker). Manual assignments
//   must name this broker for every partition, numbered from 0.
// - Every topic of the request has its own result; a name that occurs twice is INVALID_REQUEST.
// - Deviation: timeout_ms is ignored, the answer comes when the topics are durable.
#include <algorithm>
#include <set>

#include "kafka/handlers.h"
#include "kafka/messages/create_topics.h"
#include "kafka/topics.h"
#include "log/topic_config.h"

namespace ms::kafka {

namespace {

using Asked = CreateTopicsRequest::Topic;
using Answer = CreateTopicsResponse::Topic;

struct Refusal {
  ErrorCode error;
  std::string message;
};

std::optional<Refusal> check_assignment(const Asked& asked, int32_t self) {
  std::set<int32_t> partitions;
  for (const auto& a : asked.assignments) {
    if (a.broker_ids != std::vector<int32_t>{self})
      return Refusal{ErrorCode::kInvalidReplicaAssignment, "every partition must be assigned to broker " + std::to_string(self) + ", the only one"};
    partitions.insert(a.partition_index);
  }
  const auto count = static_cast<int32_t>(asked.assignments.size());
  if (static_cast<int32_t>(partitions.size()) != count || *partitions.begin() != 0 || *partitions.rbegin() != count - 1)
    return Refusal{ErrorCode::kInvalidReplicaAssignment, "assigned partitions must be numbered from 0 without gaps"};
  return std::nullopt;
}

std::optional<Refusal> check(const Broker& broker, const Asked& asked) {
  if (!legal_topic_name(asked.name))
    return Refusal{ErrorCode::kInvalidTopicException, "'" + asked.name.substr(0, 300) + "' is not a legal topic name: 1 to 249 of a-z A-Z 0-9 . _ -"};
  if (broker.log.find_topic(asked.name)) return Refusal{ErrorCode::kTopicAlreadyExists, "topic '" + asked.name + "' already exists"};
  if (!asked.assignments.empty()) return check_assignment(asked, broker.options.node_id);
  if (asked.num_partitions == 0 || asked.num_partitions < -1)
    return Refusal{ErrorCode::kInvalidPartitions, "the number of partitions must be positive, or -1 for the default"};
  if (asked.replication_factor != 1 && asked.replication_factor != -1)
    return Refusal{ErrorCode::kInvalidReplicationFactor, "replication factor " + std::to_string(asked.replication_factor) + " needs more brokers than the one there is"};
  return std::nullopt;
}

void fill(const Broker& broker, const log::TopicInfo& info, Answer& answer) {
  answer.topic_id = info.id;
  answer.num_partitions = info.partitions;
  answer.replication_factor = 1;
  auto& configs = answer.configs.emplace();
  for (auto& [name, value] : broker.log.effective_config(info))
    configs.push_back({name, value, false, static_cast<int8_t>(info.config.contains(name) ? 1 : 5), false});
}

void create(Broker& broker, const Asked& asked, bool validate_only, Answer& answer) {
  auto refusal = check(broker, asked);
  if (!refusal) {
    log::TopicConfig config;
    for (const auto& c : asked.configs)
      if (c.value) config[c.name] = *c.value;
    int32_t partitions = asked.num_partitions == -1 ? broker.options.default_partitions : asked.num_partitions;
    if (!asked.assignments.empty()) partitions = static_cast<int32_t>(asked.assignments.size());
    if (const auto valid = log::check_topic_config(config); !valid) {
      refusal = Refusal{ErrorCode::kInvalidConfig, valid.error().message};
    } else if (validate_only) {
      answer.num_partitions = partitions;
      answer.replication_factor = 1;
      answer.configs.emplace();
      return;
    } else {
      auto created = broker.log.create_topic(asked.name, partitions, config);
      if (created) return fill(broker, *created, answer);
      refusal = Refusal{topic_error(created.error()), created.error().message};
    }
  }
  answer.error_code = code(refusal->error);
  answer.error_message = std::move(refusal->message);
}

}  // namespace

void handle_create_topics(Broker& broker, Call call) {
  CreateTopicsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = std::move(call), request = std::move(request)]() mutable {
    CreateTopicsResponse response;
    for (const auto& asked : request.topics) {
      Answer& answer = response.topics.emplace_back();
      answer.name = asked.name;
      if (std::ranges::count(request.topics, asked.name, &Asked::name) > 1) {
        answer.error_code = code(ErrorCode::kInvalidRequest);
        answer.error_message = "the request names this topic twice";
      } else {
        create(broker, asked, request.validate_only, answer);
      }
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
