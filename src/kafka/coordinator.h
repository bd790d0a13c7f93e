// The coordinator of consumer groups: every group of this node, on one event loop. Decisions are those of group.h; this gives
// them the time, keeps who waits for which answer, and forgets groups that have become empty. Membership is in memory only (after a restart members are unknown and join again); committed offsets are the log's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "io/runtime.h"
#include "kafka/alive_count.h"
#include "kafka/empty_groups.h"
#include "kafka/group.h"
#include "kafka/kafka_server.h"
#include "kafka/offset_expiry.h"

namespace ms::kafka {

inline constexpr size_t kGroupsMax = 100'000;

// run() is thread-safe; everything else belongs into a job of run().
class Coordinator {
 public:
  Coordinator(const KafkaServerOptions& options, log::Log& log, io::IoThread& thread, const std::shared_ptr<AliveCount>& alive);
  void run(io::Job job) { thread_.post(std::move(job)); }
  void stop();  // drops everybody who waits, then returns. Not on an IoThread.

  using JoinDone = std::move_only_function<void(JoinAnswer)>;
  using SyncDone = std::move_only_function<void(SyncAnswer)>;
  using ConsumerDone = std::move_only_function<void(ConsumerAnswer)>;
  void join(const std::string& group, JoinInput input, JoinDone done);
  void sync(const std::string& group, SyncInput input, SyncDone done);
  ErrorCode heartbeat(const std::string& group, std::string_view member, const std::optional<std::string>& instance, int32_t generation);
  ErrorCode leave(const std::string& group, std::string_view member, const std::optional<std::string>& instance);
  void consumer_heartbeat(const std::string& group, ConsumerHeartbeat input, ConsumerDone done);
  ErrorCode may_commit(const std::string& group, const Group::Commit& commit);
  ErrorCode may_fetch(const std::string& group, const std::optional<std::string>& member, int32_t epoch) const;
  bool has_members(const std::string& group) const;
  void configure(const std::string& group, std::optional<ConsumerGroupSettings> own);  // from the next heartbeat on; nullopt: none
  const ConsumerGroupSettings& settings_of(const std::string& group) const;
  void forget_empty(const std::string& group);  // its offsets are gone
  // A group without members is deleted: from begin_delete() to end_delete() nobody joins it (COORDINATOR_NOT_AVAILABLE, to ask again).
  // NON_EMPTY_GROUP: not begun. As often as it was begun it is to be ended.
  ErrorCode begin_delete(const std::string& group);
  void end_delete(const std::string& group, bool gone);

  // ---- for the expiry of offsets
  GroupUse use_of(const std::string& group);  // unclear until every member has had the time to join again after a start
  void forget_groups_without(const std::set<std::string, std::less<>>& with_offsets);  // those that have no members either
  void record_empty_groups(const std::set<std::string, std::less<>>& with_offsets) { empty_.record(with_offsets); }

  const GroupState* find(const std::string& group) const;             // nullptr: not a classic group with members
  const ConsumerGroup* find_consumer(const std::string& group) const;  // nullptr: not a consumer group
  // f(name, const GroupState& or const ConsumerGroup&)
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, held] : groups_) held->group.classic() ? f(name, *held->group.classic()) : f(name, *held->group.consumer());
  }

 private:
  struct Held {
    Held(int64_t initial_delay_ms, io::IoThread& thread) : group(initial_delay_ms), timer(thread) {}
    Group group;
    io::Timer timer;
    int64_t due_ms = kNever;  // when the timer runs
    size_t bytes = 0;         // counted in bytes_
  };
  Held* at(const std::string& name) const;
  Held& make(const std::string& name) { return *(groups_[name] = std::make_unique<Held>(initial_delay_ms_, thread_)); }
  void join_now(const std::string& name, JoinInput input, JoinDone done);
  ConsumerAnswer consumer_heartbeat_now(const std::string& name, const ConsumerHeartbeat& input);
  ConsumerGroup::Topics topics();
  void count(Held& held, size_t bytes);
  // Sends what a step let go of, sets the group's timer, and forgets the group if nobody is left.
  void settle(const std::string& name, GroupAnswers answers);
  void on_time(const std::string& name);
  static int64_t now_ms();
  int64_t wall_ms() const { return clock_.wall_us() / kMicrosPerMilli; }

  // May `wanted` bytes stand in the place of `held` ones?
  bool fits(size_t held, size_t wanted) const { return wanted <= held || bytes_ - held + wanted <= bytes_max_; }

  const int64_t initial_delay_ms_;
  const size_t bytes_max_;
  const ConsumerGroupSettings settings_;
  std::map<std::string, ConsumerGroupSettings> configured_;  // of groups with settings of their own
  log::Log& log_;
  io::IoThread& thread_;
  const Clock& clock_;
  const int64_t members_are_back_us_;  // on the steady clock
  EmptyGroups empty_;
  bool stopped_ = false;
  ConsumerGroup::Topics topics_;
  std::optional<uint64_t> topics_revision_;  // of topics_
  std::map<std::string, std::unique_ptr<Held>, std::less<>> groups_;
  std::multiset<std::string, std::less<>> being_deleted_;  // as many as requests ask for
  size_t bytes_ = 0;  // of all groups
  Ticket last_ticket_ = 0;
  std::unordered_map<Ticket, JoinDone> joins_;
  std::unordered_map<Ticket, SyncDone> syncs_;
};

}  // namespace ms::kafka
