// Metadata (3), versions 0-13.
//
// - What may not be described is left out of all topics; named, it is TOPIC_AUTHORIZATION_FAILED whether it exists or not, and by
//   id UNKNOWN_TOPIC_ID.
// - One broker, which leads everything with the constant leader epoch 0. Null topics (version 0: an empty list) mean all.
// - Topics that do not exist are created when the request allows it (always before version 4), auto.create.topics.enable
//   is on and the name is legal and collides with no other (else INVALID_TOPIC_EXCEPTION); the answer then names the leader at once,
//   because some clients give up on LEADER_NOT_AVAILABLE. Asked by id, an unknown topic is UNKNOWN_TOPIC_ID.
#include "kafka/audit_changes.h"
#include "kafka/handlers.h"
#include "kafka/messages/metadata.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

constexpr size_t kPartitionBytes = sizeof(MetadataResponse::Topic::Partition) + 2 * 32;  // with its two lists

void describe(const Broker& broker, const log::TopicInfo& info, AnswerRoom& room, MetadataResponse::Topic& topic) {
  if (!room.take(sizeof topic + info.name.size() + static_cast<size_t>(info.partitions) * kPartitionBytes)) return;
  topic.name = info.name;
  topic.topic_id = info.id;
  topic.is_internal = info.internal;
  topic.partitions.reserve(static_cast<size_t>(info.partitions));
  const int32_t self = broker.options.node_id;
  for (int32_t p = 0; p < info.partitions; ++p) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = p;
    partition.leader_id = self;
    partition.leader_epoch = kLeaderEpoch;
    partition.replica_nodes = {self};
    partition.isr_nodes = {self};
  }
}

bool may_create(Call& call, const std::string& name) {
  return call.sees(Operation::kCreate, cluster_resource()) || call.may(Operation::kCreate, topic_resource(name));
}

// Creates it; finding that somebody was faster is fine too.
ErrorCode create(Broker& broker, Call& call, const std::string& name, std::optional<log::TopicInfo>& info) {
  if (colliding_topic(broker.log, name)) return ErrorCode::kInvalidTopicException;
  auto created = broker.log.create_topic(name, broker.options.default_partitions, {});
  if (created) audit_topic_created(broker, call, name);
  if (created) return info = std::move(*created), ErrorCode::kNone;
  info = broker.log.find_topic(name);
  return info ? ErrorCode::kNone : topic_error(created.error());
}

struct Plan {
  MetadataRequest request;
  bool all = false;
  bool may_create = false;  // what the request and the broker allow
};

bool wants_creation(const Broker& broker, const Plan& plan) {
  if (!plan.may_create || plan.all) return false;
  for (const auto& topic : *plan.request.topics)
    if (topic.name && legal_topic_name(*topic.name) && !broker.log.find_topic(*topic.name)) return true;
  return false;
}

void add_topic(Broker& broker, const Plan& plan, const MetadataRequest::Topic& asked, Call& call, MetadataResponse& response) {
  auto& topic = response.topics.emplace_back();
  std::optional<log::TopicInfo> info;
  if (asked.name) {
    topic.name = *asked.name;
    if (!call.may(Operation::kDescribe, topic_resource(*asked.name))) return void(topic.error_code = code(ErrorCode::kTopicAuthorizationFailed));
    info = broker.log.find_topic(*asked.name);
    if (!info) topic.error_code = code(ErrorCode::kUnknownTopicOrPartition);
    if (!info && !legal_topic_name(*asked.name)) topic.error_code = code(ErrorCode::kInvalidTopicException);
    if (!info && plan.may_create && legal_topic_name(*asked.name))
      topic.error_code = code(may_create(call, *asked.name) ? create(broker, call, *asked.name, info) : ErrorCode::kTopicAuthorizationFailed);
  } else {
    topic.topic_id = asked.topic_id;
    info = broker.log.find_topic(asked.topic_id);
    if (info && !call.may(Operation::kDescribe, topic_resource(info->name))) info = std::nullopt;
    if (!info) topic.error_code = code(ErrorCode::kUnknownTopicId);
  }
  if (!info) return;
  describe(broker, *info, call.room(), topic);
  if (plan.request.include_topic_authorized_operations) topic.topic_authorized_operations = call.session().operations(topic_resource(info->name));
}

MetadataResponse answer(Broker& broker, const Plan& plan, Call& call) {
  AnswerRoom& room = call.room();
  MetadataResponse response;
  auto& self = response.brokers.emplace_back();
  self.node_id = broker.options.node_id;
  self.host = call.advertised().host;
  self.port = call.advertised().port;
  response.cluster_id = broker.options.cluster_id;
  response.controller_id = broker.options.node_id;
  if (plan.request.include_cluster_authorized_operations) response.cluster_authorized_operations = cluster_operations(call);
  if (plan.all) {
    for (const log::TopicInfo& info : broker.log.topics()) {
      if (!call.sees(Operation::kDescribe, topic_resource(info.name))) continue;
      auto& topic = response.topics.emplace_back();
      describe(broker, info, room, topic);
      if (plan.request.include_topic_authorized_operations) topic.topic_authorized_operations = call.session().operations(topic_resource(info.name));
    }
    return response;
  }
  for (const auto& asked : *plan.request.topics) {
    if (!room.take(sizeof(MetadataResponse::Topic) + (asked.name ? asked.name->size() : 0))) break;
    add_topic(broker, plan, asked, call, response);
  }
  return response;
}

}  // namespace

void handle_metadata(Broker& broker, Call call) {
  Plan plan;
  if (!call.decode(plan.request)) return;
  plan.all = !plan.request.topics || (call.version() == 0 && plan.request.topics->empty());
  plan.may_create = broker.options.auto_create_topics && (call.version() < 4 || plan.request.allow_auto_topic_creation);
  if (!wants_creation(broker, plan)) return call.reply(answer(broker, plan, call));
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), plan = std::move(plan)]() mutable {
    call.enter(Stage::kWork);
    call.reply(answer(broker, plan, call));
  });
}

}  // namespace ms::kafka
