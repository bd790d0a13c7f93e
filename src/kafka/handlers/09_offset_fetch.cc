// OffsetFetch (9), versions 1-10.
//
// - Several groups from version 8 on; null topics mean everything the group has committed. No offset is -1 without an error.
// - require_stable: an offset that an open transaction is about to change is UNSTABLE_OFFSET_COMMIT.
// - Offsets of deleted topics are not listed.
// - A member of a consumer group says its epoch (version 9+): STALE_MEMBER_EPOCH, UNKNOWN_MEMBER_ID.
#include "kafka/handlers.h"
#include "kafka/messages/offset_fetch.h"

namespace ms::kafka {

namespace {

struct Offsets {
  std::map<log::OffsetKey, log::CommittedOffset> committed;
  std::set<log::OffsetKey> unstable;  // only when the client asks for stable ones

  Offsets(const log::Log& log, const std::string& group, bool require_stable) : committed(log.committed_offsets(group)) {
    if (!require_stable) return;
    unstable = log.unstable_offsets(group);
    for (const log::OffsetKey& key : unstable) committed.try_emplace(key, log::CommittedOffset{.offset = {-1}, .metadata = {}});
  }
};

template <class Partition>
void fill(Partition& out, const Offsets& offsets, AnswerRoom& room, TopicId topic, int32_t partition) {
  out.partition_index = partition;
  out.committed_offset = -1;
  out.committed_leader_epoch = -1;
  out.metadata = "";
  if (offsets.unstable.contains({topic, partition})) {
    out.error_code = code(ErrorCode::kUnstableOffsetCommit);
    return;
  }
  const auto at = offsets.committed.find({topic, partition});
  if (at == offsets.committed.end() || !room.take(at->second.metadata.size())) return;
  out.committed_offset = at->second.offset.value;
  out.committed_leader_epoch = at->second.leader_epoch;
  out.metadata = at->second.metadata;
}

// Everything the group has, topic by topic.
template <class Topic>
void fill_all(log::Log& log, const Offsets& offsets, AnswerRoom& room, std::vector<Topic>& topics) {
  std::optional<log::TopicInfo> info;
  TopicId last;
  for (const auto& [key, offset] : offsets.committed) {
    if (topics.empty() || key.first != last) {
      last = key.first;
      info = log.find_topic(last);
      if (!info) continue;
      if (!room.take(sizeof(Topic) + info->name.size())) return;
      auto& topic = topics.emplace_back();
      topic.name = info->name;
      if constexpr (requires { topic.topic_id; }) topic.topic_id = info->id;
    }
    if (!info) continue;
    auto& partitions = topics.back().partitions;
    if (!room.take(sizeof partitions.front())) return;
    fill(partitions.emplace_back(), offsets, room, key.first, key.second);
  }
}

template <class Asked, class Topic>
void fill_some(log::Log& log, const Offsets& offsets, const std::vector<Asked>& asked, bool by_id, AnswerRoom& room, std::vector<Topic>& topics) {
  for (const auto& a : asked) {
    auto& topic = topics.emplace_back();
    if (!room.take(sizeof topic + a.name.size() + a.partition_indexes.size() * sizeof topic.partitions.front())) return;
    topic.name = a.name;
    std::optional<log::TopicInfo> info;
    if constexpr (requires { a.topic_id; }) {
      topic.topic_id = a.topic_id;
      if (by_id) info = log.find_topic(a.topic_id);
    }
    if (!by_id) info = log.find_topic(a.name);
    for (const int32_t p : a.partition_indexes) {
      auto& out = topic.partitions.emplace_back();
      fill(out, offsets, room, info ? info->id : TopicId{}, p);
      if (by_id && !info) out.error_code = code(ErrorCode::kUnknownTopicId);
    }
  }
}

void answer(Broker& broker, Call call, const OffsetFetchRequest& request) {
  OffsetFetchResponse response;
  if (call.version() < 8) {
    const Offsets offsets(broker.log, request.group_id, request.require_stable);
    if (request.topics) {
      fill_some(broker.log, offsets, *request.topics, false, call.room(), response.topics);
    } else {
      fill_all(broker.log, offsets, call.room(), response.topics);
    }
    return call.reply(response);
  }
  for (const auto& group : request.groups) {
    auto& out = response.groups.emplace_back();
    out.group_id = group.group_id;
    out.error_code = code(broker.coordinator.may_fetch(group.group_id, group.member_id, group.member_epoch));
    if (out.error_code != 0) continue;
    const Offsets offsets(broker.log, group.group_id, request.require_stable);
    if (!call.room().take(sizeof out + group.group_id.size() + offsets.committed.size())) break;  // looking at many offsets costs time, too
    if (group.topics) {
      fill_some(broker.log, offsets, *group.topics, call.version() >= 10, call.room(), out.topics);
    } else {
      fill_all(broker.log, offsets, call.room(), out.topics);
    }
  }
  call.reply(response);
}

}  // namespace

void handle_offset_fetch(Broker& broker, Call call) {
  OffsetFetchRequest request;
  if (!call.decode(request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    answer(broker, std::move(call), request);
  });
}

}  // namespace ms::kafka
