// CreatePartitions (37), versions 0-3. `count` is the new total; partitions can only be added.
#include "kafka/handlers.h"
#include "kafka/messages/create_partitions.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

void grow(Broker& broker, const CreatePartitionsRequest::Topic& asked, bool validate_only, CreatePartitionsResponse::Result& out) {
  const auto refuse = [&](ErrorCode error, std::string message) {
    out.error_code = code(error);
    out.error_message = std::move(message);
  };
  const auto info = broker.log.find_topic(asked.name);
  if (!info) return refuse(ErrorCode::kUnknownTopicOrPartition, "there is no topic '" + asked.name + "'");
  if (asked.count <= info->partitions)
    return refuse(ErrorCode::kInvalidPartitions, "topic '" + asked.name + "' has " + std::to_string(info->partitions) +
                                                     " partitions, which is not less than the requested " + std::to_string(asked.count));
  if (asked.assignments) {
    if (asked.assignments->size() != static_cast<size_t>(asked.count - info->partitions))
      return refuse(ErrorCode::kInvalidReplicaAssignment, "one assignment per new partition is needed");
    for (const auto& a : *asked.assignments)
      if (a.broker_ids != std::vector<int32_t>{broker.options.node_id})
        return refuse(ErrorCode::kInvalidReplicaAssignment, "every partition must be assigned to the only broker");
  }
  if (validate_only) return;
  if (auto grown = broker.log.create_partitions(info->id, asked.count); !grown) {
    const bool bad = grown.error().kind == ErrorKind::kInvalidArgument;
    refuse(bad ? ErrorCode::kInvalidPartitions : topic_error(grown.error()), grown.error().message);
  }
}

}  // namespace

void handle_create_partitions(Broker& broker, Call call) {
  CreatePartitionsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    CreatePartitionsResponse response;
    for (const auto& asked : request.topics) {
      auto& out = response.results.emplace_back();
      out.name = asked.name;
      if (call.may(Operation::kAlter, topic_resource(asked.name))) {
        grow(broker, asked, request.validate_only, out);
      } else {
        out.error_code = code(ErrorCode::kTopicAuthorizationFailed);
        out.error_message = call.denial(Operation::kAlter, topic_resource(asked.name));
      }
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
