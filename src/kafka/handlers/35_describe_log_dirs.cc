// DescribeLogDirs (35), versions 1-5. There is one directory; what does not exist is left out, as in Kafka.
//
// - A partition's size is what its visible records take, in the write-ahead log and in stream objects. Nothing lags behind and
//   nothing moves between directories.
// - Deviation: the directory is called "millstream", and how large its disk is stays unknown (-1).
#include <map>
#include <set>

#include "kafka/handlers.h"
#include "kafka/messages/describe_log_dirs.h"

namespace ms::kafka {

namespace {

using Answer = DescribeLogDirsResponse::Result;

void describe(Broker& broker, const log::TopicInfo& info, const std::set<int32_t>* only, AnswerRoom& room, Answer& answer) {
  const size_t count = only != nullptr ? only->size() : static_cast<size_t>(info.partitions);
  if (!room.take(sizeof(Answer::Topic) + info.name.size() + count * sizeof(Answer::Topic::Partition))) return;
  Answer::Topic topic{.name = info.name, .partitions = {}};
  const auto add = [&](int32_t index) {
    const auto state = broker.log.partition_state({info.id, {index}});
    if (state) topic.partitions.push_back({.partition_index = index, .partition_size = state->bytes});
  };
  if (only != nullptr) std::ranges::for_each(*only, add);
  else for (int32_t index = 0; index < info.partitions; ++index) add(index);
  if (!topic.partitions.empty()) answer.topics.push_back(std::move(topic));
}

}  // namespace

void handle_describe_log_dirs(Broker& broker, Call call) {
  DescribeLogDirsRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kDescribe, cluster_resource())) {
    DescribeLogDirsResponse response;
    response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    return call.reply(response);
  }
  DescribeLogDirsResponse response;
  Answer& answer = response.results.emplace_back();
  answer.log_dir = "millstream";
  if (!request.topics) {
    for (const log::TopicInfo& info : broker.log.topics()) describe(broker, info, nullptr, call.room(), answer);
    return call.reply(response);
  }
  std::map<std::string, std::set<int32_t>> asked;
  for (const auto& topic : *request.topics) asked[topic.topic].insert(topic.partitions.begin(), topic.partitions.end());
  for (const auto& [name, partitions] : asked)
    if (const auto info = broker.log.find_topic(name)) describe(broker, *info, &partitions, call.room(), answer);
  call.reply(response);
}

}  // namespace ms::kafka
