// JoinGroup (11), versions 0-9.
//
// - New dynamic members get MEMBER_ID_REQUIRED from version 4 on. Static members (group.instance.id) keep their place for
//   as long as their session lasts and fence whoever held it before.
// - The first rebalance of an empty group waits group.initial.rebalance.delay.ms for more members.
// - Deviation: a rebalance waits at most group.max.session.timeout.ms for a member, whatever the member asks for.
// - Deviation: after a restart of the server groups have no members; they join again by themselves.
#include <algorithm>

#include "base/rng.h"
#include "kafka/handlers.h"
#include "kafka/messages/join_group.h"

namespace ms::kafka {

namespace {

constexpr size_t kNameInIdMax = 255;  // of the client's name in its member id, which must fit into answers

std::string text(const Slice& bytes) { return std::string(bytes.view()); }

JoinInput input_of(const Call& call, JoinGroupRequest& request, int64_t rebalance_max_ms) {
  JoinInput in;
  const std::string& named = request.group_instance_id ? *request.group_instance_id : call.header().client_id;
  in.fresh_id = std::string(cut_text(named, kNameInIdMax)) + "-" + random_uuid().to_string();
  in.member_id = std::move(request.member_id);
  in.instance_id = std::move(request.group_instance_id);
  in.client_id = call.header().client_id;
  in.client_host = call.client_host();
  in.session_timeout_ms = request.session_timeout_ms;
  in.rebalance_timeout_ms = call.version() >= 1 ? request.rebalance_timeout_ms : request.session_timeout_ms;
  if (in.rebalance_timeout_ms < 0) in.rebalance_timeout_ms = request.session_timeout_ms;
  in.rebalance_timeout_ms = std::min(in.rebalance_timeout_ms, rebalance_max_ms);
  in.protocol_type = std::move(request.protocol_type);
  for (auto& p : request.protocols) in.protocols.push_back({std::move(p.name), text(p.metadata)});
  in.must_know_id = call.version() >= 4;
  in.can_skip_assignment = call.version() >= 9;
  return in;
}

JoinGroupResponse response_of(JoinAnswer answer, int16_t version) {
  JoinGroupResponse response;
  response.error_code = code(answer.error);
  response.generation_id = answer.generation;
  if (!answer.protocol_type.empty()) response.protocol_type = std::move(answer.protocol_type);
  if (!answer.protocol_name.empty() || version < 7) response.protocol_name = std::move(answer.protocol_name);
  response.leader = std::move(answer.leader);
  response.skip_assignment = answer.skip_assignment;
  response.member_id = std::move(answer.member_id);
  for (auto& m : answer.members) response.members.push_back({std::move(m.id), std::move(m.instance_id), Slice::copy(m.metadata)});
  return response;
}

}  // namespace

void handle_join_group(Broker& broker, Call call) {
  JoinGroupRequest request;
  if (!call.decode(request)) return;
  ErrorCode error = ErrorCode::kNone;
  if (request.session_timeout_ms < broker.options.group_session_timeout_min_ms || request.session_timeout_ms > broker.options.group_session_timeout_max_ms)
    error = ErrorCode::kInvalidSessionTimeout;
  if (request.group_id.empty()) error = ErrorCode::kInvalidGroupId;
  if (error == ErrorCode::kNone && !call.may(Operation::kRead, group_resource(request.group_id))) error = ErrorCode::kGroupAuthorizationFailed;
  if (error != ErrorCode::kNone) {
    JoinAnswer refused;
    refused.error = error;
    if (error != ErrorCode::kGroupAuthorizationFailed) refused.member_id = request.member_id;
    return call.reply(response_of(std::move(refused), call.version()));
  }
  const std::string group = request.group_id;
  JoinInput input = input_of(call, request, broker.options.group_session_timeout_max_ms);
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), group, input = std::move(input)]() mutable {
    call.enter(Stage::kWork);
    call.keeps(0);  // the coordinator counts what groups keep
    broker.coordinator.join(group, std::move(input), [call = call.leave_for(Stage::kWait)](JoinAnswer answer) mutable {
      const int16_t version = call.version();
      call.reply(response_of(std::move(answer), version));
    });
  });
}

}  // namespace ms::kafka
