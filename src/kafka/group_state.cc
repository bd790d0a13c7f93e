#include "kafka/group_state.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "kafka/consumer_protocol.h"

namespace ms::kafka {

namespace {

constexpr int64_t kRebalanceMsMin = 1'000;  // of a rebalance that goes on because nobody came

JoinAnswer join_error(Ticket ticket, ErrorCode error, std::string member_id) {
  JoinAnswer answer;
  answer.ticket = ticket;
  answer.error = error;
  answer.member_id = std::move(member_id);
  return answer;
}
SyncAnswer sync_error(Ticket ticket, ErrorCode error) { return {.ticket = ticket, .error = error, .protocol_type = {}, .protocol_name = {}, .assignment = {}}; }

}  // namespace

std::string_view to_string(GroupPhase phase) {
  switch (phase) {
    case GroupPhase::kEmpty: return "Empty";
    case GroupPhase::kPreparingRebalance: return "PreparingRebalance";
    case GroupPhase::kCompletingRebalance: return "CompletingRebalance";
    case GroupPhase::kStable: return "Stable";
  }
  return "Unknown";
}

size_t bytes_of(const std::vector<GroupProtocol>& protocols) {
  size_t bytes = 0;
  for (const GroupProtocol& p : protocols) bytes += sizeof p + p.name.size() + p.metadata.size();
  return bytes;
}

size_t GroupState::bytes() const {
  size_t bytes = 0;
  for (const auto& [id, m] : members_) {
    bytes += sizeof m + 2 * id.size() + m.client_id.size() + m.client_host.size() + m.assignment.size() + bytes_of(m.protocols);
    if (m.instance_id) bytes += 2 * m.instance_id->size();
  }
  for (const auto& [id, expires] : pending_) bytes += sizeof expires + 2 * sizeof id + id.size();
  return bytes;
}

std::optional<std::set<std::string>> GroupState::subscribed_topics() const {
  if (phase_ != GroupPhase::kStable || protocol_type_ != kConsumerProtocolType) return std::nullopt;
  std::set<std::string> topics;
  for (const auto& [id, m] : members_) {
    const auto subscription = decode_subscription(metadata_of(m));
    if (!subscription) return std::nullopt;
    topics.insert(subscription->topics.begin(), subscription->topics.end());
  }
  return topics;
}

size_t GroupState::assignment_bytes() const {
  size_t bytes = 0;
  for (const auto& [id, m] : members_) bytes += m.assignment.size();
  return bytes;
}

const GroupState::Member* GroupState::find_member(std::string_view member_id, const std::optional<std::string>& instance_id) const {
  const auto known = member_id.empty() && instance_id ? by_instance_.find(*instance_id) : by_instance_.end();
  const auto at = members_.find(known == by_instance_.end() ? member_id : known->second);
  return at == members_.end() ? nullptr : &at->second;
}

GroupState::GroupState(int64_t initial_delay_ms, int32_t generation, std::vector<Member> members, int64_t now_ms)
    : initial_delay_ms_(initial_delay_ms), phase_(GroupPhase::kStable), generation_(generation), protocol_type_(kConsumerProtocolType) {
  for (Member& member : members) {
    member.joined = ++arrivals_;
    if (member.instance_id) by_instance_[*member.instance_id] = member.id;
    members_.emplace(member.id, std::move(member));
  }
  GroupAnswers nobody;
  prepare_rebalance(now_ms, nobody);
}

GroupAnswers GroupState::dismiss() {
  GroupAnswers out;
  for (auto& [id, m] : members_) {
    if (m.joining) out.joins.push_back(join_error(*std::exchange(m.joining, {}), ErrorCode::kRebalanceInProgress, id));
    if (m.syncing) out.syncs.push_back(sync_error(*std::exchange(m.syncing, {}), ErrorCode::kRebalanceInProgress));
  }
  return out;
}

GroupAnswers GroupState::join(Ticket ticket, JoinInput input, int64_t now_ms) {
  GroupAnswers out;
  const auto refuse = [&](ErrorCode error) { out.joins.push_back(join_error(ticket, error, input.member_id)); };
  if (input.protocols.empty() || input.protocol_type.empty() || !accepts(input)) return refuse(ErrorCode::kInconsistentGroupProtocol), out;
  if (members_.size() + pending_.size() >= kGroupMembersMax && !find(input.member_id) && !pending_.contains(input.member_id))
    return refuse(ErrorCode::kGroupMaxSizeReached), out;

  if (input.member_id.empty()) {
    const auto known = input.instance_id ? by_instance_.find(*input.instance_id) : by_instance_.end();
    if (known != by_instance_.end()) {
      replace_static(ticket, *find(known->second), std::move(input), now_ms, out);
    } else if (input.must_know_id && !input.instance_id) {
      pending_[input.fresh_id] = now_ms + input.session_timeout_ms;
      out.joins.push_back(join_error(ticket, ErrorCode::kMemberIdRequired, input.fresh_id));
    } else {
      std::string id = input.fresh_id;
      add_member(ticket, std::move(id), std::move(input), now_ms, out);
    }
    return out;
  }
  if (pending_.erase(input.member_id)) {
    std::string id = input.member_id;
    add_member(ticket, std::move(id), std::move(input), now_ms, out);
    return out;
  }
  if (const ErrorCode error = check_member(input.member_id, input.instance_id); error != ErrorCode::kNone) return refuse(error), out;
  rejoin(ticket, *find(input.member_id), std::move(input), now_ms, out);
  return out;
}

GroupAnswers GroupState::sync(Ticket ticket, SyncInput input, int64_t now_ms) {
  GroupAnswers out;
  const auto refuse = [&](ErrorCode error) { out.syncs.push_back(sync_error(ticket, error)); };
  if (const ErrorCode error = check_member(input.member_id, input.instance_id); error != ErrorCode::kNone) return refuse(error), out;
  Member& member = *find(input.member_id);
  if (!is_current(member, input.generation)) return refuse(ErrorCode::kIllegalGeneration), out;
  member.expires_ms = now_ms + member.session_timeout_ms;
  if (phase_ == GroupPhase::kPreparingRebalance) return refuse(ErrorCode::kRebalanceInProgress), out;
  if ((input.protocol_type && *input.protocol_type != protocol_type_) || (input.protocol_name && *input.protocol_name != protocol_name_))
    return refuse(ErrorCode::kInconsistentGroupProtocol), out;
  if (phase_ == GroupPhase::kStable) return out.syncs.push_back(assigned_answer(member, ticket)), out;
  if (phase_ == GroupPhase::kEmpty) return refuse(ErrorCode::kUnknownMemberId), out;

  if (member.syncing) out.syncs.push_back(sync_error(*member.syncing, ErrorCode::kRebalanceInProgress));
  member.syncing = ticket;
  if (member.id != leader_) return out;
  for (auto& [id, m] : members_) m.assignment.clear();
  for (auto& [id, assignment] : input.assignments)
    if (Member* m = find(id)) m->assignment = std::move(assignment);
  phase_ = GroupPhase::kStable;
  rebalance_ends_ms_ = kNever;
  for (auto& [id, m] : members_) {
    if (!m.syncing) continue;
    out.syncs.push_back(assigned_answer(m, *m.syncing));
    m.syncing.reset();
    m.expires_ms = now_ms + m.session_timeout_ms;
  }
  return out;
}

GroupAnswers GroupState::leave(std::string_view member_id, const std::optional<std::string>& instance_id, int64_t now_ms, ErrorCode& result) {
  GroupAnswers out;
  result = ErrorCode::kNone;
  std::string id(member_id);
  if (id.empty() && instance_id) {  // an administrator removes a static member by its name
    const auto known = by_instance_.find(*instance_id);
    if (known == by_instance_.end()) return result = ErrorCode::kUnknownMemberId, out;
    id = known->second;
  }
  if (pending_.erase(id)) return complete_if_all_joined(now_ms, out), out;
  result = check_member(id, instance_id);
  if (result == ErrorCode::kNone) remove(id, now_ms, out);
  return out;
}

ErrorCode GroupState::heartbeat(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, int64_t now_ms) {
  if (const ErrorCode error = check_member(member_id, instance_id); error != ErrorCode::kNone) return error;
  Member& member = *find(member_id);
  if (!is_current(member, generation)) return ErrorCode::kIllegalGeneration;
  member.expires_ms = now_ms + member.session_timeout_ms;
  return phase_ == GroupPhase::kPreparingRebalance ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone;
}

ErrorCode GroupState::may_commit(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, int64_t now_ms) {
  if (generation < 0 && members_.empty()) return ErrorCode::kNone;
  if (const ErrorCode error = check_member(member_id, instance_id); error != ErrorCode::kNone) return error;
  Member& member = *find(member_id);
  if (!is_current(member, generation)) return ErrorCode::kIllegalGeneration;
  if (phase_ == GroupPhase::kCompletingRebalance) return ErrorCode::kRebalanceInProgress;
  member.expires_ms = now_ms + member.session_timeout_ms;
  return ErrorCode::kNone;
}

int64_t GroupState::next_deadline_ms() const {
  int64_t next = std::min(rebalance_ends_ms_, initial_waits_until_ms_);
  for (const auto& [id, m] : members_)
    if (!m.joining && !m.syncing) next = std::min(next, m.expires_ms);
  for (const auto& [id, expires] : pending_) next = std::min(next, expires);
  return next;
}

GroupAnswers GroupState::on_time(int64_t now_ms) {
  GroupAnswers out;
  std::erase_if(pending_, [&](const auto& entry) { return entry.second <= now_ms; });
  std::vector<std::string> expired;
  for (const auto& [id, m] : members_)
    if (!m.joining && !m.syncing && m.expires_ms <= now_ms) expired.push_back(id);
  for (const auto& id : expired) remove(id, now_ms, out);
  if (rebalance_ends_ms_ <= now_ms && phase_ == GroupPhase::kPreparingRebalance) {
    complete_join(now_ms, out);
  } else if (rebalance_ends_ms_ <= now_ms && phase_ == GroupPhase::kCompletingRebalance) {
    // Members that took the new generation and never asked for their assignment hold up everybody.
    rebalance_ends_ms_ = kNever;
    std::vector<std::string> silent;
    for (const auto& [id, m] : members_)
      if (!m.syncing) silent.push_back(id);
    for (const auto& id : silent) remove(id, now_ms, out);
  }
  complete_if_all_joined(now_ms, out);
  return out;
}

// The group's generation, or the one a member has from the consumer group that this was.
bool GroupState::is_current(const Member& member, int32_t generation) const {
  return generation == generation_ || (phase_ == GroupPhase::kPreparingRebalance && generation == member.generation_before);
}

GroupState::Member* GroupState::find(std::string_view member_id) {
  const auto at = members_.find(member_id);
  return at == members_.end() ? nullptr : &at->second;
}

ErrorCode GroupState::check_member(std::string_view member_id, const std::optional<std::string>& instance_id) {
  if (instance_id) {
    const auto known = by_instance_.find(*instance_id);
    if (known == by_instance_.end()) return ErrorCode::kUnknownMemberId;
    if (known->second != member_id) return ErrorCode::kFencedInstanceId;
  }
  return find(member_id) ? ErrorCode::kNone : ErrorCode::kUnknownMemberId;
}

// The same protocol type, and at least one protocol that every member knows.
bool GroupState::accepts(const JoinInput& input) const {
  if (members_.empty()) return true;
  if (input.protocol_type != protocol_type_) return false;
  return std::ranges::any_of(input.protocols, [&](const GroupProtocol& p) {
    return std::ranges::all_of(members_, [&](const auto& entry) {
      const auto& known = entry.second.protocols;
      return std::ranges::find(known, p.name, &GroupProtocol::name) != known.end();
    });
  });
}

void GroupState::update(Member& member, JoinInput input, int64_t now_ms) {
  member.protocols = std::move(input.protocols);
  member.session_timeout_ms = input.session_timeout_ms;
  member.rebalance_timeout_ms = input.rebalance_timeout_ms;
  member.client_id = std::move(input.client_id);
  member.client_host = std::move(input.client_host);
  member.can_skip_assignment = input.can_skip_assignment;
  member.expires_ms = now_ms + member.session_timeout_ms;
}

void GroupState::add_member(Ticket ticket, std::string id, JoinInput input, int64_t now_ms, GroupAnswers& out) {
  const bool first = members_.empty();
  if (first) protocol_type_ = input.protocol_type;
  Member member;
  member.id = id;
  member.instance_id = input.instance_id;
  member.joining = ticket;
  member.joined = ++arrivals_;
  if (member.instance_id) by_instance_[*member.instance_id] = id;
  update(member, std::move(input), now_ms);
  members_.insert_or_assign(std::move(id), std::move(member));
  // Each newcomer to a group that is just being born lets it wait a little longer for the next one.
  if (initial_waits_until_ms_ != kNever) initial_waits_until_ms_ = std::min(now_ms + initial_delay_ms_, rebalance_ends_ms_);
  prepare_rebalance(now_ms, out);
}

// A static member came back under its name: it takes over the place, and the old holder is fenced.
void GroupState::replace_static(Ticket ticket, Member& old, JoinInput input, int64_t now_ms, GroupAnswers& out) {
  const std::string old_id = old.id;
  Member member = std::move(old);
  members_.erase(old_id);
  if (member.joining) out.joins.push_back(join_error(*std::exchange(member.joining, {}), ErrorCode::kFencedInstanceId, old_id));
  if (member.syncing) out.syncs.push_back(sync_error(*std::exchange(member.syncing, {}), ErrorCode::kFencedInstanceId));
  member.id = input.fresh_id;
  by_instance_[*member.instance_id] = member.id;
  const bool was_leader = leader_ == old_id;
  if (was_leader) leader_ = member.id;
  const bool same = member.protocols == input.protocols;
  update(member, std::move(input), now_ms);
  Member& placed = members_.insert_or_assign(member.id, std::move(member)).first->second;
  if (phase_ == GroupPhase::kStable && same) {
    JoinAnswer answer = joined_answer(placed, ticket);
    if (was_leader && placed.can_skip_assignment) {
      answer.skip_assignment = true;
    } else if (was_leader) {  // an old client must not think that it leads, or it would assign anew
      answer.leader = old_id;
      answer.members.clear();
    }
    out.joins.push_back(std::move(answer));
    return;
  }
  placed.joining = ticket;
  prepare_rebalance(now_ms, out);
}

void GroupState::rejoin(Ticket ticket, Member& member, JoinInput input, int64_t now_ms, GroupAnswers& out) {
  const bool same = member.protocols == input.protocols;
  const bool settled = (phase_ == GroupPhase::kStable && member.id != leader_) || phase_ == GroupPhase::kCompletingRebalance;
  update(member, std::move(input), now_ms);
  if (settled && same) {  // it missed the answer, most likely
    out.joins.push_back(joined_answer(member, ticket));
    return;
  }
  if (member.joining) out.joins.push_back(join_error(*member.joining, ErrorCode::kRebalanceInProgress, member.id));
  member.joining = ticket;
  prepare_rebalance(now_ms, out);
}

void GroupState::prepare_rebalance(int64_t now_ms, GroupAnswers& out) {
  if (phase_ != GroupPhase::kPreparingRebalance) {
    for (auto& [id, m] : members_) {
      if (m.syncing) out.syncs.push_back(sync_error(*std::exchange(m.syncing, {}), ErrorCode::kRebalanceInProgress));
    }
    const bool born = phase_ == GroupPhase::kEmpty;
    phase_ = GroupPhase::kPreparingRebalance;
    rebalance_ends_ms_ = now_ms + longest_rebalance_timeout_ms();
    if (born) initial_waits_until_ms_ = std::min(now_ms + initial_delay_ms_, rebalance_ends_ms_);
  }
  complete_if_all_joined(now_ms, out);
}

void GroupState::complete_if_all_joined(int64_t now_ms, GroupAnswers& out) {
  if (phase_ != GroupPhase::kPreparingRebalance) return;
  // A group that is being born waits so long, and then not for those who were told their ids and have not come: they may be gone.
  if (initial_waits_until_ms_ != kNever) {
    if (initial_waits_until_ms_ <= now_ms) complete_join(now_ms, out);
    return;
  }
  if (!pending_.empty()) return;
  if (std::ranges::all_of(members_, [](const auto& entry) { return entry.second.joining.has_value(); })) complete_join(now_ms, out);
}

int64_t GroupState::longest_rebalance_timeout_ms() const {
  int64_t longest = 0;
  for (const auto& [id, m] : members_) longest = std::max(longest, m.rebalance_timeout_ms);
  return longest;
}

void GroupState::complete_join(int64_t now_ms, GroupAnswers& out) {
  initial_waits_until_ms_ = kNever;
  rebalance_ends_ms_ = kNever;
  // Dynamic members that did not come are gone; static ones keep their place until their session ends.
  std::erase_if(members_, [](const auto& entry) { return !entry.second.joining && !entry.second.instance_id; });
  const auto came = [](const auto& entry) { return entry.second.joining.has_value(); };
  // Nobody is there who could lead: it goes on until somebody comes, or all their sessions have ended.
  if (!members_.empty() && std::ranges::none_of(members_, came)) {
    rebalance_ends_ms_ = now_ms + std::max(kRebalanceMsMin, longest_rebalance_timeout_ms());
    return;
  }
  ++generation_;
  if (members_.empty()) {
    phase_ = GroupPhase::kEmpty;
    protocol_name_.clear();
    leader_.clear();
    return;
  }
  choose_protocol();
  choose_leader();
  phase_ = GroupPhase::kCompletingRebalance;
  for (auto& [id, m] : members_) {
    if (m.joining) m.expires_ms = now_ms + m.session_timeout_ms;
    m.generation_before.reset();
  }
  rebalance_ends_ms_ = now_ms + longest_rebalance_timeout_ms();
  for (auto& [id, m] : members_)
    if (m.joining) out.joins.push_back(joined_answer(m, *std::exchange(m.joining, {})));
}

void GroupState::remove(std::string_view member_id, int64_t now_ms, GroupAnswers& out) {
  const auto at = members_.find(member_id);
  CHECK(at != members_.end());
  Member& member = at->second;
  if (member.joining) out.joins.push_back(join_error(*member.joining, ErrorCode::kUnknownMemberId, member.id));
  if (member.syncing) out.syncs.push_back(sync_error(*member.syncing, ErrorCode::kUnknownMemberId));
  if (member.instance_id) by_instance_.erase(*member.instance_id);
  if (leader_ == member_id) leader_.clear();
  members_.erase(at);
  prepare_rebalance(now_ms, out);
}

// Every member votes for the first of its protocols that all know; the most votes win, the smaller name on a tie.
void GroupState::choose_protocol() {
  std::map<std::string_view, size_t> known, votes;
  for (const auto& [id, m] : members_) {
    std::set<std::string_view> once;
    for (const auto& p : m.protocols)
      if (once.insert(p.name).second) ++known[p.name];
  }
  for (const auto& [id, m] : members_) {
    const auto vote = std::ranges::find_if(m.protocols, [&](const GroupProtocol& p) { return known[p.name] == members_.size(); });
    if (vote != m.protocols.end()) ++votes[vote->name];
  }
  CHECK(!votes.empty());  // accepts() lets nobody in who shares no protocol
  const auto best = std::ranges::max_element(votes, {}, [](const auto& entry) { return entry.second; });
  protocol_name_ = std::string(best->first);
}

// The old leader if it is still there and came back, else whoever arrived first.
void GroupState::choose_leader() {
  if (const Member* old = find(leader_); old && old->joining) return;
  const Member* first = nullptr;
  for (const auto& [id, m] : members_)
    if (m.joining && (!first || m.joined < first->joined)) first = &m;
  CHECK(first != nullptr);  // complete_join() waits for somebody
  leader_ = first->id;
}

const std::string& GroupState::metadata_of(const Member& member) const {
  static const std::string none;
  const auto p = std::ranges::find(member.protocols, protocol_name_, &GroupProtocol::name);
  return p == member.protocols.end() ? none : p->metadata;
}

JoinAnswer GroupState::joined_answer(const Member& member, Ticket ticket) const {
  JoinAnswer answer;
  answer.ticket = ticket;
  answer.generation = generation_;
  answer.protocol_type = protocol_type_;
  answer.protocol_name = protocol_name_;
  answer.leader = leader_;
  answer.member_id = member.id;
  if (member.id == leader_)
    for (const auto& [id, m] : members_) answer.members.push_back({id, m.instance_id, metadata_of(m)});
  return answer;
}

SyncAnswer GroupState::assigned_answer(const Member& member, Ticket ticket) const {
  return {.ticket = ticket, .protocol_type = protocol_type_, .protocol_name = protocol_name_, .assignment = member.assignment};
}

}  // namespace ms::kafka
