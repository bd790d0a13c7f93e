#include "kafka/coordinator.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "base/clock.h"

namespace ms::kafka {

namespace {
constexpr std::chrono::seconds kStopDeadline{2};
}

Coordinator::Coordinator(const KafkaServerOptions& options, const log::Log& log, io::IoThread& thread)
    : initial_delay_ms_(options.group_initial_rebalance_delay_ms),
      bytes_max_(options.group_memory_bytes_max),
      settings_(options.consumer_groups),
      log_(log),
      thread_(thread) {}

void Coordinator::stop() {
  auto done = std::make_shared<std::promise<void>>();
  auto over = done->get_future();
  thread_.post([this, done] {
    groups_.clear();
    bytes_ = 0;
    joins_.clear();
    syncs_.clear();
    done->set_value();
  });
  over.wait_for(kStopDeadline);
}

int64_t Coordinator::now_ms() { return system_clock().steady_us() / kMicrosPerMilli; }

Coordinator::Group* Coordinator::at(const std::string& name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : found->second.get();
}
GroupState* Coordinator::classic(const std::string& name) const {
  Group* group = at(name);
  return group ? std::get_if<GroupState>(&group->state) : nullptr;
}

const GroupState* Coordinator::find(const std::string& group) const { return classic(group); }
const ConsumerGroup* Coordinator::find_consumer(const std::string& group) const {
  const Group* found = at(group);
  return found ? std::get_if<ConsumerGroup>(&found->state) : nullptr;
}
bool Coordinator::has_members(const std::string& group) const {
  const Group* found = at(group);
  return found && std::visit([](const auto& state) { return state.has_members(); }, found->state);
}

void Coordinator::join(const std::string& name, JoinInput input, JoinDone done) {
  drop_empty_consumer_group(name);
  const auto refuse = [&](ErrorCode error) {
    JoinAnswer answer;
    answer.error = error;
    answer.member_id = input.member_id;
    done(std::move(answer));
  };
  if (find_consumer(name)) return refuse(ErrorCode::kInconsistentGroupProtocol);
  GroupState* group = classic(name);
  const GroupState::Member* member = group ? group->find_member(input.member_id, input.instance_id) : nullptr;
  // Who is in already may try again: others leave, and what is final would end the client.
  if (!fits(member ? bytes_of(member->protocols) : 0, bytes_of(input.protocols)))
    return refuse(member ? ErrorCode::kCoordinatorNotAvailable : ErrorCode::kGroupMaxSizeReached);
  if (!group) {
    if (!input.member_id.empty()) return refuse(ErrorCode::kUnknownMemberId);
    if (groups_.size() >= kGroupsMax) return refuse(ErrorCode::kGroupMaxSizeReached);
    group = &std::get<GroupState>(make(name, GroupState(initial_delay_ms_)).state);
  }
  const Ticket ticket = ++last_ticket_;
  joins_.emplace(ticket, std::move(done));
  settle(name, group->join(ticket, std::move(input), now_ms()));
}

void Coordinator::sync(const std::string& name, SyncInput input, SyncDone done) {
  GroupState* group = classic(name);
  if (!group) {
    SyncAnswer answer;
    answer.error = ErrorCode::kUnknownMemberId;
    return done(std::move(answer));
  }
  size_t more = 0;
  for (const auto& [member, assignment] : input.assignments) more += assignment.size();
  // Assignments are taken while the group waits for them, and nobody has one then.
  if (group->phase() == GroupPhase::kCompletingRebalance && !fits(0, more)) {
    SyncAnswer answer;
    answer.error = ErrorCode::kCoordinatorNotAvailable;
    return done(std::move(answer));
  }
  const Ticket ticket = ++last_ticket_;
  syncs_.emplace(ticket, std::move(done));
  settle(name, group->sync(ticket, std::move(input), now_ms()));
}

ErrorCode Coordinator::heartbeat(const std::string& name, std::string_view member, const std::optional<std::string>& instance, int32_t generation) {
  GroupState* group = classic(name);
  return group ? group->heartbeat(member, instance, generation, now_ms()) : ErrorCode::kUnknownMemberId;
}

ErrorCode Coordinator::leave(const std::string& name, std::string_view member, const std::optional<std::string>& instance) {
  GroupState* group = classic(name);
  if (!group) return ErrorCode::kUnknownMemberId;
  ErrorCode result = ErrorCode::kNone;
  settle(name, group->leave(member, instance, now_ms(), result));
  return result;
}

ErrorCode Coordinator::may_commit(const std::string& name, const Commit& commit) {
  if (const ConsumerGroup* group = find_consumer(name)) return group->may_commit(commit.member, commit.generation_or_epoch, commit.version);
  if (GroupState* group = classic(name)) return group->may_commit(commit.member, commit.instance, commit.generation_or_epoch, now_ms());
  return commit.generation_or_epoch < 0 ? ErrorCode::kNone : ErrorCode::kIllegalGeneration;
}

ErrorCode Coordinator::may_fetch(const std::string& name, const std::optional<std::string>& member, int32_t epoch) const {
  const ConsumerGroup* group = find_consumer(name);
  return group ? group->may_fetch(member, epoch) : ErrorCode::kNone;
}

ConsumerGroup::Topics Coordinator::topics() {
  const uint64_t revision = log_.topics_revision();
  if (revision == topics_revision_) return topics_;
  auto image = std::make_shared<TopicsImage>();
  for (const log::TopicInfo& info : log_.topics()) image->add(info.name, {info.id, info.partitions});
  topics_ = std::move(image);
  topics_revision_ = revision;
  return topics_;
}

void Coordinator::drop_empty_consumer_group(const std::string& name) {
  if (const ConsumerGroup* group = find_consumer(name); group && !group->has_members()) forget_empty(name);
}

void Coordinator::forget_empty(const std::string& name) {
  Group* group = at(name);
  if (!group || has_members(name)) return;
  count(*group, 0);
  groups_.erase(name);
}

ConsumerAnswer Coordinator::consumer_heartbeat(const std::string& name, const ConsumerHeartbeat& input) {
  const auto refuse = [&](ErrorCode error, std::string message) {
    return ConsumerAnswer{.error = error, .message = std::move(message), .member_id = input.member_id, .assignment = {}};
  };
  if (classic(name)) return refuse(ErrorCode::kGroupIdNotFound, "group '" + name + "' is not a consumer group");
  Group* group = at(name);
  // After a restart nobody is known: who was a member is to join again.
  if (!group && input.epoch != kJoinEpoch) return refuse(ErrorCode::kUnknownMemberId, "the group has no member '" + input.member_id + "'");
  if (!fits(0, input.bytes()) || (!group && groups_.size() >= kGroupsMax)) return refuse(ErrorCode::kGroupMaxSizeReached, "there is no room for the member");
  if (!group) group = &make(name, ConsumerGroup(settings_, topics()));
  ConsumerAnswer answer = std::get<ConsumerGroup>(group->state).heartbeat(input, topics(), now_ms());
  settle_consumer(name);
  return answer;
}

// An empty group is kept, with its epoch, for as long as it has committed offsets.
void Coordinator::settle_consumer(const std::string& name) {
  Group& group = *at(name);
  const auto& state = std::get<ConsumerGroup>(group.state);
  count(group, state.bytes());
  if (!state.has_members() && log_.committed_offsets(name).empty()) return forget_empty(name);
  const int64_t next = state.next_deadline_ms();
  if (next >= group.due_ms) return;  // it looks again when it runs
  group.due_ms = next;
  group.timer.start(std::max<int64_t>(0, next - now_ms()) * kMicrosPerMilli, [this, name] { on_time(name); });
}

void Coordinator::on_time(const std::string& name) {
  Group* due = at(name);
  if (!due) return;
  if (auto* group = std::get_if<GroupState>(&due->state)) return settle(name, group->on_time(now_ms()));
  due->due_ms = kNever;
  std::get<ConsumerGroup>(due->state).on_time(now_ms());
  settle_consumer(name);
}

void Coordinator::count(Group& group, size_t bytes) {
  bytes_ += bytes - group.bytes;
  group.bytes = bytes;
}

void Coordinator::settle(const std::string& name, GroupAnswers answers) {
  Group* group = at(name);
  const auto& state = std::get<GroupState>(group->state);
  count(*group, state.bytes());
  if (!state.has_members()) {
    groups_.erase(name);
  } else if (const int64_t next = state.next_deadline_ms(); next == kNever) {
    group->timer.cancel();
  } else {
    group->timer.start(std::max<int64_t>(0, next - now_ms()) * kMicrosPerMilli, [this, name] { on_time(name); });
  }
  for (JoinAnswer& answer : answers.joins) {
    auto waiting = joins_.extract(answer.ticket);
    if (waiting) waiting.mapped()(std::move(answer));
  }
  for (SyncAnswer& answer : answers.syncs) {
    auto waiting = syncs_.extract(answer.ticket);
    if (waiting) waiting.mapped()(std::move(answer));
  }
}

}  // namespace ms::kafka
