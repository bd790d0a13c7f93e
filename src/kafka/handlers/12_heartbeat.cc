// Heartbeat (12), versions 0-4.
#include "kafka/handlers.h"
#include "kafka/messages/heartbeat.h"

namespace ms::kafka {

void handle_heartbeat(Broker& broker, Call call) {
  HeartbeatRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kRead, group_resource(request.group_id))) {
    HeartbeatResponse response;
    response.error_code = code(ErrorCode::kGroupAuthorizationFailed);
    return call.reply(response);
  }
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), r = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    HeartbeatResponse response;
    response.error_code = code(broker.coordinator.heartbeat(r.group_id, r.member_id, r.group_instance_id, r.generation_id));
    call.reply(response);
  });
}

}  // namespace ms::kafka
