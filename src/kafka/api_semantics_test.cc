// What Kafka's administrative requests mean, asked over a socket: the answer of a Kafka 4 broker, field by field.
#include <gtest/gtest.h>

#include <set>

#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

constexpr int8_t kTopic = 2, kBroker = 4;
enum : int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };
constexpr int8_t kFromTopic = 1, kFromBroker = 4, kByDefault = 5;

class KafkaApiTest : public KafkaServerTest {
 protected:
  using Change = IncrementalAlterConfigsRequest::Resource::Config;

  static IncrementalAlterConfigsRequest::Resource of_topic(std::vector<Change> changes, std::string topic = "t") {
    return {.resource_type = kTopic, .resource_name = std::move(topic), .configs = std::move(changes)};
  }
  ErrorCode alter(std::vector<Change> changes, bool validate_only = false, std::string topic = "t") {
    IncrementalAlterConfigsRequest request;
    request.validate_only = validate_only;
    request.resources.push_back(of_topic(std::move(changes), std::move(topic)));
    const auto response = client_->call<IncrementalAlterConfigsResponse>(request, 1).responses.at(0);
    EXPECT_EQ(response.error_code != 0, response.error_message.has_value());
    return static_cast<ErrorCode>(response.error_code);
  }
  ErrorCode alter_all(std::vector<std::pair<std::string, std::optional<std::string>>> configs, bool validate_only = false) {
    AlterConfigsRequest request;
    request.validate_only = validate_only;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = kTopic, resource.resource_name = "t";
    for (auto& [name, value] : configs) resource.configs.push_back({name, value});
    return static_cast<ErrorCode>(client_->call<AlterConfigsResponse>(request, 2).responses.at(0).error_code);
  }
  // "VALUE from SOURCE" of one configuration of topic t.
  std::string config(const std::string& name) {
    DescribeConfigsRequest request;
    request.resources.push_back({.resource_type = kTopic, .resource_name = "t", .configuration_keys = std::vector{name}});
    const auto configs = client_->call<DescribeConfigsResponse>(request, 4).results.at(0).configs;
    return configs.size() == 1 ? *configs[0].value + " from " + std::to_string(configs[0].config_source) : "?";
  }
  CreateTopicsResponse::Topic create(CreateTopicsRequest::Topic topic, bool validate_only = false) {
    CreateTopicsRequest request;
    request.topics.push_back(std::move(topic));
    request.validate_only = validate_only;
    return client_->call<CreateTopicsResponse>(request, 7).topics.at(0);
  }

  std::unique_ptr<Client> client_ = std::make_unique<Client>(server_->port());
};

// ---- configurations

TEST_F(KafkaApiTest, IncrementalAlterConfigsSetsAndDeletes) {
  EXPECT_EQ(config("retention.ms"), "604800000 from 5");
  EXPECT_EQ(alter({{"retention.ms", kSet, "1000"}, {"segment.ms", kSet, "2000"}}), ErrorCode::kNone);
  EXPECT_EQ(config("retention.ms"), "1000 from 1");
  EXPECT_EQ(alter({{"retention.ms", kDelete, std::nullopt}}), ErrorCode::kNone);
  EXPECT_EQ(config("retention.ms"), "604800000 from 5");
  EXPECT_EQ(config("segment.ms"), "2000 from 1");  // what is not named stays
  EXPECT_EQ(alter({{"retention.ms", kDelete, std::nullopt}}), ErrorCode::kNone);  // was not set: fine
}

