// DescribeProducers (61), version 0.
//
// - Every producer the partition remembers, idempotent ones, too; open transactions with the offset they began at.
// - The coordinator epoch is 0.
#include "kafka/handlers.h"
#include "kafka/messages/describe_producers.h"

namespace ms::kafka {

namespace {

using Partition = DescribeProducersResponse::Topic::Partition;

void describe(Broker& broker, const std::optional<log::TopicInfo>& topic, AnswerRoom& room, Partition& out) {
  const auto producers = topic ? broker.log.producers({topic->id, {out.partition_index}}) : Result<std::vector<log::ProducerInfo>>(not_found("no such topic"));
  if (!producers) {
    const bool unknown = producers.error().kind == ErrorKind::kNotFound;
    out.error_code = code(unknown ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kKafkaStorageError);
    return;
  }
  if (!room.take(producers->size() * sizeof out.active_producers.front())) return;
  for (const log::ProducerInfo& p : *producers)
    out.active_producers.push_back({.producer_id = p.producer.id, .producer_epoch = p.producer.epoch, .last_sequence = p.last_sequence,
                                    .last_timestamp = p.last_timestamp_ms, .coordinator_epoch = 0,
                                    .current_txn_start_offset = p.open_since ? p.open_since->value : -1});
}

void deny(Call& call, const std::string& topic, Partition& out) {
  std::string message = call.denial(Operation::kRead, topic_resource(topic));
  if (!call.room().take(message.size())) return;
  out.error_code = code(ErrorCode::kTopicAuthorizationFailed);
  out.error_message = std::move(message);
}

}  // namespace

void handle_describe_producers(Broker& broker, Call call) {
  DescribeProducersRequest request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    DescribeProducersResponse response;
    for (const auto& topic : request.topics) {
      auto& out = response.topics.emplace_back();
      out.name = topic.name;
      const auto info = broker.log.find_topic(topic.name);
      const bool may = call.may(Operation::kRead, topic_resource(topic.name));
      for (const int32_t p : topic.partition_indexes) {
        if (call.room().over()) break;
        auto& partition = out.partitions.emplace_back();
        partition.partition_index = p;
        if (may) describe(broker, info, call.room(), partition);
        else deny(call, topic.name, partition);
      }
    }
    call.reply(response);
  });
}

}  // namespace ms::kafka
