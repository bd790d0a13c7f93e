// ListPartitionReassignments (46), version 0. Nothing ever moves: the list is empty, whatever is asked for, as in Kafka when
// no reassignment is under way.
#include "kafka/handlers.h"
#include "kafka/messages/list_partition_reassignments.h"

namespace ms::kafka {

void handle_list_partition_reassignments(Broker&, Call call) {
  ListPartitionReassignmentsRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kDescribe, cluster_resource())) {
    ListPartitionReassignmentsResponse response;
    response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    response.error_message = call.denial(Operation::kDescribe, cluster_resource());
    return call.reply(response);
  }
  ListPartitionReassignmentsResponse response;
  call.reply(response);
}

}  // namespace ms::kafka
