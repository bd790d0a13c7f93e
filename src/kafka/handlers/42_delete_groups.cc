// DeleteGroups (42), versions 0-2: forgets the committed offsets of groups without members.
#include "kafka/handlers.h"
#include "kafka/messages/delete_groups.h"

namespace ms::kafka {

namespace {

struct Deletion {
  DeleteGroupsRequest request;
  DeleteGroupsResponse response;
};

ErrorCode remove(log::Log& log, const std::string& group) {
  const auto removed = log.delete_group_offsets(group);
  if (removed) return ErrorCode::kNone;
  return removed.error().kind == ErrorKind::kNotFound ? ErrorCode::kGroupIdNotFound : ErrorCode::kKafkaStorageError;
}

ErrorCode check(Broker& broker, Call& call, const std::string& group) {
  if (!call.may(Operation::kDelete, group_resource(group))) return ErrorCode::kGroupAuthorizationFailed;
  return broker.coordinator.has_members(group) ? ErrorCode::kNonEmptyGroup : ErrorCode::kNone;
}

}  // namespace

void handle_delete_groups(Broker& broker, Call call) {
  auto deletion = std::make_unique<Deletion>();
  if (!call.decode(deletion->request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
    call.enter(Stage::kWork);
    for (const std::string& group : deletion->request.groups_names)
      deletion->response.results.push_back({group, code(check(broker, call, group))});
    broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
      call.enter(Stage::kWork);
      for (auto& result : deletion->response.results)
        if (result.error_code == 0) result.error_code = code(remove(broker.log, result.group_id));
      broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
        call.enter(Stage::kWork);
        for (const auto& result : deletion->response.results)
          if (result.error_code == 0) broker.coordinator.forget_empty(result.group_id);
        call.reply(deletion->response);
      });
    });
  });
}

}  // namespace ms::kafka
