// ConsumerGroupDescribe (69), versions 0-1. Groups that are not of the consumer protocol are GROUP_ID_NOT_FOUND: clients then
// ask DescribeGroups.
#include "kafka/handlers.h"
#include "kafka/messages/consumer_group_describe.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

constexpr int8_t kClassicMember = 0, kConsumerMember = 1;

template <class Assignment>
void fill(const ConsumerGroup& group, const PartitionsByTopic& partitions, Assignment& out) {
  for (const auto& [topic, numbers] : partitions) {
    const auto name = group.topics().names.find(topic);
    if (name != group.topics().names.end()) out.topic_partitions.push_back({topic, name->second, {numbers.begin(), numbers.end()}});
  }
}

void describe(const ConsumerGroup& group, AnswerRoom& room, ConsumerGroupDescribeResponse::Group& out) {
  out.group_state = to_string(group.phase());
  out.group_epoch = group.epoch();
  out.assignment_epoch = group.target_epoch();
  out.assignor_name = to_string(group.assignor());
  if (!room.take(group.bytes())) return;
  for (const auto& [id, m] : group.members()) {
    auto& member = out.members.emplace_back();
    member.member_id = id;
    member.instance_id = m.instance_id;
    member.rack_id = m.rack_id;
    member.member_epoch = m.epoch;
    member.client_id = m.client_id;
    member.client_host = m.client_host;
    member.subscribed_topic_names.assign(m.topics.begin(), m.topics.end());
    member.subscribed_topic_regex = m.regex;
    fill(group, m.assigned, member.assignment);
    fill(group, group.target_of(id), member.target_assignment);
    member.member_type = m.classic ? kClassicMember : kConsumerMember;
  }
}

// Members tell which topics they read: all of them must be the client's to see. Which one is not, it is not told.
bool sees_topics(Call& call, const ConsumerGroup& group) {
  if (!call.session().guarded()) return true;
  for (const auto& [id, member] : group.members())
    for (const std::string& topic : group.subscription_of(member))
      if (!call.may(Operation::kDescribe, topic_resource(topic))) return false;
  return true;
}

}  // namespace

void handle_consumer_group_describe(Broker& broker, Call call) {
  ConsumerGroupDescribeRequest request;
  if (!call.decode(request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    ConsumerGroupDescribeResponse response;
    for (const std::string& id : request.group_ids) {
      auto& out = response.groups.emplace_back();
      if (!call.room().take(sizeof out + 2 * id.size())) break;
      out.group_id = id;
      if (!call.may(Operation::kDescribe, group_resource(id))) {
        out.error_code = code(ErrorCode::kGroupAuthorizationFailed);
        out.error_message = call.denial(Operation::kDescribe, group_resource(id));
        continue;
      }
      if (const ConsumerGroup* group = broker.coordinator.find_consumer(id)) {
        if (!sees_topics(call, *group)) {
          out.error_code = code(ErrorCode::kTopicAuthorizationFailed);
          out.error_message =
              call.session().principal() + " has no DESCRIBE permission for one of the topics that group '" + id + "' reads";
          continue;
        }
        describe(*group, call.room(), out);
        if (request.include_authorized_operations) out.authorized_operations = call.session().operations(group_resource(id));
      } else {
        out.error_code = code(ErrorCode::kGroupIdNotFound);
        out.error_message = "there is no consumer group '" + id + "'";
      }
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
