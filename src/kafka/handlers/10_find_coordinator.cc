// FindCoordinator (10), versions 0-6.
//
// - This node coordinates every group (key type 0) and every transactional id (1). Share groups (2) get INVALID_REQUEST.
#include "kafka/handlers.h"
#include "kafka/messages/find_coordinator.h"

namespace ms::kafka {

namespace {

constexpr int8_t kGroupKey = 0, kTransactionKey = 1;

ErrorCode check(Call& call, int8_t key_type, const std::string& key) {
  if (key_type == kGroupKey) return call.may(Operation::kDescribe, group_resource(key)) ? ErrorCode::kNone : ErrorCode::kGroupAuthorizationFailed;
  if (key_type != kTransactionKey) return ErrorCode::kInvalidRequest;
  return call.may(Operation::kDescribe, transaction_resource(key)) ? ErrorCode::kNone : ErrorCode::kTransactionalIdAuthorizationFailed;
}

template <class Place>
void fill(const Broker& broker, const AdvertisedAddress& here, ErrorCode error, Place& place) {
  const bool known_type = error == ErrorCode::kNone;
  place.node_id = known_type ? broker.options.node_id : -1;
  place.host = known_type ? here.host : "";
  place.port = known_type ? here.port.load() : -1;
  place.error_code = code(error);
  if (error == ErrorCode::kInvalidRequest) place.error_message = "only groups (key type 0) and transactional ids (1) have a coordinator here";
}

}  // namespace

void handle_find_coordinator(Broker& broker, Call call) {
  FindCoordinatorRequest request;
  if (!call.decode(request)) return;
  FindCoordinatorResponse response;
  const AdvertisedAddress& here = call.advertised();
  if (call.version() < 4) fill(broker, here, check(call, request.key_type, request.key), response);
  for (const std::string& key : request.coordinator_keys) {
    auto& coordinator = response.coordinators.emplace_back();
    if (!call.room().take(sizeof coordinator + key.size() + here.host.size() + 100)) break;
    coordinator.key = key;
    fill(broker, here, check(call, request.key_type, key), coordinator);
  }
  call.reply(response);
}

}  // namespace ms::kafka
