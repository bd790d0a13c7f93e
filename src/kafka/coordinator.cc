#include "kafka/coordinator.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "base/clock.h"

namespace ms::kafka {

namespace {
constexpr std::chrono::seconds kStopDeadline{2};
}

Coordinator::Coordinator(const KafkaServerOptions& options, io::IoThread& thread)
    : initial_delay_ms_(options.group_initial_rebalance_delay_ms), bytes_max_(options.group_memory_bytes_max), thread_(thread) {}

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

Coordinator::Group* Coordinator::at(const std::string& name) {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : found->second.get();
}

const GroupState* Coordinator::find(const std::string& group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second->state;
}

void Coordinator::join(const std::string& name, JoinInput input, JoinDone done) {
  Group* group = at(name);
  const auto refuse = [&](ErrorCode error) {
    JoinAnswer answer;
    answer.error = error;
    answer.member_id = input.member_id;
    done(std::move(answer));
  };
  const GroupState::Member* member = group ? group->state.find_member(input.member_id, input.instance_id) : nullptr;
  // Who is in already may try again: others leave, and what is final would end the client.
  if (!fits(member ? bytes_of(member->protocols) : 0, bytes_of(input.protocols)))
    return refuse(member ? ErrorCode::kCoordinatorNotAvailable : ErrorCode::kGroupMaxSizeReached);
  if (!group) {
    if (!input.member_id.empty()) return refuse(ErrorCode::kUnknownMemberId);
    if (groups_.size() >= kGroupsMax) return refuse(ErrorCode::kGroupMaxSizeReached);
    group = groups_.emplace(name, std::make_unique<Group>(initial_delay_ms_, thread_)).first->second.get();
  }
  const Ticket ticket = ++last_ticket_;
  joins_.emplace(ticket, std::move(done));
  settle(name, group->state.join(ticket, std::move(input), now_ms()));
}

void Coordinator::sync(const std::string& name, SyncInput input, SyncDone done) {
  Group* group = at(name);
  if (!group) {
    SyncAnswer answer;
    answer.error = ErrorCode::kUnknownMemberId;
    return done(std::move(answer));
  }
  size_t more = 0;
  for (const auto& [member, assignment] : input.assignments) more += assignment.size();
  // Assignments are taken while the group waits for them, and nobody has one then.
  if (group->state.phase() == GroupPhase::kCompletingRebalance && !fits(0, more)) {
    SyncAnswer answer;
    answer.error = ErrorCode::kCoordinatorNotAvailable;
    return done(std::move(answer));
  }
  const Ticket ticket = ++last_ticket_;
  syncs_.emplace(ticket, std::move(done));
  settle(name, group->state.sync(ticket, std::move(input), now_ms()));
}

ErrorCode Coordinator::heartbeat(const std::string& name, std::string_view member, const std::optional<std::string>& instance, int32_t generation) {
  Group* group = at(name);
  return group ? group->state.heartbeat(member, instance, generation, now_ms()) : ErrorCode::kUnknownMemberId;
}

ErrorCode Coordinator::leave(const std::string& name, std::string_view member, const std::optional<std::string>& instance) {
  Group* group = at(name);
  if (!group) return ErrorCode::kUnknownMemberId;
  ErrorCode result = ErrorCode::kNone;
  settle(name, group->state.leave(member, instance, now_ms(), result));
  return result;
}

ErrorCode Coordinator::may_commit(const std::string& name, std::string_view member, const std::optional<std::string>& instance, int32_t generation) {
  if (Group* group = at(name)) return group->state.may_commit(member, instance, generation, now_ms());
  return generation < 0 ? ErrorCode::kNone : ErrorCode::kIllegalGeneration;
}

void Coordinator::count(Group& group, size_t bytes) {
  bytes_ += bytes - group.bytes;
  group.bytes = bytes;
}

void Coordinator::settle(const std::string& name, GroupAnswers answers) {
  Group* group = at(name);
  count(*group, group->state.bytes());
  if (!group->state.has_members()) {
    groups_.erase(name);
  } else if (const int64_t next = group->state.next_deadline_ms(); next == kNever) {
    group->timer.cancel();
  } else {
    group->timer.start(std::max<int64_t>(0, next - now_ms()) * kMicrosPerMilli, [this, name] {
      if (Group* due = at(name)) settle(name, due->state.on_time(now_ms()));
    });
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
