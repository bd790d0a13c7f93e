// DescribeTopicPartitions (75), version 0: topics by name, a bounded number of partitions at a time.
//
// - No names: all topics. Topics come by name, each once; a cursor goes on from its topic and partition, and from the next topic
//   when its own is gone. At most response_partition_limit partitions and never more than 2000; then the answer has a cursor.
// - There are no eligible leader replicas beside the leader: both lists are empty.
#include <set>

#include "kafka/handlers.h"
#include "kafka/messages/describe_topic_partitions.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

constexpr int32_t kPartitionsMax = 2000;  // Kafka's max.request.partition.size.limit

using Answer = DescribeTopicPartitionsResponse;

std::set<std::string> names_of(const log::Log& log, Call& call, const DescribeTopicPartitionsRequest& request) {
  std::set<std::string> names;
  for (const auto& topic : request.topics) names.insert(topic.name);
  if (names.empty())
    for (const log::TopicInfo& info : log.topics())
      if (call.sees(Operation::kDescribe, topic_resource(info.name))) names.insert(info.name);
  return names;
}

// Partitions from `first` on, as many as `left` allows; takes them off. Gives the first that it did not tell, or none.
std::optional<int32_t> describe(int32_t self, const log::TopicInfo& info, int32_t first, int32_t& left, Answer::Topic& topic) {
  topic.topic_id = info.id;
  topic.is_internal = info.internal;
  int32_t p = first;
  for (; p < info.partitions && left > 0; ++p, --left)
    topic.partitions.push_back({.partition_index = p, .leader_id = self, .leader_epoch = kLeaderEpoch, .replica_nodes = {self}, .isr_nodes = {self},
                                .eligible_leader_replicas = std::vector<int32_t>{}, .last_known_elr = std::vector<int32_t>{}, .offline_replicas = {}});
  return p < info.partitions ? std::optional(p) : std::nullopt;
}

Answer answer_of(const Broker& broker, const DescribeTopicPartitionsRequest& request, Call& call) {
  AnswerRoom& room = call.room();
  Answer answer;
  int32_t left = std::clamp(request.response_partition_limit, 1, kPartitionsMax);
  const auto names = names_of(broker.log, call, request);
  for (auto name = request.cursor ? names.lower_bound(request.cursor->topic_name) : names.begin(); name != names.end(); ++name) {
    if (left == 0) {
      answer.next_cursor = {.topic_name = *name, .partition_index = 0};
      break;
    }
    if (!room.take(sizeof(Answer::Topic) + name->size())) break;
    Answer::Topic& topic = answer.topics.emplace_back();
    topic.name = *name;
    if (!call.may(Operation::kDescribe, topic_resource(*name))) {
      topic.error_code = code(ErrorCode::kTopicAuthorizationFailed);
      continue;
    }
    topic.topic_authorized_operations = call.session().operations(topic_resource(*name));
    const auto info = broker.log.find_topic(*name);
    if (!info) {
      topic.error_code = code(legal_topic_name(*name) ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kInvalidTopicException);
      continue;
    }
    const int32_t first = request.cursor && request.cursor->topic_name == *name ? request.cursor->partition_index : 0;
    if (const auto next = describe(broker.options.node_id, *info, first, left, topic)) {
      answer.next_cursor = {.topic_name = *name, .partition_index = *next};
      break;
    }
  }
  return answer;
}

}  // namespace

void handle_describe_topic_partitions(Broker& broker, Call call) {
  DescribeTopicPartitionsRequest request;
  if (!call.decode(request)) return;
  if (!request.cursor || request.cursor->partition_index >= 0) return call.reply(answer_of(broker, request, call));
  DescribeTopicPartitionsResponse response;
  for (const auto& asked : request.topics) {
    if (!call.room().take(sizeof(Answer::Topic) + asked.name.size())) break;
    auto& topic = response.topics.emplace_back();
    topic.error_code = code(ErrorCode::kInvalidRequest);
    topic.name = asked.name;
  }
  call.reply(response);
}

}  // namespace ms::kafka
