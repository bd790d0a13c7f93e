#include "kafka/consumer_group.h"

#include <algorithm>

#include "base/check.h"
#include "feature/expr_text.h"

namespace ms::kafka {

namespace {

constexpr size_t kBytesPerPartition = 64;  // of a set's node

bool contains(const PartitionsByTopic& all, const TopicId& topic, int32_t partition) {
  const auto at = all.find(topic);
  return at != all.end() && at->second.contains(partition);
}
bool overlap(const PartitionsByTopic& a, const PartitionsByTopic& b) {
  for (const auto& [topic, partitions] : a)
    for (const int32_t p : partitions)
      if (contains(b, topic, p)) return true;
  return false;
}
bool is_subset(const PartitionsByTopic& part, const PartitionsByTopic& of) {
  for (const auto& [topic, partitions] : part)
    for (const int32_t p : partitions)
      if (!contains(of, topic, p)) return false;
  return true;
}

}  // namespace

std::string_view to_string(ConsumerGroupPhase phase) {
  switch (phase) {
    case ConsumerGroupPhase::kEmpty: return "Empty";
    case ConsumerGroupPhase::kAssigning: return "Assigning";
    case ConsumerGroupPhase::kReconciling: return "Reconciling";
    case ConsumerGroupPhase::kStable: return "Stable";
  }
  return "Unknown";
}

size_t ConsumerGroup::Member::bytes() const {
  size_t sum = sizeof *this + 3 * id.size() + client_id.size() + client_host.size() + regex.size();
  if (instance_id) sum += 2 * instance_id->size();
  if (classic) sum += bytes_of(classic->protocols);
  for (const std::string& topic : topics) sum += sizeof topic + topic.size() + kBytesPerPartition;
  return sum + 2 * kBytesPerPartition * (count_partitions(assigned) + count_partitions(revoking));
}

size_t ConsumerHeartbeat::bytes() const {
  size_t sum = regex ? regex->size() : 0;
  if (topics)
    for (const std::string& topic : *topics) sum += sizeof topic + topic.size() + kBytesPerPartition;
  return sum;
}

ConsumerAnswer ConsumerGroup::refuse(const ConsumerHeartbeat& input, ErrorCode error, std::string message) const {
  return {.error = error, .message = std::move(message), .member_id = input.member_id, .assignment = {}};
}

ConsumerAnswer ConsumerGroup::heartbeat(const ConsumerHeartbeat& input, const Topics& topics, int64_t now_ms) {
  if (input.epoch < 0) return leave_as(input);
  if (input.regex && !input.regex->empty() && !regexes_.contains(*input.regex))
    if (const auto pattern = feature::TextPattern::compile(*input.regex); !pattern)
      return refuse(input, ErrorCode::kInvalidRegularExpression, "'" + *input.regex + "' is no regular expression: " + pattern.error());
  ConsumerAnswer answer;
  Member* member = admit(input, answer);
  if (!member) return answer;
  see_topics(topics);
  const PartitionsByTopic before = member->assigned;
  if (update(*member, input)) ++epoch_;
  make_target();
  change(*member, [&] {
    member->classic.reset();  // a member id that was of the classic protocol comes over
    reconcile(*member, input.owned, now_ms);
    member->expires_ms = now_ms + settings_.session_timeout_ms;
  });
  answer.member_id = member->id;
  answer.epoch = member->epoch;
  if (input.epoch == kJoinEpoch || input.is_full() || member->assigned != before) answer.assignment = member->assigned;
  return answer;
}

ConsumerAnswer ConsumerGroup::leave_as(const ConsumerHeartbeat& input) {
  std::string id = input.member_id;
  if (input.instance_id) {
    const auto known = by_instance_.find(*input.instance_id);
    if (known == by_instance_.end()) return refuse(input, ErrorCode::kUnknownMemberId, "no member has the instance id '" + *input.instance_id + "'");
    if (known->second != id) return refuse(input, ErrorCode::kFencedInstanceId, "another member has the instance id '" + *input.instance_id + "'");
  }
  const auto at = members_.find(id);
  if (at == members_.end()) return refuse(input, ErrorCode::kUnknownMemberId, "the group has no member '" + id + "'");
  ConsumerAnswer answer{.member_id = id, .epoch = input.epoch, .assignment = {}};
  if (input.epoch == kLeaveEpoch) return remove(id), answer;
  Member& member = at->second;
  change(member, [&] {  // its place is kept until its session ends
    hold(member, member.assigned, {});
    member.epoch = kLeaveForNowEpoch;
    member.state = MemberState::kStable;
    member.revoke_by_ms = kNever;
  });
  return answer;
}

ConsumerGroup::Member* ConsumerGroup::admit(const ConsumerHeartbeat& input, ConsumerAnswer& refused) {
  auto at = members_.find(input.member_id);
  if (at == members_.end() && members_.size() >= kGroupMembersMax) return refused = refuse(input, ErrorCode::kGroupMaxSizeReached, "the group is full"), nullptr;
  if (input.instance_id || (at != members_.end() && at->second.instance_id)) return admit_static(input, refused);
  if (at == members_.end()) {
    if (input.epoch == kJoinEpoch) return &create(input.member_id, std::nullopt);
    return refused = refuse(input, ErrorCode::kUnknownMemberId, "the group has no member '" + input.member_id + "'"), nullptr;
  }
  Member& member = at->second;
  if (input.epoch == kJoinEpoch || input.epoch == member.epoch) return &member;
  // The answer that told of the new epoch was lost.
  if (input.epoch < member.epoch && input.epoch == member.previous_epoch && input.owned && is_subset(*input.owned, member.assigned)) return &member;
  refused = refuse(input, ErrorCode::kFencedMemberEpoch, "the member is at epoch " + std::to_string(member.epoch) + ", not " + std::to_string(input.epoch));
  return nullptr;
}

ConsumerGroup::Member* ConsumerGroup::admit_static(const ConsumerHeartbeat& input, ConsumerAnswer& refused) {
  const auto by_id = members_.find(input.member_id);
  const std::string instance = input.instance_id ? *input.instance_id : *by_id->second.instance_id;
  const auto known = by_instance_.find(instance);
  const auto no = [&](ErrorCode error, const char* why) { return refused = refuse(input, error, "instance id '" + instance + "': " + why), nullptr; };
  if (known == by_instance_.end()) {
    if (input.epoch != kJoinEpoch) return no(ErrorCode::kUnknownMemberId, "no member has it");
    if (by_id != members_.end()) return no(ErrorCode::kInvalidRequest, "the member already has another one, or none");
    return &create(input.member_id, instance);
  }
  Member& holder = members_.find(known->second)->second;
  if (holder.id != input.member_id) {
    if (input.epoch != kJoinEpoch) return no(ErrorCode::kFencedInstanceId, "another member has it");
    if (!holder.classic && holder.epoch != kLeaveForNowEpoch) return no(ErrorCode::kUnreleasedInstanceId, "its member has not left");
    if (by_id != members_.end()) return no(ErrorCode::kInvalidRequest, "the member already has another one, or none");
    return &replace_static(holder.id, input.member_id);
  }
  if (input.epoch == kJoinEpoch || input.epoch == holder.epoch) return &holder;
  if (input.epoch < holder.epoch && input.epoch == holder.previous_epoch && input.owned && is_subset(*input.owned, holder.assigned)) return &holder;
  return no(ErrorCode::kFencedMemberEpoch, "its member is at another epoch");
}

ConsumerGroup::Member& ConsumerGroup::create(const std::string& id, const std::optional<std::string>& instance_id) {
  Member& member = members_[id];
  member.id = id;
  member.instance_id = instance_id;
  if (instance_id) by_instance_[*instance_id] = id;
  count(member);
  return member;
}

// A static member is back under its name, with what it had.
ConsumerGroup::Member& ConsumerGroup::replace_static(std::string old_id, const std::string& new_id) {
  const auto old = members_.find(old_id);
  uncount(old->second);
  release(old->second);
  Member member = std::move(old->second);
  members_.erase(old);
  if (auto target = target_.extract(old_id)) {
    target.key() = new_id;
    target_.insert(std::move(target));
  }
  member.id = new_id;
  member.epoch = member.previous_epoch = kJoinEpoch;
  member.state = MemberState::kStable;
  member.revoke_by_ms = kNever;
  by_instance_[*member.instance_id] = new_id;
  Member& placed = members_[new_id] = std::move(member);
  hold(placed, placed.assigned, {});
  count(placed);
  return placed;
}

bool ConsumerGroup::update(Member& member, const ConsumerHeartbeat& input) {
  bool changed = false;
  change(member, [&] {
    if (input.rack_id) member.rack_id = input.rack_id;
    if (input.rebalance_timeout_ms >= 0) member.rebalance_timeout_ms = input.rebalance_timeout_ms;
    member.client_id = input.client_id;
    member.client_host = input.client_host;
    member.sees = input.sees;
    std::set<std::string> topics = input.topics ? std::set(input.topics->begin(), input.topics->end()) : member.topics;
    changed = subscribe(member, std::move(topics), input.regex.value_or(member.regex), input.assignor ? input.assignor : member.assignor);
  });
  return changed;
}

bool ConsumerGroup::subscribe(Member& member, std::set<std::string> topics, std::string regex, std::optional<Assignor> assignor) {
  if (member.topics == topics && member.regex == regex && member.assignor == assignor) return false;
  member.topics = std::move(topics);
  member.assignor = assignor;
  const std::string old = std::exchange(member.regex, std::move(regex));
  if (!member.regex.empty() && !regexes_.contains(member.regex)) resolve(member.regex);
  if (old != member.regex) forget_regex(old);
  count_topics();
  return true;
}

void ConsumerGroup::resolve(const std::string& regex) {
  Regex& resolved = regexes_[regex];
  if (!resolved.pattern) resolved.pattern = *feature::TextPattern::compile(regex);  // heartbeat() has tried it
  resolved.topics.clear();
  for (const auto& [name, shape] : topics_->by_name)
    if (resolved.pattern->matches_whole(name)) resolved.topics.insert(shape.id);
}

void ConsumerGroup::forget_regex(const std::string& regex) {
  if (std::ranges::none_of(members_, [&](const auto& entry) { return entry.second.regex == regex; })) regexes_.erase(regex);
}

void ConsumerGroup::see_topics(const Topics& topics) {
  if (topics_ == topics) return;
  topics_ = topics;
  for (const auto& [regex, resolved] : regexes_) resolve(regex);
  if (count_topics()) ++epoch_;
}

std::set<TopicId> ConsumerGroup::found_by_regex(const Member& member) const {
  const auto at = regexes_.find(member.regex);
  if (at == regexes_.end()) return {};
  std::set<TopicId> out = at->second.topics;
  if (member.sees) std::erase_if(out, [&](const TopicId& id) { return !member.sees(topics_->names.at(id)); });
  return out;
}

std::set<TopicId> ConsumerGroup::topics_of(const Member& member) const {
  std::set<TopicId> out;
  for (const std::string& name : member.topics)
    if (const auto at = topics_->by_name.find(name); at != topics_->by_name.end()) out.insert(at->second.id);
  out.merge(found_by_regex(member));
  return out;
}

bool ConsumerGroup::count_topics() {
  PartitionCounts counts;
  for (const auto& [id, member] : members_)
    for (const TopicId& topic : topics_of(member))
      if (const auto [at, fresh] = counts.try_emplace(topic); fresh) at->second = topics_->by_name.at(topics_->names.at(topic)).partitions;
  if (counts == counts_) return false;
  counts_ = std::move(counts);
  return true;
}

Assignor ConsumerGroup::assignor() const {
  std::map<Assignor, size_t> votes;
  for (const auto& [id, member] : members_)
    if (member.assignor) ++votes[*member.assignor];
  if (votes.empty()) return Assignor::kUniform;
  return std::ranges::max_element(votes, {}, [](const auto& entry) { return entry.second; })->first;
}

void ConsumerGroup::make_target() {
  if (target_epoch_ == epoch_) return;
  MembersToAssign members;
  for (const auto& [id, member] : members_) members[id] = {member.instance_id, topics_of(member), target_of(id)};
  target_ = assign(assignor(), members, counts_);
  target_epoch_ = epoch_;
}

const PartitionsByTopic& ConsumerGroup::target_of(std::string_view member_id) const {
  static const PartitionsByTopic none;
  const auto at = target_.find(member_id);
  return at == target_.end() ? none : at->second;
}

void ConsumerGroup::reconcile(Member& member, const std::optional<PartitionsByTopic>& owned, int64_t now_ms) {
  const auto before = std::pair(member.state, member.epoch);
  switch (member.state) {
    case MemberState::kStable:
      if (member.epoch != target_epoch_) move_on(member, member.epoch, owned);
      break;
    case MemberState::kUnrevoked:
      if (owned && !overlap(*owned, member.revoking)) move_on(member, member.epoch + 1, owned);
      break;
    case MemberState::kUnreleased: move_on(member, member.epoch, owned); break;
  }
  if (member.state != MemberState::kUnrevoked) member.revoke_by_ms = kNever;
  else if (std::pair(member.state, member.epoch) != before) member.revoke_by_ms = now_ms + member.rebalance_timeout_ms;
}

// One step towards the target: gives up first, gets what is free then. `epoch_meanwhile`: while there is something to give up.
void ConsumerGroup::move_on(Member& member, int32_t epoch_meanwhile, const std::optional<PartitionsByTopic>& owned) {
  const PartitionsByTopic& target = target_of(member.id);
  PartitionsByTopic keeps, gives_up;
  for (const auto& [topic, partitions] : member.assigned)
    for (const int32_t p : partitions) (contains(target, topic, p) ? keeps : gives_up)[topic].insert(p);
  const auto set_epoch = [&](int32_t epoch) {
    if (member.epoch != epoch) member.previous_epoch = std::exchange(member.epoch, epoch);
  };
  if (!gives_up.empty() && (!owned || overlap(*owned, gives_up))) {
    set_epoch(epoch_meanwhile);
    member.state = MemberState::kUnrevoked;
    return hold(member, std::move(keeps), std::move(gives_up));
  }
  bool waits = false;
  for (const auto& [topic, partitions] : target) {
    for (const int32_t p : partitions) {
      if (contains(keeps, topic, p)) continue;
      if (is_free(topic, p, member.id)) keeps[topic].insert(p);
      else waits = true;
    }
  }
  set_epoch(target_epoch_);
  member.state = waits ? MemberState::kUnreleased : MemberState::kStable;
  hold(member, std::move(keeps), {});
}

bool ConsumerGroup::is_free(const TopicId& topic, int32_t partition, const std::string& for_member) const {
  const auto of_topic = owners_.find(topic);
  if (of_topic == owners_.end()) return true;
  const auto owner = of_topic->second.find(partition);
  return owner == of_topic->second.end() || owner->second == for_member;
}

void ConsumerGroup::hold(Member& member, PartitionsByTopic assigned, PartitionsByTopic revoking) {
  release(member);
  member.assigned = std::move(assigned);
  member.revoking = std::move(revoking);
  for (const PartitionsByTopic* held : {&member.assigned, &member.revoking})
    for (const auto& [topic, partitions] : *held)
      for (const int32_t p : partitions) CHECK(owners_[topic].emplace(p, member.id).second);
}

void ConsumerGroup::release(const Member& member) {
  for (const PartitionsByTopic* held : {&member.assigned, &member.revoking}) {
    for (const auto& [topic, partitions] : *held) {
      auto& of_topic = owners_[topic];
      for (const int32_t p : partitions)
        if (const auto owner = of_topic.find(p); owner != of_topic.end() && owner->second == member.id) of_topic.erase(owner);
      if (of_topic.empty()) owners_.erase(topic);
    }
  }
}

void ConsumerGroup::remove(const std::string& id) {
  const auto at = members_.find(id);
  CHECK(at != members_.end());
  uncount(at->second);
  release(at->second);
  if (at->second.instance_id) by_instance_.erase(*at->second.instance_id);
  const std::string regex = at->second.regex;
  target_.erase(id);
  members_.erase(at);
  forget_regex(regex);
  count_topics();
  ++epoch_;
}

void ConsumerGroup::uncount(const Member& member) {
  deadlines_.erase({member.deadline_ms(), member.id});
  bytes_ -= member.bytes();
  if (member.classic) --classic_members_;
}

void ConsumerGroup::count(const Member& member) {
  if (member.deadline_ms() != kNever) deadlines_.emplace(member.deadline_ms(), member.id);
  bytes_ += member.bytes();
  if (member.classic) ++classic_members_;
}

void ConsumerGroup::on_time(int64_t now_ms) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ms) {
    const std::string id = deadlines_.begin()->second;
    remove(id);
  }
}

