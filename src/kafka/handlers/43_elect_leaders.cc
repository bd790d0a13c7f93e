// ElectLeaders (43), versions 0-2. The one broker leads everything already: a partition that is named gets
// ELECTION_NOT_NEEDED, and of all partitions (null) none is told, as in Kafka. Preferred and unclean elections are the same. A
// denial is told of each partition, too: version 0 has no other place for it.
#include "kafka/handlers.h"
#include "kafka/messages/elect_leaders.h"
#include "kafka/topics.h"

namespace ms::kafka {

void handle_elect_leaders(Broker& broker, Call call) {
  ElectLeadersRequest request;
  if (!call.decode(request)) return;
  const bool may = call.may(Operation::kAlter, cluster_resource());
  ElectLeadersResponse response;
  if (!may) response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
  if (may && (request.election_type < 0 || request.election_type > 1)) {
    response.error_code = code(ErrorCode::kInvalidRequest);
    return call.reply(response);
  }
  if (!request.topic_partitions) return call.reply(response);
  for (const auto& topic : *request.topic_partitions) {
    if (!call.room().take(sizeof(ElectLeadersResponse::Topic) + topic.topic.size())) break;
    auto& out = response.replica_election_results.emplace_back();
    out.topic = topic.topic;
    const auto info = may ? broker.log.find_topic(topic.topic) : std::nullopt;
    for (const int32_t p : topic.partitions) {
      auto& result = out.partition_result.emplace_back();
      result.partition_id = p;
      const bool exists = has_partition(info, p);
      result.error_code = code(!may ? ErrorCode::kClusterAuthorizationFailed : exists ? ErrorCode::kElectionNotNeeded : ErrorCode::kUnknownTopicOrPartition);
      result.error_message = !may ? call.denial(Operation::kAlter, cluster_resource())
                             : exists ? "the only broker leads this partition already" : "there is no such topic or partition";
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
