// What the three ACL requests share.
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

constexpr const char* kNoAuthority = "this server keeps no users and no ACLs";

}  // namespace ms::kafka
