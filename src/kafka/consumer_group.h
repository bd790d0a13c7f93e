// The life of one consumer group of KIP-848, as a pure state machine: heartbeats, topics and the time go in, answers come out.
//
// The group epoch counts changes of members, subscriptions and topics; the target assignment is made for the latest one. A
// member walks from its epoch to the target's: first it gives up what it must (and keeps its epoch until it says that it
// has), then it gets what is free. So no partition ever has two members.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>

#include "kafka/consumer_assignor.h"
#include "kafka/consumer_protocol.h"
#include "kafka/group_state.h"
#include "kafka/kafka_server.h"

namespace ms::feature {
class TextPattern;
}

namespace ms::kafka {

inline constexpr int16_t kCommitWithEpochs = 9;  // the version of OffsetCommit that these groups need
inline constexpr int32_t kJoinEpoch = 0;
inline constexpr int32_t kLeaveEpoch = -1;
inline constexpr int32_t kLeaveForNowEpoch = -2;  // a static member that will be back

struct ConsumerHeartbeat {
  std::string member_id;
  int32_t epoch = 0;
  std::optional<std::string> instance_id, rack_id;
  int64_t rebalance_timeout_ms = -1;
  std::optional<std::vector<std::string>> topics;  // these: nullopt, as before
  std::optional<std::string> regex;
  std::optional<Assignor> assignor;
  std::optional<PartitionsByTopic> owned;
  std::string client_id, client_host;
  std::function<bool(const std::string&)> sees;  // the topics that an expression may find; empty: all
  bool is_full() const { return rebalance_timeout_ms >= 0 && (topics || regex) && owned; }
  size_t bytes() const;  // about what they take in memory
};

struct ConsumerAnswer {
  ErrorCode error = ErrorCode::kNone;
  std::string message;  // of an error
  std::string member_id;
  int32_t epoch = 0;
  std::optional<PartitionsByTopic> assignment;  // nullopt: as before
};

enum class ConsumerGroupPhase : uint8_t { kEmpty, kAssigning, kReconciling, kStable };
std::string_view to_string(ConsumerGroupPhase phase);

enum class MemberState : uint8_t { kStable, kUnrevoked, kUnreleased };

class ConsumerGroup {
 public:
  struct ClassicSide {  // of a member that speaks the classic protocol
    int64_t session_timeout_ms = 0;
    std::vector<GroupProtocol> protocols;
    int64_t answer_by_ms = kNever;  // when it must have joined again, or asked for its assignment
  };
  struct Member {
    std::string id;
    std::optional<std::string> instance_id, rack_id;
    std::string client_id, client_host;
    std::optional<ClassicSide> classic;
    int32_t epoch = 0, previous_epoch = 0;
    MemberState state = MemberState::kStable;
    int64_t rebalance_timeout_ms = 0;
    std::set<std::string> topics;
    std::string regex;  // empty: none
    std::function<bool(const std::string&)> sees;
    std::optional<Assignor> assignor;
    PartitionsByTopic assigned, revoking;
    int64_t expires_ms = kNever, revoke_by_ms = kNever;
    int64_t deadline_ms() const { return std::min({expires_ms, revoke_by_ms, classic ? classic->answer_by_ms : kNever}); }
    size_t bytes() const;
  };
  using Topics = std::shared_ptr<const TopicsImage>;

  ConsumerGroup(const ConsumerGroupSettings& settings, Topics topics) : settings_(settings), topics_(std::move(topics)) {}
  // What a classic group goes on as. Epochs are its generation; what two members claim is the first one's.
  ConsumerGroup(const ConsumerGroupSettings& settings, Topics topics, int32_t generation, std::vector<Member> members);

  void apply(const ConsumerGroupSettings& settings) { settings_ = settings; }  // from the next heartbeat of each member on
  ConsumerAnswer heartbeat(const ConsumerHeartbeat& input, const Topics& topics, int64_t now_ms);

  // `version`: of OffsetCommit. Epoch -1 and no members: anybody may.
  ErrorCode may_commit(std::string_view member_id, int32_t epoch, int16_t version) const;
  // ---- members of the classic protocol. Who joins leads nobody.
  JoinAnswer join(JoinInput input, const Topics& topics, int64_t now_ms);
  SyncAnswer sync(const SyncInput& input, int64_t now_ms);
  ErrorCode classic_heartbeat(std::string_view member_id, const std::optional<std::string>& instance_id, int32_t generation, const Topics& topics, int64_t now_ms);
  // A member id that is empty: an administrator removes whoever has the instance id, of either protocol.
  ErrorCode classic_leave(std::string_view member_id, const std::optional<std::string>& instance_id);
  const Member* find_member(std::string_view member_id, const std::optional<std::string>& instance_id) const;  // as GroupState's
  std::string assignment_of(const Member& member) const;  // what SyncGroup tells it
  bool speaks_consumer_protocol() const { return classic_members_ < members_.size(); }  // does a member?

