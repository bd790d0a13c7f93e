#include "security/acl.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ms::security {
namespace {

Acl allow(Operation operation, std::string name, PatternType pattern = PatternType::kLiteral) {
  return {.pattern = pattern, .name = std::move(name), .principal = "User:alice", .operation = operation};
}
Acl deny(Acl acl) { return acl.permission = Permission::kDeny, acl; }

constexpr Asker kAlice{"User:alice", "10.0.0.1"};

bool may(const std::set<Acl>& acls, Operation operation, std::string_view topic, const Asker& asker = kAlice) {
  return AclIndex(acls).decide(asker, operation, {ResourceType::kTopic, topic}).allowed;
}

TEST(Acl, NothingIsAllowedByItself) { EXPECT_FALSE(may({}, Operation::kRead, "t")); }

TEST(Acl, ALiteralIsNoPrefix) {
  EXPECT_TRUE(may({allow(Operation::kRead, "pay")}, Operation::kRead, "pay"));
  EXPECT_FALSE(may({allow(Operation::kRead, "pay")}, Operation::kRead, "payroll"));
  EXPECT_TRUE(may({allow(Operation::kRead, "pay", PatternType::kPrefixed)}, Operation::kRead, "payroll"));
  EXPECT_FALSE(may({allow(Operation::kRead, "payroll", PatternType::kPrefixed)}, Operation::kRead, "pay"));
  EXPECT_FALSE(may({allow(Operation::kRead, "Pay")}, Operation::kRead, "pay"));
  // A prefix "*" is the character, not everything.
  EXPECT_FALSE(may({allow(Operation::kRead, "*", PatternType::kPrefixed)}, Operation::kRead, "pay"));
}

TEST(Acl, APrefixIsAlsoItsWholeName) { EXPECT_TRUE(may({allow(Operation::kRead, "pay", PatternType::kPrefixed)}, Operation::kRead, "pay")); }

// Whichever of them is found first: everything, the name, or a prefix of it.
TEST(Acl, ADenialWinsWhereverItStands) {
  const Acl any = allow(Operation::kRead, "*"), name = allow(Operation::kRead, "pay.in"), prefix = allow(Operation::kRead, "pay.", PatternType::kPrefixed);
  for (const Acl& allowed : {any, name, prefix})
    for (const Acl& denied : {any, name, prefix}) EXPECT_FALSE(may({allowed, deny(denied)}, Operation::kRead, "pay.in")) << to_string(allowed) << ", " << to_string(denied);
}

TEST(Acl, WhatFollowsFromWhat) {
  for (const auto op : {Operation::kRead, Operation::kWrite, Operation::kDelete, Operation::kAlter, Operation::kAll})
    EXPECT_TRUE(may({allow(op, "t")}, Operation::kDescribe, "t"));
  for (const auto op : {Operation::kCreate, Operation::kDescribeConfigs, Operation::kAlterConfigs}) EXPECT_FALSE(may({allow(op, "t")}, Operation::kDescribe, "t"));
  EXPECT_TRUE(may({allow(Operation::kAlterConfigs, "t")}, Operation::kDescribeConfigs, "t"));
  EXPECT_FALSE(may({allow(Operation::kDescribe, "t")}, Operation::kRead, "t"));
  // Who may not read may still see that it is there.
  EXPECT_TRUE(may({allow(Operation::kWrite, "t"), deny(allow(Operation::kRead, "t"))}, Operation::kDescribe, "t"));
  EXPECT_FALSE(may({allow(Operation::kWrite, "t"), deny(allow(Operation::kAll, "t"))}, Operation::kDescribe, "t"));
}

TEST(Acl, HostsAndEverybody) {
  Acl acl = allow(Operation::kRead, "t");
  acl.host = "10.0.0.1";
  EXPECT_TRUE(may({acl}, Operation::kRead, "t"));
  EXPECT_FALSE(may({acl}, Operation::kRead, "t", {"User:alice", "10.0.0.2"}));
  acl.principal = "User:*";
  EXPECT_TRUE(may({acl}, Operation::kRead, "t", {"User:bob", "10.0.0.1"}));
}

TEST(Acl, AnyResourceOfAType) {
  const auto any = [](std::set<Acl> acls) { return AclIndex(std::move(acls)).decide_any(kAlice, Operation::kWrite, ResourceType::kTopic).allowed; };
  const Acl literal = allow(Operation::kWrite, "pay"), prefix = allow(Operation::kWrite, "pay", PatternType::kPrefixed), all = allow(Operation::kWrite, "*");
  EXPECT_FALSE(any({}));
  EXPECT_FALSE(any({allow(Operation::kRead, "*")}));
  for (const Acl& acl : {literal, prefix, all}) {
    EXPECT_TRUE(any({acl}));
    EXPECT_FALSE(any({acl, deny(all)}));
  }
  EXPECT_FALSE(any({literal, deny(literal)}));
  EXPECT_FALSE(any({literal, deny(allow(Operation::kWrite, "p", PatternType::kPrefixed))}));
  EXPECT_TRUE(any({prefix, deny(literal)}));
  EXPECT_TRUE(any({all, deny(prefix)}));
}

TEST(Acl, Filters) {
  const Acl literal = allow(Operation::kRead, "pay"), prefix = allow(Operation::kRead, "pa", PatternType::kPrefixed), all = allow(Operation::kRead, "*");
  const AclFilter match{.name = "pay", .pattern = PatternType::kMatch};
  for (const Acl& acl : {literal, prefix, all}) EXPECT_TRUE(matches(match, acl));
  EXPECT_FALSE(matches(AclFilter{.name = "pay", .pattern = PatternType::kLiteral}, all));
  EXPECT_FALSE(matches(AclFilter{.name = "p", .pattern = PatternType::kMatch}, prefix));
  EXPECT_TRUE(matches(AclFilter{.pattern = PatternType::kPrefixed}, prefix));
  EXPECT_FALSE(matches(AclFilter{.pattern = PatternType::kPrefixed}, literal));
  EXPECT_FALSE(matches(AclFilter{.principal = "User:bob"}, literal));
  EXPECT_FALSE(matches(AclFilter{.permission = Permission::kDeny}, literal));
}

TEST(Acl, WhatCannotBeKept) {
  EXPECT_TRUE(check_acl(allow(Operation::kRead, "t")));
  Acl bad = allow(Operation::kAny, "t");
  EXPECT_FALSE(check_acl(bad));
  EXPECT_FALSE(check_acl(allow(Operation::kIdempotentWrite, "t")));
  EXPECT_FALSE(check_acl(allow(Operation::kRead, "")));
  EXPECT_FALSE(check_acl(allow(Operation::kRead, "t", PatternType::kMatch)));
  for (const char* principal : {"alice", "", "User:", ":alice"}) {
    bad = allow(Operation::kRead, "t");
    bad.principal = principal;
    EXPECT_FALSE(check_acl(bad)) << principal;
  }
  bad = allow(Operation::kAlter, "cluster");
  bad.type = ResourceType::kCluster;
  EXPECT_FALSE(check_acl(bad));
  bad.name = kClusterName;
  EXPECT_TRUE(check_acl(bad));
}

TEST(Acl, Words) {
  for (int i = 1; i <= 15; ++i) EXPECT_EQ(operation_named(to_string(static_cast<Operation>(i))), static_cast<Operation>(i));
  EXPECT_EQ(operation_named("describe_configs"), Operation::kDescribeConfigs);
  EXPECT_EQ(operation_named("readx"), std::nullopt);
}

// ---- laws, over small random worlds

Acl any_acl() {
  const auto pick = [](auto... values) { return rc::gen::element(values...); };
  return {.type = *pick(ResourceType::kTopic, ResourceType::kGroup),
          .pattern = *pick(PatternType::kLiteral, PatternType::kPrefixed),
          .name = *pick(std::string("*"), std::string("a"), std::string("ab"), std::string("abc"), std::string("b")),
          .principal = *pick(std::string("User:alice"), std::string("User:bob"), std::string("User:*")),
          .host = *pick(std::string("*"), std::string("10.0.0.1"), std::string("10.0.0.2")),
          .operation = *pick(Operation::kAll, Operation::kRead, Operation::kWrite, Operation::kDescribe, Operation::kDelete, Operation::kAlterConfigs),
          .permission = *pick(Permission::kAllow, Permission::kAllow, Permission::kDeny)};
}

std::set<Acl> any_acls() {
  std::set<Acl> acls;
  for (int i = *rc::gen::inRange(0, 8); i > 0; --i) acls.insert(any_acl());
  return acls;
}

struct Question {
  std::string principal = *rc::gen::element(std::string("User:alice"), std::string("User:bob"));
  std::string host = *rc::gen::element(std::string("10.0.0.1"), std::string("10.0.0.3"));
  Operation operation = *rc::gen::element(Operation::kRead, Operation::kWrite, Operation::kDescribe, Operation::kDelete, Operation::kDescribeConfigs, Operation::kAlterConfigs);
  std::string name = *rc::gen::element(std::string("a"), std::string("ab"), std::string("abcd"), std::string("b"), std::string("c"), std::string("*"));
  bool ask(const std::set<Acl>& acls) const { return AclIndex(acls).decide({principal, host}, operation, {ResourceType::kTopic, name}).allowed; }
};

// Every ACL looked at by itself, as Kafka's documentation describes it.
bool reference(const std::set<Acl>& acls, const Question& q) {
  bool allowed = false;
  for (const Acl& acl : acls) {
    const bool named = acl.pattern == PatternType::kPrefixed ? q.name.rfind(acl.name, 0) == 0 : acl.name == "*" || acl.name == q.name;
    const bool about = acl.type == ResourceType::kTopic && named && (acl.principal == q.principal || acl.principal == "User:*") && (acl.host == "*" || acl.host == q.host);
    if (!about) continue;
    const Operation op = acl.operation;
    const bool same = op == q.operation || op == Operation::kAll;
    if (acl.permission == Permission::kDeny && same) return false;
    const bool shows = q.operation == Operation::kDescribe && (op == Operation::kRead || op == Operation::kWrite || op == Operation::kDelete || op == Operation::kAlter);
    const bool shows_configs = q.operation == Operation::kDescribeConfigs && op == Operation::kAlterConfigs;
    if (acl.permission == Permission::kAllow && (same || shows || shows_configs)) allowed = true;
  }
  return allowed;
}

RC_GTEST_PROP(AclLaws, DecidesAsLookingAtEachDoes, ()) {
  const auto acls = any_acls();
  const Question question;
  RC_ASSERT(question.ask(acls) == reference(acls, question));
}

RC_GTEST_PROP(AclLaws, ADenialNeverAllows, ()) {
  auto acls = any_acls();
  const Question question;
  const bool before = question.ask(acls);
  acls.insert(deny(any_acl()));
  RC_ASSERT(before || !question.ask(acls));
}

RC_GTEST_PROP(AclLaws, DenyWins, ()) {
  auto acls = any_acls();
  const Question question;
  acls.insert({.name = question.name, .principal = question.principal, .host = "*", .operation = question.operation, .permission = Permission::kDeny});
  RC_ASSERT(!question.ask(acls));
}

// There is a resource that may be written exactly when the names that occur, and one beside each, say so.
RC_GTEST_PROP(AclLaws, AnyResourceIsSomeResource, ()) {
  const auto acls = any_acls();
  const Question question;
  const AclIndex index(acls);
  const Asker asker{question.principal, question.host};
  bool some = false;
  for (const std::string& name : {"*", "a", "ab", "abc", "b", "az", "abz", "abcz", "bz", "z"})
    some |= index.decide(asker, Operation::kWrite, {ResourceType::kTopic, name}).allowed;
  if (some) RC_ASSERT(index.decide_any(asker, Operation::kWrite, ResourceType::kTopic).allowed);
}

}  // namespace
}  // namespace ms::security
