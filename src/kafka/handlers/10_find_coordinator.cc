// FindCoordinator (10), versions 0-6.
//
// - This node coordinates every group (key type 0) and every transactional id (1). Share groups (2) get INVALID_REQUEST.
#include "kafka/handlers.h"
#include "kafka/messages/find_coordinator.h"

namespace ms::kafka {

namespace {

template <class Place>
void fill(const Broker& broker, const AdvertisedAddress& here, bool known_type, Place& place) {
  place.node_id = known_type ? broker.options.node_id : -1;
  place.host = known_type ? here.host : "";
  place.port = known_type ? here.port.load() : -1;
  place.error_code = code(known_type ? ErrorCode::kNone : ErrorCode::kInvalidRequest);
  if (!known_type) place.error_message = "only groups (key type 0) and transactional ids (1) have a coordinator here";
}

}  // namespace

void handle_find_coordinator(Broker& broker, Call call) {
  FindCoordinatorRequest request;
  if (!call.decode(request)) return;
  const bool known_type = request.key_type == 0 || request.key_type == 1;
  FindCoordinatorResponse response;
  const AdvertisedAddress& here = call.advertised();
  fill(broker, here, known_type, response);
  for (const std::string& key : request.coordinator_keys) {
    auto& coordinator = response.coordinators.emplace_back();
    if (!call.room().take(sizeof coordinator + key.size() + here.host.size() + 100)) break;
    coordinator.key = key;
    fill(broker, here, known_type, coordinator);
  }
  call.reply(response);
}

}  // namespace ms::kafka
