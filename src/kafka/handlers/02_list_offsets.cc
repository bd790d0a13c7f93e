// ListOffsets (2), versions 1-10.
//
// - -1: the end (read_committed: the last stable offset), -2: the beginning, -3: the record with the largest timestamp,
//   -4 (earliest local): the beginning, -5 (latest tiered): unknown, -1. Each since its own version; other negative times
//   are UNSUPPORTED_VERSION. Else: the first record at or after that time.
// - read_committed does not see a record at or above the last stable offset, by time either: then there is none.
// - Lookups by time may read from disk, so they run on the worker. timeout_ms is ignored.
#include "kafka/handlers.h"
#include "kafka/messages/list_offsets.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

constexpr int64_t kLatest = -1, kEarliest = -2, kMaxTimestamp = -3, kEarliestLocal = -4, kLatestTiered = -5;

using Asked = ListOffsetsRequest::Topic::Partition;
using Answer = ListOffsetsResponse::Topic::Partition;

// From which version of the request on a time that is none may be asked for.
int16_t first_version_of(int64_t timestamp) {
  switch (timestamp) {
    case kLatest:
    case kEarliest: return 1;
    case kMaxTimestamp: return 7;
    case kEarliestLocal: return 8;
    case kLatestTiered: return 9;
    default: return timestamp >= 0 ? int16_t{1} : INT16_MAX;
  }
}

bool needs_disk(const ListOffsetsRequest& request) {
  for (const auto& topic : request.topics)
    for (const auto& p : topic.partitions)
      if (p.timestamp >= 0 || p.timestamp == kMaxTimestamp) return true;
  return false;
}

ErrorCode to_code(const Error& error) {
  return error.kind == ErrorKind::kNotFound ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kKafkaStorageError;
}

ErrorCode look_up(log::Log& log, TopicPartition p, const Asked& asked, bool read_committed, Answer& answer) {
  if (asked.current_leader_epoch > kLeaderEpoch) return ErrorCode::kUnknownLeaderEpoch;
  answer.leader_epoch = kLeaderEpoch;
  if (asked.timestamp >= 0 || asked.timestamp == kMaxTimestamp) {
    auto found = asked.timestamp >= 0 ? log.offset_for_time(p, asked.timestamp) : log.offset_of_max_timestamp(p);
    if (!found) return to_code(found.error());
    if (!*found) return answer.leader_epoch = -1, ErrorCode::kNone;
    if (read_committed) {
      const auto now = log.partition_state(p);
      if (!now) return to_code(now.error());
      if ((*found)->offset >= now->last_stable) return answer.leader_epoch = -1, ErrorCode::kNone;
    }
    answer.offset = (*found)->offset.value;
    answer.timestamp = (*found)->timestamp_ms;
    return ErrorCode::kNone;
  }
  const auto state = log.partition_state(p);
  if (!state) return to_code(state.error());
  switch (asked.timestamp) {
    case kLatest: answer.offset = read_committed ? state->last_stable.value : state->high_watermark.value; break;
    case kEarliest:
    case kEarliestLocal: answer.offset = state->log_start.value; break;
    default: answer.leader_epoch = -1; break;  // kLatestTiered
  }
  return ErrorCode::kNone;
}

ListOffsetsResponse answer_all(log::Log& log, const ListOffsetsRequest& request, Call& call) {
  ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    const auto info = log.find_topic(topic.name);
    const bool may = call.may(Operation::kDescribe, topic_resource(topic.name));
    for (const auto& p : topic.partitions) {
      Answer& answer = out.partitions.emplace_back();
      answer.partition_index = p.partition_index;
      ErrorCode error = ErrorCode::kUnknownTopicOrPartition;
      if (!may) error = ErrorCode::kTopicAuthorizationFailed;
      else if (call.version() < first_version_of(p.timestamp)) error = ErrorCode::kUnsupportedVersion;
      else if (has_partition(info, p.partition_index)) error = look_up(log, {info->id, {p.partition_index}}, p, request.isolation_level == 1, answer);
      answer.error_code = code(error);
    }
  }
  return response;
}

}  // namespace

void handle_list_offsets(Broker& broker, Call call) {
  ListOffsetsRequest request;
  if (!call.decode(request)) return;
  if (!needs_disk(request)) return call.reply(answer_all(broker.log, request, call));
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    call.reply(answer_all(broker.log, request, call));
  });
}

}  // namespace ms::kafka
