// What clients do that somebody may ask about later leaves a line in the audit file, with who did it and what it was.
#include "kafka/secure_server_fixture.h"

namespace ms::kafka {
namespace {

class AuditTrailTest : public SecureServerTest {
 protected:
  void expect_one(std::initializer_list<std::string_view> parts) const {
    const auto lines = audited(parts);
    EXPECT_EQ(lines.size(), 1u) << *parts.begin() << ::testing::PrintToString(audited({}));
  }
  const std::unique_ptr<Client> admin_ = client_of("admin");
};

constexpr std::string_view kByAdmin = R"("principal":"User:admin")";

TEST_F(AuditTrailTest, Logins) {
  expect_one({R"("event":"login","outcome":"allowed","user":"admin","host":"127.0.0.1","mechanism":"PLAIN")"});
  Client stranger(server_->port());
  SaslHandshakeRequest handshake{.mechanism = "PLAIN"};
  stranger.call<SaslHandshakeResponse>(handshake, 1);
  SaslAuthenticateRequest authenticate{.auth_bytes = Slice::copy(std::string("\0bob\0guess", 10))};
  EXPECT_NE(stranger.call<SaslAuthenticateResponse>(authenticate, 2).error_code, 0);
  expect_one({R"("event":"login","outcome":"denied","user":"bob")", R"("because":"wrong password")"});
  EXPECT_TRUE(audited({"guess"}).empty() && audited({"secret"}).empty());  // no password is ever there
}

TEST_F(AuditTrailTest, Users) {
  AlterUserScramCredentialsRequest request;
  request.upsertions.push_back({.name = "carol", .mechanism = 1, .iterations = 4096, .salt = Slice::copy(std::string(16, 's')), .salted_password = Slice::copy(std::string(32, 'p'))});
  EXPECT_EQ(admin_->call<AlterUserScramCredentialsResponse>(request, 0).results.at(0).error_code, 0);
  request.upsertions.clear();
  request.deletions.push_back({"carol", 1});
  EXPECT_EQ(admin_->call<AlterUserScramCredentialsResponse>(request, 0).results.at(0).error_code, 0);
  expect_one({R"("event":"user_set")", kByAdmin, R"("user":"carol","mechanism":"SCRAM-SHA-256")"});
  expect_one({R"("event":"user_deleted")", kByAdmin, R"("user":"carol")"});
  EXPECT_EQ(audited({R"("request":"AlterUserScramCredentials")", R"("outcome":"allowed")"}).size(), 2u);
}

TEST_F(AuditTrailTest, Acls) {
  CreateAclsRequest create;
  create.creations.push_back({2, "t", 3, "User:carl", "*", 3, 3});
  EXPECT_EQ(admin_->call<CreateAclsResponse>(create, 2).results.at(0).error_code, 0);
  DeleteAclsRequest remove;
  auto& filter = remove.filters.emplace_back();
  filter.resource_type_filter = filter.pattern_type_filter = filter.operation = filter.permission_type = 1;
  filter.principal_filter = "User:carl";
  EXPECT_EQ(admin_->call<DeleteAclsResponse>(remove, 2).filter_results.at(0).error_code, 0);
  for (const std::string_view event : {R"("event":"acl_created")", R"("event":"acl_deleted")"})
    expect_one({event, kByAdmin, R"("acl":"ALLOW User:carl from * READ on TOPIC:LITERAL:t")"});
}

TEST_F(AuditTrailTest, Quotas) {
  AlterClientQuotasRequest request;
  auto& entry = request.entries.emplace_back();
  entry.entity = {{"user", "bob"}, {"client-id", std::nullopt}};
  entry.ops = {{"producer_byte_rate", 1e6, false}, {"consumer_byte_rate", 0, true}};
  request.validate_only = true;
  EXPECT_EQ(admin_->call<AlterClientQuotasResponse>(request, 1).entries.at(0).error_code, 0);
  EXPECT_TRUE(audited({"quota_changed"}).empty());
  request.validate_only = false;
  EXPECT_EQ(admin_->call<AlterClientQuotasResponse>(request, 1).entries.at(0).error_code, 0);
  expect_one({R"("event":"quota_changed")", kByAdmin, R"("entity":"client-id&user=bob")", R"("changes":"consumer_byte_rate producer_byte_rate=1000000")"});
  const auto bob = client_of("bob");
  EXPECT_NE(bob->call<AlterClientQuotasResponse>(request, 1).entries.at(0).error_code, 0);
  expect_one({R"("outcome":"denied")", R"("principal":"User:bob")", R"("request":"AlterClientQuotas","operation":"ALTER_CONFIGS")"});
  EXPECT_EQ(audited({"quota_changed"}).size(), 1u);
}

TEST_F(AuditTrailTest, SettingsOfTopicsAndGroups) {
  IncrementalAlterConfigsRequest request;
  auto& topic = request.resources.emplace_back();
  topic.resource_type = 2, topic.resource_name = "t";
  topic.configs = {{"retention.ms", 0, "3600000"}, {"cleanup.policy", 2, "compact"}, {"segment.ms", 1, std::nullopt}};
  auto& group = request.resources.emplace_back();
  group.resource_type = 32, group.resource_name = "g";
  group.configs = {{"consumer.session.timeout.ms", 0, "50000"}};
  request.validate_only = true;
  for (const auto& one : admin_->call<IncrementalAlterConfigsResponse>(request, 1).responses) EXPECT_EQ(one.error_code, 0) << one.error_message.value_or("");
  EXPECT_TRUE(audited({"config_changed"}).empty());
  request.validate_only = false;
  for (const auto& one : admin_->call<IncrementalAlterConfigsResponse>(request, 1).responses) EXPECT_EQ(one.error_code, 0) << one.error_message.value_or("");
  expect_one({R"("event":"config_changed")", kByAdmin, R"("resource_type":"TOPIC","resource":"t","changes":"retention.ms=3600000 cleanup.policy+=compact segment.ms")"});
  expect_one({R"("event":"config_changed")", kByAdmin, R"("resource_type":"GROUP","resource":"g","changes":"consumer.session.timeout.ms=50000")"});
  AlterConfigsRequest all;
  auto& replaced = all.resources.emplace_back();
  replaced.resource_type = 32, replaced.resource_name = "g";
  EXPECT_EQ(admin_->call<AlterConfigsResponse>(all, 2).responses.at(0).error_code, 0);
  expect_one({R"("event":"config_changed")", R"("resource":"g")", R"("others":"default")"});
}

TEST_F(AuditTrailTest, TopicsAndGroupsAreMadeAndDeletedEachTime) {
  for (int round = 0; round < 2; ++round) {
    CreateTopicsRequest create;
    auto& topic = create.topics.emplace_back();
    topic.name = "made", topic.num_partitions = 1, topic.replication_factor = 1;
    EXPECT_EQ(admin_->call<CreateTopicsResponse>(create, 7).topics.at(0).error_code, 0);
    DeleteTopicsRequest remove;
    remove.topic_names = {"made"};
    EXPECT_EQ(admin_->call<DeleteTopicsResponse>(remove, 5).responses.at(0).error_code, 0);
    DeleteGroupsRequest groups;
    groups.groups_names = {"made"};
    admin_->call<DeleteGroupsResponse>(groups, 2);
  }
  EXPECT_EQ(audited({R"("event":"topic_created")", kByAdmin, R"("resource":"made")"}).size(), 2u);
  EXPECT_EQ(audited({kByAdmin, R"("request":"DeleteTopics","operation":"DELETE")", R"("resource":"made")"}).size(), 2u);
  EXPECT_EQ(audited({kByAdmin, R"("request":"DeleteGroups","operation":"DELETE")", R"("resource":"made")"}).size(), 2u);
}

TEST_F(AuditTrailTest, ATopicThatMetadataCreates) {
  MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = {}, .name = "new"});
  request.allow_auto_topic_creation = true;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(admin_->call<MetadataResponse>(request, 9).topics.at(0).error_code, 0);
  expect_one({R"("event":"topic_created")", kByAdmin, R"("resource":"new")"});
}

// What is done all day is there once for each connection and resource, a denial each time.
TEST_F(AuditTrailTest, ReadingAndWriting) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(produce(*admin_, batch_of("x")).error_code, 0);
  expect_one({kByAdmin, R"("request":"Produce","operation":"WRITE")", R"("because":"super user")"});
  const auto bob = client_of("bob");
  for (int i = 0; i < 3; ++i) EXPECT_NE(produce(*bob, batch_of("x")).error_code, 0);
  EXPECT_EQ(audited({R"("principal":"User:bob")", R"("request":"Produce","operation":"WRITE")", R"("because":"no ACL allows it")"}).size(), 3u);
}

}  // namespace
}  // namespace ms::kafka