TEST_F(KafkaApiTest, AppendAndSubtractAreForListsOnly) {
  EXPECT_EQ(alter({{"cleanup.policy", kAppend, "delete"}}), ErrorCode::kNone);  // in it already
  EXPECT_EQ(config("cleanup.policy"), "delete from 1");
  EXPECT_EQ(alter({{"cleanup.policy", kSubtract, "compact"}}), ErrorCode::kNone);  // was not in it
  EXPECT_EQ(config("cleanup.policy"), "delete from 1");
  EXPECT_EQ(alter({{"cleanup.policy", kAppend, "compact"}}), ErrorCode::kNone);
  EXPECT_EQ(config("cleanup.policy"), "delete,compact from 1");
  EXPECT_EQ(alter({{"cleanup.policy", kSubtract, "delete"}}), ErrorCode::kNone);
  EXPECT_EQ(config("cleanup.policy"), "compact from 1");
  EXPECT_EQ(alter({{"cleanup.policy", kAppend, "shrink"}}), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter({{"min.compaction.lag.ms", kSet, "5"}, {"max.compaction.lag.ms", kSet, "4"}}), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter({{"retention.ms", kSet, "1000"}}), ErrorCode::kNone);
  EXPECT_EQ(alter({{"retention.ms", kAppend, "1000"}}), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter({{"retention.ms", kSubtract, "7"}}), ErrorCode::kInvalidConfig);
  EXPECT_EQ(config("retention.ms"), "1000 from 1");
}

