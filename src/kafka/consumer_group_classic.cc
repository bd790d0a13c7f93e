// Members of a consumer group that speak the classic protocol.
#include "base/check.h"
#include "kafka/consumer_group.h"

namespace ms::kafka {

namespace {

JoinAnswer join_error(ErrorCode error, std::string member_id) {
  JoinAnswer answer;
  answer.error = error;
  answer.member_id = std::move(member_id);
  return answer;
}
SyncAnswer sync_error(ErrorCode error) { return {.error = error, .protocol_type = {}, .protocol_name = {}, .assignment = {}}; }

bool has_protocol(const std::vector<GroupProtocol>& protocols, const std::string& name) {
  return std::ranges::find(protocols, name, &GroupProtocol::name) != protocols.end();
}

}  // namespace

ConsumerGroup::ConsumerGroup(const ConsumerGroupSettings& settings, Topics topics, int32_t generation, std::vector<Member> members)
    : settings_(settings), topics_(std::move(topics)), epoch_(generation), target_epoch_(generation) {
  for (Member& member : members) {
    PartitionsByTopic claimed = std::exchange(member.assigned, {});
    for (const auto& [topic, partitions] : claimed)
      for (const int32_t p : partitions)
        if (is_free(topic, p, member.id)) member.assigned[topic].insert(p);
    const std::string id = member.id;
    if (member.instance_id) by_instance_[*member.instance_id] = id;
    Member& placed = members_[id] = std::move(member);
    PartitionsByTopic held = std::exchange(placed.assigned, {});
    target_[id] = held;
    hold(placed, std::move(held), {});
    count(placed);
  }
  count_topics();
  ++epoch_;  // everybody is to join anew
}

JoinAnswer ConsumerGroup::join(JoinInput input, const Topics& topics, int64_t now_ms) {
  const auto subscription = input.protocols.empty() ? std::nullopt : decode_subscription(input.protocols.front().metadata);
  if (!subscription || input.protocol_type != kConsumerProtocolType || !shares_protocol(input)) return join_error(ErrorCode::kInconsistentGroupProtocol, input.member_id);
  Member* member = nullptr;
  if (const ErrorCode error = admit_classic(input, !subscription->owned.empty(), member); error != ErrorCode::kNone)
    return join_error(error, error == ErrorCode::kMemberIdRequired ? input.fresh_id : input.member_id);
  see_topics(topics);
  ConsumerHeartbeat as;
  as.rack_id = subscription->rack_id;
  as.rebalance_timeout_ms = input.rebalance_timeout_ms;
  as.topics = subscription->topics;
  as.regex = "";
  as.client_id = std::move(input.client_id);
  as.client_host = std::move(input.client_host);
  if (update(*member, as)) ++epoch_;
  make_target();
  change(*member, [&] {
    member->classic = ClassicSide{input.session_timeout_ms, std::move(input.protocols), now_ms + input.rebalance_timeout_ms};
    reconcile(*member, topics_->existing(subscription->owned), now_ms);
    member->expires_ms = now_ms + input.session_timeout_ms;
  });
  JoinAnswer answer;
  answer.generation = member->epoch;
  answer.protocol_type = kConsumerProtocolType;
  answer.protocol_name = member->classic->protocols.front().name;
  answer.member_id = member->id;
  return answer;
}

// The member that joins, made if it is a new one.
ErrorCode ConsumerGroup::admit_classic(const JoinInput& input, bool claims_partitions, Member*& member) {
  if (const Member* known = find_member(input.member_id, input.instance_id)) {
    if (!input.member_id.empty()) {
      if (const ErrorCode error = check_classic(input.member_id, input.instance_id); error != ErrorCode::kNone) return error;
      return member = &members_.find(input.member_id)->second, ErrorCode::kNone;
    }
    return member = &replace_static(known->id, input.fresh_id), ErrorCode::kNone;
  }
  if (members_.size() >= kGroupMembersMax) return ErrorCode::kGroupMaxSizeReached;
  if (input.member_id.empty() && !input.instance_id && input.must_know_id) return ErrorCode::kMemberIdRequired;
  if (!input.member_id.empty() && input.instance_id) return by_instance_.contains(*input.instance_id) ? ErrorCode::kFencedInstanceId : ErrorCode::kUnknownMemberId;
  // An id that nobody has is one that MEMBER_ID_REQUIRED gave out, unless its member was out before it gave up what it had.
  if (!input.member_id.empty() && claims_partitions) return ErrorCode::kUnknownMemberId;
  return member = &create(input.member_id.empty() ? input.fresh_id : input.member_id, input.instance_id), ErrorCode::kNone;
}

// A protocol that every other classic member knows, too: the group may become theirs.
bool ConsumerGroup::shares_protocol(const JoinInput& input) const {
  return std::ranges::any_of(input.protocols, [&](const GroupProtocol& p) {
    return std::ranges::all_of(members_, [&](const auto& entry) {
      const auto& [id, m] = entry;
      const bool itself = id == input.member_id || (m.instance_id && m.instance_id == input.instance_id);
      return itself || !m.classic || has_protocol(m.classic->protocols, p.name);
    });
  });
}

const ConsumerGroup::Member* ConsumerGroup::find_member(std::string_view member_id, const std::optional<std::string>& instance_id) const {
  const auto known = member_id.empty() && instance_id ? by_instance_.find(*instance_id) : by_instance_.end();
  const auto at = members_.find(known == by_instance_.end() ? member_id : known->second);
  return at == members_.end() ? nullptr : &at->second;
}

ErrorCode ConsumerGroup::check_classic(std::string_view member_id, const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    const auto known = by_instance_.find(*instance_id);
    if (known == by_instance_.end()) return ErrorCode::kUnknownMemberId;
    if (known->second != member_id) return ErrorCode::kFencedInstanceId;
  }
  const auto at = members_.find(member_id);
  return at == members_.end() || !at->second.classic ? ErrorCode::kUnknownMemberId : ErrorCode::kNone;
}

