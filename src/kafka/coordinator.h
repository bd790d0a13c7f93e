// The coordinator of consumer groups: every group of this node, on one event loop. Decisions are group_state.h's; this
// gives it the time, keeps who waits for which answer, and forgets groups that have become empty. Membership is in memory
// only (after a restart members are unknown and join again); committed offsets are the log's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "io/runtime.h"
#include "kafka/group_state.h"
#include "kafka/kafka_server.h"

namespace ms::kafka {

inline constexpr size_t kGroupsMax = 100'000;

// run() is thread-safe; everything else belongs into a job of run().
class Coordinator {
 public:
  Coordinator(const KafkaServerOptions& options, io::IoThread& thread);
  void run(io::Job job) { thread_.post(std::move(job)); }
  void stop();  // drops everybody who waits, then returns. Not on an IoThread.

  using JoinDone = std::move_only_function<void(JoinAnswer)>;
  using SyncDone = std::move_only_function<void(SyncAnswer)>;
  void join(const std::string& group, JoinInput input, JoinDone done);
  void sync(const std::string& group, SyncInput input, SyncDone done);
  ErrorCode heartbeat(const std::string& group, std::string_view member, const std::optional<std::string>& instance, int32_t generation);
  ErrorCode leave(const std::string& group, std::string_view member, const std::optional<std::string>& instance);
  ErrorCode may_commit(const std::string& group, std::string_view member, const std::optional<std::string>& instance, int32_t generation);

  const GroupState* find(const std::string& group) const;  // nullptr: no members
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, group] : groups_) f(name, group->state);
  }

 private:
  struct Group {
    Group(int64_t delay_ms, io::IoThread& thread) : state(delay_ms), timer(thread) {}
    GroupState state;
    io::Timer timer;
    size_t bytes = 0;  // counted in bytes_
  };
  Group* at(const std::string& name);
  void count(Group& group, size_t bytes);
  // Sends what a step let go of, sets the group's timer anew, and forgets the group if nobody is left.
  void settle(const std::string& name, GroupAnswers answers);
  static int64_t now_ms();

  // May `wanted` bytes stand in the place of `held` ones?
  bool fits(size_t held, size_t wanted) const { return wanted <= held || bytes_ - held + wanted <= bytes_max_; }

  const int64_t initial_delay_ms_;
  const size_t bytes_max_;
  io::IoThread& thread_;
  std::map<std::string, std::unique_ptr<Group>, std::less<>> groups_;
  size_t bytes_ = 0;  // of all groups
  Ticket last_ticket_ = 0;
  std::unordered_map<Ticket, JoinDone> joins_;
  std::unordered_map<Ticket, SyncDone> syncs_;
};

}  // namespace ms::kafka
