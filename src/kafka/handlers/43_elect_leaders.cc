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
  const bool is_type = request.election_type == 0 || request.election_type == 1;
  ElectLeadersResponse response;
  response.error_code = code(!may ? ErrorCode::kClusterAuthorizationFailed : is_type ? ErrorCode::kNone : ErrorCode::kInvalidRequest);
  if (!request.topic_partitions || (may && !is_type)) return call.reply(response);
  const std::string denial = may ? "" : call.denial(Operation::kAlter, cluster_resource());
  using Told = std::pair<ErrorCode, std::string_view>;
  const auto told = [&](bool exists) {
    if (!may) return Told{ErrorCode::kClusterAuthorizationFailed, denial};
    return exists ? Told{ErrorCode::kElectionNotNeeded, "the only broker leads this partition already"}
                  : Told{ErrorCode::kUnknownTopicOrPartition, "there is no such topic or partition"};
  };
  for (const auto& topic : *request.topic_partitions) {
    if (!call.room().take(sizeof(ElectLeadersResponse::Topic) + topic.topic.size())) break;
    auto& out = response.replica_election_results.emplace_back();
    out.topic = topic.topic;
    const auto info = may ? broker.log.find_topic(topic.topic) : std::nullopt;
    for (const int32_t p : topic.partitions) {
      const auto [error, message] = told(has_partition(info, p));
      if (!call.room().take(sizeof out.partition_result.front() + message.size())) break;
      out.partition_result.push_back({.partition_id = p, .error_code = code(error), .error_message = std::string(message)});
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
