// DescribeGroups (15), versions 0-6.
//
// - A group that has only committed offsets is Empty; an unknown one is Dead (from version 6 on GROUP_ID_NOT_FOUND), and
//   so is a consumer group: that is ConsumerGroupDescribe's.
#include "kafka/handlers.h"
#include "kafka/messages/describe_groups.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

void add_members(const GroupState& state, AnswerRoom& room, DescribeGroupsResponse::Group& group) {
  const bool stable = state.phase() == GroupPhase::kStable;
  group.protocol_data = stable ? state.protocol_name() : "";
  if (!room.take(state.bytes())) return;
  for (const auto& [id, m] : state.members()) {
    auto& member = group.members.emplace_back();
    member.member_id = id;
    member.group_instance_id = m.instance_id;
    member.client_id = m.client_id;
    member.client_host = m.client_host;
    if (!stable) continue;
    for (const auto& p : m.protocols)
      if (p.name == state.protocol_name()) member.member_metadata = Slice::copy(p.metadata);
    member.member_assignment = Slice::copy(m.assignment);
  }
}

void describe(Broker& broker, int16_t version, AnswerRoom& room, DescribeGroupsResponse::Group& group) {
  if (const GroupState* state = broker.coordinator.find(group.group_id)) {
    group.group_state = to_string(state->phase());
    group.protocol_type = state->protocol_type();
    return add_members(*state, room, group);
  }
  const bool is_consumer_group = broker.coordinator.find_consumer(group.group_id) != nullptr;
  if (!is_consumer_group && !broker.log.committed_offsets(group.group_id).empty()) {
    group.group_state = "Empty";
    group.protocol_type = "consumer";
    return;
  }
  group.group_state = "Dead";
  if (version < 6) return;
  group.error_code = code(ErrorCode::kGroupIdNotFound);
  group.error_message = "there is no classic group '" + group.group_id + "'";
}

}  // namespace

void handle_describe_groups(Broker& broker, Call call) {
  DescribeGroupsRequest request;
  if (!call.decode(request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    DescribeGroupsResponse response;
    for (const std::string& id : request.groups) {
      auto& group = response.groups.emplace_back();
      if (!call.room().take(sizeof group + 2 * id.size())) break;
      group.group_id = id;
      if (!call.may(Operation::kDescribe, group_resource(id))) {
        group.error_code = code(ErrorCode::kGroupAuthorizationFailed);
        if (call.version() >= 6) group.error_message = call.denial(Operation::kDescribe, group_resource(id));
        continue;
      }
      describe(broker, call.version(), call.room(), group);
      if (request.include_authorized_operations) group.authorized_operations = call.session().operations(group_resource(id));
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
