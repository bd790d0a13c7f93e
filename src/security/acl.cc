#include "security/acl.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace ms::security {

namespace {

template <class Enum>
using Word = std::pair<Enum, std::string_view>;

constexpr Word<ResourceType> kTypes[] = {
    {ResourceType::kAny, "ANY"}, {ResourceType::kTopic, "TOPIC"}, {ResourceType::kGroup, "GROUP"}, {ResourceType::kCluster, "CLUSTER"},
    {ResourceType::kTransactionalId, "TRANSACTIONAL_ID"}, {ResourceType::kDelegationToken, "DELEGATION_TOKEN"}, {ResourceType::kUser, "USER"}};
constexpr Word<PatternType> kPatterns[] = {
    {PatternType::kAny, "ANY"}, {PatternType::kMatch, "MATCH"}, {PatternType::kLiteral, "LITERAL"}, {PatternType::kPrefixed, "PREFIXED"}};
constexpr Word<Operation> kOperations[] = {
    {Operation::kAny, "ANY"}, {Operation::kAll, "ALL"}, {Operation::kRead, "READ"}, {Operation::kWrite, "WRITE"}, {Operation::kCreate, "CREATE"},
    {Operation::kDelete, "DELETE"}, {Operation::kAlter, "ALTER"}, {Operation::kDescribe, "DESCRIBE"}, {Operation::kClusterAction, "CLUSTER_ACTION"},
    {Operation::kDescribeConfigs, "DESCRIBE_CONFIGS"}, {Operation::kAlterConfigs, "ALTER_CONFIGS"}, {Operation::kIdempotentWrite, "IDEMPOTENT_WRITE"},
    {Operation::kCreateTokens, "CREATE_TOKENS"}, {Operation::kDescribeTokens, "DESCRIBE_TOKENS"}, {Operation::kTwoPhaseCommit, "TWO_PHASE_COMMIT"}};
constexpr Word<Permission> kPermissions[] = {{Permission::kAny, "ANY"}, {Permission::kDeny, "DENY"}, {Permission::kAllow, "ALLOW"}};

template <class Enum>
std::string_view word_of(std::span<const Word<Enum>> words, Enum value) {
  const auto at = std::ranges::find(words, value, &Word<Enum>::first);
  return at == words.end() ? "UNKNOWN" : at->second;
}

bool same_word(std::string_view a, std::string_view upper) {
  return std::ranges::equal(a, upper, [](char x, char y) { return (x >= 'a' && x <= 'z' ? static_cast<char>(x - 32) : x) == y; });
}

template <class Enum>
std::optional<Enum> value_of(std::span<const Word<Enum>> words, std::string_view word) {
  for (const auto& [value, text] : words)
    if (same_word(word, text)) return value;
  return std::nullopt;
}

std::string listed(const std::vector<Operation>& operations) {
  std::string out;
  for (const Operation operation : operations) out.append(to_string(operation)).append(", ");
  return out + "ALL";
}

bool is_about(const Acl& acl, const Asker& asker) {
  return (acl.principal == asker.principal || acl.principal == kEverybody) && (acl.host == asker.host || acl.host == "*");
}

bool denies(const Acl& acl, Operation operation) {
  return acl.permission == Permission::kDeny && (acl.operation == operation || acl.operation == Operation::kAll);
}

// What may be described follows from what may be done.
bool implies(Operation allowed, Operation asked) {
  if (allowed == asked || allowed == Operation::kAll) return true;
  if (asked == Operation::kDescribe)
    return allowed == Operation::kRead || allowed == Operation::kWrite || allowed == Operation::kDelete || allowed == Operation::kAlter;
  return asked == Operation::kDescribeConfigs && allowed == Operation::kAlterConfigs;
}

bool allows(const Acl& acl, Operation operation) { return acl.permission == Permission::kAllow && implies(acl.operation, operation); }

bool name_matches(const AclFilter& filter, const Acl& acl) {
  if (!filter.name) return filter.pattern == PatternType::kAny || filter.pattern == PatternType::kMatch || acl.pattern == filter.pattern;
  if (filter.pattern == PatternType::kMatch)
    return acl.pattern == PatternType::kPrefixed ? filter.name->starts_with(acl.name) : acl.name == "*" || acl.name == *filter.name;
  return acl.name == *filter.name && (filter.pattern == PatternType::kAny || acl.pattern == filter.pattern);
}

std::string_view noun_of(ResourceType type) {
  switch (type) {
    case ResourceType::kTopic: return "topic";
    case ResourceType::kGroup: return "group";
    case ResourceType::kTransactionalId: return "transactional id";
    default: return "cluster";
  }
}

}  // namespace

std::string_view to_string(ResourceType type) { return word_of<ResourceType>(kTypes, type); }
std::string_view to_string(PatternType type) { return word_of<PatternType>(kPatterns, type); }
std::string_view to_string(Operation operation) { return word_of<Operation>(kOperations, operation); }
std::string_view to_string(Permission permission) { return word_of<Permission>(kPermissions, permission); }
std::optional<ResourceType> resource_type_named(std::string_view word) { return value_of<ResourceType>(kTypes, word); }
std::optional<PatternType> pattern_type_named(std::string_view word) { return value_of<PatternType>(kPatterns, word); }
std::optional<Operation> operation_named(std::string_view word) { return value_of<Operation>(kOperations, word); }
std::optional<Permission> permission_named(std::string_view word) { return value_of<Permission>(kPermissions, word); }

std::string principal_named(const std::string& user) { return user.starts_with("User:") ? user : "User:" + user; }

std::string to_string(const Acl& acl) {
  return fmt::format("{} {} from {} {} on {}:{}:{}", to_string(acl.permission), acl.principal, acl.host, to_string(acl.operation), to_string(acl.type),
                     to_string(acl.pattern), acl.name);
}

