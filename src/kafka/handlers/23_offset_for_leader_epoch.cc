// OffsetForLeaderEpoch (23), versions 2-4. The only epoch there is, 0, ends at the high watermark.
#include "kafka/handlers.h"
#include "kafka/messages/offset_for_leader_epoch.h"

namespace ms::kafka {

void handle_offset_for_leader_epoch(Broker& broker, Call call) {
  OffsetForLeaderEpochRequest request;
  if (!call.decode(request)) return;
  OffsetForLeaderEpochResponse response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic = topic.topic;
    const auto info = broker.log.find_topic(topic.topic);
    const bool may = call.may(Operation::kDescribe, topic_resource(topic.topic));
    for (const auto& p : topic.partitions) {
      auto& answer = out.partitions.emplace_back();
      answer.partition = p.partition;
      const auto state = info ? broker.log.partition_state({info->id, {p.partition}}) : not_found("topic");
      if (!may) {
        answer.error_code = code(ErrorCode::kTopicAuthorizationFailed);
      } else if (!state) {
        answer.error_code = code(ErrorCode::kUnknownTopicOrPartition);
      } else if (p.current_leader_epoch > kLeaderEpoch) {
        answer.error_code = code(ErrorCode::kUnknownLeaderEpoch);
      } else if (p.leader_epoch == kLeaderEpoch) {
        answer.leader_epoch = kLeaderEpoch;
        answer.end_offset = state->high_watermark.value;
      }
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
