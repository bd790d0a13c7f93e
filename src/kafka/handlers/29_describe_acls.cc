// DescribeAcls (29), versions 1-3: the ACLs that fit a filter, those of the security file included.
#include "kafka/acl_messages.h"
#include "kafka/handlers.h"
#include "kafka/messages/describe_acls.h"

namespace ms::kafka {

namespace {

using Response = DescribeAclsResponse;

void refuse(Call& call, ErrorCode error, std::string message) {
  Response response;
  response.error_code = code(error);
  response.error_message = std::move(message);
  call.reply(response);
}

bool same_resource(const Response::Resource& resource, const security::Acl& acl) {
  return resource.resource_type == static_cast<int8_t>(acl.type) && resource.pattern_type == static_cast<int8_t>(acl.pattern) && resource.resource_name == acl.name;
}

}  // namespace

void handle_describe_acls(Broker& broker, Call call) {
  DescribeAclsRequest request;
  if (!call.decode(request)) return;
  if (!broker.options.authority) return refuse(call, ErrorCode::kSecurityDisabled, kNoAuthority);
  if (!call.may(Operation::kDescribe, cluster_resource()))
    return refuse(call, ErrorCode::kClusterAuthorizationFailed, call.denial(Operation::kDescribe, cluster_resource()));
  const auto filter = acl_filter_of(request);
  if (!filter) return refuse(call, ErrorCode::kInvalidRequest, "the filter has a value that Kafka does not know");
  Response response;
  const auto rules = broker.options.authority->rules();
  for (const security::Acl& acl : rules->acls.all()) {  // those of one resource follow each other
    if (!security::matches(*filter, acl)) continue;
    if (!call.room().take(sizeof(Response::Resource) + acl.name.size() + acl.principal.size() + acl.host.size())) break;
    if (response.resources.empty() || !same_resource(response.resources.back(), acl))
      response.resources.push_back({static_cast<int8_t>(acl.type), acl.name, static_cast<int8_t>(acl.pattern), {}});
    response.resources.back().acls.push_back({acl.principal, acl.host, static_cast<int8_t>(acl.operation), static_cast<int8_t>(acl.permission)});
  }
  call.reply(response);
}

}  // namespace ms::kafka
