// What requests about stored records and where they lie mean, asked over a socket in every version.
#include <gtest/gtest.h>

#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

class KafkaStorageTest : public KafkaServerTest {
 protected:
  using Told = std::pair<ErrorCode, int64_t>;

  // Error and low watermark of partition 0 of t, in every version the same.
  Told delete_before(int64_t offset, std::string topic = "t", int32_t partition = 0) {
    std::optional<Told> told;
    for (int16_t version = 0; version <= 2; ++version) {
      DeleteRecordsRequest request;
      request.topics.push_back({.name = topic, .partitions = {{.partition_index = partition, .offset = offset}}});
      const auto response = client_->call<DeleteRecordsResponse>(request, version);
      const auto& p = response.topics.at(0).partitions.at(0);
      EXPECT_EQ(p.partition_index, partition);
      const Told now{static_cast<ErrorCode>(p.error_code), p.low_watermark};
      EXPECT_EQ(told.value_or(now), now) << version;
      told = now;
    }
    return *told;
  }
  int64_t earliest() {
    ListOffsetsRequest request;
    request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .current_leader_epoch = -1, .timestamp = -2}}});
    return client_->call<ListOffsetsResponse>(request, 10).topics.at(0).partitions.at(0).offset;
  }
  DescribeTopicPartitionsResponse describe(std::vector<std::string> names, int32_t limit = 2000,
                                           std::optional<DescribeTopicPartitionsRequest::Cursor> cursor = std::nullopt) {
    DescribeTopicPartitionsRequest request;
    for (std::string& name : names) request.topics.push_back({std::move(name)});
    request.response_partition_limit = limit;
    request.cursor = std::move(cursor);
    return client_->call<DescribeTopicPartitionsResponse>(request, 0);
  }
  // "a:0,1 b:0 -> b:1": topics with their partitions, and the cursor.
  static std::string summary(const DescribeTopicPartitionsResponse& response) {
    std::string out;
    for (const auto& topic : response.topics) {
      out += (out.empty() ? "" : " ") + *topic.name + ":";
      for (const auto& p : topic.partitions) out += (out.back() == ':' ? "" : ",") + std::to_string(p.partition_index);
    }
    if (response.next_cursor) out += " -> " + response.next_cursor->topic_name + ":" + std::to_string(response.next_cursor->partition_index);
    return out;
  }

  std::unique_ptr<Client> client_ = std::make_unique<Client>(server_->port());
};

// ---- DeleteRecords

