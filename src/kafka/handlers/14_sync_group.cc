// SyncGroup (14), versions 0-5. Followers wait until the leader has sent the assignments.
#include "kafka/handlers.h"
#include "kafka/messages/sync_group.h"

namespace ms::kafka {

void handle_sync_group(Broker& broker, Call call) {
  SyncGroupRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kRead, group_resource(request.group_id))) {
    SyncGroupResponse response;
    response.error_code = code(ErrorCode::kGroupAuthorizationFailed);
    return call.reply(response);
  }
  SyncInput input;
  input.member_id = std::move(request.member_id);
  input.instance_id = std::move(request.group_instance_id);
  input.generation = request.generation_id;
  input.protocol_type = std::move(request.protocol_type);
  input.protocol_name = std::move(request.protocol_name);
  for (const auto& a : request.assignments) input.assignments.emplace_back(a.member_id, std::string(a.assignment.view()));
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), group = std::move(request.group_id), input = std::move(input)]() mutable {
    call.enter(Stage::kWork);
    call.keeps(0);  // the coordinator counts what groups keep
    broker.coordinator.sync(group, std::move(input), [call = call.leave_for(Stage::kWait)](SyncAnswer answer) mutable {
      SyncGroupResponse response;
      response.error_code = code(answer.error);
      if (!answer.protocol_type.empty()) response.protocol_type = std::move(answer.protocol_type);
      if (!answer.protocol_name.empty()) response.protocol_name = std::move(answer.protocol_name);
      response.assignment = Slice::copy(answer.assignment);
      call.reply(response);
    });
  });
}

}  // namespace ms::kafka
