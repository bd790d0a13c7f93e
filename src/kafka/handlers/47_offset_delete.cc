// OffsetDelete (47), version 0: forgets committed offsets of single partitions.
//
// - Topics that a consumer group subscribes to are GROUP_SUBSCRIBED_TO_TOPIC.
// - Deviation: a classic group with members is NON_EMPTY_GROUP as a whole; its subscriptions are the clients' business here.
#include "kafka/handlers.h"
#include "kafka/messages/offset_delete.h"
#include "kafka/offset_commits.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

struct Deletion {
  OffsetDeleteRequest request;
  OffsetDeleteResponse response;
  std::vector<log::OffsetKey> keys;
};

void plan(const Broker& broker, Call& call, const ConsumerGroup* group, Deletion& deletion) {
  for (const auto& topic : deletion.request.topics) {
    auto& out = deletion.response.topics.emplace_back();
    out.name = topic.name;
    const auto info = broker.log.find_topic(topic.name);
    const bool may_read = call.may(Operation::kRead, topic_resource(topic.name));
    const bool subscribed = group && group->subscribes_to(topic.name);
    for (const auto& p : topic.partitions) {
      const bool exists = has_partition(info, p.partition_index);
      const ErrorCode error = !may_read ? ErrorCode::kTopicAuthorizationFailed : !exists ? ErrorCode::kUnknownTopicOrPartition : subscribed ? ErrorCode::kGroupSubscribedToTopic : ErrorCode::kNone;
      out.partitions.push_back({p.partition_index, code(error)});
      if (error == ErrorCode::kNone) deletion.keys.emplace_back(info->id, p.partition_index);
    }
  }
}

ErrorCode check(const Broker& broker, const std::string& name) {
  if (broker.coordinator.find_consumer(name)) return ErrorCode::kNone;
  if (broker.coordinator.find(name)) return ErrorCode::kNonEmptyGroup;
  return broker.log.committed_offsets(name).empty() ? ErrorCode::kGroupIdNotFound : ErrorCode::kNone;
}

}  // namespace

void handle_offset_delete(Broker& broker, Call call) {
  auto deletion = std::make_unique<Deletion>();
  if (!call.decode(deletion->request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
    call.enter(Stage::kWork);
    const std::string group = deletion->request.group_id;
    const bool may = call.may(Operation::kDelete, group_resource(group));
    const ErrorCode error = may ? check(broker, group) : ErrorCode::kGroupAuthorizationFailed;
    deletion->response.error_code = code(error);
    if (error == ErrorCode::kNone) plan(broker, call, broker.coordinator.find_consumer(group), *deletion);
    if (deletion->keys.empty()) return call.reply(deletion->response);
    const auto keys = std::move(deletion->keys);
    broker.log.delete_offsets(group, keys, [call = call.leave_for(Stage::kLog), deletion = std::move(deletion)](Result<> result) mutable {
      if (!result) refuse_rest(deletion->response.topics, ErrorCode::kKafkaStorageError);
      call.reply(deletion->response);
    });
  });
}

}  // namespace ms::kafka
