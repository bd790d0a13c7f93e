// ACLs, users and quotas asked of a real server, with users and without.
#include "kafka/admin/acl_admin.h"
#include "kafka/admin/quota_admin.h"
#include "kafka/admin/user_admin.h"
#include "kafka/server_fixture.h"
#include "security/authority.h"

namespace ms::kafka {
namespace {

using security::Acl;
using security::Operation;
using security::ResourceType;
using enum security::ScramMechanism;

class SecurityAdminTest : public KafkaServerTest {
 protected:
  SecurityAdminTest() {
    security::SecurityFile file;
    file.super_users = {"User:admin"};
    file.users["admin"][kSha256] = security::make_credential(kSha256, "secret", "0123456789abcdef", security::kIterationsMin);
    file.acls = {fixed_};
    authority_ = *security::Authority::open(std::move(file), *log_, nullptr);
    serve({.authority = authority_.get()});
  }
  ~SecurityAdminTest() override { server_->stop(); }

  Result<AdminClient> connect(std::string user, std::string password) const {
    return AdminClient::connect({.server = {"127.0.0.1", server_->port()}, .user = std::move(user), .password = std::move(password)});
  }
  AdminClient admin() const { return *connect("admin", "secret"); }

  const Acl fixed_{.name = "fixed", .principal = "User:bob"};
  std::unique_ptr<security::Authority> authority_;
};

TEST_F(SecurityAdminTest, AclsComeAndGo) {
  auto client = admin();
  const std::set<Acl> made{{.name = "in", .principal = "User:bob", .operation = Operation::kWrite},
                           {.type = ResourceType::kGroup, .pattern = security::PatternType::kPrefixed, .name = "g", .principal = "User:eve", .host = "::1", .permission = security::Permission::kDeny}};
  ASSERT_TRUE(create_acls(client, made));
  EXPECT_TRUE(create_acls(client, made));  // again
  EXPECT_EQ(list_acls(client, {{.principal = "User:eve"}, {.name = "in"}}), made);
  EXPECT_EQ(list_acls(client, {{}})->size(), 3u);
  const auto deleted = delete_acls(client, {{.principal = "User:bob"}});
  ASSERT_TRUE(deleted) << deleted.error().message;
  EXPECT_EQ(deleted->deleted, (std::set<Acl>{{.name = "in", .principal = "User:bob", .operation = Operation::kWrite}}));
  ASSERT_EQ(deleted->kept.size(), 1u);
  EXPECT_TRUE(deleted->kept[0].message.contains("TOPIC:LITERAL:fixed") && deleted->kept[0].message.contains("security file")) << deleted->kept[0].message;
  const auto partly = create_acls(client, {{.name = "in", .principal = "User:bob"}, {.type = ResourceType::kCluster, .name = "wrong", .principal = "User:bob", .operation = Operation::kAlter}});
  ASSERT_FALSE(partly);
  EXPECT_EQ(partly.error().kind, ErrorKind::kInvalidArgument);
  EXPECT_TRUE(partly.error().message.contains("1 of 2 ACLs were made") && partly.error().message.contains("CLUSTER:LITERAL:wrong")) << partly.error().message;
}

TEST_F(SecurityAdminTest, UsersComeAndGo) {
  auto client = admin();
  ASSERT_TRUE(set_password(client, {.name = "bob", .iterations = {}}, {.password = "first", .mechanisms = {kSha256, kSha512}, .iterations = 4096}));
  EXPECT_TRUE(connect("bob", "first"));
  const auto both = find_user(client, "bob");
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->iterations, (std::map<security::ScramMechanism, int>{{kSha256, 4096}, {kSha512, 4096}}));
  ASSERT_TRUE(set_password(client, *both, {.password = "second", .mechanisms = {kSha256}, .iterations = 5000}));
  EXPECT_FALSE(connect("bob", "first"));
  EXPECT_TRUE(connect("bob", "second"));
  const auto one = find_user(client, "bob");
  EXPECT_EQ(one->iterations, (std::map<security::ScramMechanism, int>{{kSha256, 5000}}));  // the old password is nowhere left
  ASSERT_TRUE(delete_user(client, *one));
  EXPECT_FALSE(connect("bob", "second"));
  EXPECT_EQ(find_user(client, "bob").error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(find_user(client, "admni").error().message.contains("did you mean 'admin'"));
  EXPECT_TRUE(delete_user(client, *find_user(client, "admin")).error().message.contains("security file"));
}

TEST_F(SecurityAdminTest, WhoMayNotIsToldWhoAndWhat) {
  auto client = admin();
  ASSERT_TRUE(set_password(client, {.name = "bob", .iterations = {}}, {.password = "secret", .mechanisms = {kSha256}, .iterations = 4096}));
  auto bob = connect("bob", "secret");
  ASSERT_TRUE(bob) << bob.error().message;
  const auto told = [](const auto& result) { return result ? "nothing" : result.error().message; };
  EXPECT_TRUE(told(list_acls(*bob, {{}})).contains("User:bob has no DESCRIBE permission for the cluster"));
  EXPECT_TRUE(told(create_acls(*bob, {fixed_})).contains("User:bob has no ALTER permission for the cluster"));
  EXPECT_TRUE(told(delete_acls(*bob, {{}})).contains("User:bob has no ALTER permission for the cluster"));
  EXPECT_TRUE(told(list_users(*bob)).contains("User:bob has no DESCRIBE permission for the cluster"));
  EXPECT_TRUE(told(delete_user(*bob, {.name = "bob", .iterations = {{kSha256, 4096}}})).contains("User:bob has no ALTER permission for the cluster"));
  EXPECT_TRUE(told(list_quotas(*bob, {})).contains("User:bob has no DESCRIBE_CONFIGS permission for the cluster"));
  EXPECT_TRUE(told(change_quotas(*bob, {{{"user", "bob"}}, {}}, QuotaTrial::kNo)).contains("User:bob has no ALTER_CONFIGS permission for the cluster"));
}

TEST_F(SecurityAdminTest, QuotasComeAndGo) {
  auto client = admin();
  const QuotaEntity ann{{"user", "ann"}}, any{{"client-id", std::nullopt}, {"user", "ann"}};
  ASSERT_TRUE(change_quotas(client, {ann, {{"producer_byte_rate", 1024}}}, QuotaTrial::kYes));
  EXPECT_TRUE(list_quotas(client, {})->empty());  // that was a trial
  ASSERT_TRUE(change_quotas(client, {ann, {{"producer_byte_rate", 1024}, {"consumer_byte_rate", 2048}}}, QuotaTrial::kNo));
  ASSERT_TRUE(change_quotas(client, {any, {{"request_percentage", 12.5}}}, QuotaTrial::kNo));
  const QuotaValues of_ann{{"consumer_byte_rate", 2048}, {"producer_byte_rate", 1024}};
  EXPECT_EQ(list_quotas(client, only(ann)), (QuotaTable{{ann, of_ann}}));
  EXPECT_EQ(list_quotas(client, only(any)), (QuotaTable{{any, {{"request_percentage", 12.5}}}}));
  EXPECT_EQ(list_quotas(client, {.parts = {{.type = "user", .match = QuotaPart::Match::kAny}}}), (QuotaTable{{ann, of_ann}, {any, {{"request_percentage", 12.5}}}}));
  ASSERT_TRUE(change_quotas(client, {ann, {{"producer_byte_rate", std::nullopt}}}, QuotaTrial::kNo));
  EXPECT_EQ(list_quotas(client, only(ann)), (QuotaTable{{ann, {{"consumer_byte_rate", 2048}}}}));
  const auto wrong = change_quotas(client, {ann, {{"producer_byterate", 1}}}, QuotaTrial::kNo);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::kInvalidArgument);
  EXPECT_TRUE(wrong.error().message.starts_with("user 'ann': INVALID_REQUEST: 'producer_byterate'")) << wrong.error().message;
}

TEST_F(SecurityAdminTest, AServerWithoutUsersSaysSo) {
  serve({});
  auto client = connect("", "");
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_TRUE(list_users(*client)->empty());
  EXPECT_TRUE(create_acls(*client, {fixed_}).error().message.contains("SECURITY_DISABLED: this server keeps no users and no ACLs"));
  EXPECT_FALSE(set_password(*client, {.name = "bob", .iterations = {}}, {.password = "x", .mechanisms = {kSha256}, .iterations = 4096}));
}

}  // namespace
}  // namespace ms::kafka
