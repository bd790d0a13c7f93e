#include "security/security_file.h"

#include <gtest/gtest.h>

namespace ms::security {
namespace {

std::string credential() { return "SCRAM-SHA-256:" + format_credential(make_credential(ScramMechanism::kSha256, "secret", "salt", 4096)); }
std::string error_of(const std::string& text) {
  const auto file = parse_security_file("s.yaml", text);
  return file ? "" : file.error().message;
}

TEST(SecurityFile, Everything) {
  const auto file = parse_security_file(
      "s.yaml", "super_users: [admin, 'User:root']\nmechanisms: [SCRAM]\nsession_max: 1h\nusers:\n  alice: \"" + credential() + R"("
acls:
  - allow: [alice, "*"]
    from: [10.0.0.1, 10.0.0.2]
    topic: [a, b]
    group_prefix: app
    operations: [read, DESCRIBE]
  - deny: bob
    cluster: true
    operations: ALL
oauth: {jwks: 'https://issuer/keys', jwks_ca: /etc/ca.pem, issuer: https://issuer, audience: millstream, clock_skew: 5s}
principal_mapping:
  - {subject: "CN=root,O=Acme", user: admin}
  - {attribute: cn, under: "O=Acme"}
)");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->super_users, (std::set<std::string, std::less<>>{"User:admin", "User:root"}));
  EXPECT_TRUE(file->scram);
  EXPECT_FALSE(file->plain);
  EXPECT_EQ(file->session_ms_max, 3'600'000);
  EXPECT_TRUE(has_password(ScramMechanism::kSha256, file->users.at("alice").at(ScramMechanism::kSha256), "secret"));
  EXPECT_EQ(file->acls.size(), 2u * 2 * 3 * 2 + 1);
  EXPECT_TRUE(file->acls.contains({.type = ResourceType::kGroup, .pattern = PatternType::kPrefixed, .name = "app", .principal = "User:*", .host = "10.0.0.2"}));
  EXPECT_EQ(file->oauth->clock_skew_ms, 5000);
  EXPECT_EQ(principal_of("CN=x,O=Acme", file->principal_mapping), "User:x");
}

TEST(SecurityFile, WhatIsWrongIsSaidWithItsPlace) {
  EXPECT_NE(error_of("users: {}\n").find("super_users"), std::string::npos);
  const std::string head = "super_users: [admin]\n";
  EXPECT_EQ(error_of(head), "");
  for (const auto& [text, where] :
       {std::pair{"user: {}\n", "s.yaml:2:1: unknown key 'user'; did you mean 'users'?"},
        std::pair{"users: {alice: secret}\n", "Passwords do not belong here"}, std::pair{"users: {'*': x}\n", "cannot be the name"},
        std::pair{"acls: [{allow: a, topic: t}]\n", "needs 'operations'"},
        std::pair{"acls: [{allow: a, deny: b, topic: t, operations: READ}]\n", "either 'allow' or 'deny'"},
        std::pair{"acls: [{allow: a, operations: READ}]\n", "what it is about"},
        std::pair{"acls: [{allow: a, topic: t, operations: SEE}]\n", "'SEE' is no operation"},
        std::pair{"acls: [{allow: a, topic: t, operations: IDEMPOTENT_WRITE}]\n", "has no operation"},
        std::pair{"mechanisms: [GSSAPI]\n", "no mechanism"}, std::pair{"oauth: {jwks: f, issuer: i}\n", "needs 'audience'"},
        std::pair{"oauth: {jwks: 'http://x', jwks_ca: ca.pem, issuer: i, audience: a}\n",
                  "jwks_ca says whom an https:// address is believed"},
        std::pair{"principal_mapping: [{subject: 'CN=a'}]\n", "'subject' and 'user'"}, std::pair{"session_max: soon\n", "s.yaml:2:14"},
        std::pair{"super_users: [x]\n", "given twice"}, std::pair{"users: [\n", "s.yaml:3"}})
    EXPECT_NE(error_of(head + text).find(where), std::string::npos) << text << error_of(head + text);
}

TEST(SecurityFile, ALineOfAUserReadsBack) {
  const ScramCredentials made{{ScramMechanism::kSha512, make_credential(ScramMechanism::kSha512, "p", "salt", 4096)}};
  const auto file = parse_security_file("s", "super_users: a\nusers:\n" + user_line("it's \"me\": x", made) + "\n");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->users.at("it's \"me\": x"), made);
}

}  // namespace
}  // namespace ms::security
