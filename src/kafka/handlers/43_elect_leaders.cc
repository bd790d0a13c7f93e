// ElectLeaders (43), versions 0-2. The one broker leads everything already: a partition that is named gets
// ELECTION_NOT_NEEDED, and of all partitions (null) none is told, as in Kafka. Preferred and unclean elections are the same.
#include "kafka/handlers.h"
#include "kafka/messages/elect_leaders.h"
#include "kafka/topics.h"

namespace ms::kafka {

void handle_elect_leaders(Broker& broker, Call call) {
  ElectLeadersRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kAlter, cluster_resource())) {
    ElectLeadersResponse response;
    response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    return call.reply(response);
  }
  ElectLeadersResponse response;
  if (request.election_type < 0 || request.election_type > 1) {
    response.error_code = code(ErrorCode::kInvalidRequest);
    return call.reply(response);
  }
  if (!request.topic_partitions) return call.reply(response);
  for (const auto& topic : *request.topic_partitions) {
    if (!call.room().take(sizeof(ElectLeadersResponse::Topic) + topic.topic.size())) break;
    auto& out = response.replica_election_results.emplace_back();
    out.topic = topic.topic;
    const auto info = broker.log.find_topic(topic.topic);
    for (const int32_t p : topic.partitions) {
      auto& result = out.partition_result.emplace_back();
      result.partition_id = p;
      const bool exists = has_partition(info, p);
      result.error_code = code(exists ? ErrorCode::kElectionNotNeeded : ErrorCode::kUnknownTopicOrPartition);
      result.error_message = exists ? "the only broker leads this partition already" : "there is no such topic or partition";
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
