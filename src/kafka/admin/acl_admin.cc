#include "kafka/admin/acl_admin.h"

#include <fmt/format.h>

#include <algorithm>

#include "kafka/acl_messages.h"
#include "kafka/admin/admin_error.h"
#include "kafka/messages/create_acls.h"
#include "kafka/messages/delete_acls.h"
#include "kafka/messages/describe_acls.h"

namespace ms::kafka {

namespace {

using security::Acl;
using security::AclFilter;

CreateAclsRequest::Creation creation_of(const Acl& acl) {
  return {.resource_type = static_cast<int8_t>(acl.type),
          .resource_name = acl.name,
          .resource_pattern_type = static_cast<int8_t>(acl.pattern),
          .principal = acl.principal,
          .host = acl.host,
          .operation = static_cast<int8_t>(acl.operation),
          .permission_type = static_cast<int8_t>(acl.permission)};
}

// `resource` names what the ACL is about, `rule` says who may do what: one message has both in one.
template <class Resource, class Rule>
Acl acl_from(const Resource& resource, const Rule& rule) {
  return {.type = static_cast<ResourceType>(resource.resource_type),
          .pattern = static_cast<security::PatternType>(resource.pattern_type),
          .name = resource.resource_name,
          .principal = rule.principal,
          .host = rule.host,
          .operation = static_cast<Operation>(rule.operation),
          .permission = static_cast<security::Permission>(rule.permission_type)};
}

}  // namespace

Result<std::set<Acl>> list_acls(AdminClient& client, const std::vector<AclFilter>& filters) {
  std::set<Acl> acls;
  for (const AclFilter& filter : filters) {
    auto request = to_message<DescribeAclsRequest>(filter);
    TRY_ASSIGN(const auto answer, client.call<DescribeAclsResponse>(request));
    TRY(check(answer.error_code, "the list of ACLs", answer.error_message));
    for (const auto& resource : answer.resources)
      for (const auto& rule : resource.acls) acls.insert(acl_from(resource, rule));
  }
  return acls;
}

Result<> create_acls(AdminClient& client, const std::set<Acl>& acls) {
  CreateAclsRequest request;
  for (const Acl& acl : acls) request.creations.push_back(creation_of(acl));
  TRY_ASSIGN(const auto answer, client.call<CreateAclsResponse>(request));
  if (answer.results.size() != acls.size()) return corruption("CreateAcls was answered for other ACLs than were asked for");
  const auto made = std::ranges::count(answer.results, 0, &CreateAclsResponse::Result::error_code);
  auto result = answer.results.begin();
  for (const Acl& acl : acls) {
    const Result<> done = check(result->error_code, to_string(acl), result->error_message);
    ++result;
    if (done) continue;
    return made == 0 ? done : Unexpected(done.error().within(fmt::format("{} of {} ACLs were made", made, acls.size())));
  }
  return {};
}

Result<DeletedAcls> delete_acls(AdminClient& client, const std::vector<AclFilter>& filters) {
  DeleteAclsRequest request;
  for (const AclFilter& filter : filters) request.filters.push_back(to_message<DeleteAclsRequest::Filter>(filter));
  TRY_ASSIGN(const auto answer, client.call<DeleteAclsResponse>(request));
  DeletedAcls out;
  for (const auto& result : answer.filter_results) {
    TRY(check(result.error_code, "deleting ACLs", result.error_message));
    for (const auto& match : result.matching_acls) {
      const Acl acl = acl_from(match, match);
      if (match.error_code == 0) out.deleted.insert(acl);
      else out.kept.push_back(to_error(match.error_code, to_string(acl), match.error_message));
    }
  }
  return out;
}

}  // namespace ms::kafka
