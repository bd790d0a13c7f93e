// DeleteRecords (21), versions 0-2.
//
// - Everything below the offset goes; -1 is the high watermark. The log start is durable before the answer, which tells it.
//   An offset below the log start changes nothing and is no error. Readers, groups and features go on as after retention.
// - Where cleanup.policy does not say delete it is POLICY_VIOLATION; of internal topics INVALID_TOPIC_EXCEPTION.
// - timeout_ms is ignored: nothing is waited for but the log itself.
#include "kafka/handlers.h"
#include "kafka/messages/delete_records.h"
#include "kafka/topics.h"
#include "log/topic_config.h"

namespace ms::kafka {

namespace {

constexpr int64_t kToTheEnd = -1;

using Answer = DeleteRecordsResponse::Topic::Partition;

ErrorCode to_code(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kNotFound: return ErrorCode::kUnknownTopicOrPartition;
    case ErrorKind::kInvalidArgument: return ErrorCode::kOffsetOutOfRange;
    default: return ErrorCode::kKafkaStorageError;
  }
}

ErrorCode check(const std::optional<log::TopicInfo>& info, int32_t partition) {
  if (!has_partition(info, partition)) return ErrorCode::kUnknownTopicOrPartition;
  if (info->internal) return ErrorCode::kInvalidTopicException;
  return log::deletes(info->config) ? ErrorCode::kNone : ErrorCode::kPolicyViolation;
}

Result<Offset> remove(log::Log& log, TopicPartition p, int64_t before) {
  if (before != kToTheEnd) return log.delete_records(p, {before});
  TRY_ASSIGN(const log::PartitionState state, log.partition_state(p));
  return log.delete_records(p, state.high_watermark);
}

void remove(log::Log& log, const std::optional<log::TopicInfo>& info, int64_t before, Answer& answer) {
  answer.low_watermark = -1;
  answer.error_code = code(check(info, answer.partition_index));
  if (answer.error_code != 0) return;
  const auto start = remove(log, {info->id, {answer.partition_index}}, before);
  if (start) answer.low_watermark = start->value;
  else answer.error_code = code(to_code(start.error()));
}

}  // namespace

void handle_delete_records(Broker& broker, Call call) {
  DeleteRecordsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    DeleteRecordsResponse response;
    for (const auto& topic : request.topics) {
      auto& out = response.topics.emplace_back();
      out.name = topic.name;
      const auto info = broker.log.find_topic(topic.name);
      const bool may = call.may(Operation::kDelete, topic_resource(topic.name));
      for (const auto& p : topic.partitions) {
        Answer& answer = out.partitions.emplace_back(Answer{.partition_index = p.partition_index});
        if (may) remove(broker.log, info, p.offset, answer);
        else answer.low_watermark = -1, answer.error_code = code(ErrorCode::kTopicAuthorizationFailed);
      }
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
