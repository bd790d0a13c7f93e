// OffsetFetch (9), versions 1-10.
//
// - Several groups from version 8 on; null topics mean everything the group has committed. No offset is -1 without an error.
// - require_stable: an offset that an open transaction is about to change is UNSTABLE_OFFSET_COMMIT; one that nobody has committed before
//   is not among everything.
// - Offsets of deleted topics are not listed.
// - A member of a consumer group says its epoch (version 9+): STALE_MEMBER_EPOCH, UNKNOWN_MEMBER_ID.
#include "kafka/handlers.h"
#include "kafka/messages/offset_fetch.h"

namespace ms::kafka {

namespace {

struct Offsets {
  std::map<log::OffsetKey, log::CommittedOffset> committed;
  std::set<log::OffsetKey> unstable;  // only when the client asks for stable ones

  // An offset goes from under way to staged to committed: looked for in this order it is not missed.
  Offsets(const Broker& broker, const std::string& group, bool require_stable) {
    if (require_stable) {
      unstable = broker.offsets_under_way.of(group);
      unstable.merge(broker.log.unstable_offsets(group));
    }
    committed = broker.log.committed_offsets(group);
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
void fill_all(log::Log& log, const Offsets& offsets, Call& call, std::vector<Topic>& topics) {
  AnswerRoom& room = call.room();
  std::optional<log::TopicInfo> info;
  TopicId last;
  for (const auto& [key, offset] : offsets.committed) {
    if (topics.empty() || key.first != last) {
      last = key.first;
      info = log.find_topic(last);
      if (info && !call.sees(Operation::kDescribe, topic_resource(info->name))) info = std::nullopt;
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
void fill_some(log::Log& log, const Offsets& offsets, const std::vector<Asked>& asked, Call& call, std::vector<Topic>& topics) {
  const bool by_id = call.version() >= 10;
  AnswerRoom& room = call.room();
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
    const std::string name = by_id && info ? info->name : a.name;
    const bool may = name.empty() || call.may(Operation::kDescribe, topic_resource(name));
    if (!may) info = std::nullopt;
    for (const int32_t p : a.partition_indexes) {
      auto& out = topic.partitions.emplace_back();
      fill(out, offsets, room, info ? info->id : TopicId{}, p);
      if (!may) out.error_code = code(denied_topic(call, name, by_id));
      else if (by_id && !info) out.error_code = code(ErrorCode::kUnknownTopicId);
    }
  }
}

// Before version 2 the answer has no place for the error but its partitions.
void refuse(Call call, const OffsetFetchRequest& request) {
  OffsetFetchResponse response;
  response.error_code = code(ErrorCode::kGroupAuthorizationFailed);
  for (const auto& topic : request.topics ? *request.topics : decltype(request.topics)::value_type{}) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (const int32_t p : topic.partition_indexes)
      out.partitions.push_back({.partition_index = p, .committed_offset = -1, .metadata = "", .error_code = code(ErrorCode::kGroupAuthorizationFailed)});
  }
  call.reply(response);
}

void answer(Broker& broker, Call call, const OffsetFetchRequest& request) {
  OffsetFetchResponse response;
  if (call.version() < 8) {
    if (!call.may(Operation::kDescribe, group_resource(request.group_id))) return refuse(std::move(call), request);
    const Offsets offsets(broker, request.group_id, request.require_stable);
    if (request.topics) {
      fill_some(broker.log, offsets, *request.topics, call, response.topics);
    } else {
      fill_all(broker.log, offsets, call, response.topics);
    }
    return call.reply(response);
  }
  for (const auto& group : request.groups) {
    auto& out = response.groups.emplace_back();
    out.group_id = group.group_id;
    const bool may = call.may(Operation::kDescribe, group_resource(group.group_id));
    out.error_code = code(may ? broker.coordinator.may_fetch(group.group_id, group.member_id, group.member_epoch) : ErrorCode::kGroupAuthorizationFailed);
    if (out.error_code != 0) continue;
    const Offsets offsets(broker, group.group_id, request.require_stable);
    if (!call.room().take(sizeof out + group.group_id.size() + offsets.committed.size())) break;  // looking at many offsets costs time, too
    if (group.topics) {
      fill_some(broker.log, offsets, *group.topics, call, out.topics);
    } else {
      fill_all(broker.log, offsets, call, out.topics);
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
