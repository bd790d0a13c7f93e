// LeaveGroup (13), versions 0-5. From version 3 on several members leave at once, each with its own result.
#include "kafka/handlers.h"
#include "kafka/messages/leave_group.h"

namespace ms::kafka {

void handle_leave_group(Broker& broker, Call call) {
  LeaveGroupRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kRead, group_resource(request.group_id))) {
    LeaveGroupResponse response;
    response.error_code = code(ErrorCode::kGroupAuthorizationFailed);
    return call.reply(response);
  }
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), r = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    LeaveGroupResponse response;
    if (call.version() < 3) {
      response.error_code = code(broker.coordinator.leave(r.group_id, r.member_id, std::nullopt));
    } else {
      for (const auto& m : r.members)
        response.members.push_back({m.member_id, m.group_instance_id, code(broker.coordinator.leave(r.group_id, m.member_id, m.group_instance_id))});
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