TEST_F(KafkaStorageTest, DeleteRecordsMovesTheLogStart) {
  EXPECT_EQ(produce(*client_, batch_of("a", 4)).error_code, 0);
  EXPECT_EQ(delete_before(0), Told(ErrorCode::kNone, 0));
  EXPECT_EQ(delete_before(2), Told(ErrorCode::kNone, 2));
  EXPECT_EQ(delete_before(1), Told(ErrorCode::kNone, 2));
  EXPECT_EQ(earliest(), 2);
  auto below = fetch_of(1, 60'000);
  EXPECT_EQ(client_->call<FetchResponse>(below, 12).responses.at(0).partitions.at(0).error_code, code(ErrorCode::kOffsetOutOfRange));
  auto there = fetch_of(2, 0);
  const auto fetched = client_->call<FetchResponse>(there, 12).responses.at(0).partitions.at(0);
  EXPECT_EQ(fetched.error_code, 0);
  EXPECT_EQ(fetched.log_start_offset, 2);
  EXPECT_EQ(fetched.high_watermark, 4);
  EXPECT_EQ(produce(*client_, batch_of("b")).log_start_offset, 2);
  EXPECT_EQ(delete_before(6), Told(ErrorCode::kOffsetOutOfRange, -1));
  EXPECT_EQ(delete_before(-2), Told(ErrorCode::kOffsetOutOfRange, -1));
  EXPECT_EQ(delete_before(-1), Told(ErrorCode::kNone, 5));  // the high watermark
  EXPECT_EQ(earliest(), 5);
  EXPECT_EQ(produce(*client_, batch_of("c")).base_offset, 5);
}

TEST_F(KafkaStorageTest, DeleteRecordsOfWhatIsNotThere) {
  EXPECT_EQ(delete_before(-1, "nowhere"), Told(ErrorCode::kUnknownTopicOrPartition, -1));
  EXPECT_EQ(delete_before(-1, "t", 2), Told(ErrorCode::kUnknownTopicOrPartition, -1));
  EXPECT_EQ(delete_before(0, "t", -1), Told(ErrorCode::kUnknownTopicOrPartition, -1));
  EXPECT_EQ(delete_before(-1), Told(ErrorCode::kNone, 0));  // empty
}

// As in Kafka: what is only compacted stays until it is superseded.
TEST_F(KafkaStorageTest, DeleteRecordsOnlyWhereThePolicyDeletes) {
  ASSERT_TRUE(log_->create_topic("compacted", 1, {{"cleanup.policy", "compact"}}));
  ASSERT_TRUE(log_->create_topic("both", 1, {{"cleanup.policy", "compact,delete"}}));
  ASSERT_TRUE(log_->create_topic("internal", 1, {}, true));
  EXPECT_EQ(delete_before(0, "compacted"), Told(ErrorCode::kPolicyViolation, -1));
  EXPECT_EQ(delete_before(-5, "compacted"), Told(ErrorCode::kPolicyViolation, -1));
  EXPECT_EQ(delete_before(0, "compacted", 1), Told(ErrorCode::kUnknownTopicOrPartition, -1));
  EXPECT_EQ(delete_before(0, "both"), Told(ErrorCode::kNone, 0));
  EXPECT_EQ(delete_before(0, "internal"), Told(ErrorCode::kInvalidTopicException, -1));
}

// ---- DescribeLogDirs

TEST_F(KafkaStorageTest, DescribeLogDirsTellsWhatPartitionsTake) {
  const std::string batch = batch_of("a", 3);
  EXPECT_EQ(produce(*client_, batch).error_code, 0);
  ASSERT_TRUE(log_->create_topic("u", 1, {}));
  for (int16_t version = 1; version <= 5; ++version) {
    SCOPED_TRACE(version);
    DescribeLogDirsRequest request;
    const auto all = client_->call<DescribeLogDirsResponse>(request, version);
    EXPECT_EQ(all.error_code, 0);
    ASSERT_EQ(all.results.size(), 1u);
    const auto& directory = all.results[0];
    EXPECT_EQ(directory.error_code, 0);
    EXPECT_EQ(directory.total_bytes, -1);
    EXPECT_FALSE(directory.is_cordoned);
    ASSERT_EQ(directory.topics.size(), 2u);
    EXPECT_EQ(directory.topics[0].name, "t");
    ASSERT_EQ(directory.topics[0].partitions.size(), 2u);
    EXPECT_EQ(directory.topics[0].partitions[0].partition_size, static_cast<int64_t>(batch.size()));
    EXPECT_EQ(directory.topics[0].partitions[0].offset_lag, 0);
    EXPECT_EQ(directory.topics[0].partitions[1].partition_size, 0);
    request.topics = {{.topic = "t", .partitions = {1, 7, -1}}, {.topic = "nowhere", .partitions = {0}}};
    const auto some = client_->call<DescribeLogDirsResponse>(request, version).results.at(0);
    ASSERT_EQ(some.topics.size(), 1u);
    ASSERT_EQ(some.topics[0].partitions.size(), 1u);
    EXPECT_EQ(some.topics[0].partitions[0].partition_index, 1);
    request.topics.emplace();
    EXPECT_TRUE(client_->call<DescribeLogDirsResponse>(request, version).results.at(0).topics.empty());
  }
}

// ---- DescribeTopicPartitions

TEST_F(KafkaStorageTest, DescribeTopicPartitionsDescribes) {
  const auto response = describe({"t", "nowhere", "not a name", "t"});
  EXPECT_FALSE(response.next_cursor);
  ASSERT_EQ(response.topics.size(), 3u);
  EXPECT_EQ(response.topics[0].error_code, code(ErrorCode::kInvalidTopicException));
  EXPECT_EQ(response.topics[1].error_code, code(ErrorCode::kUnknownTopicOrPartition));
  const auto& topic = response.topics[2];
  EXPECT_EQ(topic.error_code, 0);
  EXPECT_EQ(topic.topic_id, id_);
  EXPECT_FALSE(topic.is_internal);
  EXPECT_NE(topic.topic_authorized_operations, INT32_MIN);
  ASSERT_EQ(topic.partitions.size(), 2u);
  const auto& p = topic.partitions[1];
  EXPECT_EQ(p.error_code, 0);
  EXPECT_EQ(p.partition_index, 1);
  EXPECT_EQ(p.leader_id, 1);
  EXPECT_EQ(p.leader_epoch, 0);
  EXPECT_EQ(p.replica_nodes, std::vector{1});
  EXPECT_EQ(p.isr_nodes, std::vector{1});
  EXPECT_EQ(p.eligible_leader_replicas, std::vector<int32_t>{});
  EXPECT_EQ(p.last_known_elr, std::vector<int32_t>{});
  EXPECT_TRUE(p.offline_replicas.empty());
}

TEST_F(KafkaStorageTest, DescribeTopicPartitionsComesInPieces) {
  ASSERT_TRUE(log_->create_topic("s", 3, {}));
  ASSERT_TRUE(log_->create_topic("z", 2500, {}));
  EXPECT_EQ(summary(describe({"t", "s"})), "s:0,1,2 t:0,1");
  EXPECT_EQ(summary(describe({"t", "s"}, 4)), "s:0,1,2 t:0 -> t:1");
  EXPECT_EQ(summary(describe({"t", "s"}, 3)), "s:0,1,2 -> t:0");
  EXPECT_EQ(summary(describe({"t", "s"}, 0)), "s:0 -> s:1");  // at least one
  EXPECT_EQ(summary(describe({"t", "s"}, 2, {{"s", 1}})), "s:1,2 -> t:0");
  EXPECT_EQ(summary(describe({"t", "s"}, 2, {{"t", 0}})), "t:0,1");
  EXPECT_EQ(summary(describe({"t", "s"}, 2, {{"sa", 7}})), "t:0,1");  // its topic is gone
  EXPECT_EQ(summary(describe({"t", "s"}, 2, {{"t", 2}})), "t:");
  EXPECT_EQ(summary(describe({}, 2)), "s:0,1 -> s:2");
  EXPECT_EQ(describe({"z"}, INT32_MAX).next_cursor->partition_index, 2000);
  EXPECT_EQ(describe({"t"}, 2, {{"t", -1}}).topics.at(0).error_code, code(ErrorCode::kInvalidRequest));
  // Every partition of every topic, once.
  size_t told = 0;
  std::optional<DescribeTopicPartitionsRequest::Cursor> at;
  do {
    const auto piece = describe({}, 7, at);
    for (const auto& topic : piece.topics) told += topic.partitions.size();
    at.reset();
    if (piece.next_cursor) at = {piece.next_cursor->topic_name, piece.next_cursor->partition_index};
  } while (at);
  EXPECT_EQ(told, 3u + 2u + 2500u);
}

// ---- where partitions lie

TEST_F(KafkaStorageTest, ElectionsAreNeverNeeded) {
  for (int16_t version = 0; version <= 2; ++version) {
    SCOPED_TRACE(version);
    for (const int8_t type : {int8_t{0}, int8_t{1}}) {
      ElectLeadersRequest request;
      request.election_type = type;
      EXPECT_TRUE(client_->call<ElectLeadersResponse>(request, version).replica_election_results.empty());
      request.topic_partitions = {{.topic = "t", .partitions = {1, 2}}, {.topic = "nowhere", .partitions = {0}}};
      const auto results = client_->call<ElectLeadersResponse>(request, version).replica_election_results;
      ASSERT_EQ(results.size(), 2u);
      EXPECT_EQ(results[0].partition_result.at(0).error_code, code(ErrorCode::kElectionNotNeeded));
      EXPECT_EQ(results[0].partition_result.at(1).error_code, code(ErrorCode::kUnknownTopicOrPartition));
      EXPECT_EQ(results[1].partition_result.at(0).error_code, code(ErrorCode::kUnknownTopicOrPartition));
    }
  }
  ElectLeadersRequest request;
  request.election_type = 2;
  EXPECT_EQ(client_->call<ElectLeadersResponse>(request, 2).error_code, code(ErrorCode::kInvalidRequest));
}

TEST_F(KafkaStorageTest, NothingIsReassigned) {
  for (int16_t version = 0; version <= 1; ++version) {
    AlterPartitionReassignmentsRequest request;
    request.topics = {{.name = "t", .partitions = {{0, std::vector{1}}, {1, std::vector{2}}, {1, std::vector{1, 2}}, {0, std::vector<int32_t>{}}, {0, std::nullopt}, {2, std::vector{1}}}},
                      {.name = "nowhere", .partitions = {{0, std::nullopt}}}};
    const auto response = client_->call<AlterPartitionReassignmentsResponse>(request, version);
    EXPECT_EQ(response.error_code, 0);
    std::vector<ErrorCode> told;
    for (const auto& topic : response.responses)
      for (const auto& p : topic.partitions) told.push_back(static_cast<ErrorCode>(p.error_code));
    using E = ErrorCode;
    EXPECT_EQ(told, (std::vector{E::kNone, E::kInvalidReplicaAssignment, E::kInvalidReplicaAssignment, E::kInvalidReplicaAssignment, E::kNoReassignmentInProgress,
                                 E::kUnknownTopicOrPartition, E::kUnknownTopicOrPartition}));
  }
  ListPartitionReassignmentsRequest list;
  for (int i = 0; i < 2; ++i) {
    const auto response = client_->call<ListPartitionReassignmentsResponse>(list, 0);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_TRUE(response.topics.empty());
    list.topics = {{.name = "t", .partition_indexes = {0, 9}}};
  }
}

// ---- ListConfigResources

TEST_F(KafkaStorageTest, ListConfigResourcesListsTopicsAndTheBroker) {
  ASSERT_TRUE(log_->create_topic("u", 1, {}));
  const auto list = [&](std::vector<int8_t> types, int16_t version = 1) {
    ListConfigResourcesRequest request;
    request.resource_types = std::move(types);
    const auto response = client_->call<ListConfigResourcesResponse>(request, version);
    std::string out = response.error_code != 0 ? "error " + std::to_string(response.error_code) : "";
    for (const auto& each : response.config_resources) out += each.resource_name + "/" + std::to_string(each.resource_type) + " ";
    return out;
  };
  EXPECT_EQ(list({}), "t/2 u/2 1/4 ");
  EXPECT_EQ(list({2}), "t/2 u/2 ");
  EXPECT_EQ(list({4, 4}), "1/4 ");
  EXPECT_EQ(list({8, 16, 32}), "");
  EXPECT_EQ(list({2, 3}), "error 35");
  EXPECT_EQ(list({}, 0), "");  // client metrics alone
}

// ---- OffsetForLeaderEpoch

TEST_F(KafkaStorageTest, OffsetForLeaderEpochInEveryVersion) {
  EXPECT_EQ(produce(*client_, batch_of("a", 3)).error_code, 0);
  for (int16_t version = 2; version <= 4; ++version) {
    OffsetForLeaderEpochRequest request;
    request.topics.push_back({.topic = "t", .partitions = {{.partition = 0, .current_leader_epoch = 0, .leader_epoch = 0}}});
    const auto response = client_->call<OffsetForLeaderEpochResponse>(request, version);
    const auto& p = response.topics.at(0).partitions.at(0);
    EXPECT_EQ(std::tuple(p.error_code, p.leader_epoch, p.end_offset), std::tuple(0, 0, 3)) << version;
  }
}

}  // namespace
}  // namespace ms::kafka