  ErrorCode may_fetch(const std::optional<std::string>& member_id, int32_t epoch) const;

  int64_t next_deadline_ms() const { return deadlines_.empty() ? kNever : deadlines_.begin()->first; }
  void on_time(int64_t now_ms);  // who was silent, or did not give up what it must, is out

  ConsumerGroupPhase phase() const;
  int32_t epoch() const { return epoch_; }
  int32_t target_epoch() const { return target_epoch_; }
  Assignor assignor() const;  // what most members prefer
  const std::map<std::string, Member, std::less<>>& members() const { return members_; }
  const PartitionsByTopic& target_of(std::string_view member_id) const;
  const TopicsImage& topics() const { return *topics_; }
  std::set<std::string> subscription_of(const Member& member) const;  // names, those of the expression included
  bool subscribes_to(const std::string& topic) const;
  bool has_members() const { return !members_.empty(); }
  size_t bytes() const { return bytes_; }

 private:
  ConsumerAnswer leave_as(const ConsumerHeartbeat& input);
  ConsumerAnswer refuse(const ConsumerHeartbeat& input, ErrorCode error, std::string message) const;
  // The member a heartbeat speaks for, made if it is to join; else why not.
  Member* admit(const ConsumerHeartbeat& input, ConsumerAnswer& refused);
  Member* admit_static(const ConsumerHeartbeat& input, ConsumerAnswer& refused);
  ErrorCode admit_classic(const JoinInput& input, bool claims_partitions, Member*& member);
  ErrorCode check_classic(std::string_view member_id, const std::optional<std::string>& instance_id) const;
  bool shares_protocol(const JoinInput& input) const;
  bool must_join_again(const Member& member) const;
  Member& create(const std::string& id, const std::optional<std::string>& instance_id);
  Member& replace_static(std::string old_id, const std::string& new_id);
  // Takes over what the member says of itself; true: the group must be assigned anew.
  bool update(Member& member, const ConsumerHeartbeat& input);
  bool subscribe(Member& member, std::set<std::string> topics, std::string regex, std::optional<Assignor> assignor);
  void see_topics(const Topics& topics);
  void resolve(const std::string& regex);
  void forget_regex(const std::string& regex);  // unless somebody still has it
  std::set<TopicId> found_by_regex(const Member& member) const;
  std::set<TopicId> topics_of(const Member& member) const;
  bool count_topics();  // true: other partitions than before
  void make_target();
  void reconcile(Member& member, const std::optional<PartitionsByTopic>& owned, int64_t now_ms);
  void move_on(Member& member, int32_t epoch_meanwhile, const std::optional<PartitionsByTopic>& owned);
  void hold(Member& member, PartitionsByTopic assigned, PartitionsByTopic revoking);
  void release(const Member& member);
  bool is_free(const TopicId& topic, int32_t partition, const std::string& for_member) const;
  void remove(const std::string& id);
  // Around every change of a member: what the group counts about it.
  void uncount(const Member& member);
  void count(const Member& member);
  template <class F>
  void change(Member& member, F&& f) {
    uncount(member);
    f();
    count(member);
  }

  ConsumerGroupSettings settings_;
  Topics topics_;
  int32_t epoch_ = 0, target_epoch_ = 0;
  std::map<std::string, Member, std::less<>> members_;
  std::map<std::string, std::string, std::less<>> by_instance_;  // instance id -> member id
  TargetAssignment target_;
  PartitionCounts counts_;  // of the topics somebody subscribes to
  struct Regex {
    std::shared_ptr<const feature::TextPattern> pattern;
    std::set<TopicId> topics;
  };
  std::map<std::string, Regex, std::less<>> regexes_;
  std::map<TopicId, std::map<int32_t, std::string>> owners_;  // partitions that members have, or have not given up yet
  std::set<std::pair<int64_t, std::string>> deadlines_;
  size_t bytes_ = 0;
  size_t classic_members_ = 0;
};

}  // namespace ms::kafka
