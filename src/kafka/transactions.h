// What the handlers of transactions share.
#pragma once

#include "kafka/error_code.h"
#include "log/log.h"

namespace ms::kafka {

inline constexpr int32_t kTransactionTimeoutMsMax = 15 * 60 * 1000;  // transaction.max.timeout.ms

// The error a client must see for a refused step. `fenced`: what its version calls being fenced.
ErrorCode transaction_error(const Error& error, ErrorCode fenced);
// PRODUCER_FENCED since that version of the request, INVALID_PRODUCER_EPOCH before.
constexpr ErrorCode fenced_code(int16_t version, int16_t since) {
  return version >= since ? ErrorCode::kProducerFenced : ErrorCode::kInvalidProducerEpoch;
}
// Kafka's name of a state.
const char* name_of(log::TransactionState state);

}  // namespace ms::kafka
