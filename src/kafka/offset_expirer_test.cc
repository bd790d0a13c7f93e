// Committed offsets expire: through the wire, with a clock that stands still until told.
#include <future>

#include "kafka/consumer_protocol.h"
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kRetentionMinutes = 10;
constexpr int64_t kSessionMinutes = 5;  // the longest; those of members end by the real clock

class OffsetExpiration : public KafkaServerTest {
 protected:
  OffsetExpiration() {
    u_ = log_->create_topic("u", 1, {})->id;
    start();
  }
  void start() {
    serve({.group_session_timeout_max_ms = kSessionMinutes * 60'000, .offsets_retention_minutes = kRetentionMinutes, .offsets_retention_check_interval_ms = 0, .clock = &clock_});
    client_ = std::make_unique<Client>(server_->port());
  }
  // Membership is lost, as in a crash; the log is read again.
  void restart() {
    client_.reset();
    server_->stop();
    server_.reset();
    ASSERT_TRUE(log_->close());
    log_ = *log::Log::open(log::by_hand({.dir = dir_.string(), .fs = &posix_file_system(), .clock = &system_clock()}));
    start();
  }
  void pass(int64_t minutes) { clock_.advance(minutes * kMinuteUs); }
  std::set<std::string> after_check() {
    server_->expire_offsets();
    return offsets();
  }
  // Groups that the log knows to be empty, once it has done all that it was asked for.
  size_t recorded() {
    EXPECT_TRUE(log_->new_producer_id());
    return log_->entries("empty-groups").size();
  }
  // "topic/partition" of each committed offset.
  std::set<std::string> offsets() {
    std::set<std::string> out;
    for (const auto& [key, offset] : log_->committed_offsets("g")) out.insert(log_->find_topic(key.first)->name + "/" + std::to_string(key.second));
    return out;
  }

  struct By {
    std::string member = "";
    int32_t generation = -1;
    int16_t version = 8;
    int64_t retention_time_ms = -1;
  };
  void commit(const std::string& topic, int32_t partition, const By& by) {
    OffsetCommitRequest request;
    request.group_id = "g", request.member_id = by.member, request.generation_id_or_member_epoch = by.generation;
    request.retention_time_ms = by.retention_time_ms;
    request.topics.push_back({.name = topic, .partitions = {{.partition_index = partition, .committed_offset = 7}}});
    EXPECT_EQ(client_->call<OffsetCommitResponse>(request, by.version).topics.at(0).partitions.at(0).error_code, 0);
  }

  // A classic member that subscribes to "t".
  static JoinGroupRequest join_of(std::string member = "") {
    JoinGroupRequest request;
    request.group_id = "g", request.member_id = std::move(member), request.session_timeout_ms = request.rebalance_timeout_ms = kSessionMinutes * 60'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy(encode_subscription({.version = 1, .topics = {"t"}, .owned = {}, .rack_id = {}}))});
    return request;
  }
  By join() {
    auto request = join_of();
    const auto joined = client_->call<JoinGroupResponse>(request, 3);
    EXPECT_EQ(joined.error_code, 0);
    return {joined.member_id, joined.generation_id};
  }
  void sync(const By& by) {
    SyncGroupRequest request;
    request.group_id = "g", request.member_id = by.member, request.generation_id = by.generation;
    request.assignments.push_back({by.member, Slice::copy(encode_assignment(1, {{"t", {0, 1}}}))});
    EXPECT_EQ(client_->call<SyncGroupResponse>(request, 3).error_code, 0);
  }
  By join_and_sync() {
    const By by = join();
    sync(by);
    return by;
  }
  void leave(const By& by) {
    LeaveGroupRequest request;
    request.group_id = "g", request.member_id = by.member;
    EXPECT_EQ(client_->call<LeaveGroupResponse>(request, 2).error_code, 0);
  }
  ConsumerGroupHeartbeatResponse beat(const std::string& member, int32_t epoch) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = "g", request.member_id = member, request.member_epoch = epoch;
    if (epoch == 0) request.rebalance_timeout_ms = 60'000, request.subscribed_topic_names = {"t"}, request.topic_partitions.emplace();
    return client_->call<ConsumerGroupHeartbeatResponse>(request, 1);
  }
  std::vector<std::string> groups() {
    ListGroupsRequest request;
    std::vector<std::string> out;
    for (const auto& group : client_->call<ListGroupsResponse>(request, 4).groups) out.push_back(group.group_id);
    return out;
  }

  ~OffsetExpiration() override { server_->stop(); }  // it looks at the clock

  using Left = std::set<std::string>;
  ManualClock clock_{1'700'000'000'000'000};
  std::unique_ptr<Client> client_;
  TopicId u_;
};

TEST_F(OffsetExpiration, SimpleCommitsExpireByThemselves) {
  const int64_t before = counter("millstream_kafka_offsets_expired_total").get();
  commit("t", 0, {});
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(4);
  commit("t", 1, {});
  clock_.advance(6 * kMinuteUs - 1'000);
  EXPECT_EQ(after_check(), (Left{"t/0", "t/1"}));
  clock_.advance(1'000);
  EXPECT_EQ(after_check(), (Left{"t/1"}));
  EXPECT_EQ(groups(), std::vector<std::string>{"g"});
  pass(4);
  EXPECT_EQ(after_check(), Left{});
  EXPECT_EQ(groups(), std::vector<std::string>{});
  EXPECT_EQ(counter("millstream_kafka_offsets_expired_total").get() - before, 2);
  // What is committed again counts from then on.
  commit("t", 0, {});
  pass(9);
  commit("t", 0, {});
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
}

// A group whose members nobody knows, as after a restart, is empty since it was first looked at.
TEST_F(OffsetExpiration, AGroupNobodyKnowsIsEmptySinceTheFirstCheck) {
  commit("t", 0, {});
  pass(3);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(1);
  EXPECT_EQ(after_check(), Left{});
}

TEST_F(OffsetExpiration, AClassicGroupKeepsWhatItSubscribesTo) {
  const By by = join_and_sync();
  commit("t", 0, by);
  commit("u", 0, by);
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/0", "u/0"}));
  pass(1);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(1'000);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  leave(by);
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(1);
  EXPECT_EQ(after_check(), Left{});
  EXPECT_EQ(groups(), std::vector<std::string>{});
}

TEST_F(OffsetExpiration, NothingExpiresInARebalance) {
  By by = join_and_sync();
  commit("u", 0, by);
  auto again = join_of(by.member);
  by.generation = client_->call<JoinGroupResponse>(again, 3).generation_id;  // and nobody has told the assignment yet
  pass(20);
  EXPECT_EQ(after_check(), (Left{"u/0"}));
  sync(by);
  EXPECT_EQ(after_check(), Left{});
}

TEST_F(OffsetExpiration, AConsumerGroupKeepsWhatItSubscribesToAndGoesWithItsLastOffset) {
  const By by{"a", beat("a", 0).member_epoch, 9};
  commit("t", 0, by);
  commit("u", 0, by);
  pass(10);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  EXPECT_EQ(beat("a", -1).error_code, 0);
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  ConsumerGroupDescribeRequest describe;
  describe.group_ids = {"g"};
  EXPECT_EQ(client_->call<ConsumerGroupDescribeResponse>(describe, 1).groups.at(0).group_state, "Empty");
  pass(1);
  EXPECT_EQ(after_check(), Left{});
  EXPECT_EQ(client_->call<ConsumerGroupDescribeResponse>(describe, 1).groups.at(0).error_code, code(ErrorCode::kGroupIdNotFound));
}

TEST_F(OffsetExpiration, AnEmptyConsumerGroupGoesWithItsLastTopic) {
  commit("u", 0, {"a", beat("a", 0).member_epoch, 9});
  EXPECT_EQ(beat("a", -1).error_code, 0);
  ASSERT_TRUE(log_->delete_topic(u_));
  EXPECT_EQ(groups(), std::vector<std::string>{"g"});  // nobody has looked
  EXPECT_EQ(after_check(), Left{});
  EXPECT_EQ(groups(), std::vector<std::string>{});
}

TEST_F(OffsetExpiration, OldClientsSayForHowLong) {
  commit("t", 0, {.version = 4, .retention_time_ms = 60'000});
  commit("t", 1, {.version = 2, .retention_time_ms = 30 * 60'000});
  commit("u", 0, {.version = 3});
  server_->expire_offsets();
  pass(1);
  EXPECT_EQ(after_check(), (Left{"t/1", "u/0"}));
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/1"}));
  restart();
  pass(19);
  EXPECT_EQ(after_check(), (Left{"t/1"}));
  pass(1);
  EXPECT_EQ(after_check(), Left{});
}

TEST_F(OffsetExpiration, AnOpenTransactionKeepsWhatItChanges) {
  commit("t", 0, {});
  commit("t", 1, {});
  server_->expire_offsets();
  InitProducerIdRequest init;
  init.transactional_id = "x", init.transaction_timeout_ms = 900'000;
  const auto producer = client_->call<InitProducerIdResponse>(init, 4);
  TxnOffsetCommitRequest stage;
  stage.transactional_id = "x", stage.group_id = "g", stage.producer_id = producer.producer_id, stage.producer_epoch = producer.producer_epoch;
  stage.topics.push_back({"t", {{.partition_index = 0, .committed_offset = 9, .committed_metadata = {}}}});
  EXPECT_EQ(client_->call<TxnOffsetCommitResponse>(stage, 5).topics.at(0).partitions.at(0).error_code, 0);
  pass(11);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  EndTxnRequest end;
  end.transactional_id = "x", end.producer_id = producer.producer_id, end.producer_epoch = producer.producer_epoch, end.committed = false;
  EXPECT_EQ(client_->call<EndTxnResponse>(end, 3).error_code, 0);
  EXPECT_EQ(after_check(), Left{});
}

TEST_F(OffsetExpiration, ARestartKnowsSinceWhenAGroupIsEmpty) {
  const By by = join_and_sync();
  commit("t", 0, by);
  pass(60);
  leave(by);
  pass(2);
  server_->expire_offsets();  // writes down when the member left
  pass(4);
  restart();
  pass(3);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(1);
  EXPECT_EQ(after_check(), Left{});
  EXPECT_EQ(recorded(), 1u);
  server_->expire_offsets();  // the group is no more: neither is the entry
  restart();
  EXPECT_EQ(recorded(), 0u);
}

// Nobody had written down when its members left, or that they had not: it is empty since the first check.
TEST_F(OffsetExpiration, ARestartThatDoesNotKnowKeepsLonger) {
  const By by = join_and_sync();
  commit("t", 0, by);
  pass(1'000);
  server_->expire_offsets();
  restart();  // with the member in the group
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(9);
  EXPECT_EQ(after_check(), (Left{"t/0"}));
  pass(1);
  EXPECT_EQ(after_check(), Left{});
}

// One member is back, and others that subscribe to other topics may yet come.
TEST_F(OffsetExpiration, ARestartWaitsForAllMembersToComeBack) {
  commit("u", 0, join_and_sync());
  pass(10);
  restart();
  join_and_sync();
  pass(kSessionMinutes - 1);
  EXPECT_EQ(after_check(), (Left{"u/0"}));
  pass(1);
  EXPECT_EQ(after_check(), Left{});
}

// It was empty, and has a member again, of either protocol: a crash right after it has joined must not bring back the older time.
TEST_F(OffsetExpiration, AGroupThatIsTakenIntoUseIsNotEmptyAfterARestart) {
  for (const bool classic : {true, false}) {
    commit("t", 0, {});
    server_->expire_offsets();
    EXPECT_EQ(recorded(), 1u);
    pass(9);
    if (classic) join();
    else EXPECT_EQ(beat("a", 0).error_code, 0);
    EXPECT_TRUE(log_->entries("empty-groups").empty());  // not only soon
    restart();
    pass(9);
    EXPECT_EQ(after_check(), (Left{"t/0"}));
    pass(10);
    EXPECT_EQ(after_check(), Left{});
    server_->expire_offsets();
  }
}

// Members that come at the same time wait for the same change.
TEST_F(OffsetExpiration, SeveralMembersTakeAnEmptyGroupIntoUse) {
  commit("t", 0, {});
  server_->expire_offsets();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    auto& client = *clients.emplace_back(std::make_unique<Client>(server_->port()));
    ConsumerGroupHeartbeatRequest request;
    request.group_id = "g", request.member_id = "m" + std::to_string(i), request.rebalance_timeout_ms = 60'000;
    request.subscribed_topic_names = {"t"}, request.topic_partitions.emplace();
    client.ask(request, 1);
  }
  for (auto& client : clients) EXPECT_EQ(client->receive<ConsumerGroupHeartbeatResponse>(1).error_code, 0);
  EXPECT_EQ(recorded(), 0u);
  for (size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(beat("m" + std::to_string(i), -1).error_code, 0);
  server_->expire_offsets();
  EXPECT_EQ(recorded(), 1u);
}

TEST_F(OffsetExpiration, AGroupThatCannotBeTakenIntoUseIsRefusedForNow) {
  commit("t", 0, {});
  server_->expire_offsets();
  ASSERT_TRUE(log_->close());
  auto request = join_of();
  EXPECT_EQ(client_->call<JoinGroupResponse>(request, 3).error_code, code(ErrorCode::kCoordinatorNotAvailable));
  EXPECT_EQ(beat("a", 0).error_code, code(ErrorCode::kCoordinatorNotAvailable));
  server_->expire_offsets();  // and a check that can change nothing ends
}

TEST_F(OffsetExpiration, ManyGroupsAndOffsetsInOneCheck) {
  constexpr int32_t kPartitions = 2'500;
  const TopicId wide = log_->create_topic("wide", kPartitions, {})->id;
  std::map<log::OffsetKey, log::CommittedOffset> all;
  for (int32_t p = 0; p < kPartitions; ++p) all[{wide, p}] = {.offset = {1}, .metadata = {}, .commit_time_ms = clock_.wall_us() / 1'000};
  const auto commit_to = [&](const std::string& group, std::map<log::OffsetKey, log::CommittedOffset> offsets) {
    std::promise<bool> done;
    log_->commit_offsets(group, std::move(offsets), [&](Result<> result) { done.set_value(result.has_value()); });
    EXPECT_TRUE(done.get_future().get());
  };
  commit_to("g", all);
  for (int i = 0; i < 200; ++i) commit_to("g" + std::to_string(i), {*all.begin()});
  server_->expire_offsets();
  EXPECT_EQ(recorded(), 201u);
  pass(10);
  const int64_t before = counter("millstream_kafka_offsets_expired_total").get();
  server_->expire_offsets();
  EXPECT_EQ(counter("millstream_kafka_offsets_expired_total").get() - before, kPartitions + 200);
  EXPECT_TRUE(log_->groups_with_offsets().empty());
  server_->expire_offsets();
  restart();
  EXPECT_EQ(recorded(), 0u);
}

TEST_F(OffsetExpiration, TheServerChecksByItself) {
  serve({.offsets_retention_check_interval_ms = 1});
  client_ = std::make_unique<Client>(server_->port());
  commit("t", 0, {});
  commit("t", 1, {.version = 4, .retention_time_ms = 0});
  while (offsets().contains("t/1")) continue;
  EXPECT_EQ(offsets(), (Left{"t/0"}));
}

TEST_F(OffsetExpiration, TheBrokerTellsItsRetention) {
  DescribeConfigsRequest request;
  request.resources.push_back({.resource_type = 4, .resource_name = "1", .configuration_keys = std::vector<std::string>{"offsets.retention.minutes"}});
  const auto configs = client_->call<DescribeConfigsResponse>(request, 4).results.at(0).configs;
  ASSERT_EQ(configs.size(), 1u);
  EXPECT_EQ(configs[0].value, std::to_string(kRetentionMinutes));
}

}  // namespace
}  // namespace ms::kafka