ErrorCode ConsumerGroup::may_commit(std::string_view member_id, int32_t epoch, int16_t version) const {
  if (epoch < 0 && members_.empty()) return ErrorCode::kNone;
  const auto at = members_.find(member_id);
  if (at == members_.end()) return ErrorCode::kUnknownMemberId;
  const bool classic = at->second.classic.has_value();
  if (version < kCommitWithEpochs && !classic) return ErrorCode::kUnsupportedVersion;
  if (epoch == at->second.epoch) return ErrorCode::kNone;
  return classic ? ErrorCode::kIllegalGeneration : ErrorCode::kStaleMemberEpoch;
}

ErrorCode ConsumerGroup::may_fetch(const std::optional<std::string>& member_id, int32_t epoch) const {
  if (!member_id && epoch < 0) return ErrorCode::kNone;
  const auto at = members_.find(member_id.value_or(""));
  if (at == members_.end()) return ErrorCode::kUnknownMemberId;
  return epoch == at->second.epoch ? ErrorCode::kNone : ErrorCode::kStaleMemberEpoch;
}

ConsumerGroupPhase ConsumerGroup::phase() const {
  if (members_.empty()) return ConsumerGroupPhase::kEmpty;
  if (epoch_ > target_epoch_) return ConsumerGroupPhase::kAssigning;
  const bool settled = std::ranges::all_of(members_, [&](const auto& entry) { return entry.second.state == MemberState::kStable && entry.second.epoch == target_epoch_; });
  return settled ? ConsumerGroupPhase::kStable : ConsumerGroupPhase::kReconciling;
}

std::set<std::string> ConsumerGroup::subscription_of(const Member& member) const {
  std::set<std::string> out = member.topics;
  for (const TopicId& id : found_by_regex(member)) out.insert(topics_->names.at(id));
  return out;
}

bool ConsumerGroup::subscribes_to(const std::string& topic) const {
  return std::ranges::any_of(members_, [&](const auto& entry) { return subscription_of(entry.second).contains(topic); });
}

}  // namespace ms::kafka
