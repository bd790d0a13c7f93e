#include "security/authority.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/metrics.h"
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

// What a challenge shows of a credential.
struct Shape {
  size_t salt_bytes = 0;
  int iterations = 0;
  auto operator<=>(const Shape&) const = default;
};
Shape shape_of(const ScramCredential& credential) { return {credential.salt.size(), credential.iterations}; }

class UnknownUserTest : public AuthorityTest {
 protected:
  using Shapes = std::map<ScramMechanism, Shape>;
  void make(const std::string& user, const Shapes& shapes) {
    std::vector<CredentialChange> changes;
    for (const auto& [mechanism, shape] : shapes)
      changes.push_back({.user = user,
                         .mechanism = mechanism,
                         .credential = make_credential(mechanism, "secret", random_bytes(shape.salt_bytes), shape.iterations)});
    ASSERT_TRUE(authority_->change_credentials(changes, "User:admin"));
  }
  static std::string stranger(int i) { return "nobody" + std::to_string(i); }
  ScramCredential challenge(const std::string& user, ScramMechanism mechanism = ScramMechanism::kSha256) const {
    return authority_->challenge_for(user, mechanism).credential;
  }
  Shapes shapes(const std::string& user) const {
    return {{ScramMechanism::kSha256, shape_of(challenge(user, ScramMechanism::kSha256))},
            {ScramMechanism::kSha512, shape_of(challenge(user, ScramMechanism::kSha512))}};
  }
  // The iterations of PBKDF2 that a password costs, by digest.
  std::pair<int64_t, int64_t> work(const std::string& user) {
    const auto done = [](const char* digest) {
      return counter("millstream_security_password_iterations_total", std::string("digest=\"") + digest + "\"").get();
    };
    const int64_t sha256 = done("sha256"), sha512 = done("sha512");
    EXPECT_FALSE(authority_->check_password(user, "wrong"));
    return {done("sha256") - sha256, done("sha512") - sha512};
  }
};

// A run of bytes that comes again, anywhere, is structure.
bool has_structure(const std::string& salt) {
  constexpr size_t kRun = 6;
  for (size_t i = 0; i + kRun <= salt.size(); ++i)
    if (salt.find(salt.substr(i, kRun), i + 1) != std::string::npos) return true;
  return false;
}

TEST_F(UnknownUserTest, SaltsOfEverySizeHaveNoStructure) {
  for (const size_t bytes : {16u, 24u, 26u, 64u, 200u}) {
    for (const auto mechanism : {ScramMechanism::kSha256, ScramMechanism::kSha512}) {
      make("alice", {{mechanism, {bytes, 4096}}});
      for (int i = 0; i < 20; ++i) {
        const auto fake = challenge(stranger(i), mechanism);
        EXPECT_EQ(fake.salt.size(), bytes);
        EXPECT_FALSE(has_structure(fake.salt)) << bytes << " bytes: " << base64(fake.salt);
        EXPECT_EQ(challenge(stranger(i), mechanism), fake);
      }
    }
  }
}

