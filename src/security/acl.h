// Access control lists as Kafka has them: who may do what with which resource from where. Deny wins over allow, and what
// nothing allows is denied. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ms::security {

// Kafka's numbers, on the wire and in stored entries.
enum class ResourceType : int8_t { kAny = 1, kTopic = 2, kGroup = 3, kCluster = 4, kTransactionalId = 5, kDelegationToken = 6, kUser = 7 };
enum class PatternType : int8_t { kAny = 1, kMatch = 2, kLiteral = 3, kPrefixed = 4 };
enum class Operation : int8_t {
  kAny = 1, kAll = 2, kRead = 3, kWrite = 4, kCreate = 5, kDelete = 6, kAlter = 7, kDescribe = 8, kClusterAction = 9,
  kDescribeConfigs = 10, kAlterConfigs = 11, kIdempotentWrite = 12, kCreateTokens = 13, kDescribeTokens = 14, kTwoPhaseCommit = 15,
};
enum class Permission : int8_t { kAny = 1, kDeny = 2, kAllow = 3 };

// Kafka's words: "TOPIC", "PREFIXED", "DESCRIBE_CONFIGS", "ALLOW". Reading them does not mind the case; nullopt: there is no such word.
std::string_view to_string(ResourceType type);
std::string_view to_string(PatternType type);
std::string_view to_string(Operation operation);
std::string_view to_string(Permission permission);
std::optional<ResourceType> resource_type_named(std::string_view word);
std::optional<PatternType> pattern_type_named(std::string_view word);
std::optional<Operation> operation_named(std::string_view word);
std::optional<Permission> permission_named(std::string_view word);

inline constexpr std::string_view kClusterName = "kafka-cluster";  // the one resource of type kCluster
inline constexpr std::string_view kAnonymous = "User:ANONYMOUS";
inline constexpr std::string_view kEverybody = "User:*";
// "alice" and "User:alice" -> "User:alice".
std::string principal_named(const std::string& user);

struct Acl {
  ResourceType type = ResourceType::kTopic;
  PatternType pattern = PatternType::kLiteral;
  std::string name;       // literal "*": every resource of the type
  std::string principal;  // "User:alice" or "User:*"
  std::string host = "*"; // an address or "*"
  Operation operation = Operation::kRead;
  Permission permission = Permission::kAllow;
  auto operator<=>(const Acl&) const = default;
};
std::string to_string(const Acl& acl);  // for people: "ALLOW User:alice from * READ on TOPIC:PREFIXED:pay"

// InvalidArgument for what cannot be kept: a kAny, another cluster name, an operation the resource does not have, ...
Result<> check_acl(const Acl& acl);
// The operations a resource of this type has; kAll is not among them.
const std::vector<Operation>& operations_of(ResourceType type);

// Which ACLs are meant (DescribeAcls, DeleteAcls). Unset and kAny: all. kMatch: those that say something about the resource
// `name`: literal, prefixed and "*".
struct AclFilter {
  ResourceType type = ResourceType::kAny;
  std::optional<std::string> name;
  PatternType pattern = PatternType::kAny;
  std::optional<std::string> principal, host;
  Operation operation = Operation::kAny;
  Permission permission = Permission::kAny;
};
bool matches(const AclFilter& filter, const Acl& acl);

struct Resource {
  ResourceType type = ResourceType::kTopic;
  std::string_view name;
};
inline Resource topic_resource(std::string_view name) { return {ResourceType::kTopic, name}; }
inline Resource group_resource(std::string_view name) { return {ResourceType::kGroup, name}; }
inline Resource transaction_resource(std::string_view id) { return {ResourceType::kTransactionalId, id}; }
inline Resource cluster_resource() { return {ResourceType::kCluster, kClusterName}; }

// "User:bob has no WRITE permission for topic 'orders'; ...". Says nothing about what exists.
std::string denial_text(std::string_view principal, Operation operation, const Resource& resource);

struct Asker {
  std::string_view principal, host;
};
struct Decision {
  bool allowed = false;
  const Acl* because = nullptr;  // the ACL that decided; null: no ACL says anything, which is a denial
};

// A set of ACLs that answers questions in logarithmic time. Immutable: thread-safe.
class AclIndex {
 public:
  explicit AclIndex(std::set<Acl> acls);
  AclIndex(const AclIndex&) = delete;
  AclIndex& operator=(const AclIndex&) = delete;
  const std::set<Acl>& all() const { return acls_; }

  Decision decide(const Asker& asker, Operation operation, const Resource& resource) const;
  // Whether there can be a resource of this type with which the operation is allowed.
  Decision decide_any(const Asker& asker, Operation operation, ResourceType type) const;

 private:
  using Rules = std::vector<const Acl*>;
  using ByName = std::map<std::string, Rules, std::less<>>;
  struct OfType {
    ByName literal, prefixed;
    std::set<size_t> prefix_lengths;
  };
  template <class F>
  void for_each_about(const Resource& resource, F&& f) const;
  bool escapes(const Acl& allowing, const Asker& asker, Operation operation) const;

  std::set<Acl> acls_;
  std::map<ResourceType, OfType> types_;
};

}  // namespace ms::security
