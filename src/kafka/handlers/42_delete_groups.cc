// DeleteGroups (42), versions 0-2: forgets the committed offsets of groups without members. Who wants to join one that is on its way is
// told COORDINATOR_NOT_AVAILABLE, so that nobody commits what then is lost.
#include "kafka/handlers.h"
#include "kafka/messages/delete_groups.h"

namespace ms::kafka {

namespace {

// Where it ends without an answer (too much waits for the disk), its groups are free again.
struct Deletion {
  explicit Deletion(Broker& to) : broker(to) {}
  Deletion(const Deletion&) = delete;
  Deletion& operator=(const Deletion&) = delete;
  ~Deletion() {
    std::vector<std::string> groups;
    for (const size_t at : begun) groups.push_back(response.results[at].group_id);
    if (groups.empty()) return;
    broker.coordinator.run([&coordinator = broker.coordinator, groups = std::move(groups), hold = hold(broker.alive)] {
      for (const std::string& group : groups) coordinator.end_delete(group, false);
    });
  }

  Broker& broker;
  DeleteGroupsRequest request;
  DeleteGroupsResponse response;
  std::vector<size_t> begun;  // and not ended: places in the response
};

ErrorCode remove(log::Log& log, const std::string& group) {
  const auto removed = log.delete_group_offsets(group);
  if (removed) return ErrorCode::kNone;
  return removed.error().kind == ErrorKind::kNotFound ? ErrorCode::kGroupIdNotFound : ErrorCode::kKafkaStorageError;
}

ErrorCode begin(Broker& broker, Call& call, const std::string& group) {
  return call.may(Operation::kDelete, group_resource(group)) ? broker.coordinator.begin_delete(group)
                                                             : ErrorCode::kGroupAuthorizationFailed;
}

// On the coordinator's thread, as end(); what is between them waits for the disk.
void begin(Broker& broker, Call& call, Deletion& deletion) {
  auto& results = deletion.response.results;
  for (const std::string& group : deletion.request.groups_names) {
    results.push_back({group, code(begin(broker, call, group))});
    if (results.back().error_code == 0) deletion.begun.push_back(results.size() - 1);
  }
}

void remove(Broker& broker, Deletion& deletion) {
  for (const size_t at : deletion.begun) {
    auto& result = deletion.response.results[at];
    result.error_code = code(remove(broker.log, result.group_id));
  }
}

void end(Broker& broker, Deletion& deletion) {
  for (const size_t at : std::exchange(deletion.begun, {})) {
    const auto& result = deletion.response.results[at];
    broker.coordinator.end_delete(result.group_id, result.error_code == 0);
  }
}

}  // namespace

void handle_delete_groups(Broker& broker, Call call) {
  auto deletion = std::make_unique<Deletion>(broker);
  if (!call.decode(deletion->request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
    call.enter(Stage::kWork);
    begin(broker, call, *deletion);
    broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
      call.enter(Stage::kWork);
      remove(broker, *deletion);
      broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), deletion = std::move(deletion)]() mutable {
        call.enter(Stage::kWork);
        end(broker, *deletion);
        call.reply(deletion->response);
      });
    });
  });
}

}  // namespace ms::kafka
