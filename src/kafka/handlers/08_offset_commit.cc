// OffsetCommit (8), versions 2-10.
//
// - Membership is checked by the coordinator; offsets are durable (one group commit of the log) before the answer.
// - Metadata strings up to 4096 bytes (offset.metadata.max.bytes) round-trip.
// - Versions 2-4 may say for how long offsets are kept (retention_time_ms); others are kept as offsets.retention.minutes says.
#include "kafka/handlers.h"
#include "kafka/messages/offset_commit.h"
#include "kafka/offset_commits.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

struct Commit {
  OffsetCommitRequest request;
  OffsetCommitResponse response;
  std::map<log::OffsetKey, log::CommittedOffset> offsets;
};

void plan(Broker& broker, Call& call, Commit& commit) {
  const bool by_id = call.version() >= 10;
  const int64_t now_ms = broker.wall_ms();
  const auto expire_time_ms = expire_time_of(commit.request.retention_time_ms, now_ms);
  for (const auto& topic : commit.request.topics) {
    auto& out = commit.response.topics.emplace_back();
    out.name = topic.name;
    out.topic_id = topic.topic_id;
    const auto info = by_id ? broker.log.find_topic(topic.topic_id) : broker.log.find_topic(topic.name);
    const std::string& name = by_id && info ? info->name : topic.name;
    const bool may_read = name.empty() || call.may(Operation::kRead, topic_resource(name));
    for (const auto& p : topic.partitions) {
      auto& answer = out.partitions.emplace_back();
      answer.partition_index = p.partition_index;
      const std::string metadata = p.committed_metadata.value_or("");
      if (!may_read) {
        answer.error_code = code(denied_topic(call, name, by_id));
      } else if (!info) {
        answer.error_code = code(by_id ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition);
      } else if (!has_partition(info, p.partition_index)) {
        answer.error_code = code(ErrorCode::kUnknownTopicOrPartition);
      } else if (metadata.size() > kOffsetMetadataBytesMax) {
        answer.error_code = code(ErrorCode::kOffsetMetadataTooLarge);
      } else {
        commit.offsets[{info->id, p.partition_index}] = {{p.committed_offset}, p.committed_leader_epoch, metadata, now_ms, expire_time_ms};
      }
    }
  }
}

void write(Broker& broker, Call call, std::unique_ptr<Commit> commit) {
  const auto& r = commit->request;
  const ErrorCode allowed = r.group_id.empty() ? ErrorCode::kInvalidGroupId
                                               : broker.coordinator.may_commit(r.group_id, {r.member_id, r.group_instance_id, r.generation_id_or_member_epoch, call.version()});
  if (allowed != ErrorCode::kNone) refuse_group(commit->response.topics, allowed);
  if (allowed != ErrorCode::kNone || commit->offsets.empty()) return call.reply(commit->response);
  auto offsets = std::move(commit->offsets);
  const std::string group = r.group_id;
  broker.log.commit_offsets(group, std::move(offsets), [call = call.leave_for(Stage::kLog), commit = std::move(commit)](Result<> result) mutable {
    if (!result) refuse_rest(commit->response.topics, ErrorCode::kKafkaStorageError);
    call.reply(commit->response);
  });
}

}  // namespace

void handle_offset_commit(Broker& broker, Call call) {
  auto commit = std::make_unique<Commit>();
  if (!call.decode(commit->request)) return;
  plan(broker, call, *commit);
  if (!call.may(Operation::kRead, group_resource(commit->request.group_id))) {
    for (auto& topic : commit->response.topics)
      for (auto& p : topic.partitions) p.error_code = code(ErrorCode::kGroupAuthorizationFailed);
    return call.reply(commit->response);
  }
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), commit = std::move(commit)]() mutable {
    call.enter(Stage::kWork);
    write(broker, std::move(call), std::move(commit));
  });
}

}  // namespace ms::kafka
