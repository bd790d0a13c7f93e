// Produce (0), versions 3-13; 0-2 are advertised and refused.
//
// - librdkafka decides by the advertised minimum whether a broker knows compression, so versions 0-2 are advertised as
//   Kafka 4 does (KAFKA-18659); they carry the old message formats and get UNSUPPORTED_VERSION per partition.
// - acks=1 means the same as acks=all: the answer waits for the durable write. acks=0 gets no answer at all; when such a
//   request fails, the connection is closed, which is the only way to tell the client.
// - Transactional batches need a transactional id in the request (else TRANSACTIONAL_ID_AUTHORIZATION_FAILED, as in Kafka)
//   and a transaction: up to version 11 the partition must have been added to it, from 12 on (KIP-890) the batch does that.
//   The producer must be the id's own (INVALID_PRODUCER_ID_MAPPING). What is in none is INVALID_TXN_STATE, from version 11 on
//   TRANSACTION_ABORTABLE.
// - zstd needs version 7 (KIP-110): before, it is UNSUPPORTED_COMPRESSION_TYPE.
// - timeout_ms is ignored: the log answers every append.
// - A record without a key is INVALID_RECORD on a compacted topic, and the whole batch with it; record_errors names them (KIP-467).
// - A full disk and a full append queue are KAFKA_STORAGE_ERROR with a message: clients retry it.
// - Refused batches are counted by error code in millstream_kafka_batches_refused_total.
#include "base/metrics.h"
#include "codec/record_batch.h"
#include "kafka/handlers.h"
#include "kafka/messages/produce.h"
#include "kafka/topics.h"

