// InitProducerId (22), versions 0-5.
//
// - Idempotent producers get a fresh id with epoch 0, also when they bring an old one (its sequences start again).
// - Deviation: no transactions yet; a transactional id gets TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which is final.
#include "kafka/handlers.h"
#include "kafka/messages/init_producer_id.h"

namespace ms::kafka {

void handle_init_producer_id(Broker& broker, Call call) {
  InitProducerIdRequest request;
  if (!call.decode(request)) return;
  if (request.transactional_id) {
    InitProducerIdResponse response;
    response.error_code = code(ErrorCode::kTransactionalIdAuthorizationFailed);
    response.producer_epoch = -1;
    return call.reply(response);
  }
  broker.worker.run([&broker, call = std::move(call)]() mutable {
    InitProducerIdResponse response;
    if (const auto id = broker.log.new_producer_id()) {
      response.producer_id = *id;
    } else {
      response.error_code = code(ErrorCode::kKafkaStorageError);
      response.producer_epoch = -1;
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