// Kafka's own tools write a number of 130 bits in base 36, mostly 26 digits of which the first is 1, or 25.
TEST_F(UnknownUserTest, SaltsOfKafkasToolsAreNumbersOfTheSameRange) {
  const std::string end = "1omfro7zwmumr3umxudzyj6scg";  // 2^130
  for (const std::string salt : {"1l5nkzrlpo43d2yr4a4zxuw7vw", "v7gu0bqcvdz2n3hdkyq0d8x3k"}) {
    const CredentialChange change{.user = "alice",
                                  .mechanism = ScramMechanism::kSha256,
                                  .credential = make_credential(ScramMechanism::kSha256, "secret", salt, 4096)};
    ASSERT_TRUE(authority_->change_credentials(std::span(&change, 1), "User:admin"));
    for (int i = 0; i < 200; ++i) {
      const std::string fake = challenge(stranger(i)).salt;
      EXPECT_EQ(fake.size(), salt.size());
      EXPECT_EQ(fake.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"), std::string::npos) << fake;
      EXPECT_FALSE(has_structure(fake) || fake.front() == '0') << fake;
      EXPECT_TRUE(fake.size() < end.size() || fake < end) << fake;
    }
  }
}

// Somebody's salt of another size, or for the other mechanism, is another salt, and not one that begins alike.
TEST_F(UnknownUserTest, SaltsOfOneNameHaveNothingInCommon) {
  std::vector<std::string> salts;
  for (const size_t bytes : {16u, 24u, 26u, 64u}) {
    for (const int iterations : {4096, 8192}) {
      make("alice", {{ScramMechanism::kSha256, {bytes, iterations}}, {ScramMechanism::kSha512, {bytes, iterations}}});
      for (const auto& [mechanism, shape] : shapes("nobody")) salts.push_back(challenge("nobody", mechanism).salt);
    }
  }
  std::ranges::sort(salts, {}, [](const std::string& salt) { return salt.substr(0, 4); });
  for (size_t i = 1; i < salts.size(); ++i) EXPECT_NE(salts[i].substr(0, 4), salts[i - 1].substr(0, 4));
}

// Of three real users in four: nearly three fakes in four, and never the salt of one with the iterations of another.
TEST_F(UnknownUserTest, ShapesAreThoseOfRealUsersAndAsFrequent) {
  const Shapes frequent{{ScramMechanism::kSha256, {24, 8192}}, {ScramMechanism::kSha512, {24, 4096}}};
  const Shapes rare{{ScramMechanism::kSha256, {64, 4096}}, {ScramMechanism::kSha512, {26, 16384}}};
  for (const char* user : {"a", "b", "c"}) make(user, frequent);
  make("d", rare);
  int of_frequent = 0;
  for (int i = 0; i < 1000; ++i) {
    const Shapes fake = shapes(stranger(i));
    ASSERT_TRUE(fake == frequent || fake == rare) << i;
    of_frequent += fake == frequent;
  }
  EXPECT_NEAR(of_frequent, 750, 80);  // six standard deviations
}

// A user may have one mechanism alone; for the other its challenge is as made up as a stranger's.
TEST_F(UnknownUserTest, WhoLacksAMechanismLooksLikeOthersThatDo) {
  const Shape small{16, 4096}, large{64, 16384};
  make("alice", {{ScramMechanism::kSha256, small}});
  make("bob", {{ScramMechanism::kSha512, large}});
  EXPECT_EQ(shapes("alice"), (Shapes{{ScramMechanism::kSha256, small}, {ScramMechanism::kSha512, large}}));
  EXPECT_EQ(shapes("nobody"), shapes("alice"));
  EXPECT_FALSE(authority_->challenge_for("alice", ScramMechanism::kSha512).known);
}

// Others come and go: only those fakes change whose kind of user has become rarer.
TEST_F(UnknownUserTest, FakesStayWhileOtherUsersChange) {
  const Shapes one{{ScramMechanism::kSha256, {24, 8192}}}, two{{ScramMechanism::kSha256, {64, 4096}}};
  make("alice", one), make("bob", two);
  std::vector<ScramCredential> before;
  for (int i = 0; i < 200; ++i) before.push_back(challenge(stranger(i)));
  make("carol", one);
  int stayed = 0;
  for (int i = 0; i < 200; ++i) {
    const auto now = challenge(stranger(i));
    EXPECT_TRUE(now == before[static_cast<size_t>(i)] || shape_of(now) == one.begin()->second);
    stayed += now == before[static_cast<size_t>(i)];
  }
  EXPECT_GT(stayed, 130);  // five in six are to be expected
  make("dave", two);       // as many of each as at first
  for (int i = 0; i < 200; ++i) EXPECT_EQ(challenge(stranger(i)), before[static_cast<size_t>(i)]);
}

TEST_F(UnknownUserTest, APasswordCostsTheWorkOfSomeRealUser) {
  make("alice", {{ScramMechanism::kSha512, {24, 16384}}});
  EXPECT_EQ(work("alice"), std::pair(int64_t{0}, int64_t{16384}));
  EXPECT_EQ(work("nobody"), work("alice"));
  make("bob", {{ScramMechanism::kSha256, {24, 4096}}, {ScramMechanism::kSha512, {24, 8192}}});
  int like_alice = 0, like_bob = 0;
  for (int i = 0; i < 60; ++i) {
    const auto cost = work(stranger(i));
    like_alice += cost == work("alice"), like_bob += cost == work("bob");
  }
  EXPECT_EQ(like_alice + like_bob, 60);
  EXPECT_GT(like_alice, 0);
  EXPECT_GT(like_bob, 0);
}

// Who knows the iterations from a challenge knows what a password must cost.
TEST_F(UnknownUserTest, AChallengeAndAPasswordSpeakOfTheSameCredential) {
  make("alice", {{ScramMechanism::kSha256, {24, 16384}}});
  make("bob", {{ScramMechanism::kSha256, {24, 4096}}});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(work(stranger(i)).first, challenge(stranger(i)).iterations);
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