std::string ConsumerGroup::assignment_of(const Member& member) const {
  PartitionsByName named;
  for (const auto& [topic, partitions] : member.assigned)
    if (const auto name = topics_->names.find(topic); name != topics_->names.end()) named[name->second] = partitions;
  const auto subscription = decode_subscription(member.classic->protocols.front().metadata);
  return encode_assignment(subscription ? subscription->version : int16_t{0}, named);
}

SyncAnswer ConsumerGroup::sync(const SyncInput& input, int64_t now_ms) {
  if (const ErrorCode error = check_classic(input.member_id, input.instance_id); error != ErrorCode::kNone) return sync_error(error);
  Member& member = members_.find(input.member_id)->second;
  if (input.generation != member.epoch) return sync_error(ErrorCode::kIllegalGeneration);
  const std::string& protocol = member.classic->protocols.front().name;
  if ((input.protocol_type && *input.protocol_type != kConsumerProtocolType) || (input.protocol_name && *input.protocol_name != protocol))
    return sync_error(ErrorCode::kInconsistentGroupProtocol);
  // Who has something to give up learns so from its assignment, and joins again when it has.
  const bool behind = member.epoch < epoch_ && member.state != MemberState::kUnrevoked;
  change(member, [&] {
    member.expires_ms = now_ms + member.classic->session_timeout_ms;
    member.classic->answer_by_ms = behind ? now_ms + member.rebalance_timeout_ms : kNever;
  });
  if (behind) return sync_error(ErrorCode::kRebalanceInProgress);
  return {.protocol_type = std::string(kConsumerProtocolType), .protocol_name = protocol, .assignment = assignment_of(member)};
}

// It is behind, or has to give up something, or everything that it waits for is free.
bool ConsumerGroup::must_join_again(const Member& member) const {
  if (member.epoch < epoch_ || member.state == MemberState::kUnrevoked) return true;
  if (member.state != MemberState::kUnreleased) return false;
  for (const auto& [topic, partitions] : target_of(member.id))
    for (const int32_t p : partitions)
      if (!is_free(topic, p, member.id)) return false;
  return true;
}

ErrorCode ConsumerGroup::classic_heartbeat(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, const Topics& topics, int64_t now_ms) {
  if (const ErrorCode error = check_classic(member_id, instance_id); error != ErrorCode::kNone) return error;
  see_topics(topics);
  Member& member = members_.find(member_id)->second;
  if (generation != member.epoch) return ErrorCode::kIllegalGeneration;
  const bool again = must_join_again(member);
  change(member, [&] {
    member.expires_ms = now_ms + member.classic->session_timeout_ms;
    if (again && member.classic->answer_by_ms == kNever) member.classic->answer_by_ms = now_ms + member.rebalance_timeout_ms;
  });
  return again ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone;
}

ErrorCode ConsumerGroup::classic_leave(std::string_view member_id, const std::optional<std::string>& instance_id) {
  if (member_id.empty()) {
    const Member* member = find_member(member_id, instance_id);
    if (!member) return ErrorCode::kUnknownMemberId;
    return remove(std::string(member->id)), ErrorCode::kNone;
  }
  const ErrorCode error = check_classic(member_id, instance_id);
  if (error == ErrorCode::kNone) remove(std::string(member_id));
  return error;
}

}  // namespace ms::kafka