std::string denial_text(std::string_view principal, Operation operation, const Resource& resource) {
  const std::string what = resource.type == ResourceType::kCluster ? "the cluster" : fmt::format("{} '{}'", noun_of(resource.type), resource.name.substr(0, 300));
  return fmt::format("{} has no {} permission for {}; a super user can give it, for example with 'millstream acl create'", principal, to_string(operation), what);
}

const std::vector<Operation>& operations_of(ResourceType type) {
  using enum Operation;
  static const std::map<ResourceType, std::vector<Operation>> kOf = {
      {ResourceType::kTopic, {kRead, kWrite, kCreate, kDelete, kAlter, kDescribe, kDescribeConfigs, kAlterConfigs}},
      {ResourceType::kGroup, {kRead, kDelete, kDescribe, kDescribeConfigs, kAlterConfigs}},
      {ResourceType::kCluster, {kCreate, kAlter, kDescribe, kClusterAction, kDescribeConfigs, kAlterConfigs, kIdempotentWrite}},
      {ResourceType::kTransactionalId, {kWrite, kDescribe, kTwoPhaseCommit}},
      {ResourceType::kDelegationToken, {kDescribe}},
      {ResourceType::kUser, {kCreateTokens, kDescribeTokens}},
  };
  static const std::vector<Operation> kNone;
  const auto at = kOf.find(type);
  return at == kOf.end() ? kNone : at->second;
}

Result<> check_acl(const Acl& acl) {
  const auto& known = operations_of(acl.type);
  if (known.empty()) return invalid("the resource type must be TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, DELEGATION_TOKEN or USER");
  if (acl.pattern != PatternType::kLiteral && acl.pattern != PatternType::kPrefixed) return invalid("the pattern type of an ACL is LITERAL or PREFIXED");
  if (acl.name.empty()) return invalid("an ACL needs the name of its resource; '*' stands for every one");
  if (acl.type == ResourceType::kCluster && (acl.name != kClusterName || acl.pattern != PatternType::kLiteral))
    return invalid(fmt::format("the only resource of type CLUSTER is the literal {}", kClusterName));
  if (acl.operation != Operation::kAll && std::ranges::find(known, acl.operation) == known.end())
    return invalid(fmt::format("a resource of type {} has no operation {}; it has {}", to_string(acl.type), to_string(acl.operation), listed(known)));
  if (acl.permission != Permission::kAllow && acl.permission != Permission::kDeny) return invalid("the permission of an ACL is ALLOW or DENY");
  const size_t colon = acl.principal.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == acl.principal.size())
    return invalid(fmt::format("'{}' is no principal: write User:NAME, or User:* for everybody", acl.principal));
  if (acl.host.empty()) return invalid("the host of an ACL is an address, or * for every one");
  return {};
}

bool matches(const AclFilter& filter, const Acl& acl) {
  return (filter.type == ResourceType::kAny || filter.type == acl.type) && name_matches(filter, acl) &&
         (!filter.principal || *filter.principal == acl.principal) && (!filter.host || *filter.host == acl.host) &&
         (filter.operation == Operation::kAny || filter.operation == acl.operation) &&
         (filter.permission == Permission::kAny || filter.permission == acl.permission);
}

AclIndex::AclIndex(std::set<Acl> acls) : acls_(std::move(acls)) {
  for (const Acl& acl : acls_) {
    OfType& of = types_[acl.type];
    const bool prefixed = acl.pattern == PatternType::kPrefixed;
    (prefixed ? of.prefixed : of.literal)[acl.name].push_back(&acl);
    if (prefixed) of.prefix_lengths.insert(acl.name.size());
  }
}

// Every ACL that says something about the resource. f: false ends it.
template <class F>
void AclIndex::for_each_about(const Resource& resource, F&& f) const {
  const auto of = types_.find(resource.type);
  if (of == types_.end()) return;
  const auto visit = [&](const ByName& by_name, std::string_view name) {
    const auto at = by_name.find(name);
    return at == by_name.end() || std::ranges::all_of(at->second, [&](const Acl* acl) { return f(*acl); });
  };
  if (resource.name != "*" && !visit(of->second.literal, "*")) return;
  if (!visit(of->second.literal, resource.name)) return;
  for (const size_t length : of->second.prefix_lengths)
    if (length > resource.name.size() || !visit(of->second.prefixed, resource.name.substr(0, length))) return;
}

Decision AclIndex::decide(const Asker& asker, Operation operation, const Resource& resource) const {
  Decision decision;
  for_each_about(resource, [&](const Acl& acl) {
    if (!is_about(acl, asker)) return true;
    if (denies(acl, operation)) return decision = {false, &acl}, false;
    if (!decision.allowed && allows(acl, operation)) decision = {true, &acl};
    return true;
  });
  return decision;
}

// Whether denials leave some of what `allowing` speaks of: only one about all of it takes it away.
bool AclIndex::escapes(const Acl& allowing, const Asker& asker, Operation operation) const {
  bool left = true;
  for_each_about({allowing.type, allowing.name}, [&](const Acl& acl) {
    const bool all_of_it = acl.pattern == PatternType::kPrefixed || acl.name == "*" || allowing.pattern == PatternType::kLiteral;
    left = !(all_of_it && is_about(acl, asker) && denies(acl, operation));
    return left;
  });
  return left;
}

Decision AclIndex::decide_any(const Asker& asker, Operation operation, ResourceType type) const {
  for (const Acl& acl : acls_)
    if (acl.type == type && is_about(acl, asker) && allows(acl, operation) && escapes(acl, asker, operation)) return {true, &acl};
  return {};
}

}  // namespace ms::security
