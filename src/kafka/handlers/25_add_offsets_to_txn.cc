// AddOffsetsToTxn (25), versions 0-4.
//
// - Opens the transaction if none is, and lets it stage offsets of the group (TxnOffsetCommit).
#include "kafka/handlers.h"
#include "kafka/messages/add_offsets_to_txn.h"
#include "kafka/transactions.h"

namespace ms::kafka {

void handle_add_offsets_to_txn(Broker& broker, Call call) {
  AddOffsetsToTxnRequest request;
  if (!call.decode(request)) return;
  ErrorCode refused = ErrorCode::kNone;
  if (!call.may(Operation::kWrite, transaction_resource(request.transactional_id))) refused = ErrorCode::kTransactionalIdAuthorizationFailed;
  else if (!call.may(Operation::kRead, group_resource(request.group_id))) refused = ErrorCode::kGroupAuthorizationFailed;
  else if (request.group_id.empty()) refused = ErrorCode::kInvalidGroupId;
  if (refused != ErrorCode::kNone) {
    AddOffsetsToTxnResponse response;
    response.error_code = code(refused);
    return call.reply(response);
  }
  log::AddTransactionGroup step{std::move(request.transactional_id), {request.producer_id, request.producer_epoch}, std::move(request.group_id)};
  broker.log.transact(std::move(step), [call = call.leave_for(Stage::kLog)](Result<log::ProducerIdentity> done) mutable {
    AddOffsetsToTxnResponse response;
    if (!done) response.error_code = code(transaction_error(done.error(), fenced_code(call.version(), 2)));
    call.reply(response);
  });
}

}  // namespace ms::kafka
