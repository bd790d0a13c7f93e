// CreateTopics (19), versions 2-7.
//
// - Partition count -1 means the broker's default, replication factor -1 or 1 (there is one broker). Manual assignments
//   must name this broker for every partition, numbered from 0; count and factor must then be -1.
// - validate_only answers the same, but for the topic id.
// - Every name of the request has one result; of a name that occurs twice it is INVALID_REQUEST. Of several faults the first is told
//   in the order name, configuration, size.
// - A name that differs from that of a topic in '.' and '_' alone is INVALID_TOPIC_EXCEPTION. Deviation: of two new ones in one request
//   the second one is, too.
// - Deviation: timeout_ms is ignored, the answer comes when the topics are durable.
#include <algorithm>
#include <set>

#include "kafka/audit_changes.h"
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
  if (asked.num_partitions != -1 || asked.replication_factor != -1)
    return Refusal{ErrorCode::kInvalidRequest, "with a manual assignment the number of partitions and the replication factor must be -1"};
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

std::optional<Refusal> check_name(const Broker& broker, const Asked& asked) {
  if (!legal_topic_name(asked.name))
    return Refusal{ErrorCode::kInvalidTopicException, "'" + asked.name.substr(0, 300) + "' is not a legal topic name: 1 to 249 of a-z A-Z 0-9 . _ -"};
  if (broker.log.find_topic(asked.name)) return Refusal{ErrorCode::kTopicAlreadyExists, "topic '" + asked.name + "' already exists"};
  if (const auto other = colliding_topic(broker.log, asked.name))
    return Refusal{ErrorCode::kInvalidTopicException, "Topic '" + asked.name + "' collides with existing topic: " + *other};
  return std::nullopt;
}

std::optional<Refusal> check_size(const Broker& broker, const Asked& asked) {
  if (!asked.assignments.empty()) return check_assignment(asked, broker.options.node_id);
  const bool factor_is_possible = asked.replication_factor > 0 || asked.replication_factor == -1;
  if (factor_is_possible && (asked.num_partitions == 0 || asked.num_partitions < -1))
    return Refusal{ErrorCode::kInvalidPartitions, "the number of partitions must be positive, or -1 for the default"};
  if (asked.replication_factor != 1 && asked.replication_factor != -1)
    return Refusal{ErrorCode::kInvalidReplicationFactor, "replication factor " + std::to_string(asked.replication_factor) + " needs more brokers than the one there is"};
  return std::nullopt;
}

void fill(const Broker& broker, const log::TopicInfo& info, Answer& answer) {
  answer.topic_id = info.id;
  answer.num_partitions = info.partitions;
  answer.replication_factor = 1;
  for (auto& [name, value] : broker.log.effective_config(info))
    answer.configs->push_back({name, value, false, static_cast<int8_t>(info.config.contains(name) ? 1 : 5), false});
}

Result<log::TopicConfig> config_of(const Asked& asked) {
  log::TopicConfig config;
  for (const auto& c : asked.configs) {
    if (!c.value) return invalid("'" + c.name + "' needs a value");
    config[c.name] = *c.value;
  }
  TRY(log::check_topic_config(config));
  return config;
}

int32_t partitions_of(const Broker& broker, const Asked& asked) {
  if (!asked.assignments.empty()) return static_cast<int32_t>(asked.assignments.size());
  return asked.num_partitions == -1 ? broker.options.default_partitions : asked.num_partitions;
}

std::optional<Refusal> create(Broker& broker, const Asked& asked, bool validate_only, Answer& answer) {
  if (auto refusal = check_name(broker, asked)) return refusal;
  const auto config = config_of(asked);
  if (!config) return Refusal{ErrorCode::kInvalidConfig, config.error().message};
  if (auto refusal = check_size(broker, asked)) return refusal;
  const int32_t partitions = partitions_of(broker, asked);
  if (validate_only) return fill(broker, {.name = asked.name, .partitions = partitions, .config = *config}, answer), std::nullopt;
  const auto created = broker.log.create_topic(asked.name, partitions, *config);
  if (!created) return Refusal{topic_error(created.error()), created.error().message};
  return fill(broker, *created, answer), std::nullopt;
}

// Who may not see the configuration gets none, and no counts, as in Kafka.
void hide_config(Call& call, Answer& answer) {
  if (call.sees(Operation::kDescribeConfigs, topic_resource(answer.name))) return;
  answer.topic_config_error_code = code(ErrorCode::kTopicAuthorizationFailed);
  answer.configs.reset();
  answer.num_partitions = -1;
  answer.replication_factor = -1;
}

}  // namespace

void handle_create_topics(Broker& broker, Call call) {
  CreateTopicsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    CreateTopicsResponse response;
    const bool may_create_any = call.sees(Operation::kCreate, cluster_resource());
    std::set<std::string_view> answered;
    for (const auto& asked : request.topics) {
      if (!answered.insert(asked.name).second) continue;
      Answer& answer = response.topics.emplace_back();
      answer.name = asked.name;
      answer.configs.emplace();  // none of a topic that is refused
      const bool twice = std::ranges::count(request.topics, asked.name, &Asked::name) > 1;
      const bool may_create = may_create_any || call.may(Operation::kCreate, topic_resource(asked.name));
      if (!may_create) {
        answer.error_code = code(ErrorCode::kTopicAuthorizationFailed);
        answer.error_message = call.denial(Operation::kCreate, topic_resource(asked.name));
        continue;
      }
      auto refusal = twice ? Refusal{ErrorCode::kInvalidRequest, "the request names this topic twice"} : create(broker, asked, request.validate_only, answer);
      if (!refusal && !request.validate_only) audit_topic_created(broker, call, asked.name);
      if (!refusal) hide_config(call, answer);
      if (!refusal) continue;
      answer.error_code = code(refusal->error);
      answer.error_message = std::move(refusal->message);
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
