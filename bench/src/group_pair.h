// A group of two members that read one topic, as B16 moves it: it is formed, then again and again one of the two leaves and another one
// comes in its place, each in turn. Every answer that is not the expected one ends the program.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "bench/src/kafka_flow.h"
#include "kafka/admin/admin_error.h"
#include "kafka/consumer_protocol.h"
#include "kafka/error_code.h"
#include "kafka/messages/consumer_group_describe.h"
#include "kafka/messages/consumer_group_heartbeat.h"
#include "kafka/messages/describe_groups.h"
#include "kafka/messages/heartbeat.h"
#include "kafka/messages/join_group.h"
#include "kafka/messages/leave_group.h"
#include "kafka/messages/sync_group.h"

namespace ms::bench {

using kafka::ErrorCode;

constexpr int64_t kAgainUs = kMicrosPerMilli;  // what is not there yet is asked for again after this
constexpr int32_t kSessionMs = 45'000, kRebalanceMs = 60'000;

struct Topic {
  std::string name;
  int32_t partitions = 0;
};

struct Member {
  std::unique_ptr<Connection> connection;
  std::string id;
  std::set<int32_t> holds;
  int32_t epoch = 0;      // consumer protocol
  bool must_say = false;  // that it has what it was assigned, and no more
};

// A group as the server describes it.
struct Described {
  std::string state;
  std::map<std::string, std::set<int32_t>> holds;  // by member id
};

inline void expect(int16_t code, ErrorCode wanted, const std::string& what) {
  if (code != kafka::code(wanted)) die(what + ": " + kafka::error_name(code));
}
// The coordinator is being made, or loads: only before its first answer.
inline bool is_starting(int16_t code) {
  constexpr int16_t kLoading = 14, kNotCoordinator = 16;
  return code == kLoading || code == kNotCoordinator || code == kafka::code(ErrorCode::kCoordinatorNotAvailable);
}

class Pair {
 public:
  Pair(Loop& loop, std::string group, Topic topic, std::array<Member, 2> members)
      : loop_(loop), group_(std::move(group)), topic_(std::move(topic)), members_(std::move(members)) {}
  virtual ~Pair() = default;
  const std::string& group() const { return group_; }
  const std::array<Member, 2>& members() const { return members_; }

  virtual Flow form() = 0;
  virtual Flow leave() = 0;  // both
  virtual Flow describe(Described& out) = 0;
  // One rebalance: a member leaves and another one takes its place, until both have their final partitions.
  Flow rebalance() {
    turn_ ^= 1;
    return replace(members_[turn_], members_[turn_ ^ 1]);
  }

 protected:
  virtual Flow replace(Member& leaver, Member& stayer) = 0;

  Loop& loop_;
  const std::string group_;
  const Topic topic_;
  std::array<Member, 2> members_;

 private:
  size_t turn_ = 0;
};

// The protocol of JoinGroup and SyncGroup; who leads assigns ranges. A replacement is one generation: the other one learns of it by its
// heartbeat, and the coordinator waits for both, since it has already given the newcomer its id.
class ClassicPair final : public Pair {
 public:
  using Pair::Pair;

  Flow form() override {
    Member &first = members_[0], &second = members_[1];
    co_await get_id(first);
    const auto alone = co_await first.connection->ask<kafka::JoinGroupResponse>(join_request(first.id));
    expect(alone.error_code, ErrorCode::kNone, "JoinGroup");
    generation_ = alone.generation_id;
    co_await sync({&first}, alone);
    co_await get_id(second);
    co_await join_both(second, first);
  }

  Flow leave() override {
    for (Member& m : members_) co_await leave(m);
  }

  Flow describe(Described& out) override {
    const auto answer = co_await members_[0].connection->ask<kafka::DescribeGroupsResponse>(kafka::DescribeGroupsRequest{.groups = {group_}});
    const auto& group = answer.groups.at(0);
    expect(group.error_code, ErrorCode::kNone, "DescribeGroups");
    out.state = group.group_state;
    for (const auto& m : group.members) out.holds[m.member_id] = partitions_in(m.member_assignment);
  }

 private:
  Flow replace(Member& leaver, Member& stayer) override {
    co_await leave(leaver);
    co_await get_id(leaver);
    co_await join_both(leaver, stayer);
  }

  Flow leave(Member& m) {
    const auto left = co_await m.connection->ask<kafka::LeaveGroupResponse>(
        kafka::LeaveGroupRequest{.group_id = group_, .member_id = {}, .members = {{.member_id = m.id, .group_instance_id = {}, .reason = {}}}});
    expect(left.error_code, ErrorCode::kNone, "LeaveGroup");
    expect(left.members.at(0).error_code, ErrorCode::kNone, "LeaveGroup");
    m.id.clear(), m.holds.clear();
  }

