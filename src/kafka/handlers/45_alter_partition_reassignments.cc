// AlterPartitionReassignments (45), versions 0-1. A partition can only be assigned to the one broker, where it is; nothing
// moves, so there is nothing to cancel (NO_REASSIGNMENT_IN_PROGRESS).
#include "kafka/handlers.h"
#include "kafka/messages/alter_partition_reassignments.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

using Answer = AlterPartitionReassignmentsResponse::Topic::Partition;

void reassign(const Broker& broker, bool exists, const std::optional<std::vector<int32_t>>& replicas, Answer& answer) {
  const auto refuse = [&](ErrorCode error, const char* message) {
    answer.error_code = code(error);
    answer.error_message = message;
  };
  if (!exists) return refuse(ErrorCode::kUnknownTopicOrPartition, "there is no such topic or partition");
  if (!replicas) return refuse(ErrorCode::kNoReassignmentInProgress, "this partition is not being reassigned");
  if (*replicas != std::vector{broker.options.node_id})
    refuse(ErrorCode::kInvalidReplicaAssignment, "every partition must be assigned to the only broker");
}

}  // namespace

void handle_alter_partition_reassignments(Broker& broker, Call call) {
  AlterPartitionReassignmentsRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kAlter, cluster_resource())) {
    AlterPartitionReassignmentsResponse response;
    response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    response.error_message = call.denial(Operation::kAlter, cluster_resource());
    return call.reply(response);
  }
  AlterPartitionReassignmentsResponse response;
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  for (const auto& topic : request.topics) {
    auto& out = response.responses.emplace_back();
    out.name = topic.name;
    const auto info = broker.log.find_topic(topic.name);
    for (const auto& p : topic.partitions) {
      reassign(broker, has_partition(info, p.partition_index), p.replicas, out.partitions.emplace_back(Answer{.partition_index = p.partition_index, .error_message = {}}));
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
