// AddPartitionsToTxn (24), versions 0-3.
//
// - Opens the transaction if none is. One unknown partition and nothing is added: the others are OPERATION_NOT_ATTEMPTED.
// - Producers of KIP-890 do not send it: their batches add their partitions.
// - Versions 4 and 5 are for brokers that ask for their clients; there is no other broker.
#include "kafka/handlers.h"
#include "kafka/messages/add_partitions_to_txn.h"
#include "kafka/topics.h"
#include "kafka/transactions.h"

namespace ms::kafka {

namespace {

using Response = AddPartitionsToTxnResponse;

void set_all(Response& response, ErrorCode error) {
  for (auto& topic : response.results_by_topic)
    for (auto& p : topic.results_by_partition)
      if (p.partition_error_code == 0) p.partition_error_code = code(error);
}

// False: a partition is not there.
bool plan(Broker& broker, Call& call, const AddPartitionsToTxnRequest& request, Response& response, std::vector<TopicPartition>& partitions) {
  bool all = true;
  for (const auto& topic : request.topics) {
    auto& out = response.results_by_topic.emplace_back();
    out.name = topic.name;
    const auto info = broker.log.find_topic(topic.name);
    const bool may = call.may(Operation::kWrite, topic_resource(topic.name));
    for (const int32_t p : topic.partitions) {
      const bool known = may && has_partition(info, p);
      out.results_by_partition.push_back({p, code(!may ? ErrorCode::kTopicAuthorizationFailed : known ? ErrorCode::kNone : ErrorCode::kUnknownTopicOrPartition)});
      if (known) partitions.push_back({info->id, {p}});
      all = all && known;
    }
  }
  return all;
}

}  // namespace

void handle_add_partitions_to_txn(Broker& broker, Call call) {
  AddPartitionsToTxnRequest request;
  if (!call.decode(request)) return;
  auto response = std::make_unique<Response>();
  if (!call.may(Operation::kWrite, transaction_resource(request.transactional_id))) {
    for (const auto& topic : request.topics) {
      auto& out = response->results_by_topic.emplace_back();
      out.name = topic.name;
      for (const int32_t p : topic.partitions) out.results_by_partition.push_back({p, code(ErrorCode::kTransactionalIdAuthorizationFailed)});
    }
    return call.reply(*response);
  }
  log::AddTransactionPartitions step{std::move(request.transactional_id), {request.producer_id, request.producer_epoch}, {}};
  if (!plan(broker, call, request, *response, step.partitions)) {
    set_all(*response, ErrorCode::kOperationNotAttempted);
    return call.reply(*response);
  }
  if (step.partitions.empty()) return call.reply(*response);
  broker.log.transact(std::move(step), [call = call.leave_for(Stage::kLog), response = std::move(response)](Result<log::ProducerIdentity> done) mutable {
    if (!done) set_all(*response, transaction_error(done.error(), fenced_code(call.version(), 2)));
    call.reply(*response);
  });
}

}  // namespace ms::kafka
