// Who has no rights learns of nothing whether it exists: every API answers alike, to the byte, for what is there and what is not.
#include <functional>

#include "kafka/access.h"
#include "kafka/secure_server_fixture.h"

namespace ms::kafka {
namespace {

// What a request may name.
struct Names {
  std::string topic, group, transaction;
  TopicId id;
  int64_t own_producer = -1;  // of "own-transaction", to which nobody has added anything
};

struct Question {
  std::string what;
  int16_t api_key;
  std::function<std::string(Client&, const Names&)> ask;  // the answer's bytes
};

template <class Request, class Fill>
void add(std::vector<Question>& to, const std::string& api, std::initializer_list<int16_t> versions, Fill fill) {
  for (const int16_t version : versions)
    to.push_back({api + " " + std::to_string(version), Request::kApi.key, [=](Client& client, const Names& names) {
                    Request request;
                    fill(request, names);
                    client.ask(request, version);
                    return client.receive_frame().value_or("closed");
                  }});
}

#define QUESTION(Api, versions, ...) \
  add<Api##Request>(all, #Api, std::initializer_list<int16_t> versions, [](Api##Request & r, const Names& n) __VA_ARGS__)

std::vector<Question> questions_about_topics() {
  std::vector<Question> all;
  QUESTION(Produce, ({3, 9, 12, 13}), {
    r.acks = -1;
    auto& t = r.topic_data.emplace_back();
    t.name = n.topic;
    t.topic_id = n.id;
    auto& p = t.partition_data.emplace_back();
    p.records.parts.push_back(Slice::copy(batch_of("v")));
  });
  QUESTION(Produce, ({9, 13}), {
    r.acks = -1;
    auto& t = r.topic_data.emplace_back();
    t.name = n.topic;
    t.topic_id = n.id;
    auto& p = t.partition_data.emplace_back();
    p.index = 7;
    p.records.parts.push_back(Slice::copy("no batch"));
  });
  QUESTION(Fetch, ({4, 12, 13, 17}), {
    r.topics.push_back(
        {.topic = n.topic,
         .topic_id = n.id,
         .partitions = {{.partition = 0, .fetch_offset = 0, .partition_max_bytes = 1 << 20}, {.partition = 7, .fetch_offset = 99}}});
  });
  QUESTION(Fetch, ({7, 12, 13}), {
    r.isolation_level = 1;
    r.topics.push_back(
        {.topic = n.topic, .topic_id = n.id, .partitions = {{.partition = 0, .fetch_offset = 1 << 20, .partition_max_bytes = 1 << 20}}});
  });
  QUESTION(ListOffsets, ({1, 6, 10}), {
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partitions.push_back({.timestamp = -1});
    t.partitions.push_back({.partition_index = 7, .timestamp = -2});
    t.partitions.push_back({.timestamp = 5});
  });
  QUESTION(Metadata, ({1, 9, 12}), {
    r.topics.emplace().push_back({.topic_id = {}, .name = n.topic});
    r.include_topic_authorized_operations = true;
  });
  QUESTION(Metadata, ({4, 13}), {
    r.topics.emplace().push_back({.topic_id = {}, .name = n.topic});
    r.allow_auto_topic_creation = false;
  });
  QUESTION(Metadata, ({12, 13}), { r.topics.emplace().push_back({.topic_id = n.id, .name = std::nullopt}); });
  QUESTION(OffsetCommit, ({2, 8, 9, 10}), {
    r.group_id = "own-group";
    r.generation_id_or_member_epoch = -1;
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.topic_id = n.id;
    t.partitions.emplace_back();
    t.partitions.push_back({.partition_index = 7});
  });
  QUESTION(OffsetFetch, ({1, 7}), {
    r.group_id = "own-group";
    r.topics.emplace().push_back({.name = n.topic, .partition_indexes = {0, 7}});
  });
  QUESTION(OffsetFetch, ({8, 10}), {
    auto& g = r.groups.emplace_back();
    g.group_id = "own-group";
    g.topics.emplace().push_back({.name = n.topic, .topic_id = n.id, .partition_indexes = {0, 7}});
  });
  QUESTION(CreateTopics, ({2, 7}), {
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.num_partitions = 1;
    t.replication_factor = 1;
  });
  QUESTION(CreateTopics, ({5}), {
    r.validate_only = true;
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.num_partitions = 1;
    t.replication_factor = 3;
  });
  QUESTION(DeleteTopics, ({1, 5}), { r.topic_names = {n.topic}; });
  QUESTION(DeleteTopics, ({6}), { r.topics.push_back({.name = n.topic, .topic_id = {}}); });
  QUESTION(DeleteTopics, ({6}), { r.topics.push_back({.name = std::nullopt, .topic_id = n.id}); });
  QUESTION(DeleteRecords, ({0, 2}), {
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partitions.emplace_back();
    t.partitions.push_back({.partition_index = 7, .offset = 99});
  });
  QUESTION(OffsetForLeaderEpoch, ({2, 4}), {
    auto& t = r.topics.emplace_back();
    t.topic = n.topic;
    t.partitions.emplace_back();
    t.partitions.push_back({.partition = 7});
  });
  QUESTION(AddPartitionsToTxn, ({0, 3}), {
    r.transactional_id = "own-transaction";
    r.producer_id = n.own_producer;
    r.topics.push_back({.name = n.topic, .partitions = {0, 7}});
  });
  QUESTION(TxnOffsetCommit, ({0, 3, 5}), {
    r.transactional_id = "own-transaction";
    r.group_id = "own-group";
    r.producer_id = n.own_producer;
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partitions.emplace_back();
    t.partitions.push_back({.partition_index = 7});
  });
  QUESTION(DescribeConfigs, ({1, 4}), {
    auto& x = r.resources.emplace_back();
    x.resource_type = 2;
    x.resource_name = n.topic;
  });
  QUESTION(AlterConfigs, ({0, 2}), {
    auto& x = r.resources.emplace_back();
    x.resource_type = 2;
    x.resource_name = n.topic;
  });
  QUESTION(IncrementalAlterConfigs, ({0, 1}), {
    r.validate_only = true;
    auto& x = r.resources.emplace_back();
    x.resource_type = 2;
    x.resource_name = n.topic;
  });
  QUESTION(DescribeLogDirs, ({1, 4}), { r.topics.emplace().push_back({.topic = n.topic, .partitions = {0}}); });
  QUESTION(CreatePartitions, ({0, 3}), {
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.count = 1;
  });
  QUESTION(ElectLeaders, ({1, 2}), { r.topic_partitions.emplace().push_back({.topic = n.topic, .partitions = {0}}); });
  QUESTION(AlterPartitionReassignments, ({0}), {
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partitions.emplace_back();
  });
  QUESTION(ListPartitionReassignments, ({0}), { r.topics.emplace().push_back({.name = n.topic, .partition_indexes = {0}}); });
  QUESTION(OffsetDelete, ({0}), {
    r.group_id = "own-group";
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partitions.emplace_back();
  });
  QUESTION(DescribeProducers, ({0}), {
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partition_indexes = {0, 7};
  });
  QUESTION(ConsumerGroupHeartbeat, ({0, 1}), {
    r.group_id = "own-consumers";
    r.member_id = "m";
    r.rebalance_timeout_ms = 1000;
    r.subscribed_topic_names.emplace().push_back(n.topic);
    r.topic_partitions.emplace();
  });
  QUESTION(DescribeTopicPartitions, ({0}), {
    r.topics.emplace_back().name = n.topic;
    r.response_partition_limit = 10;
  });
  return all;
}

std::vector<Question> questions_about_groups() {
  std::vector<Question> all;
  QUESTION(OffsetCommit, ({2, 9}), {
    r.group_id = n.group;
    r.generation_id_or_member_epoch = -1;
    auto& t = r.topics.emplace_back();
    t.name = "some-topic";
    t.partitions.emplace_back();
  });
  QUESTION(OffsetFetch, ({1, 7}), {
    r.group_id = n.group;
    r.topics.emplace().push_back({.name = n.topic, .partition_indexes = {0}});
  });
  QUESTION(OffsetFetch, ({8, 10}), { r.groups.emplace_back().group_id = n.group; });
  QUESTION(FindCoordinator, ({1, 3}), { r.key = n.group; });
  QUESTION(FindCoordinator, ({4, 5}), { r.coordinator_keys = {n.group}; });
  QUESTION(JoinGroup, ({0, 5, 9}), {
    r.group_id = n.group;
    r.session_timeout_ms = 10'000;
    r.protocol_type = "consumer";
  });
  QUESTION(Heartbeat, ({0, 4}), {
    r.group_id = n.group;
    r.member_id = "m";
  });
  QUESTION(LeaveGroup, ({0, 3, 5}), {
    r.group_id = n.group;
    r.members.push_back({.member_id = "m"});
  });
  QUESTION(SyncGroup, ({0, 5}), {
    r.group_id = n.group;
    r.member_id = "m";
  });
  QUESTION(DescribeGroups, ({0, 5, 6}), {
    r.groups = {n.group};
    r.include_authorized_operations = true;
  });
  QUESTION(DeleteGroups, ({0, 2}), { r.groups_names = {n.group}; });
  QUESTION(OffsetDelete, ({0}), {
    r.group_id = n.group;
    auto& t = r.topics.emplace_back();
    t.name = "some-topic";
    t.partitions.emplace_back();
  });
  QUESTION(ConsumerGroupHeartbeat, ({0, 1}), {
    r.group_id = n.group;
    r.member_id = "m";
    r.member_epoch = 3;
  });
  QUESTION(ConsumerGroupDescribe, ({0, 1}), {
    r.group_ids = {n.group};
    r.include_authorized_operations = true;
  });
  QUESTION(DescribeConfigs, ({4}), {
    auto& x = r.resources.emplace_back();
    x.resource_type = 32;
    x.resource_name = n.group;
  });
  QUESTION(IncrementalAlterConfigs, ({1}), {
    r.validate_only = true;
    auto& x = r.resources.emplace_back();
    x.resource_type = 32;
    x.resource_name = n.group;
  });
  QUESTION(AlterConfigs, ({2}), {
    r.validate_only = true;
    auto& x = r.resources.emplace_back();
    x.resource_type = 32;
    x.resource_name = n.group;
  });
  QUESTION(AddOffsetsToTxn, ({0, 3}), {
    r.transactional_id = "own-transaction";
    r.producer_id = n.own_producer;
    r.group_id = n.group;
  });
  QUESTION(TxnOffsetCommit, ({3}), {
    r.transactional_id = "own-transaction";
    r.group_id = n.group;
    auto& t = r.topics.emplace_back();
    t.name = "some-topic";
    t.partitions.emplace_back();
  });
  return all;
}

std::vector<Question> questions_about_transactions() {
  std::vector<Question> all;
  QUESTION(Produce, ({9, 12}), {
    r.acks = -1;
    r.transactional_id = n.transaction;
    auto& t = r.topic_data.emplace_back();
    t.name = n.topic;
    auto& p = t.partition_data.emplace_back();
    p.records.parts.push_back(Slice::copy(batch_of("v")));
  });
  QUESTION(FindCoordinator, ({3}), {
    r.key = n.transaction;
    r.key_type = 1;
  });
  QUESTION(InitProducerId, ({0, 3, 4}), {
    r.transactional_id = n.transaction;
    r.transaction_timeout_ms = 1000;
  });
  QUESTION(AddPartitionsToTxn, ({0, 3}), {
    r.transactional_id = n.transaction;
    r.topics.push_back({.name = n.topic, .partitions = {0}});
  });
  QUESTION(AddOffsetsToTxn, ({0, 3}), {
    r.transactional_id = n.transaction;
    r.group_id = "own-group";
  });
  QUESTION(EndTxn, ({0, 3}), { r.transactional_id = n.transaction; });
  QUESTION(TxnOffsetCommit, ({0, 3}), {
    r.transactional_id = n.transaction;
    r.group_id = "own-group";
    auto& t = r.topics.emplace_back();
    t.name = n.topic;
    t.partitions.emplace_back();
  });
  QUESTION(DescribeTransactions, ({0}), { r.transactional_ids = {n.transaction}; });
  return all;
}

// Names and ids come back in the answers.
std::string renamed(std::string answer, const Names& from, const Names& to) {
  const auto bytes_of = [](const TopicId& id) {
    Encoder out(0, false);
    TopicId copy = id;
    out.value(copy);
    return out.take_bytes();
  };
  for (const auto& [old, fresh] :
       {std::pair{from.topic, to.topic}, {from.group, to.group}, {from.transaction, to.transaction}, {bytes_of(from.id), bytes_of(to.id)}})
    for (size_t at = 0; (at = answer.find(old, at)) != std::string::npos; at += fresh.size()) answer.replace(at, old.size(), fresh);
  return answer;
}

class ExistenceTest : public SecureServerTest {
 protected:
  ExistenceTest() {
    there_.id = log_->create_topic(there_.topic, 2, {})->id;
    const auto admin = client_of("admin");
    produce(*admin, batch_of("v"), 9, there_.topic);
    for (const std::string& group : {there_.group, std::string("own-group")}) {
      OffsetCommitRequest commit{.group_id = group, .generation_id_or_member_epoch = -1, .topics = {}};
      commit.topics.push_back({.name = there_.topic, .topic_id = {}, .partitions = {{.partition_index = 0, .committed_offset = 1}}});
      EXPECT_EQ(admin->call<OffsetCommitResponse>(commit, 8).topics.at(0).partitions.at(0).error_code, 0);
    }
    const auto begin_of = [&](const std::string& id) {
      InitProducerIdRequest init{.transactional_id = id, .transaction_timeout_ms = 60'000};
      return admin->call<InitProducerIdResponse>(init, 3);
    };
    there_.own_producer = absent_.own_producer = begin_of("own-transaction").producer_id;
    const auto producer = begin_of(there_.transaction);
    AddPartitionsToTxnRequest begin{.transactional_id = there_.transaction,
                                    .producer_id = producer.producer_id,
                                    .producer_epoch = producer.producer_epoch,
                                    .topics = {}};
    begin.topics.push_back({.name = there_.topic, .partitions = {0}});
    EXPECT_EQ(admin->call<AddPartitionsToTxnResponse>(begin, 3).results_by_topic.at(0).results_by_partition.at(0).partition_error_code, 0);
  }
  void allow_own() {
    using enum security::Operation;
    std::set<security::Acl> acls;
    for (const auto& [type, name, operations] :
         {std::tuple{security::ResourceType::kGroup, "own-group", std::vector{kRead, kDescribe, kDelete}},
          {security::ResourceType::kGroup, "own-consumers", std::vector{kRead, kDescribe}},
          {security::ResourceType::kTransactionalId, "own-transaction", std::vector{kWrite, kDescribe}}})
      for (const auto operation : operations) acls.insert({.type = type, .name = name, .principal = "User:bob", .operation = operation});
    ASSERT_TRUE(authority_->change_acls(acls, {}, "User:admin"));
  }
  void expect_alike(const std::vector<Question>& questions) {
    const auto bob = client_of("bob");
    for (const Question& question : questions) {
      const std::string there = question.ask(*bob, there_), absent = question.ask(*bob, absent_);
      EXPECT_EQ(there, renamed(absent, absent_, there_)) << question.what;
      EXPECT_NE(there, "closed") << question.what;
    }
  }

  Names there_{"secret-topic", "secret-group", "secret-transaction", {}},
      absent_{"absent-topic", "absent-group", "absent-transaction", {random_uuid()}};
};

// Every API that asks for a permission on what a request names; the others list what there is, or answer from within something else.
void expect_all_asked(ResourceType type, const std::vector<Question>& questions, const std::set<int16_t>& lists) {
  std::set<int16_t> asked, needed = lists;
  for (const Question& question : questions) asked.insert(question.api_key);
  for (const AccessLine& line : access_table())
    if (line.type == type) needed.insert(line.api_key);
  for (const int16_t api : needed) EXPECT_NE(asked.contains(api), lists.contains(api)) << api;
}

TEST(Existence, EveryApiThatNamesOneIsAsked) {
  expect_all_asked(ResourceType::kTopic, questions_about_topics(), {65, 69});  // the topics of transactions and of members
  expect_all_asked(ResourceType::kGroup, questions_about_groups(), {16});      // ListGroups
  expect_all_asked(ResourceType::kTransactionalId, questions_about_transactions(), {66});  // ListTransactions
}

TEST_F(ExistenceTest, OfTopics) { expect_alike(questions_about_topics()); }

// Rights to everything but the topic itself.
TEST_F(ExistenceTest, OfTopicsForWhoHasGroupsAndTransactions) {
  allow_own();
  expect_alike(questions_about_topics());
}

TEST_F(ExistenceTest, OfGroups) { expect_alike(questions_about_groups()); }

// Groups with a member, of either protocol. (Their names are as long as the absent one.)
TEST_F(ExistenceTest, OfGroupsWithMembers) {
  const auto admin = client_of("admin");
  there_.group = "member-group";
  ConsumerGroupHeartbeatRequest join{.group_id = there_.group, .member_id = "m", .rebalance_timeout_ms = 60'000};
  join.subscribed_topic_names.emplace().push_back(there_.topic);
  join.topic_partitions.emplace();
  EXPECT_EQ(admin->call<ConsumerGroupHeartbeatResponse>(join, 1).error_code, 0);
  expect_alike(questions_about_groups());
  there_.group = "joined-group";
  JoinGroupRequest classic{.group_id = there_.group, .session_timeout_ms = 60'000, .rebalance_timeout_ms = 60'000, .protocol_type = "consumer", .protocols = {}};
  classic.protocols.push_back({.name = "range", .metadata = Slice::copy("x")});
  EXPECT_EQ(admin->call<JoinGroupResponse>(classic, 3).error_code, 0);
  expect_alike(questions_about_groups());
}

TEST_F(ExistenceTest, OfGroupsForWhoHasATransaction) {
  allow_own();
  expect_alike(questions_about_groups());
}

TEST_F(ExistenceTest, OfTransactions) { expect_alike(questions_about_transactions()); }

}  // namespace
}  // namespace ms::kafka
