// EndTxn (26), versions 0-5.
//
// - Markers in every partition, the group offsets and the state of the transactional id become durable together; the answer
//   comes after that, and CONCURRENT_TRANSACTIONS never.
// - From version 5 on (KIP-890) the producer gets its next epoch, or a new id when the epochs are used up; an abort of a
//   transaction that was never opened gives it one, too. The same end once more is answered as the first time.
#include "kafka/handlers.h"
#include "kafka/messages/end_txn.h"
#include "kafka/transactions.h"

namespace ms::kafka {

void handle_end_txn(Broker& broker, Call call) {
  EndTxnRequest request;
  if (!call.decode(request)) return;
  if (!call.may(Operation::kWrite, transaction_resource(request.transactional_id))) {
    EndTxnResponse response;
    response.error_code = code(ErrorCode::kTransactionalIdAuthorizationFailed);
    return call.reply(response);
  }
  log::EndTransaction step{std::move(request.transactional_id), {request.producer_id, request.producer_epoch}, request.committed, call.version() >= 5};
  broker.log.transact(std::move(step), [call = call.leave_for(Stage::kLog)](Result<log::ProducerIdentity> producer) mutable {
    EndTxnResponse response;
    if (producer) {
      response.producer_id = producer->id;
      response.producer_epoch = producer->epoch;
    } else {
      response.error_code = code(transaction_error(producer.error(), fenced_code(call.version(), 2)));
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
