#include "kafka/consumer_group.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms::kafka {
namespace {

TopicId id_of(uint8_t n) {
  TopicId id;
  id.uuid.bytes[15] = n;
  return id;
}
ConsumerGroup::Topics topics_of(const std::map<std::string, std::pair<uint8_t, int32_t>>& topics) {
  auto image = std::make_shared<TopicsImage>();
  for (const auto& [name, topic] : topics) image->add(name, {id_of(topic.first), topic.second});
  return image;
}
ConsumerHeartbeat join_of(std::string id, std::vector<std::string> topics) {
  ConsumerHeartbeat in;
  in.member_id = std::move(id);
  in.rebalance_timeout_ms = 60'000;
  in.topics = std::move(topics);
  in.owned.emplace();
  return in;
}
ConsumerHeartbeat beat_of(std::string id, int32_t epoch, std::optional<PartitionsByTopic> owned = std::nullopt) {
  ConsumerHeartbeat in;
  in.member_id = std::move(id);
  in.epoch = epoch;
  in.owned = std::move(owned);
  return in;
}

class OneTopic : public ::testing::Test {
 protected:
  ConsumerAnswer send(const ConsumerHeartbeat& in, int64_t now_ms = 0) { return group_.heartbeat(in, topics_, now_ms); }
  ConsumerGroup::Topics topics_ = topics_of({{"t", {1, 4}}});
  ConsumerGroup group_{{}, topics_};
};

TEST_F(OneTopic, RevokesBeforeItAssigns) {
  const auto a = send(join_of("a", {"t"}));
  EXPECT_EQ(a.epoch, 1);
  EXPECT_EQ(count_partitions(*a.assignment), 4u);
  const auto b = send(join_of("b", {"t"}));
  EXPECT_EQ(b.epoch, 2);
  EXPECT_TRUE(b.assignment->empty());  // nothing is free yet
  EXPECT_EQ(group_.phase(), ConsumerGroupPhase::kReconciling);
  const auto fewer = send(beat_of("a", 1));
  EXPECT_EQ(fewer.epoch, 1);
  EXPECT_EQ(count_partitions(*fewer.assignment), 2u);
  EXPECT_FALSE(send(beat_of("b", 2)).assignment);
  EXPECT_EQ(send(beat_of("a", 1, fewer.assignment)).epoch, 2);
  const auto more = send(beat_of("b", 2));
  EXPECT_EQ(count_partitions(*more.assignment), 2u);
  EXPECT_EQ(group_.phase(), ConsumerGroupPhase::kStable);
}

TEST_F(OneTopic, WrongEpochsAreFenced) {
  send(join_of("a", {"t"}));
  EXPECT_EQ(send(beat_of("a", 2)).error, ErrorCode::kFencedMemberEpoch);
  EXPECT_EQ(send(beat_of("x", 1)).error, ErrorCode::kUnknownMemberId);
  EXPECT_EQ(group_.may_commit("a", 1, 9), ErrorCode::kNone);
  EXPECT_EQ(group_.may_commit("a", 0, 9), ErrorCode::kStaleMemberEpoch);
  EXPECT_EQ(group_.may_commit("a", 1, 8), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(group_.may_commit("x", 1, 9), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(group_.may_fetch("a", 7), ErrorCode::kStaleMemberEpoch);
  const auto again = send(join_of("a", {"t"}));  // its first answer was lost
  EXPECT_EQ(again.error, ErrorCode::kNone);
  EXPECT_EQ(count_partitions(*again.assignment), 4u);
  EXPECT_EQ(group_.epoch(), 1);
}

TEST_F(OneTopic, WhoDoesNotGiveUpInTimeIsOut) {
  send(join_of("a", {"t"}));
  send(join_of("b", {"t"}), 1'000);
  send(beat_of("a", 1), 2'000);
  for (int64_t now = 10'000; now < 62'000; now += 10'000) {
    EXPECT_EQ(send(beat_of("a", 1), now).error, ErrorCode::kNone);
    EXPECT_EQ(send(beat_of("b", 2), now).error, ErrorCode::kNone);
    group_.on_time(now);
  }
  group_.on_time(62'000);
  EXPECT_FALSE(group_.members().contains("a"));
  EXPECT_EQ(count_partitions(*send(beat_of("b", 2), 62'000).assignment), 4u);
}

TEST_F(OneTopic, SilenceEndsAMembership) {
  send(join_of("a", {"t"}));
  EXPECT_EQ(group_.next_deadline_ms(), 45'000);
  group_.on_time(45'000);
  EXPECT_FALSE(group_.has_members());
  EXPECT_EQ(group_.bytes(), 0u);
}

TEST_F(OneTopic, AStaticMemberComesBackToWhatItHad) {
  auto first = join_of("a", {"t"});
  first.instance_id = "i";
  send(first);
  auto second = first;
  second.member_id = "b";
  EXPECT_EQ(send(second).error, ErrorCode::kUnreleasedInstanceId);
  auto leaves = beat_of("a", kLeaveForNowEpoch);
  leaves.instance_id = "i";
  EXPECT_EQ(send(leaves).epoch, kLeaveForNowEpoch);
  const auto back = send(second);
  EXPECT_EQ(back.epoch, 1);  // nobody else noticed
  EXPECT_EQ(count_partitions(*back.assignment), 4u);
  auto old = beat_of("a", 1);
  old.instance_id = "i";
  EXPECT_EQ(send(old).error, ErrorCode::kFencedInstanceId);
}

TEST(ConsumerGroupTopics, ExpressionsFollowTopics) {
  auto topics = topics_of({{"log-a", {1, 1}}, {"other", {2, 1}}});
  ConsumerGroup group({}, topics);
  auto join = join_of("a", {});
  join.regex = "log-.*";
  EXPECT_EQ(group.heartbeat(join, topics, 0).assignment->size(), 1u);
  topics = topics_of({{"log-a", {1, 3}}, {"log-b", {3, 2}}, {"not-log-c", {4, 1}}});
  const auto more = group.heartbeat(beat_of("a", 1), topics, 0);
  EXPECT_EQ(*more.assignment, (PartitionsByTopic{{id_of(1), {0, 1, 2}}, {id_of(3), {0, 1}}}));
  join.member_id = "b";
  join.regex = "(";
  EXPECT_EQ(group.heartbeat(join, topics, 0).error, ErrorCode::kInvalidRegularExpression);
  EXPECT_FALSE(group.members().contains("b"));
}

// Members that come, go, fall silent and lag behind, topics that come, grow and go: no partition ever has two members, and
// once everybody listens again, everything is assigned, evenly.
void run_world(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  std::map<std::string, std::pair<uint8_t, int32_t>> shape{{"t0", {1, 5}}};
  auto topics = topics_of(shape);
  ConsumerGroup group({}, topics);
  struct Client {
    int32_t epoch = 0;
    PartitionsByTopic owns;
    bool says_all = false;  // as clients do after an answer that did not come
  };
  std::map<std::string, Client> clients;
  int64_t now = 0;
  uint8_t topic_ids = 1;
  const auto beat = [&](const std::string& id, bool answer_lost) {
    Client& c = clients[id];
    auto in = c.epoch == 0 || c.says_all ? join_of(id, {"t0", "t1", "t2"}) : beat_of(id, c.epoch, c.owns);
    in.epoch = c.epoch, in.owned = c.owns;
    const auto answer = group.heartbeat(in, topics, now);
    c.says_all = answer_lost;
    if (answer_lost) return;
    if (answer.error != ErrorCode::kNone) return void(c = {});
    c.epoch = answer.epoch;
    if (answer.assignment) c.owns = *answer.assignment;
  };
  const auto check = [&] {
    std::map<std::pair<TopicId, int32_t>, std::string> owner;
    for (const auto& [id, c] : clients) {
      if (!group.members().contains(id)) continue;  // fenced: it is told so by its next heartbeat
      for (const auto& [topic, partitions] : c.owns)
        for (const int32_t p : partitions) ASSERT_TRUE(owner.emplace(std::pair(topic, p), id).second) << id << " and " << owner[std::pair(topic, p)] << " have " << p;
    }
  };
  for (int step = 0; step < 120; ++step) {
    now += static_cast<int64_t>(rng.below(3'000));
    group.on_time(now);
    const std::string id = "m" + std::to_string(rng.below(5));
    switch (rng.below(12)) {
      case 0:
        if (clients.contains(id) && clients[id].epoch > 0) group.heartbeat(beat_of(id, kLeaveEpoch), topics, now);
        clients.erase(id);
        break;
      case 1: {
        const std::string name = "t" + std::to_string(rng.below(3));
        if (shape.contains(name) && rng.below(2) == 0) shape.erase(name);
        else if (shape.contains(name)) shape[name].second += 2;
        else shape[name] = {++topic_ids, 1 + static_cast<int32_t>(rng.below(6))};
        topics = topics_of(shape);
        break;
      }
      default: beat(id, rng.below(6) == 0);
    }
    check();
    if (::testing::Test::HasFatalFailure()) return;
  }
  for (int round = 0; round < 60; ++round) {  // long enough for those who went without a word to be out
    now += 1'000;
    group.on_time(now);
    for (auto& [id, c] : clients) beat(id, false);
    check();
  }
  if (clients.empty()) return;
  size_t all = 0, owned = 0, most = 0, least = SIZE_MAX;
  for (const auto& [name, topic] : shape) all += static_cast<size_t>(topic.second);
  for (const auto& [id, c] : clients) {
    const size_t n = count_partitions(c.owns);
    owned += n;
    most = std::max(most, n);
    if (group.members().contains(id)) least = std::min(least, n);
  }
  EXPECT_EQ(group.members().size(), clients.size());
  EXPECT_EQ(group.phase(), ConsumerGroupPhase::kStable);
  EXPECT_EQ(owned, all);
  EXPECT_LE(most, least + 1);
}

TEST(ConsumerGroupWorlds, NoPartitionHasTwoMembersAndAssignmentsConverge) {
  for (uint64_t seed = 0; seed < 500 && !::testing::Test::HasFailure(); ++seed) run_world(seed);
}

TEST(Assignors, MoveNoMoreThanBalanceTakes) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    const PartitionCounts topics{{id_of(1), static_cast<int32_t>(1 + rng.below(20))}, {id_of(2), static_cast<int32_t>(1 + rng.below(20))}};
    const size_t all = static_cast<size_t>(topics.at(id_of(1)) + topics.at(id_of(2)));
    MembersToAssign members;
    for (uint64_t m = 0, n = 1 + rng.below(7); m < n; ++m) members["m" + std::to_string(m)].topics = {id_of(1), id_of(2)};
    const auto before = assign_uniformly(members, topics);
    for (auto& [id, m] : members) m.had = before.at(id);
    EXPECT_EQ(assign_uniformly(members, topics), before);
    members["new"].topics = {id_of(1), id_of(2)};
    const auto after = assign_uniformly(members, topics);
    size_t moved = 0;
    for (const auto& [id, partitions] : after)
      for (const auto& [topic, numbers] : partitions)
        for (const int32_t p : numbers) moved += members.at(id).had.contains(topic) && members.at(id).had.at(topic).contains(p) ? 0 : 1;
    EXPECT_EQ(moved, all / members.size()) << seed;  // what the newcomer gets, and nothing else
  }
}

TEST(Assignors, BalanceAsFarAsSubscriptionsAllow) {
  const PartitionCounts topics{{id_of(1), 6}, {id_of(2), 2}};
  MembersToAssign members;
  members["a"].topics = {id_of(1)};
  members["b"].topics = {id_of(1), id_of(2)};
  members["c"].topics = {id_of(2)};
  members["b"].had = {{id_of(1), {0, 1, 2, 3}}, {id_of(2), {0}}};
  const auto target = assign_uniformly(members, topics);
  EXPECT_EQ(count_partitions(target.at("a")), 3u);
  EXPECT_EQ(count_partitions(target.at("b")), 3u);
  EXPECT_EQ(count_partitions(target.at("c")), 2u);
}

TEST(Assignors, RangesAreNeighboursAndAlikeForTopicsAlike) {
  const PartitionCounts topics{{id_of(1), 5}, {id_of(2), 5}};
  MembersToAssign members;
  for (const char* id : {"a", "b"}) members[id].topics = {id_of(1), id_of(2)};
  members["b"].instance_id = "first";
  const auto target = assign_ranges(members, topics);
  EXPECT_EQ(target.at("b"), (PartitionsByTopic{{id_of(1), {0, 1, 2}}, {id_of(2), {0, 1, 2}}}));
  EXPECT_EQ(target.at("a"), (PartitionsByTopic{{id_of(1), {3, 4}}, {id_of(2), {3, 4}}}));
}

}  // namespace
}  // namespace ms::kafka