  Flow get_id(Member& m) {
    for (;;) {
      const auto answer = co_await m.connection->ask<kafka::JoinGroupResponse>(join_request(""));
      if (is_starting(answer.error_code)) {
        co_await loop_.pause(kAgainUs);
        continue;
      }
      expect(answer.error_code, ErrorCode::kMemberIdRequired, "JoinGroup without an id");
      m.id = answer.member_id;
      co_return;
    }
  }

  Flow join_both(Member& newcomer, Member& other) {
    auto coming = newcomer.connection->ask<kafka::JoinGroupResponse>(join_request(newcomer.id));
    co_await be_told(other);
    auto again = other.connection->ask<kafka::JoinGroupResponse>(join_request(other.id));
    const auto first = co_await coming, second = co_await again;
    expect(first.error_code, ErrorCode::kNone, "JoinGroup"), expect(second.error_code, ErrorCode::kNone, "JoinGroup again");
    if (first.generation_id != generation_ + 1 || second.generation_id != generation_ + 1) die(group_ + ": not one generation for one change of members");
    generation_ = first.generation_id;
    co_await sync({&newcomer, &other}, first.leader == newcomer.id ? first : second);
  }

  Flow be_told(Member& m) {
    for (;;) {
      const kafka::HeartbeatRequest alive{.group_id = group_, .generation_id = generation_, .member_id = m.id, .group_instance_id = {}};
      const auto answer = co_await m.connection->ask<kafka::HeartbeatResponse>(alive);
      if (answer.error_code == kafka::code(ErrorCode::kRebalanceInProgress)) co_return;
      expect(answer.error_code, ErrorCode::kNone, "Heartbeat");
      co_await loop_.pause(kAgainUs);
    }
  }

  Flow sync(std::vector<Member*> present, kafka::JoinGroupResponse of_leader) {
    std::vector<Connection::Answer<kafka::SyncGroupResponse>> answers;
    for (const Member* m : present) {
      kafka::SyncGroupRequest request{.group_id = group_, .generation_id = generation_, .member_id = m->id, .group_instance_id = {},
                                      .protocol_type = std::string(kafka::kConsumerProtocolType), .protocol_name = kAssignor, .assignments = {}};
      if (m->id == of_leader.leader) request.assignments = ranges(of_leader);
      answers.push_back(m->connection->ask<kafka::SyncGroupResponse>(std::move(request)));
    }
    for (size_t i = 0; i < present.size(); ++i) {
      const auto answer = co_await answers[i];
      expect(answer.error_code, ErrorCode::kNone, "SyncGroup");
      present[i]->holds = partitions_in(answer.assignment);
    }
  }

  std::set<int32_t> partitions_in(const Slice& assignment) const {
    auto assigned = kafka::decode_assignment(assignment.view());
    if (!assigned) die("an assignment that cannot be read");
    return std::move((*assigned)[topic_.name]);
  }

  std::vector<kafka::SyncGroupRequest::Assignment> ranges(const kafka::JoinGroupResponse& of_leader) const {
    std::vector<kafka::SyncGroupRequest::Assignment> out;
    const auto count = static_cast<int32_t>(of_leader.members.size());
    for (int32_t m = 0; m < count; ++m) {
      std::set<int32_t> range;
      for (int32_t p = topic_.partitions * m / count; p < topic_.partitions * (m + 1) / count; ++p) range.insert(p);
      out.push_back({.member_id = of_leader.members[static_cast<size_t>(m)].member_id, .assignment = Slice::copy(kafka::encode_assignment(kVersion, {{topic_.name, range}}))});
    }
    return out;
  }

  kafka::JoinGroupRequest join_request(const std::string& id) const {
    const kafka::Subscription subscription{.version = kVersion, .topics = {topic_.name}, .owned = {}, .rack_id = {}};
    return {.group_id = group_, .session_timeout_ms = kSessionMs, .rebalance_timeout_ms = kRebalanceMs, .member_id = id, .group_instance_id = {},
            .protocol_type = std::string(kafka::kConsumerProtocolType), .protocols = {{.name = kAssignor, .metadata = Slice::copy(kafka::encode_subscription(subscription))}},
            .reason = {}};
  }

  static constexpr const char* kAssignor = "range";
  static constexpr int16_t kVersion = 1;
  int32_t generation_ = 0;
};

// The protocol of KIP-848. The one who stays first gets what the leaver had, and gives half of it up again for the newcomer. Members
// ask again at once when they were given something else, and say so; else after a pause.
class ConsumerPair final : public Pair {
 public:
  using Pair::Pair;

