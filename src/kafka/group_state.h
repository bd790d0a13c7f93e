// The life of one classic consumer group, as a pure state machine: requests and the time go in, answers come out. No
// clock, no I/O, no threads: the coordinator (coordinator.h) feeds it and sends what it says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/error_code.h"

namespace ms::kafka {

struct GroupProtocol {
  std::string name;
  std::string metadata;
  bool operator==(const GroupProtocol&) const = default;
};

// Names one waiting request; chosen by the coordinator, never reused.
using Ticket = uint64_t;

struct JoinInput {
  std::string member_id;    // empty: a new member
  std::string fresh_id;     // the id such a member gets
  std::optional<std::string> instance_id;
  std::string client_id, client_host;
  int64_t session_timeout_ms = 0;
  int64_t rebalance_timeout_ms = 0;
  std::string protocol_type;
  std::vector<GroupProtocol> protocols;
  bool must_know_id = false;      // versions 4+: a new dynamic member first gets MEMBER_ID_REQUIRED
  bool can_skip_assignment = false;  // versions 9+
};

size_t bytes_of(const std::vector<GroupProtocol>& protocols);

struct JoinAnswer {
  Ticket ticket = 0;
  ErrorCode error = ErrorCode::kNone;
  int32_t generation = -1;
  std::string protocol_type, protocol_name, leader, member_id;
  bool skip_assignment = false;
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string metadata;
  };
  std::vector<Member> members;  // for the leader only
};

struct SyncInput {
  std::string member_id;
  std::optional<std::string> instance_id;
  int32_t generation = -1;
  std::optional<std::string> protocol_type, protocol_name;
  std::vector<std::pair<std::string, std::string>> assignments;  // member id, bytes; the leader's
};

struct SyncAnswer {
  Ticket ticket = 0;
  ErrorCode error = ErrorCode::kNone;
  std::string protocol_type, protocol_name, assignment;
};

// What a step lets go of.
struct GroupAnswers {
  std::vector<JoinAnswer> joins;
  std::vector<SyncAnswer> syncs;
};

enum class GroupPhase : uint8_t { kEmpty, kPreparingRebalance, kCompletingRebalance, kStable };
std::string_view to_string(GroupPhase phase);  // Kafka's names: "Empty", "PreparingRebalance", ...

inline constexpr int64_t kNever = INT64_MAX;
inline constexpr size_t kGroupMembersMax = 10'000;

class GroupState {
 public:
  explicit GroupState(int64_t initial_delay_ms) : initial_delay_ms_(initial_delay_ms) {}

  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id, client_host;
    int64_t session_timeout_ms = 0, rebalance_timeout_ms = 0;
    std::vector<GroupProtocol> protocols;
    std::string assignment;  // the last one, until the next is there
    int64_t expires_ms = kNever;
    std::optional<Ticket> joining, syncing;
    bool can_skip_assignment = false;
    int64_t joined = 0;  // order of arrival
    std::optional<int32_t> generation_before;  // in the consumer group that this group was, until it joins again
  };
  // What a consumer group goes on as: its members are to join again.
  GroupState(int64_t initial_delay_ms, int32_t generation, std::vector<Member> members, int64_t now_ms);

  // Each request is answered in the returned list, at once or by a later step.
  GroupAnswers join(Ticket ticket, JoinInput input, int64_t now_ms);
  GroupAnswers sync(Ticket ticket, SyncInput input, int64_t now_ms);
  GroupAnswers leave(std::string_view member_id, const std::optional<std::string>& instance_id, int64_t now_ms, ErrorCode& result);
  ErrorCode heartbeat(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, int64_t now_ms);
  // May this member (or, with generation -1 and no members, anybody) commit offsets now?
  ErrorCode may_commit(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, int64_t now_ms);

  // When on_time() has something to do; kNever: nothing.
  int64_t next_deadline_ms() const;
  GroupAnswers on_time(int64_t now_ms);

  GroupAnswers dismiss();  // everybody who waits, with REBALANCE_IN_PROGRESS: the group goes on as another one

  GroupPhase phase() const { return phase_; }
  int32_t generation() const { return generation_; }
  const std::string& protocol_type() const { return protocol_type_; }
  const std::string& protocol_name() const { return protocol_name_; }
  const std::map<std::string, Member, std::less<>>& members() const { return members_; }
  const Member* find_member(std::string_view member_id, const std::optional<std::string>& instance_id) const;  // nullptr: a new one
  // What its members subscribe to; nullopt unless they are consumers and the group is stable.
  std::optional<std::set<std::string>> subscribed_topics() const;
  size_t bytes() const;  // about what its members take in memory
  size_t assignment_bytes() const;
  bool has_members() const { return !members_.empty() || !pending_.empty(); }

 private:
  Member* find(std::string_view member_id);
  ErrorCode check_member(std::string_view member_id, const std::optional<std::string>& instance_id);
  bool accepts(const JoinInput& input) const;
  bool is_current(const Member& member, int32_t generation) const;
  void add_member(Ticket ticket, std::string id, JoinInput input, int64_t now_ms, GroupAnswers& out);
  void replace_static(Ticket ticket, Member& old, JoinInput input, int64_t now_ms, GroupAnswers& out);
  void rejoin(Ticket ticket, Member& member, JoinInput input, int64_t now_ms, GroupAnswers& out);
  void update(Member& member, JoinInput input, int64_t now_ms);
  void prepare_rebalance(int64_t now_ms, GroupAnswers& out);
  void complete_if_all_joined(int64_t now_ms, GroupAnswers& out);
  void complete_join(int64_t now_ms, GroupAnswers& out);
  int64_t longest_rebalance_timeout_ms() const;
  void remove(std::string_view member_id, int64_t now_ms, GroupAnswers& out);
  void choose_protocol();
  void choose_leader();
  JoinAnswer joined_answer(const Member& member, Ticket ticket) const;
  SyncAnswer assigned_answer(const Member& member, Ticket ticket) const;
  const std::string& metadata_of(const Member& member) const;

  int64_t initial_delay_ms_;
  GroupPhase phase_ = GroupPhase::kEmpty;
  int32_t generation_ = 0;
  std::string protocol_type_, protocol_name_, leader_;
  std::map<std::string, Member, std::less<>> members_;
  std::map<std::string, std::string, std::less<>> by_instance_;   // instance id -> member id
  std::map<std::string, int64_t, std::less<>> pending_;           // ids given out by MEMBER_ID_REQUIRED -> expiry
  int64_t rebalance_ends_ms_ = kNever;      // of the join, or of the sync
  int64_t initial_waits_until_ms_ = kNever;  // the first rebalance of an empty group waits for more members
  int64_t arrivals_ = 0;
};

}  // namespace ms::kafka