TEST_F(KafkaApiTest, ValidateOnlyChangesNothing) {
  EXPECT_EQ(alter({{"retention.ms", kSet, "1000"}}, true), ErrorCode::kNone);
  EXPECT_EQ(alter({{"retention.ms", kSet, "soon"}}, true), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter({{"no.such.config", kSet, "1"}}, true), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter({{"retention.ms", kSet, "1000"}}, true, "nowhere"), ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(alter_all({{"retention.ms", "1000"}}, true), ErrorCode::kNone);
  EXPECT_EQ(config("retention.ms"), "604800000 from 5");
}

TEST_F(KafkaApiTest, ChangesThatContradictThemselvesAreInvalidRequests) {
  EXPECT_EQ(alter({{"retention.ms", kSet, std::nullopt}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(alter({{"retention.ms", kSet, "1"}, {"retention.ms", kSet, "2"}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(alter({{"retention.ms", 9, "1"}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(alter_all({{"retention.ms", std::nullopt}}), ErrorCode::kInvalidRequest);
  EXPECT_EQ(alter_all({{"retention.ms", "1"}, {"retention.ms", "2"}}), ErrorCode::kInvalidRequest);
  IncrementalAlterConfigsRequest twice;
  twice.resources = {of_topic({{"retention.ms", kSet, "1"}}), of_topic({{"segment.ms", kSet, "1"}})};
  for (const auto& response : client_->call<IncrementalAlterConfigsResponse>(twice, 1).responses)
    EXPECT_EQ(response.error_code, code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(config("retention.ms"), "604800000 from 5");
  EXPECT_EQ(config("segment.ms"), "604800000 from 5");
}

TEST_F(KafkaApiTest, AChangeIsAllOrNothingPerResource) {
  ASSERT_TRUE(log_->create_topic("u", 1, {}));
  IncrementalAlterConfigsRequest request;
  request.resources = {of_topic({{"retention.ms", kSet, "1000"}, {"segment.ms", kSet, "soon"}}), of_topic({{"retention.ms", kSet, "1000"}}, "u")};
  const auto responses = client_->call<IncrementalAlterConfigsResponse>(request, 1).responses;
  EXPECT_EQ(responses.at(0).error_code, code(ErrorCode::kInvalidConfig));
  EXPECT_EQ(responses.at(1).error_code, 0);
  EXPECT_EQ(config("retention.ms"), "604800000 from 5");
  EXPECT_EQ(log_->find_topic("u")->config.at("retention.ms"), "1000");
}

TEST_F(KafkaApiTest, AlterConfigsReplacesEverything) {
  EXPECT_EQ(alter({{"retention.ms", kSet, "1000"}, {"segment.ms", kSet, "2000"}}), ErrorCode::kNone);
  EXPECT_EQ(alter_all({{"segment.ms", "3000"}}), ErrorCode::kNone);
  EXPECT_EQ(config("retention.ms"), "604800000 from 5");
  EXPECT_EQ(config("segment.ms"), "3000 from 1");
  EXPECT_EQ(alter_all({}), ErrorCode::kNone);
  EXPECT_TRUE(log_->find_topic("t")->config.empty());
}

TEST_F(KafkaApiTest, TheBrokersConfigurationIsReadOnly) {
  DescribeConfigsRequest request;
  request.include_synonyms = true;
  for (const char* name : {"1", "", "7", "x"}) request.resources.push_back({.resource_type = kBroker, .resource_name = name, .configuration_keys = std::nullopt});
  request.resources.push_back({.resource_type = kBroker, .resource_name = "1", .configuration_keys = std::vector<std::string>{"node.id", "no.such"}});
  const auto results = client_->call<DescribeConfigsResponse>(request, 4).results;
  std::set<std::string> names;
  for (const auto& c : results.at(0).configs) {
    names.insert(c.name);
    EXPECT_TRUE(c.read_only && !c.is_sensitive && c.config_source == kFromBroker) << c.name;
    EXPECT_EQ(c.synonyms.size(), 1u) << c.name;
  }
  EXPECT_TRUE(names.contains("auto.create.topics.enable") && names.contains("num.partitions")) << names.size();
  EXPECT_EQ(results.at(1).error_code, 0);  // the dynamic defaults of the cluster: none are set
  EXPECT_TRUE(results.at(1).configs.empty());
  EXPECT_EQ(results.at(2).error_code, code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(results.at(3).error_code, code(ErrorCode::kInvalidRequest));
  ASSERT_EQ(results.at(4).configs.size(), 1u);  // unknown names are left out
  EXPECT_EQ(results.at(4).configs[0].value, "1");

  IncrementalAlterConfigsRequest change;
  change.resources.push_back({.resource_type = kBroker, .resource_name = "1", .configs = {{"num.partitions", kSet, "3"}}});
  EXPECT_EQ(client_->call<IncrementalAlterConfigsResponse>(change, 1).responses.at(0).error_code, code(ErrorCode::kInvalidRequest));
}

// ---- topics

TEST_F(KafkaApiTest, CreateTopicsOnlyToValidate) {
  const auto answer = create({.name = "v", .num_partitions = 3, .replication_factor = -1, .configs = {{"retention.ms", "1000"}}}, true);
  EXPECT_EQ(answer.error_code, 0);
  EXPECT_EQ(answer.num_partitions, 3);
  EXPECT_EQ(answer.replication_factor, 1);
  EXPECT_TRUE(answer.topic_id.uuid.is_nil());
  ASSERT_TRUE(answer.configs);
  std::map<std::string, std::pair<std::string, int>> configs;
  for (const auto& c : *answer.configs) configs[c.name] = {*c.value, c.config_source};
  EXPECT_EQ(configs["retention.ms"], std::pair(std::string("1000"), int{kFromTopic}));
  EXPECT_EQ(configs["cleanup.policy"], std::pair(std::string("delete"), int{kByDefault}));
  EXPECT_FALSE(log_->find_topic("v"));

  EXPECT_EQ(create({.name = "t", .num_partitions = 1, .replication_factor = 1}, true).error_code, code(ErrorCode::kTopicAlreadyExists));
  EXPECT_EQ(create({.name = "v", .num_partitions = 1, .replication_factor = 2}, true).error_code, code(ErrorCode::kInvalidReplicationFactor));
  EXPECT_EQ(create({.name = "v", .num_partitions = 1, .replication_factor = 0}, true).error_code, code(ErrorCode::kInvalidReplicationFactor));
  EXPECT_EQ(create({.name = "v", .num_partitions = 0, .replication_factor = 1}, true).error_code, code(ErrorCode::kInvalidPartitions));
  EXPECT_EQ(create({.name = "v", .num_partitions = 1, .replication_factor = 1, .configs = {{"retention.ms", "soon"}}}, true).error_code, code(ErrorCode::kInvalidConfig));
  EXPECT_EQ(create({.name = "v", .num_partitions = 1, .replication_factor = 1, .configs = {{"retention.ms", std::nullopt}}}, true).error_code, code(ErrorCode::kInvalidConfig));
  EXPECT_FALSE(log_->find_topic("v"));
}

TEST_F(KafkaApiTest, NamesThatDifferInPointsAndUnderscoresCollide) {
  ASSERT_TRUE(log_->create_topic("a.b_c", 1, {}));
  const auto collides = create({.name = "a_b.c", .num_partitions = 1, .replication_factor = 1, .configs = {{"no.such.key", "1"}}}, true);
  EXPECT_EQ(collides.error_code, code(ErrorCode::kInvalidTopicException));
  EXPECT_EQ(collides.error_message, "Topic 'a_b.c' collides with existing topic: a.b_c");
  EXPECT_EQ(create({.name = "a_b_c", .num_partitions = 1, .replication_factor = 1}).error_code, code(ErrorCode::kInvalidTopicException));
  EXPECT_EQ(create({.name = "a.b_c", .num_partitions = 1, .replication_factor = 1}).error_code, code(ErrorCode::kTopicAlreadyExists));
  EXPECT_EQ(create({.name = "a-b.c", .num_partitions = 1, .replication_factor = 1}).error_code, 0);
  EXPECT_EQ(create({.name = "a.b", .num_partitions = 1, .replication_factor = 1}).error_code, 0);
  CreateTopicsRequest two;
  for (const char* name : {"x.y", "x_y"}) two.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = 1});
  const auto answers = client_->call<CreateTopicsResponse>(two, 7).topics;
  EXPECT_EQ(answers.at(0).error_code, 0);
  EXPECT_EQ(answers.at(1).error_code, code(ErrorCode::kInvalidTopicException));
}

TEST_F(KafkaApiTest, CreateTopicsWithManualAssignments) {
  using Assignment = CreateTopicsRequest::Topic::Assignment;
  const auto assigned = [&](std::vector<Assignment> assignments, int32_t partitions = -1, int16_t factor = -1) {
    return create({.name = "m", .num_partitions = partitions, .replication_factor = factor, .assignments = std::move(assignments)});
  };
  EXPECT_EQ(assigned({{0, {1}}, {1, {2}}}).error_code, code(ErrorCode::kInvalidReplicaAssignment));     // no such broker
  EXPECT_EQ(assigned({{0, {1}}, {1, {}}}).error_code, code(ErrorCode::kInvalidReplicaAssignment));
  EXPECT_EQ(assigned({{0, {1}}, {2, {1}}}).error_code, code(ErrorCode::kInvalidReplicaAssignment));     // a gap
  EXPECT_EQ(assigned({{0, {1}}, {0, {1}}}).error_code, code(ErrorCode::kInvalidReplicaAssignment));     // twice
  EXPECT_EQ(assigned({{0, {1}}}, 1).error_code, code(ErrorCode::kInvalidRequest));                      // and a number of partitions
  EXPECT_EQ(assigned({{0, {1}}}, -1, 1).error_code, code(ErrorCode::kInvalidRequest));                  // and a factor
  EXPECT_FALSE(log_->find_topic("m"));
  const auto answer = assigned({{1, {1}}, {0, {1}}});
  EXPECT_EQ(answer.error_code, 0);
  EXPECT_EQ(answer.num_partitions, 2);
  EXPECT_EQ(answer.topic_id, log_->find_topic("m")->id);
  EXPECT_EQ(log_->find_topic("m")->partitions, 2);
}

TEST_F(KafkaApiTest, DeleteTopicsByNameOrById) {
  const TopicId other = log_->create_topic("u", 1, {})->id, third = log_->create_topic("w", 1, {})->id;
  DeleteTopicsRequest request;
  request.topics = {{.name = std::nullopt, .topic_id = id_}, {.name = "u", .topic_id = {}}, {.name = std::nullopt, .topic_id = TopicId{random_uuid()}},
                    {.name = "nowhere", .topic_id = {}}, {.name = "w", .topic_id = third}, {.name = std::nullopt, .topic_id = {}}};
  const auto responses = client_->call<DeleteTopicsResponse>(request, 6).responses;
  ASSERT_EQ(responses.size(), 6u);
  EXPECT_EQ(responses[0].error_code, 0);
  EXPECT_EQ(responses[0].name, "t");
  EXPECT_EQ(responses[0].topic_id, id_);
  EXPECT_EQ(responses[1].error_code, 0);
  EXPECT_EQ(responses[1].topic_id, other);
  EXPECT_EQ(responses[2].error_code, code(ErrorCode::kUnknownTopicId));
  EXPECT_FALSE(responses[2].name);
  EXPECT_EQ(responses[3].error_code, code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(responses[4].error_code, code(ErrorCode::kInvalidRequest));  // both
  EXPECT_EQ(responses[5].error_code, code(ErrorCode::kInvalidRequest));  // neither
  EXPECT_FALSE(log_->find_topic("t") || log_->find_topic("u"));
  EXPECT_TRUE(log_->find_topic("w"));
}

TEST_F(KafkaApiTest, ATopicThatIsNamedTwiceIsNotDeleted) {
  DeleteTopicsRequest by_name;
  by_name.topic_names = {"t", "t"};
  for (const auto& response : client_->call<DeleteTopicsResponse>(by_name, 5).responses) EXPECT_EQ(response.error_code, code(ErrorCode::kInvalidRequest));
  DeleteTopicsRequest by_id;
  by_id.topics = {{.name = std::nullopt, .topic_id = id_}, {.name = std::nullopt, .topic_id = id_}};
  for (const auto& response : client_->call<DeleteTopicsResponse>(by_id, 6).responses) EXPECT_EQ(response.error_code, code(ErrorCode::kInvalidRequest));
  EXPECT_TRUE(log_->find_topic("t"));
}

// ---- offsets

TEST_F(KafkaApiTest, OffsetForLeaderEpochKnowsOneEpoch) {
  EXPECT_EQ(produce(*client_, batch_of("a", 3)).error_code, 0);
  OffsetForLeaderEpochRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic = "t";
  topic.partitions = {{.partition = 0, .current_leader_epoch = 0, .leader_epoch = 0},
                      {.partition = 1, .current_leader_epoch = -1, .leader_epoch = 0},
                      {.partition = 0, .current_leader_epoch = -1, .leader_epoch = 5},   // not there yet: unknown
                      {.partition = 0, .current_leader_epoch = 1, .leader_epoch = 0},    // the client knows a newer leader
                      {.partition = 9, .current_leader_epoch = 0, .leader_epoch = 0}};
  request.topics.push_back({.topic = "nowhere", .partitions = {{.partition = 0, .current_leader_epoch = 0, .leader_epoch = 0}}});
  const auto response = client_->call<OffsetForLeaderEpochResponse>(request, 4);
  const auto& p = response.topics.at(0).partitions;
  const auto told = [](const auto& partition) { return std::tuple(static_cast<ErrorCode>(partition.error_code), partition.leader_epoch, partition.end_offset); };
  EXPECT_EQ(told(p.at(0)), std::tuple(ErrorCode::kNone, 0, 3));
  EXPECT_EQ(told(p.at(1)), std::tuple(ErrorCode::kNone, 0, 0));
  EXPECT_EQ(told(p.at(2)), std::tuple(ErrorCode::kNone, -1, -1));
  EXPECT_EQ(told(p.at(3)), std::tuple(ErrorCode::kUnknownLeaderEpoch, -1, -1));
  EXPECT_EQ(told(p.at(4)), std::tuple(ErrorCode::kUnknownTopicOrPartition, -1, -1));
  EXPECT_EQ(told(response.topics.at(1).partitions.at(0)), std::tuple(ErrorCode::kUnknownTopicOrPartition, -1, -1));
}

TEST_F(KafkaApiTest, ListOffsetsOfTieredTimesAndOfNone) {
  EXPECT_EQ(produce(*client_, batch_of("a", 3)).error_code, 0);
  const auto at = [&](int64_t timestamp, int16_t version = 10) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .current_leader_epoch = -1, .timestamp = timestamp}}});
    const auto p = client_->call<ListOffsetsResponse>(request, version).topics.at(0).partitions.at(0);
    return std::tuple(static_cast<ErrorCode>(p.error_code), p.offset, p.leader_epoch);
  };
  EXPECT_EQ(at(-1), std::tuple(ErrorCode::kNone, 3, 0));
  EXPECT_EQ(at(-2), std::tuple(ErrorCode::kNone, 0, 0));
  EXPECT_EQ(at(-4), std::tuple(ErrorCode::kNone, 0, 0));    // earliest local: nothing is remote
  EXPECT_EQ(at(-5), std::tuple(ErrorCode::kNone, -1, -1));  // latest tiered: there is none
  EXPECT_EQ(at(-6), std::tuple(ErrorCode::kUnsupportedVersion, -1, -1));
  // Each came with a version of the request.
  EXPECT_EQ(std::get<0>(at(-3, 6)), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(std::get<0>(at(-3, 7)), ErrorCode::kNone);
  EXPECT_EQ(std::get<0>(at(-4, 7)), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(std::get<0>(at(-4, 8)), ErrorCode::kNone);
  EXPECT_EQ(std::get<0>(at(-5, 8)), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(std::get<0>(at(-5, 9)), ErrorCode::kNone);
}

// ---- fetch by topic id

TEST_F(KafkaApiTest, FetchOfAnUnknownTopicId) {
  EXPECT_EQ(produce(*client_, batch_of("a")).error_code, 0);
  auto request = fetch_of(0, 60'000);
  request.topics.push_back(request.topics[0]);
  request.topics[1].topic_id = TopicId{random_uuid()};
  const auto response = client_->call<FetchResponse>(request, 13);  // at once: an error does not wait
  EXPECT_EQ(response.error_code, 0);
  ASSERT_EQ(response.responses.size(), 2u);
  EXPECT_EQ(response.responses[0].topic_id, id_);
  EXPECT_EQ(response.responses[0].partitions.at(0).error_code, 0);
  EXPECT_GT(response.responses[0].partitions.at(0).records.bytes(), 0u);
  EXPECT_EQ(response.responses[1].topic_id, request.topics[1].topic_id);
  EXPECT_EQ(response.responses[1].partitions.at(0).error_code, code(ErrorCode::kUnknownTopicId));
}

TEST_F(KafkaApiTest, FetchSessionsByTopicId) {
  EXPECT_EQ(produce(*client_, batch_of("a")).error_code, 0);
  auto first = fetch_of(0, 0);
  first.session_epoch = 0;
  const auto full = client_->call<FetchResponse>(first, 17);
  ASSERT_NE(full.session_id, 0);
  int32_t epoch = 0;
  const auto next = [&](FetchRequest request, int16_t version = 17) {
    request.session_id = full.session_id, request.session_epoch = ++epoch;
    return client_->call<FetchResponse>(request, version);
  };
  EXPECT_TRUE(next(fetch_of(1, 0)).responses.empty());
  EXPECT_EQ(produce(*client_, batch_of("b")).error_code, 0);
  const auto news = next({}).responses;
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].topic_id, id_);
  // The topic goes, another one of its name comes: the session goes on telling about the id that it was given.
  ASSERT_TRUE(log_->delete_topic(id_));
  ASSERT_TRUE(log_->create_topic("t", 2, {}));
  EXPECT_EQ(next({}).responses.at(0).partitions.at(0).error_code, code(ErrorCode::kUnknownTopicId));
  FetchRequest forget;
  forget.forgotten_topics_data.push_back({.topic = {}, .topic_id = id_, .partitions = {0}});
  EXPECT_TRUE(next(forget).responses.empty());
  // A session by ids is not one by names.
  EXPECT_EQ(next({}, 12).error_code, code(ErrorCode::kFetchSessionTopicIdError));
}

// ---- groups

class KafkaGroupTest : public KafkaApiTest {
 protected:
  struct Member {
    std::unique_ptr<Client> client;
    std::string id;
    std::optional<std::string> instance;
  };

  JoinGroupRequest join_of(const Member& member, size_t metadata_bytes = 1) const {
    JoinGroupRequest request;
    request.group_id = "g", request.member_id = member.id, request.group_instance_id = member.instance;
    request.session_timeout_ms = 60'000, request.rebalance_timeout_ms = 60'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy(std::string(metadata_bytes, 'x'))});
    return request;
  }
  ErrorCode heartbeat(Member& member) {
    HeartbeatRequest request;
    request.group_id = "g", request.member_id = member.id, request.generation_id = generation_, request.group_instance_id = member.instance;
    return static_cast<ErrorCode>(member.client->call<HeartbeatResponse>(request, 4).error_code);
  }
  // One more member; those that are there join again, as clients do when a heartbeat tells them.
  void add(std::optional<std::string> instance = std::nullopt) {
    Member& fresh = members_.emplace_back(std::make_unique<Client>(server_->port()), "", std::move(instance));
    auto request = join_of(fresh);
    if (!fresh.instance) {
      fresh.id = fresh.client->call<JoinGroupResponse>(request, 7).member_id;  // MEMBER_ID_REQUIRED
      request = join_of(fresh);
    }
    fresh.client->ask(request, 7);
    for (size_t i = 0; i + 1 < members_.size(); ++i)
      while (heartbeat(members_[i]) != ErrorCode::kRebalanceInProgress) continue;
    for (size_t i = 0; i + 1 < members_.size(); ++i) {
      auto again = join_of(members_[i]);
      members_[i].client->ask(again, 7);
    }
    for (Member& member : members_) {
      const auto joined = member.client->receive<JoinGroupResponse>(7);
      EXPECT_EQ(joined.error_code, 0);
      member.id = joined.member_id, generation_ = joined.generation_id;
    }
  }
  std::vector<ErrorCode> leave(std::vector<LeaveGroupRequest::Member> members) {
    LeaveGroupRequest request;
    request.group_id = "g", request.members = std::move(members);
    const auto response = client_->call<LeaveGroupResponse>(request, 5);
    EXPECT_EQ(response.error_code, 0);
    std::vector<ErrorCode> out;
    for (size_t i = 0; i < response.members.size(); ++i) {
      EXPECT_EQ(response.members[i].member_id, request.members[i].member_id);
      EXPECT_EQ(response.members[i].group_instance_id, request.members[i].group_instance_id);
      out.push_back(static_cast<ErrorCode>(response.members[i].error_code));
    }
    return out;
  }
  ErrorCode delete_group(std::string group = "g") {
    DeleteGroupsRequest request;
    request.groups_names = {std::move(group)};
    return static_cast<ErrorCode>(client_->call<DeleteGroupsResponse>(request, 2).results.at(0).error_code);
  }
  size_t count_members() {
    DescribeGroupsRequest request;
    request.groups = {"g"};
    return client_->call<DescribeGroupsResponse>(request, 5).groups.at(0).members.size();
  }

  std::vector<Member> members_;
  int32_t generation_ = -1;
};

TEST_F(KafkaGroupTest, SeveralMembersLeaveAtOnceEachWithItsResult) {
  add();
  add("station-7");
  add();
  ASSERT_EQ(count_members(), 3u);
  using E = ErrorCode;
  // One that is not there, one that was named wrong, two that are: a static one by its name alone.
  EXPECT_EQ(leave({{"nobody", std::nullopt, std::nullopt}, {members_[0].id, "station-7", std::nullopt}, {"", "station-8", std::nullopt},
                   {members_[0].id, std::nullopt, "shutting down"}, {"", "station-7", "removed by an administrator"}}),
            (std::vector{E::kUnknownMemberId, E::kFencedInstanceId, E::kUnknownMemberId, E::kNone, E::kNone}));
  EXPECT_EQ(count_members(), 1u);
  EXPECT_EQ(heartbeat(members_[1]), E::kUnknownMemberId);
  EXPECT_EQ(heartbeat(members_[2]), E::kRebalanceInProgress);
  EXPECT_EQ(leave({{members_[2].id, std::nullopt, std::nullopt}, {members_[2].id, std::nullopt, std::nullopt}}), (std::vector{E::kNone, E::kUnknownMemberId}));
  EXPECT_EQ(leave({{members_[2].id, std::nullopt, std::nullopt}}), std::vector{E::kUnknownMemberId});  // the group is gone
}

// Near the bound of what all members bring: to replace is not to add, and only who is new is refused for good.
TEST_F(KafkaGroupTest, AMemberThatBringsTheSameAgainIsNotTooMuch) {
  serve({.group_memory_bytes_max = 100'000});
  client_ = std::make_unique<Client>(server_->port());
  const auto join = [&](const Member& member, size_t bytes) {
    auto request = join_of(member, bytes);
    return client_->call<JoinGroupResponse>(request, 7);
  };
  const auto sync = [&](const Member& member, int32_t generation, size_t bytes) {
    SyncGroupRequest request;
    request.group_id = "g", request.member_id = member.id, request.group_instance_id = member.instance, request.generation_id = generation;
    request.assignments.push_back({member.id, Slice::copy(std::string(bytes, 'a'))});
    return static_cast<ErrorCode>(client_->call<SyncGroupResponse>(request, 4).error_code);
  };
  Member member{nullptr, "", "station-7"};
  for (int i = 0; i < 3; ++i) {
    const auto joined = join(member, 45'000);
    ASSERT_EQ(joined.error_code, 0) << i;
    member.id = joined.member_id;
    ASSERT_EQ(sync(member, joined.generation_id, 45'000), ErrorCode::kNone) << i;
  }
  EXPECT_EQ(join(member, 60'000).error_code, code(ErrorCode::kCoordinatorNotAvailable));  // retriable
  EXPECT_EQ(join({nullptr, "", "station-7"}, 60'000).error_code, code(ErrorCode::kCoordinatorNotAvailable));
  EXPECT_EQ(join({nullptr, "", "station-8"}, 45'000).error_code, code(ErrorCode::kGroupMaxSizeReached));
  const auto again = join({nullptr, "", "station-7"}, 45'000);  // under its name, with another id
  ASSERT_EQ(again.error_code, 0);
  member.id = again.member_id;
  EXPECT_EQ(sync(member, again.generation_id, 70'000), ErrorCode::kNone);  // the group is stable: it only asks
  member.id = join(member, 44'000).member_id;  // another generation, whose assignments are too much
  EXPECT_EQ(sync(member, again.generation_id + 1, 70'000), ErrorCode::kCoordinatorNotAvailable);
  EXPECT_EQ(sync(member, again.generation_id + 1, 45'000), ErrorCode::kNone);
}

TEST_F(KafkaGroupTest, DeleteGroups) {
  EXPECT_EQ(delete_group(), ErrorCode::kGroupIdNotFound);
  add();
  EXPECT_EQ(delete_group(), ErrorCode::kNonEmptyGroup);
  OffsetCommitRequest commit;
  commit.group_id = "g", commit.generation_id_or_member_epoch = generation_, commit.member_id = members_[0].id;
  commit.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .committed_offset = 0}}});
  SyncGroupRequest sync;
  sync.group_id = "g", sync.generation_id = generation_, sync.member_id = members_[0].id;
  EXPECT_EQ(members_[0].client->call<SyncGroupResponse>(sync, 4).error_code, 0);
  EXPECT_EQ(members_[0].client->call<OffsetCommitResponse>(commit, 8).topics.at(0).partitions.at(0).error_code, 0);
  EXPECT_EQ(delete_group(), ErrorCode::kNonEmptyGroup);
  EXPECT_EQ(leave({{members_[0].id, std::nullopt, std::nullopt}}), std::vector{ErrorCode::kNone});
  EXPECT_FALSE(log_->committed_offsets("g").empty());
  EXPECT_EQ(delete_group("another"), ErrorCode::kGroupIdNotFound);
  EXPECT_EQ(delete_group(), ErrorCode::kNone);
  EXPECT_TRUE(log_->committed_offsets("g").empty());
  EXPECT_EQ(delete_group(), ErrorCode::kGroupIdNotFound);
}

}  // namespace
}  // namespace ms::kafka