  Flow form() override {
    co_await join(members_[0]);
    co_await all_to(members_[0]);
    co_await join(members_[1]);
    co_await half_to_each();
  }

  Flow leave() override {
    for (Member& m : members_) co_await leave(m);
  }

  Flow describe(Described& out) override {
    const auto answer = co_await members_[0].connection->ask<kafka::ConsumerGroupDescribeResponse>(kafka::ConsumerGroupDescribeRequest{.group_ids = {group_}});
    const auto& group = answer.groups.at(0);
    expect(group.error_code, ErrorCode::kNone, "ConsumerGroupDescribe");
    out.state = group.group_state;
    for (const auto& m : group.members) {
      auto& holds = out.holds[m.member_id];
      for (const auto& topic : m.assignment.topic_partitions) holds.insert(topic.partitions.begin(), topic.partitions.end());
    }
  }

 private:
  Flow replace(Member& leaver, Member& stayer) override {
    co_await leave(leaver);
    co_await all_to(stayer);
    co_await join(leaver);
    co_await half_to_each();
  }

  Flow leave(Member& m) {
    const auto answer = co_await m.connection->ask<kafka::ConsumerGroupHeartbeatResponse>(heartbeat(m, kLeaveEpoch));
    expect(answer.error_code, ErrorCode::kNone, "leaving");
    m.id.clear(), m.holds.clear();
  }

  Flow join(Member& m) {
    m.id = random_uuid().to_string(), m.epoch = kJoinEpoch;
    for (;;) {
      auto request = heartbeat(m, kJoinEpoch);
      request.rebalance_timeout_ms = kRebalanceMs;
      request.subscribed_topic_names = {topic_.name};
      request.topic_partitions.emplace();
      const auto answer = co_await m.connection->ask<kafka::ConsumerGroupHeartbeatResponse>(std::move(request));
      if (!is_starting(answer.error_code)) co_return take(m, answer);
      co_await loop_.pause(kAgainUs);
    }
  }

  Flow all_to(Member& m) {
    while (m.holds.size() != static_cast<size_t>(topic_.partitions) || m.must_say) {
      const auto before = seen(m);
      co_await beat(m);
      if (seen(m) == before) co_await loop_.pause(kAgainUs);
    }
  }

  Flow half_to_each() {
    const auto done = [&] {
      const Member &a = members_[0], &b = members_[1];
      return !a.must_say && !b.must_say && a.epoch == b.epoch && a.holds.size() + b.holds.size() == static_cast<size_t>(topic_.partitions) &&
             a.holds.size() == b.holds.size();
    };
    while (!done()) {
      bool moved = false;
      for (Member& m : members_) {
        const auto before = seen(m);
        co_await beat(m);
        moved = moved || seen(m) != before;
      }
      if (!moved) co_await loop_.pause(kAgainUs);
    }
  }

  using Seen = std::tuple<int32_t, std::set<int32_t>, bool>;
  static Seen seen(const Member& m) { return {m.epoch, m.holds, m.must_say}; }

  Flow beat(Member& m) {
    auto request = heartbeat(m, m.epoch);
    if (std::exchange(m.must_say, false)) {
      auto& owned = request.topic_partitions.emplace();
      if (!m.holds.empty()) owned.push_back({.topic_id = topic_id_, .partitions = {m.holds.begin(), m.holds.end()}});
    }
    take(m, co_await m.connection->ask<kafka::ConsumerGroupHeartbeatResponse>(std::move(request)));
  }

  void take(Member& m, const kafka::ConsumerGroupHeartbeatResponse& answer) {
    expect(answer.error_code, ErrorCode::kNone, "ConsumerGroupHeartbeat");
    m.epoch = answer.member_epoch;
    if (!answer.assignment) return;
    std::set<int32_t> assigned;
    for (const auto& topic : answer.assignment->topic_partitions) {
      topic_id_ = topic.topic_id;
      assigned.insert(topic.partitions.begin(), topic.partitions.end());
    }
    m.must_say = m.must_say || assigned != m.holds;
    m.holds = std::move(assigned);
  }

  kafka::ConsumerGroupHeartbeatRequest heartbeat(const Member& m, int32_t epoch) const {
    return {.group_id = group_, .member_id = m.id, .member_epoch = epoch, .instance_id = {}, .rack_id = {}, .subscribed_topic_names = {},
            .subscribed_topic_regex = {}, .server_assignor = {}, .topic_partitions = {}};
  }

  static constexpr int32_t kJoinEpoch = 0, kLeaveEpoch = -1;
  TopicId topic_id_;
};

}  // namespace ms::bench
