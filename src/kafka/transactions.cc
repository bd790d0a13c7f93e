#include "kafka/transactions.h"

namespace ms::kafka {

ErrorCode transaction_error(const Error& error, ErrorCode fenced) {
  switch (error.kind) {
    case ErrorKind::kFenced: return fenced;
    case ErrorKind::kNotFound: return ErrorCode::kInvalidProducerIdMapping;
    case ErrorKind::kConflict: return ErrorCode::kInvalidTxnState;
    default: return ErrorCode::kCoordinatorNotAvailable;  // clients try again
  }
}

const char* name_of(log::TransactionState state) {
  switch (state) {
    case log::TransactionState::kEmpty: return "Empty";
    case log::TransactionState::kOngoing: return "Ongoing";
    case log::TransactionState::kCompleteCommit: return "CompleteCommit";
    case log::TransactionState::kCompleteAbort: return "CompleteAbort";
  }
  return "Empty";
}

}  // namespace ms::kafka
