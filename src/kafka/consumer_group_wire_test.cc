// Consumer groups over the wire.
#include "kafka/consumer_protocol.h"
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

class ConsumerGroups : public KafkaServerTest {
 protected:
  ConsumerGroupHeartbeatRequest joins(std::string member) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = "g";
    request.member_id = std::move(member);
    request.rebalance_timeout_ms = 60'000;
    request.subscribed_topic_names.emplace().push_back("t");
    request.topic_partitions.emplace();
    return request;
  }
  int16_t commit(Client& client, std::string member, int32_t epoch, int16_t version = 9) {
    OffsetCommitRequest request;
    request.group_id = "g";
    request.member_id = std::move(member);
    request.generation_id_or_member_epoch = epoch;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({.partition_index = 0, .committed_offset = 7, .committed_metadata = {}});
    return client.call<OffsetCommitResponse>(request, version).topics.at(0).partitions.at(0).error_code;
  }
  static size_t classic_members(Client& client) {
    DescribeGroupsRequest request;
    request.groups = {"g"};
    return client.call<DescribeGroupsResponse>(request, 5).groups.at(0).members.size();
  }
  static ConsumerGroupDescribeResponse::Group describe(Client& client) {
    ConsumerGroupDescribeRequest request;
    request.group_ids = {"g"};
    return client.call<ConsumerGroupDescribeResponse>(request, 1).groups.at(0);
  }
};

TEST_F(ConsumerGroups, JoinCommitDescribeLeave) {
  Client client(server_->port());
  EXPECT_EQ(describe(client).error_code, code(ErrorCode::kGroupIdNotFound));
  auto join = joins("a");
  const auto joined = client.call<ConsumerGroupHeartbeatResponse>(join, 1);
  EXPECT_EQ(joined.error_code, 0);
  EXPECT_EQ(joined.member_epoch, 1);
  ASSERT_TRUE(joined.assignment);
  EXPECT_EQ(joined.assignment->topic_partitions.at(0).topic_id, id_);
  EXPECT_EQ(joined.assignment->topic_partitions.at(0).partitions, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(commit(client, "a", 1), 0);
  EXPECT_EQ(commit(client, "a", 0), code(ErrorCode::kStaleMemberEpoch));
  EXPECT_EQ(commit(client, "b", 1), code(ErrorCode::kUnknownMemberId));
  EXPECT_EQ(commit(client, "a", 1, 8), code(ErrorCode::kUnsupportedVersion));
  const auto described = describe(client);
  EXPECT_EQ(described.group_state, "Stable");
  EXPECT_EQ(described.assignor_name, "uniform");
  EXPECT_EQ(described.members.at(0).assignment.topic_partitions.at(0).topic_name, "t");

  OffsetFetchRequest fetch;
  auto& asked = fetch.groups.emplace_back();
  asked.group_id = "g";
  asked.member_id = "a";
  asked.member_epoch = 5;
  EXPECT_EQ(client.call<OffsetFetchResponse>(fetch, 9).groups.at(0).error_code, code(ErrorCode::kStaleMemberEpoch));
  asked.member_epoch = 1;
  EXPECT_EQ(client.call<OffsetFetchResponse>(fetch, 9).groups.at(0).topics.at(0).partitions.at(0).committed_offset, 7);

  DescribeGroupsRequest classic;
  classic.groups = {"g"};
  EXPECT_EQ(client.call<DescribeGroupsResponse>(classic, 6).groups.at(0).error_code, code(ErrorCode::kGroupIdNotFound));
  ListGroupsRequest list;
  list.types_filter = {"consumer"};
  EXPECT_EQ(client.call<ListGroupsResponse>(list, 5).groups.at(0).group_state, "Stable");
  DeleteGroupsRequest remove;
  remove.groups_names = {"g"};
  EXPECT_EQ(client.call<DeleteGroupsResponse>(remove, 2).results.at(0).error_code, code(ErrorCode::kNonEmptyGroup));

  OffsetDeleteRequest forget;
  forget.group_id = "g";
  forget.topics.push_back({"t", {{0}}});
  EXPECT_EQ(client.call<OffsetDeleteResponse>(forget, 0).topics.at(0).partitions.at(0).error_code, code(ErrorCode::kGroupSubscribedToTopic));

  ConsumerGroupHeartbeatRequest leave;
  leave.group_id = "g";
  leave.member_id = "a";
  leave.member_epoch = -1;
  EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(leave, 1).member_epoch, -1);
  EXPECT_EQ(describe(client).group_state, "Empty");
  EXPECT_EQ(client.call<OffsetDeleteResponse>(forget, 0).topics.at(0).partitions.at(0).error_code, 0);
  EXPECT_TRUE(log_->committed_offsets("g").empty());
  EXPECT_EQ(client.call<OffsetFetchResponse>(fetch, 9).groups.at(0).error_code, code(ErrorCode::kUnknownMemberId));
}

TEST_F(ConsumerGroups, RequestsThatMakeNoSense) {
  Client client(server_->port());
  const auto error_of = [&](auto spoil) {
    auto request = joins("a");
    spoil(request);
    return client.call<ConsumerGroupHeartbeatResponse>(request, 1).error_code;
  };
  EXPECT_EQ(error_of([](auto& r) { r.group_id = ""; }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.member_id = ""; }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.member_epoch = -3; }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.member_epoch = -2; }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.rebalance_timeout_ms = -1; }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.topic_partitions.reset(); }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.subscribed_topic_names.reset(); }), code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(error_of([](auto& r) { r.server_assignor = "mine"; }), code(ErrorCode::kUnsupportedAssignor));
  EXPECT_EQ(error_of([](auto& r) { r.subscribed_topic_regex = "("; }), code(ErrorCode::kInvalidRegularExpression));
  EXPECT_EQ(error_of([](auto& r) { r.member_epoch = 4; }), code(ErrorCode::kUnknownMemberId));
}

