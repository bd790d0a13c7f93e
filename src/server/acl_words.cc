#include "server/acl_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/nearest.h"

namespace ms::server {
namespace {

using security::Acl;
using security::AclFilter;
using security::Operation;
using security::PatternType;
using security::Permission;
using security::ResourceType;

// Letters only, in capitals: "describe-configs", "DescribeConfigs" and "DESCRIBE_CONFIGS" are one word.
std::string plain(std::string_view word) {
  std::string out;
  for (const char c : word)
    if (c != '-' && c != '_') out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

// The value of an enum of Kafka's (its numbers are first..last) that is called so.
template <class Enum>
Result<Enum> value_named(std::string_view option, const std::string& word, Enum first, Enum last) {
  std::vector<std::string> names;
  for (int n = static_cast<int>(first); n <= static_cast<int>(last); ++n) {
    names.emplace_back(to_string(static_cast<Enum>(n)));
    if (plain(names.back()) == plain(word)) return static_cast<Enum>(n);
  }
  const std::string near = did_you_mean(word, names);
  return invalid(fmt::format("{} '{}' is none of {}{}", option, word, fmt::join(names, ", "), near));
}

Result<std::string> principal_of(const std::string& word) {
  const bool user = plain(word.substr(0, 5)) == "USER:";
  if (word.empty() || word == "User:") return invalid("a principal is the name of a user, or '*' for everybody");
  if (user && !word.starts_with("User:")) return invalid(fmt::format("'{}' is no principal: write User:{}", word, word.substr(5)));
  return security::principal_named(word);
}

Result<std::vector<std::string>> principals_of(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    TRY_ASSIGN(std::string principal, principal_of(word));
    out.push_back(std::move(principal));
  }
  return out;
}

// Every combination of what is there so far with each of `values`; none of these changes nothing.
template <class T, class Value, class Set>
void cross(std::vector<T>& all, const std::vector<Value>& values, Set set) {
  if (values.empty()) return;
  std::vector<T> out;
  for (const T& one : all)
    for (const Value& value : values) set(out.emplace_back(one), value);
  all = std::move(out);
}

struct Named {
  ResourceType type;
  std::string name;
};
std::vector<Named> resources_of(const AclWords& words) {
  std::vector<Named> out;
  for (const auto& name : words.topics) out.push_back({ResourceType::kTopic, name});
  for (const auto& name : words.groups) out.push_back({ResourceType::kGroup, name});
  for (const auto& name : words.transactional_ids) out.push_back({ResourceType::kTransactionalId, name});
  if (words.cluster) out.push_back({ResourceType::kCluster, std::string(security::kClusterName)});
  return out;
}

Result<std::vector<Operation>> operations_of(const AclWords& words, Operation first) {
  std::vector<Operation> out;
  for (const std::string& word : words.operations) {
    TRY_ASSIGN(const Operation operation, value_named("--operation", word, first, Operation::kTwoPhaseCommit));
    out.push_back(operation);
  }
  return out;
}

Result<> check_complete(const AclWords& words) {
  if (words.allow_principals.empty() && words.deny_principals.empty()) return invalid("say who: --allow-principal NAME or --deny-principal NAME ('*' for everybody)");
  if (words.operations.empty()) return invalid("say what: --operation read,write or the like ('all' for everything)");
  if (resources_of(words).empty()) return invalid("say what it is about: --topic NAME, --group NAME, --transactional-id NAME ('*' for every one) or --cluster");
  if (words.allow_principals.empty() && !words.allow_hosts.empty()) return invalid("--allow-host goes with --allow-principal");
  if (words.deny_principals.empty() && !words.deny_hosts.empty()) return invalid("--deny-host goes with --deny-principal");
  return {};
}

// One permission's ACLs, complete but for operations and resources.
Result<std::vector<Acl>> rules_of(Permission permission, const std::vector<std::string>& who, const std::vector<std::string>& hosts) {
  TRY_ASSIGN(const auto principals, principals_of(who));
  std::vector<Acl> rules;
  for (const std::string& principal : principals) rules.push_back({.name = "", .principal = principal, .permission = permission});
  cross(rules, hosts, [](Acl& acl, const std::string& host) { acl.host = host; });
  return rules;
}

// The same for filters: nothing when neither principals nor hosts are named.
Result<std::vector<AclFilter>> filters_of(Permission permission, const std::vector<std::string>& who, const std::vector<std::string>& hosts) {
  if (who.empty() && hosts.empty()) return std::vector<AclFilter>();
  TRY_ASSIGN(const auto principals, principals_of(who));
  std::vector<AclFilter> filters(1);
  filters.front().permission = permission;
  cross(filters, principals, [](AclFilter& filter, const std::string& principal) { filter.principal = principal; });
  cross(filters, hosts, [](AclFilter& filter, const std::string& host) { filter.host = host; });
  return filters;
}

// Each permission's, and those of either.
Result<std::vector<AclFilter>> sides_of(const AclWords& words) {
  TRY_ASSIGN(auto all, filters_of(Permission::kAllow, words.allow_principals, words.allow_hosts));
  TRY_ASSIGN(const auto denied, filters_of(Permission::kDeny, words.deny_principals, words.deny_hosts));
  TRY_ASSIGN(const auto either, filters_of(Permission::kAny, words.principals, {}));
  all.insert(all.end(), denied.begin(), denied.end());
  all.insert(all.end(), either.begin(), either.end());
  if (all.empty()) all.emplace_back();
  return all;
}

}  // namespace

Result<std::set<Acl>> acls_to_make(const AclWords& words) {
  TRY(check_complete(words));
  TRY_ASSIGN(auto acls, rules_of(Permission::kAllow, words.allow_principals, words.allow_hosts));
  TRY_ASSIGN(const auto denials, rules_of(Permission::kDeny, words.deny_principals, words.deny_hosts));
  acls.insert(acls.end(), denials.begin(), denials.end());
  TRY_ASSIGN(const auto pattern, value_named("--pattern", words.pattern.empty() ? "literal" : words.pattern, PatternType::kLiteral, PatternType::kPrefixed));
  TRY_ASSIGN(const auto operations, operations_of(words, Operation::kAll));
  cross(acls, operations, [](Acl& acl, Operation operation) { acl.operation = operation; });
  cross(acls, resources_of(words), [&](Acl& acl, const Named& resource) { acl.type = resource.type, acl.name = resource.name, acl.pattern = pattern; });
  for (const Acl& acl : acls) TRY(security::check_acl(acl));
  return std::set<Acl>(acls.begin(), acls.end());
}

Result<std::vector<AclFilter>> acls_meant(const AclWords& words) {
  TRY_ASSIGN(auto filters, sides_of(words));
  TRY_ASSIGN(const auto pattern, value_named("--pattern", words.pattern.empty() ? "any" : words.pattern, PatternType::kAny, PatternType::kPrefixed));
  TRY_ASSIGN(const auto operations, operations_of(words, Operation::kAny));
  std::vector<AclFilter> about;
  for (const Named& resource : resources_of(words)) about.push_back({.type = resource.type, .name = resource.name});
  for (const std::string& word : words.types) {
    TRY_ASSIGN(const auto type, value_named("--resource", word, ResourceType::kAny, ResourceType::kUser));
    about.push_back({.type = type});
  }
  cross(filters, operations, [](AclFilter& filter, Operation operation) { filter.operation = operation; });
  cross(filters, about, [](AclFilter& filter, const AclFilter& resource) { filter.type = resource.type, filter.name = resource.name; });
  for (AclFilter& filter : filters) filter.pattern = pattern;
  return filters;
}

std::string nearest_acl(const std::vector<AclFilter>& filters, const std::set<Acl>& acls) {
  std::vector<std::string> names, principals;
  for (const Acl& acl : acls) names.push_back(acl.name), principals.push_back(acl.principal);
  const auto suggest = [](const std::optional<std::string>& word, const std::vector<std::string>& known) {
    return word && std::ranges::find(known, *word) == known.end() ? did_you_mean(*word, known) : std::string();
  };
  for (const AclFilter& filter : filters)
    for (const std::string& near : {suggest(filter.name, names), suggest(filter.principal, principals)})
      if (!near.empty()) return near;
  return "";
}

}  // namespace ms::server
