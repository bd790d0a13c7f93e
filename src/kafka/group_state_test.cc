#include "kafka/group_state.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms::kafka {
namespace {

JoinInput member(std::string id, std::string fresh, std::vector<GroupProtocol> protocols = {{"range", "r"}}) {
  JoinInput in;
  in.member_id = std::move(id);
  in.fresh_id = std::move(fresh);
  in.session_timeout_ms = 10'000;
  in.rebalance_timeout_ms = 60'000;
  in.protocol_type = "consumer";
  in.protocols = std::move(protocols);
  return in;
}
SyncInput sync_of(std::string id, int32_t generation, std::vector<std::pair<std::string, std::string>> assignments = {}) {
  SyncInput in;
  in.member_id = std::move(id);
  in.generation = generation;
  in.assignments = std::move(assignments);
  return in;
}

// Two members, stable, generation 2: "a" leads.
class TwoMembers : public ::testing::Test {
 protected:
  TwoMembers() : group_(0) {
    EXPECT_EQ(group_.join(1, member("", "a"), 0).joins.size(), 1u);
    EXPECT_EQ(group_.sync(2, sync_of("a", 1, {{"a", "all"}}), 0).syncs.at(0).assignment, "all");
    EXPECT_TRUE(group_.join(3, member("", "b"), 0).joins.empty());
    EXPECT_EQ(group_.heartbeat("a", {}, 1, 0), ErrorCode::kRebalanceInProgress);
    const auto joined = group_.join(4, member("a", ""), 0);
    EXPECT_EQ(joined.joins.size(), 2u);
    EXPECT_TRUE(group_.sync(5, sync_of("b", 2), 0).syncs.empty());
    EXPECT_EQ(group_.sync(6, sync_of("a", 2, {{"a", "half"}, {"b", "other"}}), 0).syncs.size(), 2u);
  }
  GroupState group_;
};

TEST_F(TwoMembers, AreStableWithTheirAssignments) {
  EXPECT_EQ(group_.phase(), GroupPhase::kStable);
  EXPECT_EQ(group_.generation(), 2);
  EXPECT_EQ(group_.members().at("a").assignment, "half");
  EXPECT_EQ(group_.members().at("b").assignment, "other");
  EXPECT_EQ(group_.heartbeat("b", {}, 2, 0), ErrorCode::kNone);
  EXPECT_EQ(group_.heartbeat("b", {}, 1, 0), ErrorCode::kIllegalGeneration);
  EXPECT_EQ(group_.heartbeat("c", {}, 2, 0), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(group_.sync(9, sync_of("b", 2), 0).syncs.at(0).assignment, "other");
}

TEST_F(TwoMembers, SilenceEndsAMembership) {
  EXPECT_EQ(group_.next_deadline_ms(), 10'000);
  EXPECT_EQ(group_.heartbeat("a", {}, 2, 9'000), ErrorCode::kNone);
  group_.on_time(10'000);
  EXPECT_FALSE(group_.members().contains("b"));
  EXPECT_EQ(group_.phase(), GroupPhase::kPreparingRebalance);
  const auto joined = group_.join(9, member("a", ""), 11'000);
  ASSERT_EQ(joined.joins.size(), 1u);
  EXPECT_EQ(joined.joins[0].generation, 3);
  EXPECT_EQ(joined.joins[0].members.size(), 1u);
}

TEST_F(TwoMembers, ARebalanceDoesNotWaitForEver) {
  EXPECT_TRUE(group_.join(9, member("a", "", {{"range", "new"}}), 0).joins.empty());
  for (int64_t now = 5'000; now < 60'000; now += 5'000) group_.heartbeat("b", {}, 2, now);
  const auto late = group_.on_time(60'000);
  ASSERT_EQ(late.joins.size(), 1u);
  EXPECT_EQ(late.joins[0].ticket, 9u);
  EXPECT_FALSE(group_.members().contains("b"));
}

TEST_F(TwoMembers, LeavingRebalancesAndTheLastOneEmptiesTheGroup) {
  ErrorCode result;
  group_.leave("a", {}, 0, result);
  EXPECT_EQ(result, ErrorCode::kNone);
  const auto joined = group_.join(9, member("b", ""), 0);
  ASSERT_EQ(joined.joins.size(), 1u);
  EXPECT_EQ(joined.joins[0].leader, "b");
  group_.leave("a", {}, 0, result);
  EXPECT_EQ(result, ErrorCode::kUnknownMemberId);
  group_.leave("b", {}, 0, result);
  EXPECT_FALSE(group_.has_members());
  EXPECT_EQ(group_.phase(), GroupPhase::kEmpty);
  EXPECT_EQ(group_.next_deadline_ms(), kNever);
}

TEST_F(TwoMembers, CommitsNeedTheGeneration) {
  EXPECT_EQ(group_.may_commit("a", {}, 2, 0), ErrorCode::kNone);
  EXPECT_EQ(group_.may_commit("a", {}, 1, 0), ErrorCode::kIllegalGeneration);
  EXPECT_EQ(group_.may_commit("", {}, -1, 0), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(GroupState(0).may_commit("", {}, -1, 0), ErrorCode::kNone);
  EXPECT_EQ(GroupState(0).may_commit("a", {}, 1, 0), ErrorCode::kUnknownMemberId);
}

TEST_F(TwoMembers, ALateJoinerOfTheSameKindGetsTheAnswerAgain) {
  const auto again = group_.join(9, member("b", ""), 0);
  ASSERT_EQ(again.joins.size(), 1u);
  EXPECT_EQ(again.joins[0].generation, 2);
  EXPECT_EQ(group_.phase(), GroupPhase::kStable);
}

TEST_F(TwoMembers, ProtocolsMustBeShared) {
  EXPECT_EQ(group_.join(9, member("", "c", {{"sticky", ""}}), 0).joins.at(0).error, ErrorCode::kInconsistentGroupProtocol);
  EXPECT_EQ(group_.join(9, member("", "c", {}), 0).joins.at(0).error, ErrorCode::kInconsistentGroupProtocol);
  auto other_type = member("", "c");
  other_type.protocol_type = "connect";
  EXPECT_EQ(group_.join(9, std::move(other_type), 0).joins.at(0).error, ErrorCode::kInconsistentGroupProtocol);
}

TEST(GroupState, FirstMembersGetToKnowTheirIdFirst) {
  GroupState group(0);
  auto in = member("", "a");
  in.must_know_id = true;
  const auto first = group.join(1, in, 0);
  ASSERT_EQ(first.joins.size(), 1u);
  EXPECT_EQ(first.joins[0].error, ErrorCode::kMemberIdRequired);
  EXPECT_EQ(first.joins[0].member_id, "a");
  EXPECT_TRUE(group.has_members());
  in.member_id = "a";
  EXPECT_EQ(group.join(2, in, 0).joins.at(0).error, ErrorCode::kNone);
  in.member_id = "never seen";
  EXPECT_EQ(group.join(3, in, 0).joins.at(0).error, ErrorCode::kUnknownMemberId);
}

TEST(GroupState, AnIdThatIsNeverUsedExpires) {
  GroupState group(0);
  auto in = member("", "a");
  in.must_know_id = true;
  group.join(1, in, 0);
  EXPECT_EQ(group.next_deadline_ms(), 10'000);
  group.on_time(10'000);
  EXPECT_FALSE(group.has_members());
}

// Who has gone with the id that it was told holds up nobody who comes to an empty group; in a rebalance it is waited for, as Kafka does.
TEST(GroupState, AnIdThatIsNeverUsedHoldsUpNoNewGroup) {
  for (const int64_t delay : {0, 500}) {
    GroupState group(delay);
    auto gone = member("", "gone");
    gone.must_know_id = true;
    group.join(1, gone, 0);
    auto came = group.join(2, member("", "a"), 0);
    if (delay > 0) {
      EXPECT_TRUE(came.joins.empty());
      came = group.on_time(delay);
    }
    ASSERT_EQ(came.joins.size(), 1u) << delay;
    EXPECT_EQ(came.joins[0].error, ErrorCode::kNone);
    EXPECT_EQ(group.phase(), GroupPhase::kCompletingRebalance);
    EXPECT_TRUE(group.join(3, member("", "b"), delay).joins.empty());
    EXPECT_TRUE(group.join(4, member("a", ""), delay).joins.empty());
    EXPECT_EQ(group.on_time(10'000).joins.size(), 2u) << delay;
  }
}

TEST(GroupState, ANewGroupWaitsForMoreMembers) {
  GroupState group(500);
  EXPECT_TRUE(group.join(1, member("", "a"), 0).joins.empty());
  EXPECT_TRUE(group.join(2, member("", "b"), 400).joins.empty());
  EXPECT_TRUE(group.on_time(500).joins.empty());
  EXPECT_EQ(group.next_deadline_ms(), 900);
  EXPECT_EQ(group.on_time(900).joins.size(), 2u);
  EXPECT_EQ(group.generation(), 1);
}

TEST(GroupState, AStaticMemberComesBackWithoutARebalance) {
  GroupState group(0);
  auto in = member("", "a-1");
  in.instance_id = "a";
  group.join(1, in, 0);
  group.sync(2, sync_of("a-1", 1, {{"a-1", "mine"}}), 0);
  in.fresh_id = "a-2";
  in.can_skip_assignment = true;
  const auto back = group.join(3, in, 0);
  ASSERT_EQ(back.joins.size(), 1u);
  EXPECT_EQ(back.joins[0].generation, 1);
  EXPECT_EQ(back.joins[0].leader, "a-2");
  EXPECT_TRUE(back.joins[0].skip_assignment);
  EXPECT_EQ(group.sync(4, sync_of("a-2", 1), 0).syncs.at(0).assignment, "mine");
  EXPECT_EQ(group.heartbeat("a-1", std::string("a"), 1, 0), ErrorCode::kFencedInstanceId);
}

// Two static members, of which one is removed by an administrator: the other one is to join again.
class AStaticMemberIsToJoinAgain : public ::testing::Test {
 protected:
  AStaticMemberIsToJoinAgain() : group_(100) {
    group_.join(1, member_of("a", ""), 0);
    group_.join(2, member_of("b", ""), 0);
    EXPECT_EQ(group_.on_time(100).joins.size(), 2u);
    group_.sync(3, sync_of("a", 1, {{"a", "half"}, {"b", "other"}}), 0);
    EXPECT_EQ(group_.phase(), GroupPhase::kStable);
    ErrorCode result;
    group_.leave("", std::string("b"), 0, result);
    EXPECT_EQ(result, ErrorCode::kNone);
  }
  static JoinInput member_of(std::string name, std::string id) {
    auto in = member(std::move(id), name);
    in.instance_id = std::move(name);
    return in;
  }
  // Every 5 s, as long as the rebalance lasts.
  void heartbeats(int64_t from, int64_t to) {
    for (int64_t now = from; now < to; now += 5'000) {
      EXPECT_EQ(group_.heartbeat("a", std::string("a"), 1, now), ErrorCode::kRebalanceInProgress) << now;
      if (group_.next_deadline_ms() <= now) group_.on_time(now);
    }
  }
  GroupState group_;
};

TEST_F(AStaticMemberIsToJoinAgain, NobodyCameSoTheRebalanceGoesOn) {
  heartbeats(0, 150'000);
  EXPECT_EQ(group_.phase(), GroupPhase::kPreparingRebalance);
  EXPECT_EQ(group_.generation(), 1);
  const auto back = group_.join(9, member_of("a", "a"), 150'000);
  ASSERT_EQ(back.joins.size(), 1u);
  EXPECT_EQ(back.joins[0].error, ErrorCode::kNone);
  EXPECT_EQ(back.joins[0].generation, 2);
}

TEST_F(AStaticMemberIsToJoinAgain, OneWhoComesWaitsForTheNextEnd) {
  heartbeats(0, 65'000);  // the rebalance has ended once, with nobody
  EXPECT_TRUE(group_.join(9, member("", "c"), 65'000).joins.empty());
  heartbeats(65'000, 120'000);
  const auto joined = group_.on_time(120'000);
  ASSERT_EQ(joined.joins.size(), 1u);
  EXPECT_EQ(joined.joins[0].leader, "c");
  EXPECT_EQ(joined.joins[0].members.size(), 2u);
}

TEST_F(AStaticMemberIsToJoinAgain, ItsSessionEndsItAlone) {
  heartbeats(0, 65'000);  // the last at 60 s
  group_.on_time(69'999);
  EXPECT_TRUE(group_.has_members());
  group_.on_time(70'000);
  EXPECT_FALSE(group_.has_members());
  EXPECT_EQ(group_.phase(), GroupPhase::kEmpty);
  EXPECT_EQ(group_.next_deadline_ms(), kNever);
}

TEST(GroupState, ARebalanceThatMayTakeNoTimeDoesNotSpin) {
  GroupState group(0);
  auto in = member("", "a");
  in.instance_id = "a";
  in.rebalance_timeout_ms = 0;
  group.join(1, in, 0);
  group.sync(2, sync_of("a", 1), 0);
  auto other = member("", "b");
  other.rebalance_timeout_ms = 0;
  group.join(3, std::move(other), 0);
  ErrorCode result;
  group.leave("b", {}, 0, result);
  group.on_time(0);
  EXPECT_GT(group.next_deadline_ms(), 0);
}

TEST(GroupState, MembersThatNeverSyncAreRemoved) {
  GroupState group(0);
  group.join(1, member("", "a"), 0);
  EXPECT_EQ(group.phase(), GroupPhase::kCompletingRebalance);
  for (int64_t now = 0; now < 60'000; now += 5'000) EXPECT_EQ(group.heartbeat("a", {}, 1, now), ErrorCode::kNone);
  group.on_time(60'000);
  EXPECT_FALSE(group.has_members());
}

TEST(GroupState, TheProtocolWithTheMostFirstVotesWins) {
  GroupState group(100);
  group.join(1, member("", "a", {{"x", "ax"}, {"y", "ay"}}), 0);
  group.join(2, member("", "b", {{"y", "by"}, {"x", "bx"}}), 0);
  group.join(3, member("", "c", {{"y", "cy"}, {"z", ""}}), 0);
  const auto joined = group.on_time(100);
  ASSERT_EQ(joined.joins.size(), 3u);
  for (const auto& answer : joined.joins) EXPECT_EQ(answer.protocol_name, "y");
}

// Whatever members do, every ticket is answered at most once, and all of them once the group has come to rest.
TEST(GroupState, EveryRequestIsAnsweredOnce) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    GroupState group(static_cast<int64_t>(rng.below(2) * 500));
    std::set<Ticket> waiting;
    Ticket last = 0;
    int64_t now = 0;
    const auto take = [&](const GroupAnswers& out) {
      for (const auto& a : out.joins) EXPECT_EQ(waiting.erase(a.ticket), 1u) << "seed " << seed;
      for (const auto& a : out.syncs) EXPECT_EQ(waiting.erase(a.ticket), 1u) << "seed " << seed;
    };
    for (int step = 0; step < 200; ++step) {
      now += static_cast<int64_t>(rng.below(3'000));
      if (group.next_deadline_ms() <= now) take(group.on_time(now));
      std::string id = "m" + std::to_string(rng.below(4));
      const bool exists = group.members().contains(id);
      switch (rng.below(4)) {
        case 0: {
          auto in = member(exists ? id : "", id);
          if (rng.below(4) == 0) in.instance_id = "static";
          waiting.insert(++last);
          take(group.join(last, std::move(in), now));
          break;
        }
        case 1: {
          waiting.insert(++last);
          take(group.sync(last, sync_of(id, group.generation(), {{id, "x"}}), now));
          break;
        }
        case 2: group.heartbeat(id, {}, group.generation(), now); break;
        default: {
          ErrorCode result;
          if (rng.below(3) == 0) take(group.leave(id, {}, now, result));
        }
      }
    }
    while (group.next_deadline_ms() != kNever) {
      const int64_t due = std::max(now, group.next_deadline_ms());
      take(group.on_time(now = due));
    }
    EXPECT_TRUE(waiting.empty()) << "seed " << seed;
    EXPECT_FALSE(group.has_members());
  }
}

}  // namespace
}  // namespace ms::kafka
