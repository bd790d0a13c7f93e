// Walks the table of access.h: every line of every API, without its grant and with it.
#include "kafka/access.h"

#include <functional>

#include "kafka/handlers.h"
#include "kafka/secure_server_fixture.h"

namespace ms::kafka {
namespace {

constexpr int16_t kHidden = -1000;  // what a list leaves out has no error

std::string name_of(ResourceType type) {
  return type == ResourceType::kCluster ? std::string(security::kClusterName) : type == ResourceType::kTopic ? "t" : type == ResourceType::kGroup ? "g" : "x";
}

class AccessTest : public SecureServerTest {
 protected:
  void grant(const std::vector<AccessLine>& lines) {
    std::set<security::Acl> acls;
    for (const AccessLine& line : lines) acls.insert({.type = line.type, .name = name_of(line.type), .principal = "User:bob", .operation = line.operation});
    ASSERT_TRUE(authority_->change_acls(acls, authority_->rules()->acls_in_log, "User:admin"));
  }
};

struct Told {
  int16_t error;
  std::optional<std::string> message;  // nullopt: the answer has no place for one
};
// Of an error code, or of an element of an answer that has one.
template <class Element>
Told told(const Element& element) {
  if constexpr (std::integral<Element>) return {static_cast<int16_t>(element), std::nullopt};
  else if constexpr (requires { element.error_message; }) return {element.error_code, element.error_message.value_or("")};
  else return {element.error_code, std::nullopt};
}

struct Probe {
  AccessLine line;
  std::function<Told(Client&)> ask;
  std::vector<std::pair<Operation, ResourceType>> instead;  // permissions that do as well
};

template <class Request, class Response, class Fill, class Read>
std::function<Told(Client&)> probe(int16_t version, Fill fill, Read read) {
  return [=](Client& client) {
    Request request;
    fill(request);
    const Response response = client.call<Response>(request, version);
    return read(response);
  };
}

int16_t shown(bool visible) { return visible ? int16_t{0} : kHidden; }

#define ASK(Api, version, fill, read) \
  probe<Api##Request, Api##Response>(version, [=]([[maybe_unused]] Api##Request& r) fill, [=]([[maybe_unused]] const Api##Response& a) { return told(read); })

std::vector<Probe> probes(TopicId id) {
  using enum Operation;
  using ResourceType::kCluster, ResourceType::kGroup, ResourceType::kTopic, ResourceType::kTransactionalId;
  const auto line = [](int16_t api, Operation op, ResourceType type) {
    for (const AccessLine& l : access_table())
      if (l.api_key == api && l.operation == op && l.type == type) return l;
    ADD_FAILURE() << "no line " << api;
    return AccessLine{};
  };
  const auto produce = [=](std::optional<std::string> id_of_producer) {
    return ASK(Produce, 9, { r.acks = -1; r.transactional_id = id_of_producer; auto& t = r.topic_data.emplace_back(); t.name = "t"; auto& p = t.partition_data.emplace_back();
      p.records.parts.push_back(Slice::copy(batch_of("v"))); }, a.responses.at(0).partition_responses.at(0));
  };
  const auto metadata_of = [=](std::string name, bool create) {
    return ASK(Metadata, 9, { r.topics.emplace().push_back({.topic_id = {}, .name = name}); r.allow_auto_topic_creation = create; }, a.topics.at(0));
  };
  const auto create_topic = ASK(CreateTopics, 7, { r.validate_only = true; auto& t = r.topics.emplace_back(); t.name = "t"; t.num_partitions = 1; t.replication_factor = 1; }, a.topics.at(0));
  const auto add_partitions = ASK(AddPartitionsToTxn, 3, { r.transactional_id = "x"; r.topics.push_back({.name = "t", .partitions = {0}}); }, a.results_by_topic.at(0).results_by_partition.at(0).partition_error_code);
  const auto add_offsets = ASK(AddOffsetsToTxn, 3, { r.transactional_id = "x"; r.group_id = "g"; }, a);
  const auto txn_commit = ASK(TxnOffsetCommit, 3, { r.transactional_id = "x"; r.group_id = "g"; r.generation_id = -1; auto& t = r.topics.emplace_back(); t.name = "t"; t.partitions.emplace_back(); }, a.topics.at(0).partitions.at(0));
  const auto commit = ASK(OffsetCommit, 8, { r.group_id = "g"; r.generation_id_or_member_epoch = -1; auto& t = r.topics.emplace_back(); t.name = "t"; t.partitions.emplace_back(); }, a.topics.at(0).partitions.at(0));
  const auto configs_of = [=](int8_t type, std::string name) {
    return ASK(DescribeConfigs, 4, { auto& x = r.resources.emplace_back(); x.resource_type = type; x.resource_name = name; }, a.results.at(0));
  };
  const auto heartbeat = ASK(ConsumerGroupHeartbeat, 0, { r.group_id = "g"; r.member_epoch = 0; r.rebalance_timeout_ms = 1000; r.subscribed_topic_names.emplace().push_back("t"); r.topic_partitions.emplace(); }, a);
  return {
      {line(0, kWrite, kTopic), produce(std::nullopt)},
      {line(0, kWrite, kTransactionalId), produce("x")},
      {line(0, kDescribe, kTopic), ASK(Produce, 13, { r.acks = -1; auto& t = r.topic_data.emplace_back(); t.topic_id = id; auto& p = t.partition_data.emplace_back(); p.records.parts.push_back(Slice::copy(batch_of("v"))); },
        shown(a.responses.at(0).partition_responses.at(0).error_code != code(ErrorCode::kUnknownTopicId))), {{kWrite, kTopic}}},
      {line(1, kDescribe, kTopic), ASK(Fetch, 13, { auto& t = r.topics.emplace_back(); t.topic_id = id; t.partitions.emplace_back(); },
        shown(a.responses.at(0).partitions.at(0).error_code != code(ErrorCode::kUnknownTopicId))), {{kRead, kTopic}}},
      {line(8, kDescribe, kTopic), ASK(OffsetCommit, 10, { r.group_id = "g"; r.generation_id_or_member_epoch = -1; auto& t = r.topics.emplace_back(); t.topic_id = id; t.partitions.emplace_back(); },
        shown(a.topics.at(0).partitions.at(0).error_code != code(ErrorCode::kUnknownTopicId))), {{kRead, kTopic}}},
      {line(1, kRead, kTopic), ASK(Fetch, 12, { r.topics.push_back({.topic = "t", .topic_id = {}, .partitions = {{.partition = 0}}}); }, a.responses.at(0).partitions.at(0))},
      {line(2, kDescribe, kTopic), ASK(ListOffsets, 6, { auto& t = r.topics.emplace_back(); t.name = "t"; t.partitions.push_back({.timestamp = -1}); }, a.topics.at(0).partitions.at(0))},
      {line(3, kDescribe, kTopic), metadata_of("t", false)},
      {line(3, kDescribe, kTopic), ASK(Metadata, 9, { r.topics.reset(); }, shown(!a.topics.empty()))},
      {line(3, kDescribe, kCluster), ASK(Metadata, 9, { r.include_cluster_authorized_operations = true; }, shown(a.cluster_authorized_operations != 0))},
      {line(8, kRead, kGroup), commit},
      {line(8, kRead, kTopic), commit},
      {line(9, kDescribe, kGroup), ASK(OffsetFetch, 8, { r.groups.emplace_back().group_id = "g"; }, a.groups.at(0))},
      {line(9, kDescribe, kTopic), ASK(OffsetFetch, 8, { auto& g = r.groups.emplace_back(); g.group_id = "g"; g.topics.emplace().push_back({.name = "t", .topic_id = {}, .partition_indexes = {0}}); }, a.groups.at(0).topics.at(0).partitions.at(0))},
      {line(10, kDescribe, kGroup), ASK(FindCoordinator, 4, { r.coordinator_keys = {"g"}; }, a.coordinators.at(0))},
      {line(10, kDescribe, kTransactionalId), ASK(FindCoordinator, 3, { r.key = "x"; r.key_type = 1; }, a)},
      {line(11, kRead, kGroup), ASK(JoinGroup, 5, { r.group_id = "g"; r.session_timeout_ms = 10'000; }, a)},
      {line(12, kRead, kGroup), ASK(Heartbeat, 3, { r.group_id = "g"; }, a)},
      {line(13, kRead, kGroup), ASK(LeaveGroup, 3, { r.group_id = "g"; }, a)},
      {line(14, kRead, kGroup), ASK(SyncGroup, 3, { r.group_id = "g"; }, a)},
      {line(15, kDescribe, kGroup), ASK(DescribeGroups, 6, { r.groups = {"g"}; }, a.groups.at(0))},
      {line(16, kDescribe, kCluster), ASK(ListGroups, 4, {}, shown(!a.groups.empty())), {{kDescribe, kGroup}}},
      {line(16, kDescribe, kGroup), ASK(ListGroups, 4, {}, shown(!a.groups.empty())), {{kDescribe, kCluster}}},
      {line(19, kCreate, kCluster), create_topic, {{kCreate, kTopic}}},
      {line(19, kCreate, kTopic), create_topic, {{kCreate, kCluster}}},
      {line(20, kDelete, kTopic), ASK(DeleteTopics, 5, { r.topic_names = {"t"}; }, a.responses.at(0))},
      {line(20, kDescribe, kTopic), ASK(DeleteTopics, 6, { r.topics.push_back({.name = std::nullopt, .topic_id = id}); }, shown(a.responses.at(0).name.has_value())), {{kDelete, kTopic}}},
      {line(21, kDelete, kTopic), ASK(DeleteRecords, 1, { auto& t = r.topics.emplace_back(); t.name = "t"; t.partitions.emplace_back(); }, a.topics.at(0).partitions.at(0))},
      {line(22, kWrite, kTransactionalId), ASK(InitProducerId, 3, { r.transactional_id = "x"; r.transaction_timeout_ms = 1000; }, a)},
      {line(22, kIdempotentWrite, kCluster), ASK(InitProducerId, 3, {}, a)},
      {line(23, kDescribe, kTopic), ASK(OffsetForLeaderEpoch, 4, { auto& t = r.topics.emplace_back(); t.topic = "t"; t.partitions.emplace_back(); }, a.topics.at(0).partitions.at(0))},
      {line(24, kWrite, kTransactionalId), add_partitions},
      {line(24, kWrite, kTopic), add_partitions},
      {line(25, kWrite, kTransactionalId), add_offsets},
      {line(25, kRead, kGroup), add_offsets},
      {line(26, kWrite, kTransactionalId), ASK(EndTxn, 3, { r.transactional_id = "x"; }, a)},
      {line(28, kWrite, kTransactionalId), txn_commit},
      {line(28, kRead, kGroup), txn_commit},
      {line(28, kRead, kTopic), txn_commit},
      {line(29, kDescribe, kCluster), ASK(DescribeAcls, 2, { r.resource_type_filter = r.pattern_type_filter = r.operation = r.permission_type = 1; }, a)},
      {line(30, kAlter, kCluster), ASK(CreateAcls, 2, { r.creations.push_back({2, "t", 3, "User:carl", "*", 3, 3}); }, a.results.at(0))},
      {line(31, kAlter, kCluster), ASK(DeleteAcls, 2, { auto& f = r.filters.emplace_back(); f.resource_type_filter = f.pattern_type_filter = f.operation = f.permission_type = 1; f.principal_filter = "User:carl"; }, a.filter_results.at(0))},
      {line(32, kDescribeConfigs, kTopic), configs_of(2, "t")},
      {line(32, kDescribeConfigs, kCluster), configs_of(4, "1")},
      {line(32, kDescribeConfigs, kGroup), configs_of(32, "g")},
      {line(33, kAlterConfigs, kTopic), ASK(AlterConfigs, 2, { r.validate_only = true; auto& x = r.resources.emplace_back(); x.resource_type = 2; x.resource_name = "t"; }, a.responses.at(0))},
      {line(33, kAlterConfigs, kCluster), ASK(AlterConfigs, 2, { auto& x = r.resources.emplace_back(); x.resource_type = 4; x.resource_name = "1"; }, a.responses.at(0))},
      {line(33, kAlterConfigs, kGroup), ASK(AlterConfigs, 2, { r.validate_only = true; auto& x = r.resources.emplace_back(); x.resource_type = 32; x.resource_name = "g"; }, a.responses.at(0))},
      {line(35, kDescribe, kCluster), ASK(DescribeLogDirs, 3, {}, a)},
      {line(37, kAlter, kTopic), ASK(CreatePartitions, 3, { r.validate_only = true; auto& t = r.topics.emplace_back(); t.name = "t"; t.count = 9; }, a.results.at(0))},
      {line(42, kDelete, kGroup), ASK(DeleteGroups, 2, { r.groups_names = {"g"}; }, a.results.at(0))},
      {line(43, kAlter, kCluster), ASK(ElectLeaders, 2, {}, a)},
      {line(44, kAlterConfigs, kTopic), ASK(IncrementalAlterConfigs, 1, { r.validate_only = true; auto& x = r.resources.emplace_back(); x.resource_type = 2; x.resource_name = "t"; }, a.responses.at(0))},
      {line(44, kAlterConfigs, kCluster), ASK(IncrementalAlterConfigs, 1, { auto& x = r.resources.emplace_back(); x.resource_type = 4; x.resource_name = "1"; }, a.responses.at(0))},
      {line(44, kAlterConfigs, kGroup), ASK(IncrementalAlterConfigs, 1, { r.validate_only = true; auto& x = r.resources.emplace_back(); x.resource_type = 32; x.resource_name = "g"; }, a.responses.at(0))},
      {line(45, kAlter, kCluster), ASK(AlterPartitionReassignments, 0, {}, a)},
      {line(46, kDescribe, kCluster), ASK(ListPartitionReassignments, 0, {}, a)},
      {line(47, kDelete, kGroup), ASK(OffsetDelete, 0, { r.group_id = "g"; auto& t = r.topics.emplace_back(); t.name = "t"; t.partitions.emplace_back(); }, a)},
      {line(47, kRead, kTopic), ASK(OffsetDelete, 0, { r.group_id = "g"; auto& t = r.topics.emplace_back(); t.name = "t"; t.partitions.emplace_back(); }, a.topics.empty() ? a.error_code : a.topics[0].partitions.at(0).error_code)},
      {line(48, kDescribeConfigs, kCluster), ASK(DescribeClientQuotas, 1, {}, a)},
      {line(49, kAlterConfigs, kCluster), ASK(AlterClientQuotas, 1, { auto& e = r.entries.emplace_back(); e.entity.push_back({"user", "bob"}); e.ops.push_back({"producer_byte_rate", 1e9, false}); }, a.entries.at(0))},
      {line(50, kDescribe, kCluster), ASK(DescribeUserScramCredentials, 0, {}, a)},
      {line(51, kAlter, kCluster), ASK(AlterUserScramCredentials, 0, { r.deletions.push_back({"nobody", 1}); }, a.results.at(0))},
      {line(60, kDescribe, kCluster), ASK(DescribeCluster, 0, { r.include_cluster_authorized_operations = true; }, shown(a.cluster_authorized_operations != 0))},
      {line(61, kRead, kTopic), ASK(DescribeProducers, 0, { auto& t = r.topics.emplace_back(); t.name = "t"; t.partition_indexes = {0}; }, a.topics.at(0).partitions.at(0))},
      {line(65, kDescribe, kTransactionalId), ASK(DescribeTransactions, 0, { r.transactional_ids = {"x"}; }, a.transaction_states.at(0))},
      {line(65, kDescribe, kTopic), ASK(DescribeTransactions, 0, { r.transactional_ids = {"x"}; }, shown(!a.transaction_states.at(0).topics.empty()))},
      {line(66, kDescribe, kTransactionalId), ASK(ListTransactions, 0, {}, shown(!a.transaction_states.empty()))},
      {line(68, kRead, kGroup), heartbeat},
      {line(68, kDescribe, kTopic), heartbeat},
      {line(69, kDescribe, kGroup), ASK(ConsumerGroupDescribe, 0, { r.group_ids = {"cg"}; }, a.groups.at(0))},
      {line(69, kDescribe, kTopic), ASK(ConsumerGroupDescribe, 0, { r.group_ids = {"cg"}; }, a.groups.at(0))},
      {line(74, kDescribeConfigs, kCluster), ASK(ListConfigResources, 1, {}, a)},
      {line(75, kDescribe, kTopic), ASK(DescribeTopicPartitions, 0, { r.topics.emplace_back().name = "t"; r.response_partition_limit = 10; }, a.topics.at(0))},
  };
}

bool is_denial(int16_t error) {
  return error == kHidden || error == code(ErrorCode::kTopicAuthorizationFailed) || error == code(ErrorCode::kGroupAuthorizationFailed) ||
         error == code(ErrorCode::kClusterAuthorizationFailed) || error == code(ErrorCode::kTransactionalIdAuthorizationFailed);
}

// A denial says who lacks what, and where. Of a group's topics it keeps the name to itself: who asks has not named it.
bool says_it(const Probe& p, const std::string& message) {
  const bool describes_consumers = p.line.api_key == 69;
  if (describes_consumers && p.line.type == ResourceType::kTopic) return message.starts_with("User:bob has no DESCRIBE permission for") && message.contains("'cg'");
  std::vector<std::pair<Operation, ResourceType>> lacking = p.instead;
  lacking.emplace_back(p.line.operation, p.line.type);
  return std::ranges::any_of(lacking, [&](const auto& one) {
    const auto& [operation, type] = one;
    return message == security::denial_text("User:bob", operation, {type, describes_consumers ? "cg" : name_of(type)});
  });
}

TEST_F(AccessTest, EveryApiHasALine) {
  for (const ApiEntry& api : api_table())
    EXPECT_TRUE(std::ranges::any_of(access_table(), [&](const AccessLine& line) { return line.api_key == api.spec.key; })) << api.spec.name;
  for (const AccessLine& line : access_table()) EXPECT_TRUE(find_api(line.api_key)) << line.api_key;
  EXPECT_TRUE(std::ranges::is_sorted(access_table(), {}, &AccessLine::api_key));
}

TEST_F(AccessTest, EveryLineIsAskedFor) {
  const auto all = probes(id_);
  for (const AccessLine& line : access_table()) {
    const bool is_creation = line.api_key == 3 && line.operation == Operation::kCreate;  // AutoCreation, below
    const bool is_config = line.api_key == 19 && line.operation == Operation::kDescribeConfigs;
    const bool nothing = line.type == ResourceType::kAny;
    EXPECT_TRUE(nothing || is_creation || is_config || std::ranges::any_of(all, [&](const Probe& p) { return p.line.api_key == line.api_key && p.line.operation == line.operation && p.line.type == line.type; }))
        << line.api_key << " " << security::to_string(line.operation) << " " << security::to_string(line.type);
  }
}

// What there must be for lists and descriptions to show.
void furnish(Client& admin, TopicId id) {
  OffsetCommitRequest commit;
  commit.group_id = "g";
  commit.generation_id_or_member_epoch = -1;
  auto& topic = commit.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back();
  admin.call<OffsetCommitResponse>(commit, 8);
  InitProducerIdRequest init{.transactional_id = "x", .transaction_timeout_ms = 60'000};
  const auto producer = admin.call<InitProducerIdResponse>(init, 3);
  AddPartitionsToTxnRequest add{.transactional_id = "x", .producer_id = producer.producer_id, .producer_epoch = producer.producer_epoch, .topics = {}};
  add.topics.push_back({.name = "t", .partitions = {0}});
  admin.call<AddPartitionsToTxnResponse>(add, 3);
  ConsumerGroupHeartbeatRequest join;
  join.group_id = "cg";
  join.rebalance_timeout_ms = 60'000;
  join.subscribed_topic_names.emplace().push_back("t");
  join.topic_partitions.emplace();
  admin.call<ConsumerGroupHeartbeatResponse>(join, 0);
  static_cast<void>(id);
}

TEST_F(AccessTest, DeniedWithoutTheGrantAndAllowedWithIt) {
  const auto admin = client_of("admin"), bob = client_of("bob");
  for (size_t i = 0; i < probes(id_).size(); ++i) {
    const Probe p = probes(id_)[i];  // the id is another one after DeleteTopics
    SCOPED_TRACE(std::string(find_api(p.line.api_key)->spec.name) + " " + std::string(security::to_string(p.line.operation)) + " " + std::string(security::to_string(p.line.type)));
    furnish(*admin, id_);
    std::vector<AccessLine> others;
    for (const AccessLine& line : access_table()) {
      const bool same = line.operation == p.line.operation && line.type == p.line.type;
      const bool instead = std::ranges::find(p.instead, std::pair{line.operation, line.type}) != p.instead.end();
      if (line.api_key == p.line.api_key && !same && !instead && line.type != ResourceType::kAny) others.push_back(line);
    }
    // One that is called "cg" for ConsumerGroupDescribe.
    const auto with_group = [&](std::vector<AccessLine> lines) {
      grant(lines);
      for (const AccessLine& line : lines)
        if (line.type == ResourceType::kGroup)
          ASSERT_TRUE(authority_->change_acls({{.type = line.type, .name = "cg", .principal = "User:bob", .operation = line.operation}}, {}, "User:admin"));
    };
    with_group(others);
    const Told denied = p.ask(*bob);
    EXPECT_TRUE(denied.error == code(p.line.error) || denied.error == kHidden) << denied.error;
    EXPECT_TRUE(is_denial(denied.error));
    if (denied.message) EXPECT_TRUE(says_it(p, *denied.message)) << *denied.message;
    const std::string request = "\"request\":\"" + std::string(find_api(p.line.api_key)->spec.name) + "\"";
    if (denied.error != kHidden) EXPECT_FALSE(audited({"\"outcome\":\"denied\"", "\"principal\":\"User:bob\"", request}).empty());
    others.push_back(p.line);
    with_group(others);
    const int16_t allowed = p.ask(*bob).error;
    EXPECT_FALSE(is_denial(allowed)) << allowed;
    if (!log_->find_topic("t")) id_ = log_->create_topic("t", 2, {})->id;
    EXPECT_FALSE(is_denial(probes(id_)[i].ask(*admin).error));
    if (!log_->find_topic("t")) id_ = log_->create_topic("t", 2, {})->id;
  }
}

TEST_F(AccessTest, AutoCreation) {
  const auto bob = client_of("bob");
  const auto error_of = [&](const std::string& name) {
    MetadataRequest request;
    request.topics.emplace().push_back({.topic_id = {}, .name = name});
    request.allow_auto_topic_creation = true;
    return bob->call<MetadataResponse>(request, 9).topics.at(0).error_code;
  };
  const auto acl = [](Operation operation, ResourceType type, std::string name) {
    return security::Acl{.type = type, .name = std::move(name), .principal = "User:bob", .operation = operation};
  };
  EXPECT_EQ(error_of("new"), code(ErrorCode::kTopicAuthorizationFailed));
  ASSERT_TRUE(authority_->change_acls({acl(Operation::kDescribe, ResourceType::kTopic, "*")}, {}, "User:admin"));
  EXPECT_EQ(error_of("new"), code(ErrorCode::kTopicAuthorizationFailed));
  EXPECT_FALSE(log_->find_topic("new"));
  ASSERT_TRUE(authority_->change_acls({acl(Operation::kCreate, ResourceType::kTopic, "new")}, {}, "User:admin"));
  EXPECT_EQ(error_of("new"), 0);
  EXPECT_EQ(error_of("newer"), code(ErrorCode::kTopicAuthorizationFailed));
  ASSERT_TRUE(authority_->change_acls({acl(Operation::kCreate, ResourceType::kCluster, std::string(security::kClusterName))}, {}, "User:admin"));
  EXPECT_EQ(error_of("newer"), 0);
}

TEST_F(AccessTest, ACreatedTopicsConfigurationIsForWhoMaySeeIt) {
  grant({{19, Operation::kCreate, ResourceType::kCluster, ErrorCode::kNone}});
  const auto bob = client_of("bob");
  CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "new", topic.num_partitions = 1, topic.replication_factor = 1;
  const auto answer = bob->call<CreateTopicsResponse>(request, 7).topics.at(0);
  EXPECT_EQ(answer.error_code, 0);
  EXPECT_EQ(answer.topic_config_error_code, code(ErrorCode::kTopicAuthorizationFailed));
  EXPECT_FALSE(answer.configs.has_value());
  EXPECT_EQ(answer.num_partitions, -1);
}

// A session of fetches made by who may read is no key for who may not.
TEST_F(AccessTest, ASessionOfFetchesIsNoKey) {
  const auto admin = client_of("admin"), bob = client_of("bob");
  FetchRequest request = fetch_of(0, 0);
  request.session_epoch = 0;
  const auto first = admin->call<FetchResponse>(request, 12);
  ASSERT_NE(first.session_id, 0);
  FetchRequest next = fetch_of(0, 0);
  next.session_id = first.session_id;
  next.session_epoch = 1;
  next.topics.clear();
  const auto stolen = bob->call<FetchResponse>(next, 12);
  for (const auto& topic : stolen.responses)
    for (const auto& p : topic.partitions) EXPECT_EQ(p.error_code, code(ErrorCode::kTopicAuthorizationFailed));
}

TEST_F(AccessTest, AConsumerGroupsExpressionFindsOnlyWhatItsMemberSees) {
  ASSERT_TRUE(log_->create_topic("t2", 1, {}));
  grant({{68, Operation::kRead, ResourceType::kGroup, ErrorCode::kNone}, {68, Operation::kDescribe, ResourceType::kTopic, ErrorCode::kNone}});
  const auto bob = client_of("bob");
  ConsumerGroupHeartbeatRequest join;
  join.group_id = "g";
  join.member_id = "m";
  join.rebalance_timeout_ms = 60'000;
  join.subscribed_topic_regex = "t.*";
  join.topic_partitions.emplace();
  const auto answer = bob->call<ConsumerGroupHeartbeatResponse>(join, 1);
  ASSERT_TRUE(answer.assignment);
  ASSERT_EQ(answer.assignment->topic_partitions.size(), 1u);
  EXPECT_EQ(answer.assignment->topic_partitions[0].topic_id, id_);
}

}  // namespace
}  // namespace ms::kafka
