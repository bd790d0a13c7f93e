// ListGroups (16), versions 0-5: groups with members, and those that only have committed offsets (Empty,
// classic: after a restart nobody knows which protocol the last members spoke).
#include <algorithm>

#include "kafka/handlers.h"
#include "kafka/messages/list_groups.h"

namespace ms::kafka {

namespace {

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}
bool passes(const std::vector<std::string>& filter, std::string_view value) {
  return filter.empty() || std::ranges::any_of(filter, [&](const std::string& f) { return same(f, value); });
}

}  // namespace

void handle_list_groups(Broker& broker, Call call) {
  ListGroupsRequest request;
  if (!call.decode(request)) return;
  broker.coordinator.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    ListGroupsResponse response;
    const bool all = call.sees(Operation::kDescribe, cluster_resource());
    const auto add = [&](const std::string& id, const std::string& protocol_type, std::string_view state, std::string_view type) {
      if (!all && !call.sees(Operation::kDescribe, group_resource(id))) return;
      if (passes(request.states_filter, state) && passes(request.types_filter, type) && call.room().take(sizeof(ListGroupsResponse::Group) + id.size() + protocol_type.size()))
        response.groups.push_back({id, protocol_type, std::string(state), std::string(type)});
    };
    broker.coordinator.for_each([&](const std::string& id, const auto& group) {
      if constexpr (std::is_same_v<decltype(group), const GroupState&>) add(id, group.protocol_type(), to_string(group.phase()), "classic");
      else add(id, "consumer", to_string(group.phase()), "consumer");
    });
    for (const std::string& id : broker.log.groups_with_offsets())
      if (!broker.coordinator.find(id) && !broker.coordinator.find_consumer(id)) add(id, "consumer", "Empty", "classic");
    call.reply(response);
  });
}

}  // namespace ms::kafka
