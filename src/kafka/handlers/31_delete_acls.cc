// DeleteAcls (31), versions 1-3: what fits a filter goes. ACLs of the security file stay: they are told with INVALID_REQUEST.
#include "kafka/acl_messages.h"
#include "kafka/handlers.h"
#include "kafka/messages/delete_acls.h"

namespace ms::kafka {

namespace {

using Result = DeleteAclsResponse::Result;

void refuse(Result& result, ErrorCode error, std::string message) {
  result.error_code = code(error);
  result.error_message = std::move(message);
}

void add(Result& result, const security::Acl& acl, bool in_file) {
  auto& out = result.matching_acls.emplace_back();
  out.resource_type = static_cast<int8_t>(acl.type);
  out.resource_name = acl.name;
  out.pattern_type = static_cast<int8_t>(acl.pattern);
  out.principal = acl.principal;
  out.host = acl.host;
  out.operation = static_cast<int8_t>(acl.operation);
  out.permission_type = static_cast<int8_t>(acl.permission);
  if (!in_file) return;
  out.error_code = code(ErrorCode::kInvalidRequest);
  out.error_message = "this ACL stands in the security file; remove it there";
}

void remove(Broker& broker, Call& call, const DeleteAclsRequest& request, DeleteAclsResponse& response) {
  security::Authority* authority = broker.options.authority;
  std::set<security::Acl> removed;
  for (const auto& asked : request.filters) {
    Result& result = response.filter_results.emplace_back();
    const auto filter = acl_filter_of(asked);
    if (!authority) refuse(result, ErrorCode::kSecurityDisabled, kNoAuthority);
    else if (!call.may(Operation::kAlter, cluster_resource())) refuse(result, ErrorCode::kClusterAuthorizationFailed, call.denial(Operation::kAlter, cluster_resource()));
    else if (!filter) refuse(result, ErrorCode::kInvalidRequest, "the filter has a value that Kafka does not know");
    if (result.error_code != 0) continue;
    const auto rules = authority->rules();
    for (const security::Acl& acl : rules->acls.all()) {
      if (!security::matches(*filter, acl) || !call.room().take(sizeof(Result::Matching) + acl.name.size() + acl.principal.size())) continue;
      const bool in_file = rules->file.acls.contains(acl);
      add(result, acl, in_file);
      if (!in_file) removed.insert(acl);
    }
  }
  if (removed.empty()) return;
  const auto done = authority->change_acls({}, removed, call.session().principal());
  if (done) return;
  for (Result& result : response.filter_results) result.matching_acls.clear(), refuse(result, ErrorCode::kKafkaStorageError, done.error().message);
}

}  // namespace

void handle_delete_acls(Broker& broker, Call call) {
  DeleteAclsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    DeleteAclsResponse response;
    remove(broker, call, request, response);
    call.reply(response);
  });
}

}  // namespace ms::kafka