namespace ms::kafka {

namespace {

constexpr int16_t kFirstWithZstd = 7;

using Answer = ProduceResponse::Response::PartitionResponse;

ErrorCode to_code(log::AppendError error, int16_t version) {
  switch (error) {
    case log::AppendError::kNone: return ErrorCode::kNone;
    case log::AppendError::kUnknownTopicOrPartition: return version >= 13 ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition;
    case log::AppendError::kCorruptMessage: return ErrorCode::kCorruptMessage;
    case log::AppendError::kMessageTooLarge: return ErrorCode::kMessageTooLarge;
    case log::AppendError::kInvalidRecord: return ErrorCode::kInvalidRecord;
    case log::AppendError::kInvalidTimestamp: return ErrorCode::kInvalidTimestamp;
    case log::AppendError::kOutOfOrderSequence: return ErrorCode::kOutOfOrderSequenceNumber;
    case log::AppendError::kUnknownProducerId: return ErrorCode::kUnknownProducerId;
    case log::AppendError::kInvalidProducerEpoch: return ErrorCode::kInvalidProducerEpoch;
    case log::AppendError::kInvalidProducerIdMapping: return ErrorCode::kInvalidProducerIdMapping;
    case log::AppendError::kInvalidTxnState: return version >= 11 ? ErrorCode::kTransactionAbortable : ErrorCode::kInvalidTxnState;
    case log::AppendError::kNoSpace:
    case log::AppendError::kOverloaded:
    case log::AppendError::kStorage: return ErrorCode::kKafkaStorageError;
  }
  return ErrorCode::kUnknownServerError;
}

void set_error(Answer& answer, ErrorCode error, std::string message = {}) {
  counter("millstream_kafka_batches_refused_total", "error_code=\"" + std::to_string(code(error)) + "\"").add();
  answer.error_code = code(error);
  answer.base_offset = -1;
  if (!message.empty()) answer.error_message = std::move(message);
}

// One request on its way through the log: where each append's outcome goes.
struct Produce {
  ProduceResponse response;
  struct Place {
    size_t topic, partition;
    bool log_append_time;
    const TopicCounters* traffic;
    int64_t bytes, records;
  };
  std::vector<Place> places;  // parallel to the appends
  std::vector<log::AppendPart> parts;
  int16_t version = 0;
  int16_t acks = -1;
};

// Why nothing of a topic is offered to the log; kNone when it is.
ErrorCode refuse_topic(Call& call, const std::optional<log::TopicInfo>& info, const std::string& name) {
  const bool by_id = call.version() >= 13;
  if (!name.empty() && !call.may(Operation::kWrite, topic_resource(name))) return denied_topic(call, name, by_id);
  return info ? ErrorCode::kNone : to_code(log::AppendError::kUnknownTopicOrPartition, call.version());
}

// Why a batch is not even offered to the log; kNone when it is. `count`: of its records, as its header says.
ErrorCode refuse(const Records& records, int16_t version, bool transactional, int64_t& count) {
  if (records.null || records.parts.empty()) return ErrorCode::kInvalidRecord;
  const Slice& bytes = records.parts.front();
  const auto size = record_batch_size(bytes.span());
  if (!size || *size > bytes.size()) return ErrorCode::kCorruptMessage;
  if (*size != bytes.size()) return ErrorCode::kInvalidRecord;  // exactly one batch per partition
  const auto header = parse_record_batch(bytes.span());
  count = header ? header->records : 0;
  if (header && header->transactional() && !transactional) return ErrorCode::kTransactionalIdAuthorizationFailed;
  const bool too_new = header && version < kFirstWithZstd && header->compression() == Compression::kZstd;
  return too_new ? ErrorCode::kUnsupportedCompressionType : ErrorCode::kNone;
}

void plan(Broker& broker, const ProduceRequest& request, Call& call, Produce& produce) {
  const int16_t version = call.version();
  const bool may_transact = !request.transactional_id || call.may(Operation::kWrite, transaction_resource(*request.transactional_id));
  for (const auto& data : request.topic_data) {
    auto& topic = produce.response.responses.emplace_back();
    topic.name = data.name;
    topic.topic_id = data.topic_id;
    const auto info = version >= 13 ? broker.log.find_topic(data.topic_id) : broker.log.find_topic(data.name);
    const bool log_append_time = info && stamps_append_time(*info);
    const std::string& name = info ? info->name : data.name;
    const ErrorCode topic_error = refuse_topic(call, info, name);
    std::string denial;
    if (!may_transact) denial = call.denial(Operation::kWrite, transaction_resource(*request.transactional_id));
    else if (topic_error == ErrorCode::kTopicAuthorizationFailed)  // a topic that is given by its id stays without a name
      denial = call.denial(Operation::kWrite, topic_resource(data.name.empty() ? data.topic_id.uuid.to_string() : data.name));
    for (const auto& partition : data.partition_data) {
      auto& answer = topic.partition_responses.emplace_back();
      answer.index = partition.index;
      answer.base_offset = -1;
      int64_t count = 0;
      ErrorCode error = refuse(partition.records, version, request.transactional_id.has_value(), count);
      if (error != ErrorCode::kTransactionalIdAuthorizationFailed && !has_partition(info, partition.index))
        error = info ? ErrorCode::kUnknownTopicOrPartition : to_code(log::AppendError::kUnknownTopicOrPartition, version);
      if (request.acks < -1 || request.acks > 1) error = ErrorCode::kInvalidRequiredAcks;
      if (topic_error != ErrorCode::kNone) error = topic_error;
      if (version < 3) error = ErrorCode::kUnsupportedVersion;
      if (!may_transact) error = ErrorCode::kTransactionalIdAuthorizationFailed;
      if (error != ErrorCode::kNone) {
        set_error(answer, error, call.room().take(denial.size()) ? denial : "");
        continue;
      }
      const Slice& batch = partition.records.parts.front();
      const TopicCounters& traffic = broker.traffic.of(info->id);
      produce.places.push_back({produce.response.responses.size() - 1, topic.partition_responses.size() - 1, log_append_time, &traffic, static_cast<int64_t>(batch.size()), count});
      produce.parts.push_back({{info->id, {partition.index}}, batch, call.held_bytes(),
                               {request.transactional_id, version >= 12}});
    }
  }
}

bool any_error(const ProduceResponse& response) {
  for (const auto& topic : response.responses)
    for (const auto& p : topic.partition_responses)
      if (p.error_code != 0) return true;
  return false;
}

void finish(Call call, Produce& produce, std::vector<log::AppendOutcome> outcomes) {
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const Produce::Place& place = produce.places[i];
    Answer& answer = produce.response.responses[place.topic].partition_responses[place.partition];
    log::AppendOutcome& outcome = outcomes[i];
    if (outcome.error != log::AppendError::kNone) {
      for (const int32_t record : outcome.refused_records) answer.record_errors.push_back({record, outcome.message});
      set_error(answer, to_code(outcome.error, produce.version), std::move(outcome.message));
      continue;
    }
    answer.base_offset = outcome.base_offset.value;
    answer.log_start_offset = outcome.log_start_offset.value;
    if (!outcome.duplicate) place.traffic->in_bytes.add(place.bytes), place.traffic->in_records.add(place.records);
    if (place.log_append_time) answer.log_append_time_ms = outcome.append_time.us / kMicrosPerMilli;
  }
  if (produce.acks != 0) return call.reply(produce.response);
  if (any_error(produce.response)) return call.drop("produce_acks_0");
  call.reply_nothing();
}

}  // namespace

void handle_produce(Broker& broker, Call call) {
  ProduceRequest request;
  if (!call.decode(request)) return;
  auto produce = std::make_unique<Produce>();
  produce->version = call.version();
  produce->acks = request.acks;
  plan(broker, request, call, *produce);
  if (produce->parts.empty()) return finish(std::move(call), *produce, {});
  auto parts = std::move(produce->parts);
  broker.log.append(std::move(parts), [call = call.leave_for(Stage::kLog), produce = std::move(produce)](std::vector<log::AppendOutcome> outcomes) mutable {
    io::IoThread& thread = call.thread();
    thread.post([call = std::move(call), produce = std::move(produce), outcomes = std::move(outcomes)]() mutable {
      finish(std::move(call), *produce, std::move(outcomes));
    });
  });
}

}  // namespace ms::kafka
