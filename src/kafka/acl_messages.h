// What the three ACL requests share, in the server and in its clients.
#pragma once

#include <optional>

#include "kafka/access.h"

namespace ms::kafka {

// nullopt: a filter that Kafka calls UNKNOWN, which fits nothing.
template <class Filter>
std::optional<security::AclFilter> acl_filter_of(const Filter& f) {
  const bool known = f.resource_type_filter >= 1 && f.resource_type_filter <= 7 && f.pattern_type_filter >= 1 && f.pattern_type_filter <= 4 &&
                     f.operation >= 1 && f.operation <= 15 && f.permission_type >= 1 && f.permission_type <= 3;
  if (!known) return std::nullopt;
  return security::AclFilter{.type = static_cast<ResourceType>(f.resource_type_filter),
                             .name = f.resource_name_filter,
                             .pattern = static_cast<security::PatternType>(f.pattern_type_filter),
                             .principal = f.principal_filter,
                             .host = f.host_filter,
                             .operation = static_cast<Operation>(f.operation),
                             .permission = static_cast<security::Permission>(f.permission_type)};
}

// The other way round.
template <class Filter>
Filter to_message(const security::AclFilter& f) {
  Filter out;
  out.resource_type_filter = static_cast<int8_t>(f.type);
  out.resource_name_filter = f.name;
  out.pattern_type_filter = static_cast<int8_t>(f.pattern);
  out.principal_filter = f.principal;
  out.host_filter = f.host;
  out.operation = static_cast<int8_t>(f.operation);
  out.permission_type = static_cast<int8_t>(f.permission);
  return out;
}

constexpr const char* kNoAuthority = "this server keeps no users and no ACLs";

}  // namespace ms::kafka