TEST_F(ConsumerGroups, OthersThanConsumersAreRefused) {
  Client client(server_->port());
  auto join = joins("a");
  EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(join, 1).error_code, 0);
  JoinGroupRequest classic;
  classic.group_id = "g";
  classic.session_timeout_ms = 10'000;
  classic.rebalance_timeout_ms = 10'000;
  classic.protocol_type = "consumer";
  classic.protocols.push_back({"range", Slice::copy(std::string("x"))});
  EXPECT_EQ(client.call<JoinGroupResponse>(classic, 3).error_code, code(ErrorCode::kInconsistentGroupProtocol));  // no subscription
  classic.group_id = "c";
  classic.protocol_type = "connect";
  EXPECT_EQ(client.call<JoinGroupResponse>(classic, 3).error_code, 0);
  join.group_id = "c";
  EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(join, 1).error_code, code(ErrorCode::kGroupIdNotFound));
}

// A waiting member is answered when its group becomes another one.
TEST_F(ConsumerGroups, AClassicGroupGoesOver) {
  Client classic(server_->port()), other(server_->port());
  JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = join.rebalance_timeout_ms = 30'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", Slice::copy(encode_subscription({.version = 1, .topics = {"t"}, .owned = {}, .rack_id = {}}))});
  const auto first = classic.call<JoinGroupResponse>(join, 3);
  ASSERT_EQ(first.error_code, 0);
  auto second = join;
  other.ask(second, 3);  // waits for the first one to join again
  Client consumer(server_->port());
  auto beat = joins("k");
  while (classic_members(consumer) < 2) {}
  EXPECT_EQ(consumer.call<ConsumerGroupHeartbeatResponse>(beat, 1).error_code, 0);
  EXPECT_EQ(other.receive<JoinGroupResponse>(3).error_code, code(ErrorCode::kRebalanceInProgress));
  HeartbeatRequest alive;
  alive.group_id = "g";
  alive.member_id = first.member_id;
  alive.generation_id = first.generation_id;
  EXPECT_EQ(classic.call<HeartbeatResponse>(alive, 3).error_code, code(ErrorCode::kRebalanceInProgress));
  join.member_id = first.member_id;
  const auto again = classic.call<JoinGroupResponse>(join, 3);
  EXPECT_EQ(again.error_code, 0);
  EXPECT_EQ(again.leader, "");
  EXPECT_EQ(again.protocol_name, "range");
  SyncGroupRequest sync;
  sync.group_id = "g";
  sync.member_id = first.member_id;
  sync.generation_id = again.generation_id;
  const auto synced = classic.call<SyncGroupResponse>(sync, 3);
  EXPECT_EQ(synced.error_code, 0);
  EXPECT_TRUE(decode_assignment(synced.assignment.view()));
  EXPECT_EQ(commit(classic, first.member_id, again.generation_id, 7), 0);
  const auto described = describe(consumer);
  ASSERT_EQ(described.members.size(), 3u);
  EXPECT_EQ(std::ranges::count(described.members, 0, &ConsumerGroupDescribeResponse::Group::Member::member_type), 2);
  LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.members.push_back({.member_id = first.member_id, .group_instance_id = {}, .reason = {}});
  EXPECT_EQ(classic.call<LeaveGroupResponse>(leave, 5).members.at(0).error_code, 0);
  EXPECT_EQ(describe(consumer).members.size(), 2u);
}

// Members learn them with their next heartbeat, and a server that starts again knows them.
TEST_F(ConsumerGroups, AGroupMayHaveSettingsOfItsOwn) {
  IncrementalAlterConfigsRequest alter;
  alter.resources.push_back({32, "g", {{"consumer.heartbeat.interval.ms", 0, "7000"}}});
  auto join = joins("a");
  {
    Client client(server_->port());
    EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(join, 1).heartbeat_interval_ms, 5'000);
    EXPECT_EQ(client.call<IncrementalAlterConfigsResponse>(alter, 1).responses.at(0).error_code, 0);
    EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(join, 1).heartbeat_interval_ms, 7'000);
    ListConfigResourcesRequest list;
    list.resource_types = {32};
    EXPECT_EQ(client.call<ListConfigResourcesResponse>(list, 1).config_resources.at(0).resource_name, "g");
    alter.resources[0].configs[0].value = "16000";
    EXPECT_EQ(client.call<IncrementalAlterConfigsResponse>(alter, 1).responses.at(0).error_code, code(ErrorCode::kInvalidConfig));
    alter.resources[0].configs[0].name = "share.session.timeout.ms";
    EXPECT_EQ(client.call<IncrementalAlterConfigsResponse>(alter, 1).responses.at(0).error_code, code(ErrorCode::kInvalidConfig));
  }
  serve({});
  Client client(server_->port());
  EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(join, 1).heartbeat_interval_ms, 7'000);
  alter.resources[0].configs[0] = {"consumer.heartbeat.interval.ms", 1, {}};
  EXPECT_EQ(client.call<IncrementalAlterConfigsResponse>(alter, 1).responses.at(0).error_code, 0);
  EXPECT_EQ(client.call<ConsumerGroupHeartbeatResponse>(join, 1).heartbeat_interval_ms, 5'000);
}

}  // namespace
}  // namespace ms::kafka
