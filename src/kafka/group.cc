#include "kafka/group.h"

namespace ms::kafka {

namespace {

// What it has been assigned, and what it goes on reading until the next assignment.
PartitionsByTopic held_by(const PartitionsByName& assigned, const Subscription& subscription, const TopicsImage& topics) {
  PartitionsByTopic held = topics.existing(assigned);
  for (auto& [topic, partitions] : topics.existing(subscription.owned)) held[topic].insert(partitions.begin(), partitions.end());
  return held;
}

}  // namespace

Result<ConsumerGroup> upgraded(const GroupState& group, const ConsumerGroupSettings& settings, const Group::Topics& topics, int64_t now_ms) {
  if (group.members().empty()) return ConsumerGroup(settings, topics);
  if (group.protocol_type() != kConsumerProtocolType)
    return invalid("its members are of the protocol type '" + group.protocol_type() + "', not consumers");
  std::vector<ConsumerGroup::Member> members;
  for (const auto& [id, m] : group.members()) {
    const auto subscription = decode_subscription(m.protocols.front().metadata);
    const auto assigned = m.assignment.empty() ? PartitionsByName{} : decode_assignment(m.assignment);
    if (!subscription || !assigned) return invalid("the " + std::string(subscription ? "assignment" : "subscription") + " of its member '" + id + "' is not that of a consumer");
    ConsumerGroup::Member& member = members.emplace_back();
    member.id = id;
    member.instance_id = m.instance_id;
    member.rack_id = subscription->rack_id;
    member.client_id = m.client_id;
    member.client_host = m.client_host;
    member.classic = ConsumerGroup::ClassicSide{.session_timeout_ms = m.session_timeout_ms, .protocols = m.protocols};
    member.epoch = member.previous_epoch = group.generation();
    member.rebalance_timeout_ms = m.rebalance_timeout_ms;
    member.topics = {subscription->topics.begin(), subscription->topics.end()};
    member.assigned = held_by(*assigned, *subscription, *topics);
    member.expires_ms = now_ms + m.session_timeout_ms;
  }
  return ConsumerGroup(settings, topics, group.generation(), std::move(members));
}

GroupState downgraded(const ConsumerGroup& group, int64_t initial_delay_ms, int64_t now_ms) {
  std::vector<GroupState::Member> members;
  for (const auto& [id, m] : group.members()) {
    GroupState::Member& member = members.emplace_back();
    member.id = id;
    member.instance_id = m.instance_id;
    member.client_id = m.client_id;
    member.client_host = m.client_host;
    member.session_timeout_ms = m.classic->session_timeout_ms;
    member.rebalance_timeout_ms = m.rebalance_timeout_ms;
    member.protocols = m.classic->protocols;
    member.assignment = group.assignment_of(m);
    member.expires_ms = now_ms + member.session_timeout_ms;
    member.generation_before = m.epoch;
  }
  return GroupState(initial_delay_ms, group.epoch(), std::move(members), now_ms);
}

void Group::become_classic_if_last_left(int64_t now_ms) {
  const ConsumerGroup* group = consumer();
  if (!group || !group->has_members() || group->speaks_consumer_protocol()) return;
  GroupState next = downgraded(*group, initial_delay_ms_, now_ms);
  state_ = std::move(next);
}

GroupAnswers Group::join(Ticket ticket, JoinInput input, const Topics& topics, int64_t now_ms) {
  if (consumer() && !has_members()) state_ = GroupState(initial_delay_ms_);
  if (GroupState* group = as_classic()) return group->join(ticket, std::move(input), now_ms);
  GroupAnswers out;
  out.joins.push_back(as_consumer()->join(std::move(input), topics, now_ms));
  out.joins.back().ticket = ticket;
  become_classic_if_last_left(now_ms);  // it may have taken the place of the last one
  return out;
}

GroupAnswers Group::sync(Ticket ticket, SyncInput input, int64_t now_ms) {
  if (GroupState* group = as_classic()) return group->sync(ticket, std::move(input), now_ms);
  GroupAnswers out;
  out.syncs.push_back(as_consumer()->sync(input, now_ms));
  out.syncs.back().ticket = ticket;
  return out;
}

GroupAnswers Group::leave(std::string_view member_id, const std::optional<std::string>& instance_id, int64_t now_ms, ErrorCode& result) {
  if (GroupState* group = as_classic()) return group->leave(member_id, instance_id, now_ms, result);
  result = as_consumer()->classic_leave(member_id, instance_id);
  become_classic_if_last_left(now_ms);
  return {};
}

ErrorCode Group::heartbeat(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, const Topics& topics, int64_t now_ms) {
  if (GroupState* group = as_classic()) return group->heartbeat(member_id, instance_id, generation, now_ms);
  return as_consumer()->classic_heartbeat(member_id, instance_id, generation, topics, now_ms);
}

ConsumerAnswer Group::consumer_heartbeat(const ConsumerHeartbeat& input, const ConsumerGroupSettings& settings, const Topics& topics, int64_t now_ms, GroupAnswers& dismissed) {
  const auto refuse = [&](ErrorCode error, std::string message) {
    return ConsumerAnswer{.error = error, .message = std::move(message), .member_id = input.member_id, .assignment = {}};
  };
  if (GroupState* before = as_classic()) {
    auto after = upgraded(*before, settings, topics, now_ms);
    if (!after) return refuse(ErrorCode::kGroupIdNotFound, "the group cannot become a consumer group: " + after.error().message);
    // Whom a classic group does not know is to join it; only who may join makes it a consumer group.
    if (input.epoch != kJoinEpoch) return refuse(ErrorCode::kUnknownMemberId, "the group has no member '" + input.member_id + "'");
    ConsumerAnswer answer = after->heartbeat(input, topics, now_ms);
    if (answer.error != ErrorCode::kNone) return answer;
    dismissed = before->dismiss();
    state_ = std::move(*after);
    return answer;
  }
  as_consumer()->apply(settings);
  ConsumerAnswer answer = as_consumer()->heartbeat(input, topics, now_ms);
  become_classic_if_last_left(now_ms);
  return answer;
}

ErrorCode Group::may_commit(const Commit& commit, int64_t now_ms) {
  if (const ConsumerGroup* group = consumer()) return group->may_commit(commit.member, commit.generation_or_epoch, commit.version);
  return as_classic()->may_commit(commit.member, commit.instance, commit.generation_or_epoch, now_ms);
}

std::optional<std::set<std::string>> Group::subscribed_topics() const {
  if (const GroupState* group = classic()) return group->subscribed_topics();
  std::set<std::string> topics;
  for (const auto& [id, member] : consumer()->members()) topics.merge(consumer()->subscription_of(member));
  return topics;
}

int64_t Group::next_deadline_ms() const {
  return std::visit([](const auto& state) { return state.next_deadline_ms(); }, state_);
}

GroupAnswers Group::on_time(int64_t now_ms) {
  if (GroupState* group = as_classic()) return group->on_time(now_ms);
  as_consumer()->on_time(now_ms);
  become_classic_if_last_left(now_ms);
  return {};
}

bool Group::knows(const JoinInput& input) const {
  return std::visit([&](const auto& state) { return state.find_member(input.member_id, input.instance_id) != nullptr; }, state_);
}

size_t Group::bytes_replaced_by(const JoinInput& input) const {
  if (const GroupState* group = classic()) {
    const auto* member = group->find_member(input.member_id, input.instance_id);
    return member ? bytes_of(member->protocols) : 0;
  }
  const auto* member = consumer()->find_member(input.member_id, input.instance_id);
  return member && member->classic ? bytes_of(member->classic->protocols) : 0;
}

}  // namespace ms::kafka
