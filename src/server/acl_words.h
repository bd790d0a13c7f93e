// The options of `millstream acl`: which ACLs they make, and which they mean. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "security/acl.h"

namespace ms::server {

// As they were typed. Principals are "alice" or "User:alice", "*" for everybody; resources are names, "*" for every one.
struct AclWords {
  std::vector<std::string> allow_principals, deny_principals, allow_hosts, deny_hosts;
  std::vector<std::string> principals;  // to list and delete: allowed or denied
  std::vector<std::string> operations;  // in Kafka's words, in any case, with or without - and _
  std::vector<std::string> topics, groups, transactional_ids;
  std::vector<std::string> types;  // to list and delete: everything of these types
  bool cluster = false;
  std::string pattern;  // empty: literal for what is made, any for what is meant
};

// Each principal with each host, each operation and each resource. Errors: InvalidArgument saying which option is missing or wrong.
Result<std::set<security::Acl>> acls_to_make(const AclWords& words);

// The options that made an ACL mean it again. What is left out says nothing; without any words one filter that everything fits.
// Errors: InvalidArgument.
Result<std::vector<security::AclFilter>> acls_meant(const AclWords& words);
// "; did you mean 'orders'?": a name or a principal of these ACLs that is nearest to one in the filters that none of them has.
std::string nearest_acl(const std::vector<security::AclFilter>& filters, const std::set<security::Acl>& acls);

}  // namespace ms::server
