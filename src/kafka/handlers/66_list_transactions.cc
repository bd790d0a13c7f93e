// ListTransactions (66), versions 0-1.
//
// - Filters by state (names that are none come back as unknown), producer id, and how long a transaction has been open.
// - Deviation: no version 2, which filters by a regular expression.
#include <algorithm>

#include "kafka/handlers.h"
#include "kafka/messages/list_transactions.h"
#include "kafka/transactions.h"

namespace ms::kafka {

namespace {

// All of Kafka's; transactions here are never in the last four.
constexpr std::array kStates = {"Empty", "Ongoing", "CompleteCommit", "CompleteAbort", "PrepareCommit", "PrepareAbort", "PrepareEpochFence", "Dead"};

bool wanted(const ListTransactionsRequest& request, const log::TransactionInfo& t, int64_t now_ms) {
  const auto& states = request.state_filters;
  const auto& producers = request.producer_id_filters;
  if (!states.empty() && std::ranges::find(states, name_of(t.state)) == states.end()) return false;
  if (!producers.empty() && std::ranges::find(producers, t.producer.id) == producers.end()) return false;
  if (request.duration_filter < 0) return true;
  return t.state == log::TransactionState::kOngoing && now_ms - t.started.us / kMicrosPerMilli >= request.duration_filter;
}

}  // namespace

void handle_list_transactions(Broker& broker, Call call) {
  ListTransactionsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    ListTransactionsResponse response;
    for (const std::string& state : request.state_filters)
      if (std::ranges::find(kStates, state) == kStates.end()) response.unknown_state_filters.push_back(state);
    const auto all = broker.log.transactions();
    if (!all) response.error_code = code(ErrorCode::kCoordinatorNotAvailable);
    const int64_t now_ms = system_clock().wall_us() / kMicrosPerMilli;
    for (const log::TransactionInfo& t : all ? *all : std::vector<log::TransactionInfo>{}) {
      if (!wanted(request, t, now_ms) || !call.sees(Operation::kDescribe, transaction_resource(t.id))) continue;
      if (!call.room().take(sizeof response.transaction_states.front() + t.id.size())) break;
      response.transaction_states.push_back({.transactional_id = t.id, .producer_id = t.producer.id, .transaction_state = name_of(t.state)});
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
