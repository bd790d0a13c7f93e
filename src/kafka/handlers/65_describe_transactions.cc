// DescribeTransactions (65), version 0.
//
// - The states are Empty, Ongoing, CompleteCommit and CompleteAbort: an end is one step, so nobody meets a prepared one.
// - Partitions are those of the open transaction. Deviation: group offsets are not a partition here and not listed.
#include <map>

#include "kafka/handlers.h"
#include "kafka/messages/describe_transactions.h"
#include "kafka/transactions.h"

namespace ms::kafka {

namespace {

using State = DescribeTransactionsResponse::TransactionState;

void fill(const log::Log& log, Call& call, const log::TransactionInfo& t, State& out) {
  out.transaction_state = name_of(t.state);
  out.transaction_timeout_ms = t.timeout_ms;
  out.transaction_start_time_ms = t.state == log::TransactionState::kOngoing ? t.started.us / kMicrosPerMilli : -1;
  out.producer_id = t.producer.id;
  out.producer_epoch = t.producer.epoch;
  std::map<TopicId, std::vector<int32_t>> topics;
  for (const TopicPartition& p : t.partitions) topics[p.topic].push_back(p.partition.value);
  for (auto& [id, partitions] : topics)
    if (const auto info = log.find_topic(id); info && call.sees(Operation::kDescribe, topic_resource(info->name))) out.topics.push_back({.topic = info->name, .partitions = std::move(partitions)});
}

}  // namespace

void handle_describe_transactions(Broker& broker, Call call) {
  DescribeTransactionsRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    DescribeTransactionsResponse response;
    const auto all = broker.log.transactions();
    for (const std::string& id : request.transactional_ids) {
      auto& out = response.transaction_states.emplace_back();
      out.transactional_id = id;
      if (!call.room().take(sizeof out + id.size())) break;
      if (!call.may(Operation::kDescribe, transaction_resource(id))) {
        out.error_code = code(ErrorCode::kTransactionalIdAuthorizationFailed);
        continue;
      }
      if (!all) {
        out.error_code = code(ErrorCode::kCoordinatorNotAvailable);
        continue;
      }
      const auto found = std::ranges::lower_bound(*all, id, {}, &log::TransactionInfo::id);
      if (found == all->end() || found->id != id) out.error_code = code(ErrorCode::kTransactionalIdNotFound);
      else if (call.room().take(found->partitions.size() * 64)) fill(broker.log, call, *found, out);
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
