// ListGroups (16), versions 0-5: groups with members, and those that only have committed offsets (Empty).
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
  broker.coordinator.run([&broker, call = std::move(call), request = std::move(request)]() mutable {
    ListGroupsResponse response;
    const auto add = [&](const std::string& id, const std::string& protocol_type, std::string_view state) {
      if (passes(request.states_filter, state) && passes(request.types_filter, "classic") && call.room().take(sizeof(ListGroupsResponse::Group) + id.size() + protocol_type.size()))
        response.groups.push_back({id, protocol_type, std::string(state), "classic"});
    };
    broker.coordinator.for_each([&](const std::string& id, const GroupState& state) { add(id, state.protocol_type(), to_string(state.phase())); });
    for (const std::string& id : broker.log.groups_with_offsets())
      if (!broker.coordinator.find(id)) add(id, "consumer", "Empty");
    call.reply(response);
  });
}

}  // namespace ms::kafka
