// ConsumerGroupHeartbeat (68), versions 0-1: joining, reconciling and leaving with the group protocol of KIP-848.
//
// - Members are answered at once; what changes for them they learn with their next heartbeat.
// - Deviation: after a restart of the server members are told UNKNOWN_MEMBER_ID and join again by themselves.
#include "base/rng.h"
#include "kafka/handlers.h"
#include "kafka/messages/consumer_group_heartbeat.h"

namespace ms::kafka {

namespace {

// What is wrong with the request whatever the group is like; empty: nothing.
std::string_view why_invalid(const ConsumerGroupHeartbeatRequest& r, int16_t version) {
  if (r.group_id.empty()) return "a group id is needed";
  if (r.instance_id && r.instance_id->empty()) return "an instance id is not empty";
  if (r.rack_id && r.rack_id->empty()) return "a rack id is not empty";
  if (r.member_id.empty() && (version >= 1 || r.member_epoch != kJoinEpoch)) return "a member id is needed";
  if (r.member_epoch < kLeaveForNowEpoch) return "there is no such member epoch";
  if (r.member_epoch == kLeaveForNowEpoch && !r.instance_id) return "only a member with an instance id leaves for now";
  if (r.member_epoch != kJoinEpoch) return "";
  if (r.rebalance_timeout_ms == -1) return "who joins says its rebalance timeout";
  if (!r.topic_partitions || !r.topic_partitions->empty()) return "who joins owns no partitions";
  if (!r.subscribed_topic_names && !r.subscribed_topic_regex) return "who joins subscribes to names or to an expression";
  return "";
}

ConsumerHeartbeat input_of(Call& call, ConsumerGroupHeartbeatRequest& r) {
  ConsumerHeartbeat in;
  in.member_id = r.member_id.empty() ? random_uuid().to_string() : std::move(r.member_id);
  in.epoch = r.member_epoch;
  in.instance_id = std::move(r.instance_id);
  in.rack_id = std::move(r.rack_id);
  in.rebalance_timeout_ms = r.rebalance_timeout_ms;
  in.topics = std::move(r.subscribed_topic_names);
  in.regex = std::move(r.subscribed_topic_regex);
  if (r.server_assignor) in.assignor = assignor_named(*r.server_assignor);
  if (r.topic_partitions)
    for (const auto& topic : in.owned.emplace(), *r.topic_partitions) (*in.owned)[topic.topic_id].insert(topic.partitions.begin(), topic.partitions.end());
  in.client_id = call.header().client_id;
  in.client_host = call.client_host();
  if (call.session().guarded())
    in.sees = [session = call.shared_session()](const std::string& topic) { return session->may(Operation::kDescribe, topic_resource(topic), {}, security::Told::kNo); };
  return in;
}

ConsumerGroupHeartbeatResponse response_of(ConsumerAnswer answer, int64_t interval_ms) {
  ConsumerGroupHeartbeatResponse response;
  response.error_code = code(answer.error);
  if (answer.error != ErrorCode::kNone) return response.error_message = std::move(answer.message), response;
  response.member_id = std::move(answer.member_id);
  response.member_epoch = answer.epoch;
  response.heartbeat_interval_ms = answer.epoch < 0 ? 0 : static_cast<int32_t>(interval_ms);
  if (!answer.assignment) return response;
  auto& topics = response.assignment.emplace().topic_partitions;
  for (const auto& [topic, partitions] : *answer.assignment) topics.push_back({topic, {partitions.begin(), partitions.end()}});
  return response;
}

struct Denial {
  ErrorCode error;
  std::string message;
};

std::optional<Denial> check(Call& call, const ConsumerGroupHeartbeatRequest& r) {
  if (const Resource group = group_resource(r.group_id); !call.may(Operation::kRead, group))
    return Denial{ErrorCode::kGroupAuthorizationFailed, call.denial(Operation::kRead, group)};
  if (!r.subscribed_topic_names) return std::nullopt;
  for (const std::string& name : *r.subscribed_topic_names)
    if (const Resource topic = topic_resource(name); !call.may(Operation::kDescribe, topic))
      return Denial{ErrorCode::kTopicAuthorizationFailed, call.denial(Operation::kDescribe, topic)};
  return std::nullopt;
}

}  // namespace

void handle_consumer_group_heartbeat(Broker& broker, Call call) {
  ConsumerGroupHeartbeatRequest request;
  if (!call.decode(request)) return;
  const auto refuse = [&](ErrorCode error, std::string message) {
    auto response = response_of({.error = error, .message = std::move(message), .member_id = {}, .assignment = {}}, 0);
    call.reply(response);
  };
  if (const auto why = why_invalid(request, call.version()); !why.empty()) return refuse(ErrorCode::kInvalidRequest, std::string(why));
  if (auto denied = check(call, request)) return refuse(denied->error, std::move(denied->message));
  if (request.server_assignor && !assignor_named(*request.server_assignor))
    return refuse(ErrorCode::kUnsupportedAssignor, "there are the assignors uniform and range, not '" + *request.server_assignor + "'");
  const std::string group = request.group_id;
  ConsumerHeartbeat input = input_of(call, request);
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), group, input = std::move(input)]() mutable {
    call.enter(Stage::kWork);
    broker.coordinator.consumer_heartbeat(group, std::move(input), [&broker, group, call = std::move(call)](ConsumerAnswer answer) mutable {
      auto response = response_of(std::move(answer), broker.coordinator.settings_of(group).heartbeat_interval_ms);
      call.reply(response);
    });
  });
}

}  // namespace ms::kafka
