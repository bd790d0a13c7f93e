#include "server/acl_words.h"

#include <gtest/gtest.h>

namespace ms::server {
namespace {

using security::Acl;
using security::AclFilter;

std::vector<std::string> texts(const std::set<Acl>& acls) {
  std::vector<std::string> out;
  for (const Acl& acl : acls) out.push_back(to_string(acl));
  return out;
}

std::string refusal(const AclWords& words) {
  const auto acls = acls_to_make(words);
  return acls ? "" : acls.error().message;
}

TEST(AclWords, EveryoneMayDoEverythingThatIsNamedWithEveryResource) {
  const auto acls = acls_to_make({.allow_principals = {"ann", "User:bob"}, .allow_hosts = {"10.0.0.1"}, .operations = {"read", "DescribeConfigs"}, .topics = {"in", "out"}});
  ASSERT_TRUE(acls) << acls.error().message;
  EXPECT_EQ(acls->size(), 8u);
  EXPECT_EQ(texts(*acls).front(), "ALLOW User:ann from 10.0.0.1 READ on TOPIC:LITERAL:in");
  EXPECT_EQ(texts(*acls).back(), "ALLOW User:bob from 10.0.0.1 DESCRIBE_CONFIGS on TOPIC:LITERAL:out");
}

TEST(AclWords, AllowedAndDeniedStandBesideEachOther) {
  const auto acls = acls_to_make({.allow_principals = {"*"}, .deny_principals = {"eve"}, .operations = {"ALL"}, .groups = {"pay."}, .pattern = "Prefixed"});
  ASSERT_TRUE(acls) << acls.error().message;
  EXPECT_EQ(texts(*acls), (std::vector<std::string>{"ALLOW User:* from * ALL on GROUP:PREFIXED:pay.", "DENY User:eve from * ALL on GROUP:PREFIXED:pay."}));
  const auto cluster = acls_to_make({.allow_principals = {"ann"}, .operations = {"idempotent-write"}, .cluster = true});
  ASSERT_TRUE(cluster) << cluster.error().message;
  EXPECT_EQ(texts(*cluster), std::vector<std::string>{"ALLOW User:ann from * IDEMPOTENT_WRITE on CLUSTER:LITERAL:kafka-cluster"});
}

TEST(AclWords, WhatIsMissingOrWrongIsNamed) {
  const AclWords good{.allow_principals = {"ann"}, .operations = {"read"}, .topics = {"t"}};
  EXPECT_EQ(refusal(good), "");
  const auto with = [&](auto change) {
    AclWords words = good;
    change(words);
    return refusal(words);
  };
  EXPECT_TRUE(with([](AclWords& w) { w.allow_principals.clear(); }).contains("--allow-principal"));
  EXPECT_TRUE(with([](AclWords& w) { w.operations.clear(); }).contains("--operation"));
  EXPECT_TRUE(with([](AclWords& w) { w.topics.clear(); }).contains("--topic"));
  EXPECT_TRUE(with([](AclWords& w) { w.deny_hosts = {"10.0.0.1"}; }).contains("--deny-principal"));
  EXPECT_TRUE(with([](AclWords& w) { w.operations = {"raed"}; }).contains("did you mean 'READ'"));
  EXPECT_TRUE(with([](AclWords& w) { w.operations = {"any"}; }).contains("none of ALL, READ"));
  EXPECT_TRUE(with([](AclWords& w) { w.pattern = "match"; }).contains("none of LITERAL, PREFIXED"));
  EXPECT_TRUE(with([](AclWords& w) { w.allow_principals = {"user:ann"}; }).contains("write User:ann"));
  EXPECT_TRUE(with([](AclWords& w) { w.groups = {"g"}, w.operations = {"write"}; }).contains("type GROUP has no operation WRITE; it has READ, DELETE"));
  EXPECT_TRUE(with([](AclWords& w) { w.topics = {""}; }).contains("name of its resource"));
}

TEST(AclWords, WhatMadeAnAclMeansIt) {
  for (const AclWords& words : {AclWords{.allow_principals = {"ann", "bob"}, .operations = {"read", "write"}, .topics = {"in", "out"}, .pattern = "prefixed"},
                                AclWords{.deny_principals = {"eve"}, .deny_hosts = {"10.0.0.1", "::1"}, .operations = {"all"}, .groups = {"*"}, .transactional_ids = {"t"}},
                                AclWords{.allow_principals = {"ann"}, .deny_principals = {"eve"}, .operations = {"alter"}, .cluster = true}}) {
    const auto acls = acls_to_make(words);
    const auto filters = acls_meant(words);
    ASSERT_TRUE(acls && filters);
    for (const Acl& acl : *acls) {
      const auto meant = [&](const AclFilter& filter) { return matches(filter, acl); };
      EXPECT_EQ(std::ranges::count_if(*filters, meant), 1) << to_string(acl);
      Acl other = acl;
      other.principal = "User:other";
      EXPECT_FALSE(std::ranges::any_of(*filters, [&](const AclFilter& filter) { return matches(filter, other); }));
    }
  }
}

TEST(AclWords, LessIsMeantByMoreWords) {
  const Acl acl{.name = "pay.in", .principal = "User:ann"};
  const auto meant = [&](const AclWords& words) {
    const auto filters = acls_meant(words);
    return filters && std::ranges::any_of(*filters, [&](const AclFilter& filter) { return matches(filter, acl); });
  };
  EXPECT_TRUE(meant({}));
  EXPECT_TRUE(meant({.principals = {"ann"}}));
  EXPECT_TRUE(meant({.types = {"topic"}}));
  EXPECT_TRUE(meant({.topics = {"pay.in"}, .types = {"group"}}));
  EXPECT_FALSE(meant({.types = {"group", "transactional-id"}}));
  EXPECT_FALSE(meant({.deny_principals = {"ann"}}));
  EXPECT_FALSE(meant({.topics = {"pay.in"}, .pattern = "prefixed"}));
  EXPECT_FALSE(meant({.topics = {"pay."}}));
  EXPECT_FALSE(acls_meant({.types = {"topics"}}));
}

TEST(AclWords, TheNearestNameIsSuggested) {
  const std::set<Acl> acls{{.name = "orders", .principal = "User:alice"}, {.name = "*", .principal = "User:bob"}};
  EXPECT_EQ(nearest_acl(*acls_meant({.topics = {"ordres"}}), acls), "; did you mean 'orders'?");
  EXPECT_EQ(nearest_acl(*acls_meant({.principals = {"alcie"}}), acls), "; did you mean 'User:alice'?");
  EXPECT_EQ(nearest_acl(*acls_meant({.principals = {"alice"}, .topics = {"orders"}, .pattern = "prefixed"}), acls), "");
}

}  // namespace
}  // namespace ms::server
