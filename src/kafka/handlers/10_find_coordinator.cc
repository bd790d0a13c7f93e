// FindCoordinator (10), versions 0-6.
//
// - This node coordinates every group (key type 0) and every transactional id (1). Share groups (2) get INVALID_REQUEST.
#include "kafka/handlers.h"
#include "kafka/messages/find_coordinator.h"

namespace ms::kafka {

namespace {

constexpr int8_t kGroupKey = 0, kTransactionKey = 1;
constexpr size_t kMessageBytes = 400;  // of a refusal, beside the key

struct Refusal {
  ErrorCode error = ErrorCode::kNone;  // kNone: not refused
  std::string message;
};

Refusal check(Call& call, int8_t key_type, const std::string& key) {
  if (key_type != kGroupKey && key_type != kTransactionKey)
    return {ErrorCode::kInvalidRequest, "only groups (key type 0) and transactional ids (1) have a coordinator here"};
  const Resource resource = key_type == kGroupKey ? group_resource(key) : transaction_resource(key);
  if (call.may(Operation::kDescribe, resource)) return {};
  return {key_type == kGroupKey ? ErrorCode::kGroupAuthorizationFailed : ErrorCode::kTransactionalIdAuthorizationFailed,
          call.denial(Operation::kDescribe, resource)};
}

template <class Place>
void fill(const Broker& broker, const AdvertisedAddress& here, Refusal refusal, Place& place) {
  const bool is_here = refusal.error == ErrorCode::kNone;
  place.node_id = is_here ? broker.options.node_id : -1;
  place.host = is_here ? here.host : "";
  place.port = is_here ? here.port.load() : -1;
  place.error_code = code(refusal.error);
  if (!is_here) place.error_message = std::move(refusal.message);
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
    if (!call.room().take(sizeof coordinator + 2 * key.size() + here.host.size() + kMessageBytes)) break;
    coordinator.key = key;
    fill(broker, here, check(call, request.key_type, key), coordinator);
  }
  call.reply(response);
}

}  // namespace ms::kafka
