// One group, whichever protocol its members speak, and its moves between the two (KIP-848's online migration). Pure, as what it
// is made of: requests, topics and the time go in, answers come out.
//
// A classic group of consumers becomes a consumer group when a member of that protocol joins: those who are there stay, with
// what they have, and are told to join again. When the last such member is gone, those who remain are a classic group again.
// A group without members takes the protocol of whoever comes first.
#pragma once

#include <variant>

#include "base/error.h"
#include "kafka/consumer_group.h"

namespace ms::kafka {

class Group {
 public:
  using Topics = ConsumerGroup::Topics;

  explicit Group(int64_t initial_delay_ms) : initial_delay_ms_(initial_delay_ms), state_(GroupState(initial_delay_ms)) {}

  // As GroupState's; each request is answered at once or by a later step of any kind.
  GroupAnswers join(Ticket ticket, JoinInput input, const Topics& topics, int64_t now_ms);
  GroupAnswers sync(Ticket ticket, SyncInput input, int64_t now_ms);
  GroupAnswers leave(std::string_view member_id, const std::optional<std::string>& instance_id, int64_t now_ms, ErrorCode& result);
  ErrorCode heartbeat(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, const Topics& topics, int64_t now_ms);

  // `dismissed`: who waited in the classic group that this ends.
  ConsumerAnswer consumer_heartbeat(const ConsumerHeartbeat& input, const ConsumerGroupSettings& settings, const Topics& topics, int64_t now_ms, GroupAnswers& dismissed);

  struct Commit {  // who wants to commit
    std::string_view member;
    const std::optional<std::string>& instance;
    int32_t generation_or_epoch;
    int16_t version;  // of OffsetCommit
  };
  ErrorCode may_commit(const Commit& commit, int64_t now_ms);

  // The topics that any member subscribes to; nullopt in a rebalance of classic members, and where they are not known to be consumers.
  std::optional<std::set<std::string>> subscribed_topics() const;

  int64_t next_deadline_ms() const;
  GroupAnswers on_time(int64_t now_ms);

  const GroupState* classic() const { return std::get_if<GroupState>(&state_); }  // nullptr: a consumer group
  const ConsumerGroup* consumer() const { return std::get_if<ConsumerGroup>(&state_); }
  bool has_members() const {
    return std::visit([](const auto& state) { return state.has_members(); }, state_);
  }
  size_t bytes() const {
    return std::visit([](const auto& state) { return state.bytes(); }, state_);
  }
  bool knows(const JoinInput& input) const;
  size_t bytes_replaced_by(const JoinInput& input) const;  // of the metadata that the member has brought before
  bool takes_assignments() const { return classic() && classic()->phase() == GroupPhase::kCompletingRebalance; }

 private:
  GroupState* as_classic() { return std::get_if<GroupState>(&state_); }
  ConsumerGroup* as_consumer() { return std::get_if<ConsumerGroup>(&state_); }
  void become_classic_if_last_left(int64_t now_ms);

  int64_t initial_delay_ms_;
  std::variant<GroupState, ConsumerGroup> state_;
};

// The consumer group that a classic one goes on as. Errors: it is not one of consumers, or what a member brought cannot be read.
Result<ConsumerGroup> upgraded(const GroupState& group, const ConsumerGroupSettings& settings, const Group::Topics& topics, int64_t now_ms);
// The classic group that one whose members all speak that protocol goes on as.
GroupState downgraded(const ConsumerGroup& group, int64_t initial_delay_ms, int64_t now_ms);

}  // namespace ms::kafka
