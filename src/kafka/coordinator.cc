#include "kafka/coordinator.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "base/clock.h"
#include "kafka/group_config.h"

namespace ms::kafka {

namespace {
constexpr std::chrono::seconds kStopDeadline{2};
}

Coordinator::Coordinator(const KafkaServerOptions& options, log::Log& log, io::IoThread& thread, const std::shared_ptr<AliveCount>& alive)
    : initial_delay_ms_(options.group_initial_rebalance_delay_ms),
      bytes_max_(options.group_memory_bytes_max),
      settings_(options.consumer_groups),
      log_(log),
      thread_(thread),
      clock_(*options.clock),
      members_are_back_us_(clock_.steady_us() + options.group_session_timeout_max_ms * kMicrosPerMilli),
      empty_(log, thread, alive) {
  for (const auto& [group, set] : group_configs(log))
    if (const auto settings = kafka::settings_of(settings_, set)) configured_[group] = *settings;
}

void Coordinator::stop() {
  auto done = std::make_shared<std::promise<void>>();
  auto over = done->get_future();
  thread_.post([this, done] {
    stopped_ = true;
    groups_.clear();
    bytes_ = 0;
    joins_.clear();
    syncs_.clear();
    done->set_value();
  });
  over.wait_for(kStopDeadline);
}

int64_t Coordinator::now_ms() { return system_clock().steady_us() / kMicrosPerMilli; }

Coordinator::Held* Coordinator::at(const std::string& name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : found->second.get();
}

const GroupState* Coordinator::find(const std::string& group) const {
  const Held* held = at(group);
  return held ? held->group.classic() : nullptr;
}
const ConsumerGroup* Coordinator::find_consumer(const std::string& group) const {
  const Held* held = at(group);
  return held ? held->group.consumer() : nullptr;
}
bool Coordinator::has_members(const std::string& group) const {
  const Held* held = at(group);
  return held && held->group.has_members();
}

// A group that is recorded as empty has its first member when it is not any more.
void Coordinator::join(const std::string& name, JoinInput input, JoinDone done) {
  empty_.enter(name, [this, name, input = std::move(input), done = std::move(done)](bool entered) mutable {
    if (stopped_) return;
    if (entered) return join_now(name, std::move(input), std::move(done));
    JoinAnswer refused;
    refused.error = ErrorCode::kCoordinatorNotAvailable;
    refused.member_id = input.member_id;
    done(std::move(refused));
  });
}

void Coordinator::join_now(const std::string& name, JoinInput input, JoinDone done) {
  const auto refuse = [&](ErrorCode error) {
    JoinAnswer answer;
    answer.error = error;
    answer.member_id = input.member_id;
    done(std::move(answer));
  };
  if (being_deleted_.contains(name)) return refuse(ErrorCode::kCoordinatorNotAvailable);
  Held* held = at(name);
  const bool is_member = held && held->group.knows(input);
  // Who is in already may try again: others leave, and what is final would end the client.
  if (!fits(held ? held->group.bytes_replaced_by(input) : 0, bytes_of(input.protocols)))
    return refuse(is_member ? ErrorCode::kCoordinatorNotAvailable : ErrorCode::kGroupMaxSizeReached);
  if (!held || !held->group.has_members()) {
    if (!input.member_id.empty()) return refuse(ErrorCode::kUnknownMemberId);
    if (!held && groups_.size() >= kGroupsMax) return refuse(ErrorCode::kGroupMaxSizeReached);
    if (!held) held = &make(name);
  }
  const Ticket ticket = ++last_ticket_;
  joins_.emplace(ticket, std::move(done));
  settle(name, held->group.join(ticket, std::move(input), topics(), now_ms()));
}

void Coordinator::sync(const std::string& name, SyncInput input, SyncDone done) {
  const auto refuse = [&](ErrorCode error) {
    SyncAnswer answer;
    answer.error = error;
    done(std::move(answer));
  };
  Held* held = at(name);
  if (!held) return refuse(ErrorCode::kUnknownMemberId);
  size_t more = 0;
  for (const auto& [member, assignment] : input.assignments) more += assignment.size();
  // Assignments take the place of the last ones, and are taken while the group waits for them.
  if (held->group.takes_assignments() && !fits(held->group.classic()->assignment_bytes(), more)) return refuse(ErrorCode::kCoordinatorNotAvailable);
  const Ticket ticket = ++last_ticket_;
  syncs_.emplace(ticket, std::move(done));
  settle(name, held->group.sync(ticket, std::move(input), now_ms()));
}

ErrorCode Coordinator::heartbeat(const std::string& name, std::string_view member, const std::optional<std::string>& instance, int32_t generation) {
  Held* held = at(name);
  if (!held) return ErrorCode::kUnknownMemberId;
  const ErrorCode result = held->group.heartbeat(member, instance, generation, topics(), now_ms());
  if (find_consumer(name)) settle(name, {});  // being told to join again sets a deadline
  return result;
}

ErrorCode Coordinator::leave(const std::string& name, std::string_view member, const std::optional<std::string>& instance) {
  Held* held = at(name);
  if (!held) return ErrorCode::kUnknownMemberId;
  ErrorCode result = ErrorCode::kNone;
  settle(name, held->group.leave(member, instance, now_ms(), result));
  return result;
}

void Coordinator::consumer_heartbeat(const std::string& name, ConsumerHeartbeat input, ConsumerDone done) {
  if (input.epoch != kJoinEpoch) return done(consumer_heartbeat_now(name, input));
  empty_.enter(name, [this, name, input = std::move(input), done = std::move(done)](bool entered) mutable {
    if (stopped_) return;
    if (entered) return done(consumer_heartbeat_now(name, input));
    done({.error = ErrorCode::kCoordinatorNotAvailable, .message = "the group cannot be taken into use", .member_id = input.member_id, .assignment = {}});
  });
}

ConsumerAnswer Coordinator::consumer_heartbeat_now(const std::string& name, const ConsumerHeartbeat& input) {
  const auto refuse = [&](ErrorCode error, std::string message) {
    return ConsumerAnswer{.error = error, .message = std::move(message), .member_id = input.member_id, .assignment = {}};
  };
  Held* held = at(name);
  // After a restart nobody is known: who was a member is to join again.
  if (!held && input.epoch != kJoinEpoch) return refuse(ErrorCode::kUnknownMemberId, "the group has no member '" + input.member_id + "'");
  if (being_deleted_.contains(name)) return refuse(ErrorCode::kCoordinatorNotAvailable, "the group is being deleted");
  if (!fits(0, input.bytes()) || (!held && groups_.size() >= kGroupsMax)) return refuse(ErrorCode::kGroupMaxSizeReached, "there is no room for the member");
  if (!held) held = &make(name);
  GroupAnswers dismissed;
  ConsumerAnswer answer = held->group.consumer_heartbeat(input, settings_of(name), topics(), now_ms(), dismissed);
  settle(name, std::move(dismissed));
  return answer;
}

ErrorCode Coordinator::may_commit(const std::string& name, const Group::Commit& commit) {
  if (Held* held = at(name)) return held->group.may_commit(commit, now_ms());
  // A member from before a restart: consumers of either protocol join again when they are unknown, but take a wrong generation
  // of the consumer protocol for a fault.
  return commit.generation_or_epoch < 0 ? ErrorCode::kNone : ErrorCode::kUnknownMemberId;
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

void Coordinator::configure(const std::string& group, std::optional<ConsumerGroupSettings> own) {
  if (own) configured_[group] = *own;
  else configured_.erase(group);
}
const ConsumerGroupSettings& Coordinator::settings_of(const std::string& group) const {
  const auto at = configured_.find(group);
  return at == configured_.end() ? settings_ : at->second;
}

void Coordinator::forget_empty(const std::string& name) {
  Held* held = at(name);
  if (!held || held->group.has_members()) return;
  count(*held, 0);
  groups_.erase(name);
}

ErrorCode Coordinator::begin_delete(const std::string& name) {
  if (has_members(name)) return ErrorCode::kNonEmptyGroup;
  being_deleted_.insert(name);
  return ErrorCode::kNone;
}

void Coordinator::end_delete(const std::string& name, bool gone) {
  being_deleted_.erase(being_deleted_.find(name));
  if (gone) forget_empty(name);
}

GroupUse Coordinator::use_of(const std::string& name) {
  const Held* held = at(name);
  if (!held || !held->group.has_members()) return {.members = GroupUse::Members::kNone, .empty_since_ms = empty_.since(name, wall_ms())};
  const auto subscribed = held->group.subscribed_topics();
  if (!subscribed || clock_.steady_us() < members_are_back_us_) return {};
  GroupUse use{.members = GroupUse::Members::kSome};
  for (const std::string& topic : *subscribed)
    if (const auto info = log_.find_topic(topic)) use.subscribed.insert(info->id);
  return use;
}

void Coordinator::forget_groups_without(const std::set<std::string, std::less<>>& with_offsets) {
  std::vector<std::string> names;
  for (const auto& [name, held] : groups_)
    if (!with_offsets.contains(name)) names.push_back(name);
  for (const std::string& name : names) forget_empty(name);
}

void Coordinator::on_time(const std::string& name) {
  Held* held = at(name);
  if (!held) return;
  held->due_ms = kNever;
  settle(name, held->group.on_time(now_ms()));
}

void Coordinator::count(Held& held, size_t bytes) {
  bytes_ += bytes - held.bytes;
  held.bytes = bytes;
}

void Coordinator::settle(const std::string& name, GroupAnswers answers) {
  Held& held = *at(name);
  count(held, held.group.bytes());
  const bool empty = !held.group.has_members();
  const bool has_offsets = empty && !log_.committed_offsets(name).empty();
  if (has_offsets) empty_.left(name, wall_ms());
  // An empty consumer group is kept, with its epoch, for as long as it has committed offsets.
  if (empty && (held.group.classic() || !has_offsets)) {
    forget_empty(name);
  } else if (const int64_t next = held.group.next_deadline_ms(); next < held.due_ms) {  // else it looks again when it runs
    held.due_ms = next;
    held.timer.start(std::max<int64_t>(0, next - now_ms()) * kMicrosPerMilli, [this, name] { on_time(name); });
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
