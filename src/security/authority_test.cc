#include "security/authority.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/rng.h"
#include "security/session.h"

namespace ms::security {
namespace {

class AuthorityTest : public ::testing::Test {
 protected:
  AuthorityTest() : dir_(std::filesystem::temp_directory_path() / ("ms-security-" + random_uuid().to_string())) { open(); }
  ~AuthorityTest() override {
    close();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    log_ = *log::Log::open(log::by_hand({.dir = dir_.string(), .fs = &posix_file_system(), .clock = &system_clock()}));
    SecurityFile file;
    file.super_users = {"User:admin"};
    authority_ = *Authority::open(file, *log_, nullptr);
  }
  void close() {
    authority_.reset();
    static_cast<void>(log_->close());
    log_.reset();
  }
  Result<> set(const std::string& user, const std::string& password, int iterations = 4096) {
    const auto mechanism = ScramMechanism::kSha256;
    const CredentialChange change{.user = user, .mechanism = mechanism, .credential = make_credential(mechanism, password, "0123456789abcdef", iterations)};
    return authority_->change_credentials(std::span(&change, 1), "User:admin");
  }
  Result<> remove(const std::string& user) {
    const CredentialChange change{.user = user, .mechanism = ScramMechanism::kSha256, .credential = std::nullopt};
    return authority_->change_credentials(std::span(&change, 1), "User:admin");
  }
  Session session(const std::string& user) {
    const auto* has = authority_->rules()->find(user);
    return Session(authority_.get(), "User:" + user, "10.0.0.1", has ? *has : ScramCredentials());
  }

  std::filesystem::path dir_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<Authority> authority_;
};

constexpr Resource kTopic{ResourceType::kTopic, "t"};

TEST_F(AuthorityTest, OpenUntilTheFirstUserAndThenForEver) {
  Session anybody(authority_.get(), std::string(kAnonymous), "10.0.0.1");
  EXPECT_FALSE(authority_->guards());
  EXPECT_TRUE(anybody.may(Operation::kWrite, kTopic, "Produce") && anybody.is_current());
  ASSERT_TRUE(set("alice", "secret"));
  EXPECT_TRUE(authority_->guards());
  EXPECT_FALSE(anybody.may(Operation::kWrite, kTopic, "Produce") || anybody.is_current());
  EXPECT_FALSE(remove("alice"));  // the last user
  EXPECT_TRUE(set("bob", "x") && remove("alice"));
}

TEST_F(AuthorityTest, UsersAndAclsAreThereAfterARestart) {
  const Acl acl{.name = "t", .principal = "User:alice", .operation = Operation::kWrite};
  ASSERT_TRUE(set("alice", "secret") && authority_->change_acls({acl}, {}, "User:admin"));
  const auto fake = authority_->challenge_for("nobody", ScramMechanism::kSha256).credential;
  close();
  open();
  EXPECT_TRUE(authority_->guards() && authority_->check_password("alice", "secret"));
  EXPECT_TRUE(session("alice").may(Operation::kWrite, kTopic, "Produce"));
  EXPECT_EQ(authority_->challenge_for("nobody", ScramMechanism::kSha256).credential, fake);
  ASSERT_TRUE(authority_->change_acls({}, {acl}, "User:admin"));
  EXPECT_FALSE(session("alice").may(Operation::kWrite, kTopic, "Produce"));
}

TEST_F(AuthorityTest, Passwords) {
  ASSERT_TRUE(set("alice", "secret"));
  EXPECT_FALSE(authority_->is_known_password("alice", "secret"));
  EXPECT_FALSE(authority_->check_password("alice", "Secret") || authority_->check_password("nobody", "secret") || authority_->check_password("alice", ""));
  EXPECT_TRUE(authority_->check_password("alice", "secret") && authority_->is_known_password("alice", "secret"));
  EXPECT_FALSE(authority_->is_known_password("alice", "Secret"));
  ASSERT_TRUE(set("alice", "other"));
  EXPECT_FALSE(authority_->is_known_password("alice", "secret"));
}

TEST_F(AuthorityTest, UnknownUsersAreChallengedLikeKnownOnes) {
  ASSERT_TRUE(set("alice", "secret", 8192));
  const auto known = authority_->challenge_for("alice", ScramMechanism::kSha256), unknown = authority_->challenge_for("nobody", ScramMechanism::kSha256);
  EXPECT_TRUE(known.known);
  EXPECT_FALSE(unknown.known);
  EXPECT_EQ(known.credential.salt.size(), unknown.credential.salt.size());
  EXPECT_EQ(known.credential.iterations, unknown.credential.iterations);
  EXPECT_NE(unknown.credential.salt, authority_->challenge_for("nobody2", ScramMechanism::kSha256).credential.salt);
}

TEST_F(AuthorityTest, ASessionEndsWithItsUserAndWithItsPassword) {
  ASSERT_TRUE(set("alice", "secret") && set("bob", "x"));
  const Session alice = session("alice"), bob = session("bob");
  EXPECT_TRUE(alice.is_current() && bob.is_current());
  ASSERT_TRUE(set("alice", "other") && remove("bob"));
  EXPECT_FALSE(alice.is_current() || bob.is_current());
}

TEST_F(AuthorityTest, SuperUsersMayEverythingAndAnswersFollowTheAcls) {
  ASSERT_TRUE(set("alice", "secret"));
  EXPECT_TRUE(session("admin").may(Operation::kAlter, {ResourceType::kCluster, kClusterName}, "x"));
  Session alice = session("alice");
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(alice.may(Operation::kRead, kTopic, "Fetch"));
    const Acl acl{.name = "t", .principal = "User:alice", .host = round == 1 ? "10.0.0.2" : "10.0.0.1"};
    ASSERT_TRUE(authority_->change_acls({acl}, {}, "User:admin"));
    EXPECT_EQ(alice.may(Operation::kRead, kTopic, "Fetch"), round != 1);
    EXPECT_EQ(alice.operations(kTopic), round == 1 ? 0 : 1 << 3 | 1 << 8);
    ASSERT_TRUE(authority_->change_acls({}, {acl}, "User:admin"));
  }
}

TEST_F(AuthorityTest, WithoutASuperUserThereIsNoUser) {
  authority_ = *Authority::open({}, *log_, nullptr);
  const auto refused = set("alice", "secret");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("--security"), std::string::npos);
}

