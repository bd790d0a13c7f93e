// InitProducerId (22), versions 0-5.
//
// - Idempotent producers get a fresh id with epoch 0, also when they bring an old one (its sequences start again).
// - With a transactional id: the id's next epoch, which fences the producers before; what they left open is aborted in the
//   same step, so the answer is never CONCURRENT_TRANSACTIONS. A producer that names itself (3+) must be the current one.
// - The timeout may be 15 minutes (transaction.max.timeout.ms), else INVALID_TRANSACTION_TIMEOUT.
// - Deviation: no two-phase commit (version 6, which Kafka calls unstable).
#include "kafka/handlers.h"
#include "kafka/messages/init_producer_id.h"
#include "kafka/transactions.h"

namespace ms::kafka {

namespace {

void refuse(Call call, ErrorCode error) {
  InitProducerIdResponse response;
  response.error_code = code(error);
  response.producer_epoch = -1;
  call.reply(response);
}

void init_transactional(Broker& broker, Call call, InitProducerIdRequest request) {
  if (!call.may(Operation::kWrite, transaction_resource(*request.transactional_id))) return refuse(std::move(call), ErrorCode::kTransactionalIdAuthorizationFailed);
  if (request.transactional_id->empty()) return refuse(std::move(call), ErrorCode::kInvalidRequest);
  if (request.transaction_timeout_ms <= 0 || request.transaction_timeout_ms > kTransactionTimeoutMsMax)
    return refuse(std::move(call), ErrorCode::kInvalidTransactionTimeout);
  log::InitTransaction step{std::move(*request.transactional_id), request.transaction_timeout_ms, {request.producer_id, request.producer_epoch}};
  broker.log.transact(std::move(step), [call = call.leave_for(Stage::kLog)](Result<log::ProducerIdentity> producer) mutable {
    if (!producer) return refuse(std::move(call), transaction_error(producer.error(), fenced_code(call.version(), 4)));
    InitProducerIdResponse response;
    response.producer_id = producer->id;
    response.producer_epoch = producer->epoch;
    call.reply(response);
  });
}

}  // namespace

void handle_init_producer_id(Broker& broker, Call call) {
  InitProducerIdRequest request;
  if (!call.decode(request)) return;
  if (request.transactional_id) return init_transactional(broker, std::move(call), std::move(request));
  // Who may write to some topic may do it once each.
  if (!call.session().may_any(Operation::kWrite, ResourceType::kTopic) && !call.may(Operation::kIdempotentWrite, cluster_resource()))
    return refuse(std::move(call), ErrorCode::kClusterAuthorizationFailed);
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue)]() mutable {
    call.enter(Stage::kWork);
    const auto id = broker.log.new_producer_id();
    if (!id) return refuse(std::move(call), ErrorCode::kKafkaStorageError);
    InitProducerIdResponse response;
    response.producer_id = *id;
    call.reply(response);
  });
}

}  // namespace ms::kafka
