// CreateAcls (30), versions 1-3. Each has its own result; the good ones become durable together.
#include "kafka/acl_messages.h"
#include "kafka/handlers.h"
#include "kafka/messages/create_acls.h"

namespace ms::kafka {

namespace {

struct Creation {
  CreateAclsRequest request;
  CreateAclsResponse response;
};

security::Acl acl_of(const CreateAclsRequest::Creation& c) {
  return {.type = static_cast<ResourceType>(c.resource_type),
          .pattern = static_cast<security::PatternType>(c.resource_pattern_type),
          .name = c.resource_name,
          .principal = c.principal,
          .host = c.host,
          .operation = static_cast<Operation>(c.operation),
          .permission = static_cast<security::Permission>(c.permission_type)};
}

void set_rest(CreateAclsResponse& response, ErrorCode error, const std::string& message) {
  for (auto& result : response.results)
    if (result.error_code == 0) result.error_code = code(error), result.error_message = message;
}

void create(Broker& broker, Call& call, Creation& creation) {
  std::set<security::Acl> added;
  for (const auto& asked : creation.request.creations) {
    auto& result = creation.response.results.emplace_back();
    security::Acl acl = acl_of(asked);
    if (const auto good = security::check_acl(acl); !good) {
      result.error_code = code(ErrorCode::kInvalidRequest);
      result.error_message = good.error().message;
    } else {
      added.insert(std::move(acl));
    }
  }
  if (!broker.options.authority) return set_rest(creation.response, ErrorCode::kSecurityDisabled, kNoAuthority);
  if (!call.may(Operation::kAlter, cluster_resource()))
    return set_rest(creation.response, ErrorCode::kClusterAuthorizationFailed, call.denial(Operation::kAlter, cluster_resource()));
  if (const auto done = broker.options.authority->change_acls(added, {}, call.session().principal()); !done)
    set_rest(creation.response, ErrorCode::kKafkaStorageError, done.error().message);
}

}  // namespace

void handle_create_acls(Broker& broker, Call call) {
  Creation creation;
  if (!call.decode(creation.request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), creation = std::move(creation)]() mutable {
    call.enter(Stage::kWork);
    create(broker, call, creation);
    call.reply(creation.response);
  });
}

}  // namespace ms::kafka