SecurityFile file_with(std::initializer_list<const char*> users) {
  SecurityFile file;
  file.super_users = {"User:admin"};
  for (const char* user : users) file.users[user][ScramMechanism::kSha256] = make_credential(ScramMechanism::kSha256, "secret", "0123456789abcdef", 4096);
  return file;
}

TEST_F(AuthorityTest, AnotherFileTakesThePlaceOfTheFirst) {
  int announced = 0;
  const auto id = authority_->add_listener([&] { ++announced; });
  SecurityFile file = file_with({"alice", "bob"});
  file.acls = {{.name = "t", .principal = "User:alice", .operation = Operation::kWrite}};
  ASSERT_TRUE(authority_->replace_file(file));
  Session alice = session("alice"), bob = session("bob");
  EXPECT_TRUE(authority_->guards() && alice.is_current() && alice.may(Operation::kWrite, kTopic, "Produce") && !bob.may(Operation::kWrite, kTopic, "Produce"));
  ASSERT_TRUE(set("carol", "x"));
  ASSERT_TRUE(authority_->replace_file(file_with({"alice"})));
  EXPECT_TRUE(alice.is_current() && session("carol").is_current());  // what the log keeps stays
  EXPECT_FALSE(bob.is_current() || alice.may(Operation::kWrite, kTopic, "Produce"));
  EXPECT_EQ(announced, 2);
  authority_->remove_listener(id);
}

TEST_F(AuthorityTest, AFileThatWouldOpenTheServerIsRefused) {
  ASSERT_TRUE(authority_->replace_file(file_with({"alice"})));
  const uint64_t revision = authority_->revision();
  EXPECT_FALSE(authority_->replace_file(file_with({})));
  EXPECT_TRUE(authority_->guards() && session("alice").is_current());
  EXPECT_EQ(authority_->revision(), revision);
  ASSERT_TRUE(set("bob", "x"));  // with a user in the log the file needs none
  EXPECT_TRUE(authority_->replace_file(file_with({})));
  EXPECT_TRUE(authority_->guards());
}

}  // namespace
}  // namespace ms::security
