// Transactions over the wire, in both generations of the protocol.
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

struct Producer {
  int64_t id = -1;
  int16_t epoch = -1;
};

class TransactionsTest : public KafkaServerTest {
 protected:
  InitProducerIdResponse init(std::string id, int16_t version = 4, int32_t timeout_ms = 60'000, Producer expected = {}) {
    InitProducerIdRequest request;
    request.transactional_id = std::move(id);
    request.transaction_timeout_ms = timeout_ms;
    request.producer_id = expected.id, request.producer_epoch = expected.epoch;
    return client_.call<InitProducerIdResponse>(request, version);
  }
  Producer start(std::string id) {
    const auto answer = init(std::move(id));
    EXPECT_EQ(answer.error_code, 0);
    return {answer.producer_id, answer.producer_epoch};
  }
  static std::string batch(Producer by, int32_t sequence, bool transactional = true) {
    const std::vector<RecordToWrite> records = {{.timestamp_ms = 1'700'000'000'000, .value = "v"}};
    return build_record_batch({.producer_id = by.id, .producer_epoch = by.epoch, .base_sequence = sequence, .transactional = transactional}, records).value();
  }
  int16_t send(std::string id, Producer by, int32_t sequence, int16_t version, int32_t partition = 0) {
    auto request = produce_of("t", partition, batch(by, sequence));
    request.transactional_id = std::move(id);
    request.topic_data[0].topic_id = id_;
    return client_.call<ProduceResponse>(request, version).responses.at(0).partition_responses.at(0).error_code;
  }
  std::vector<int16_t> add(std::string id, Producer by, std::vector<int32_t> partitions, int16_t version = 3, std::string topic = "t") {
    AddPartitionsToTxnRequest request;
    request.transactional_id = std::move(id), request.producer_id = by.id, request.producer_epoch = by.epoch;
    request.topics.push_back({std::move(topic), std::move(partitions)});
    std::vector<int16_t> out;
    for (const auto& p : client_.call<AddPartitionsToTxnResponse>(request, version).results_by_topic.at(0).results_by_partition) out.push_back(p.partition_error_code);
    return out;
  }
  EndTxnResponse end(std::string id, Producer by, bool commit, int16_t version) {
    EndTxnRequest request;
    request.transactional_id = std::move(id), request.producer_id = by.id, request.producer_epoch = by.epoch, request.committed = commit;
    return client_.call<EndTxnResponse>(request, version);
  }
  int16_t stage(std::string id, Producer by, int64_t offset, int16_t version) {
    TxnOffsetCommitRequest request;
    request.transactional_id = std::move(id), request.group_id = "g", request.producer_id = by.id, request.producer_epoch = by.epoch;
    request.topics.push_back({"t", {{.partition_index = 0, .committed_offset = offset, .committed_metadata = "m"}}});
    return client_.call<TxnOffsetCommitResponse>(request, version).topics.at(0).partitions.at(0).error_code;
  }
  FetchResponse::Response::Partition fetch(int64_t offset, int8_t isolation) {
    auto request = fetch_of(offset, 0);
    request.isolation_level = isolation;
    auto response = client_.call<FetchResponse>(request, 12);
    return std::move(response.responses.at(0).partitions.at(0));
  }
  static size_t bytes_of(const Records& records) {
    size_t out = 0;
    for (const Slice& part : records.parts) out += part.size();
    return out;
  }
  // Error and offset of partition 0.
  std::pair<int16_t, int64_t> offset_of_group(bool stable) {
    OffsetFetchRequest request;
    request.groups.push_back({.group_id = "g", .member_id = {}, .topics = {{{.name = "t", .topic_id = {}, .partition_indexes = {0}}}}});
    request.require_stable = stable;
    const auto answer = client_.call<OffsetFetchResponse>(request, 8).groups.at(0).topics.at(0).partitions.at(0);
    return {answer.error_code, answer.committed_offset};
  }
  int64_t latest(int8_t isolation, int64_t timestamp = -1) {
    ListOffsetsRequest request;
    request.isolation_level = isolation;
    request.topics.push_back({"t", {{.partition_index = 0, .timestamp = timestamp}}});
    return client_.call<ListOffsetsResponse>(request, 7).topics.at(0).partitions.at(0).offset;
  }

  Client client_{server_->port()};
};

constexpr auto kFenced = static_cast<int16_t>(ErrorCode::kProducerFenced), kEpoch = static_cast<int16_t>(ErrorCode::kInvalidProducerEpoch),
               kState = static_cast<int16_t>(ErrorCode::kInvalidTxnState), kMapping = static_cast<int16_t>(ErrorCode::kInvalidProducerIdMapping);

TEST_F(TransactionsTest, TheFeatureIsFinalized) {
  ApiVersionsRequest request;
  request.client_software_name = request.client_software_version = "test";
  const auto v4 = client_.call<ApiVersionsResponse>(request, 4);
  ASSERT_EQ(v4.supported_features.size(), 2u);
  EXPECT_EQ(v4.supported_features[0].name, "group.version");
  EXPECT_EQ(v4.supported_features[0].max_version, 1);
  EXPECT_EQ(v4.supported_features[1].name, "transaction.version");
  EXPECT_EQ(v4.supported_features[1].max_version, 2);
  EXPECT_EQ(v4.finalized_features_epoch, 0);
  ASSERT_EQ(v4.finalized_features.size(), 2u);
  EXPECT_EQ(v4.finalized_features[0].max_version_level, 1);
  EXPECT_EQ(v4.finalized_features[1].max_version_level, 2);
  EXPECT_TRUE(client_.call<ApiVersionsResponse>(request, 3).supported_features.empty());
  EXPECT_EQ(client_.call<ApiVersionsResponse>(request, 0).finalized_features_epoch, -1);
}

TEST_F(TransactionsTest, TheCoordinatorIsThisNode) {
  FindCoordinatorRequest request;
  request.key_type = 1;
  request.coordinator_keys = {"a"};
  EXPECT_EQ(client_.call<FindCoordinatorResponse>(request, 6).coordinators.at(0).error_code, 0);
}

TEST_F(TransactionsTest, NewProducersInEveryVersion) {
  for (int16_t version = 0; version <= 5; ++version) {
    const auto answer = init("a", version);
    EXPECT_EQ(answer.error_code, 0);
    EXPECT_EQ(answer.producer_epoch, version);
  }
  EXPECT_EQ(init("", 4).error_code, code(ErrorCode::kInvalidRequest));
  EXPECT_EQ(init("a", 4, 0).error_code, code(ErrorCode::kInvalidTransactionTimeout));
  EXPECT_EQ(init("a", 4, 900'001).error_code, code(ErrorCode::kInvalidTransactionTimeout));
  const int64_t id = init("a").producer_id;
  EXPECT_EQ(init("a", 4, 1, {id, 2}).error_code, kFenced);
  EXPECT_EQ(init("a", 3, 1, {id, 2}).error_code, kEpoch);
  EXPECT_EQ(init("a", 4, 1, {id, 6}).error_code, 0);
}

TEST_F(TransactionsTest, TheClassicGeneration) {
  const Producer p = start("a");
  EXPECT_EQ(send("a", p, 0, 10), kState);
  EXPECT_EQ(add("a", p, {0, 7}), (std::vector<int16_t>{code(ErrorCode::kOperationNotAttempted), code(ErrorCode::kUnknownTopicOrPartition)}));
  EXPECT_EQ(send("a", p, 0, 11), code(ErrorCode::kTransactionAbortable));  // nothing was added
  for (int16_t version = 0; version <= 3; ++version) EXPECT_EQ(add("a", p, {0, 1}, version), (std::vector<int16_t>{0, 0}));
  EXPECT_EQ(send("a", p, 0, 11), 0);
  EXPECT_EQ(fetch(0, 1).last_stable_offset, 0);
  EXPECT_EQ(fetch(0, 1).high_watermark, 1);
  EXPECT_EQ(bytes_of(fetch(0, 1).records), 0u);
  EXPECT_GT(bytes_of(fetch(0, 0).records), 0u);
  EXPECT_EQ(latest(1), 0);
  EXPECT_EQ(latest(0), 1);
  EXPECT_EQ(latest(1, 5), -1);
  EXPECT_EQ(latest(0, 5), 0);
  for (int16_t version = 0; version <= 4; ++version) EXPECT_EQ(end("a", p, true, version).error_code, 0);  // the first and four retries
  EXPECT_EQ(end("a", p, false, 4).error_code, kState);
  EXPECT_EQ(latest(1), 2);
  EXPECT_EQ(latest(1, 5), 0);
  EXPECT_TRUE(fetch(0, 1).aborted_transactions->empty());
  EXPECT_FALSE(fetch(0, 0).aborted_transactions);
  // The producer keeps its epoch and goes on with its sequence.
  EXPECT_EQ(add("a", p, {0}), std::vector<int16_t>{0});
  EXPECT_EQ(send("a", p, 1, 11), 0);
  EXPECT_EQ(end("a", p, false, 4).error_code, 0);
  const auto aborted = fetch(0, 1);
  ASSERT_EQ(aborted.aborted_transactions->size(), 1u);
  EXPECT_EQ(aborted.aborted_transactions->at(0).producer_id, p.id);
  EXPECT_EQ(aborted.aborted_transactions->at(0).first_offset, 2);
  EXPECT_EQ(aborted.last_stable_offset, 4);
}

TEST_F(TransactionsTest, TheGenerationOfKip890) {
  const Producer p = start("a");
  for (const int16_t version : {int16_t{12}, int16_t{13}}) EXPECT_EQ(send("a", p, version - 12, version), 0);
  const auto ended = end("a", p, true, 5);
  EXPECT_EQ(ended.error_code, 0);
  EXPECT_EQ(ended.producer_id, p.id);
  EXPECT_EQ(ended.producer_epoch, p.epoch + 1);
  EXPECT_EQ(end("a", p, true, 5).producer_epoch, p.epoch + 1);  // a retry
  EXPECT_EQ(send("a", p, 2, 12), kEpoch);
  EXPECT_EQ(end("a", p, false, 5).error_code, kFenced);
  const Producer next{p.id, ended.producer_epoch};
  EXPECT_EQ(send("a", next, 0, 12), 0);
  EXPECT_EQ(end("a", next, false, 5).producer_epoch, next.epoch + 1);
  EXPECT_EQ(fetch(0, 1).last_stable_offset, 5);
}

TEST_F(TransactionsTest, ZombiesAreFencedByTheNameOfTheirVersion) {
  const Producer zombie = start("a");
  EXPECT_EQ(send("a", zombie, 0, 12), 0);
  start("a");
  EXPECT_EQ(latest(1), 2);
  EXPECT_EQ(send("a", zombie, 1, 12), kEpoch);
  EXPECT_EQ(add("a", zombie, {0}, 1), std::vector<int16_t>{kEpoch});
  EXPECT_EQ(add("a", zombie, {0}, 2), std::vector<int16_t>{kFenced});
  EXPECT_EQ(end("a", zombie, true, 1).error_code, kEpoch);
  EXPECT_EQ(end("a", zombie, true, 2).error_code, kFenced);
  EXPECT_EQ(stage("a", zombie, 1, 5), kEpoch);
  EXPECT_EQ(end("nobody", zombie, true, 4).error_code, kMapping);
  EXPECT_EQ(end("a", {zombie.id + 50, 0}, true, 4).error_code, kMapping);
  for (const int16_t version : {int16_t{1}, int16_t{2}, int16_t{4}}) {
    AddOffsetsToTxnRequest request;
    request.transactional_id = "a", request.group_id = "g", request.producer_id = zombie.id, request.producer_epoch = zombie.epoch;
    EXPECT_EQ(client_.call<AddOffsetsToTxnResponse>(request, version).error_code, version < 2 ? kEpoch : kFenced);
  }
}

TEST_F(TransactionsTest, BatchesThatNobodyMaySend) {
  const Producer p = start("a");
  EXPECT_EQ(produce(client_, batch(p, 0)).error_code, code(ErrorCode::kTransactionalIdAuthorizationFailed));  // no transactional id
  auto request = produce_of("t", 0, build_marker_batch({.producer_id = p.id, .producer_epoch = p.epoch, .commit = true, .timestamp_ms = 1}));
  request.transactional_id = "a";
  EXPECT_EQ(client_.call<ProduceResponse>(request, 11).responses.at(0).partition_responses.at(0).error_code, code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(send("a", {p.id + 50, 0}, 0, 12), kMapping);
  EXPECT_EQ(send("b", p, 0, 12), kMapping);  // another's producer
}

TEST_F(TransactionsTest, OffsetsOfAGroup) {
  Producer p = start("a");
  EXPECT_EQ(stage("a", p, 3, 3), kState);
  EXPECT_EQ(stage("a", p, 3, 4), code(ErrorCode::kTransactionAbortable));
  AddOffsetsToTxnRequest add_offsets;
  add_offsets.transactional_id = "a", add_offsets.group_id = "g", add_offsets.producer_id = p.id, add_offsets.producer_epoch = p.epoch;
  for (int16_t version = 0; version <= 4; ++version) EXPECT_EQ(client_.call<AddOffsetsToTxnResponse>(add_offsets, version).error_code, 0);
  for (int16_t version = 0; version <= 4; ++version) EXPECT_EQ(stage("a", p, 3, version), 0);
  const std::pair<int16_t, int64_t> none{0, -1}, unstable{code(ErrorCode::kUnstableOffsetCommit), -1}, three{0, 3};
  EXPECT_EQ(offset_of_group(false), none);
  EXPECT_EQ(offset_of_group(true), unstable);
  EXPECT_EQ(end("a", p, true, 4).error_code, 0);
  EXPECT_EQ(offset_of_group(true), three);
  EXPECT_EQ(stage("a", p, 9, 5), 0);  // needs no AddOffsetsToTxn
  EXPECT_EQ(offset_of_group(false), three);
  EXPECT_EQ(offset_of_group(true), unstable);
  EXPECT_EQ(end("a", p, false, 5).error_code, 0);
  EXPECT_EQ(offset_of_group(true), three);
}

TEST_F(TransactionsTest, AWaitingFetchIsWokenByTheMarker) {
  const Producer p = start("a");
  EXPECT_EQ(send("a", p, 0, 12), 0);
  Client other(server_->port());
  auto request = fetch_of(0, 30'000);
  request.isolation_level = 1;
  other.ask(request, 12);
  EXPECT_EQ(end("a", p, true, 5).error_code, 0);
  EXPECT_EQ(other.receive<FetchResponse>(12).responses.at(0).partitions.at(0).last_stable_offset, 2);
}

TEST_F(TransactionsTest, WhatAdministratorsSee) {
  const Producer p = start("a");
  start("b");
  EXPECT_EQ(send("a", p, 0, 12, 1), 0);
  DescribeProducersRequest producers;
  producers.topics.push_back({"t", {1, 9}});
  const auto described = client_.call<DescribeProducersResponse>(producers, 0).topics.at(0).partitions;
  ASSERT_EQ(described.at(0).active_producers.size(), 1u);
  EXPECT_EQ(described[0].active_producers[0].producer_id, p.id);
  EXPECT_EQ(described[0].active_producers[0].last_sequence, 0);
  EXPECT_EQ(described[0].active_producers[0].current_txn_start_offset, 0);
  EXPECT_EQ(described.at(1).error_code, code(ErrorCode::kUnknownTopicOrPartition));

  DescribeTransactionsRequest describe;
  describe.transactional_ids = {"a", "b", "c"};
  const auto states = client_.call<DescribeTransactionsResponse>(describe, 0).transaction_states;
  EXPECT_EQ(states.at(0).transaction_state, "Ongoing");
  EXPECT_EQ(states[0].topics.at(0).topic, "t");
  EXPECT_EQ(states[0].topics[0].partitions, std::vector<int32_t>{1});
  EXPECT_GT(states[0].transaction_start_time_ms, 0);
  EXPECT_EQ(states.at(1).transaction_state, "Empty");
  EXPECT_EQ(states[1].transaction_start_time_ms, -1);
  EXPECT_EQ(states.at(2).error_code, code(ErrorCode::kTransactionalIdNotFound));

  const auto list = [&](ListTransactionsRequest request, int16_t version = 1) {
    std::string out;
    for (const auto& t : client_.call<ListTransactionsResponse>(request, version).transaction_states) out += t.transactional_id + "=" + t.transaction_state + " ";
    return out;
  };
  EXPECT_EQ(list({}, 0), "a=Ongoing b=Empty ");
  EXPECT_EQ(list({.state_filters = {"Ongoing", "Dead"}}), "a=Ongoing ");
  EXPECT_EQ(list({.producer_id_filters = {p.id + 1}}), "b=Empty ");
  EXPECT_EQ(list({.duration_filter = 0}), "a=Ongoing ");
  EXPECT_EQ(list({.duration_filter = 3'600'000}), "");
  ListTransactionsRequest odd{.state_filters = {"Asleep"}};
  EXPECT_EQ(client_.call<ListTransactionsResponse>(odd, 1).unknown_state_filters, std::vector<std::string>{"Asleep"});
  EXPECT_EQ(end("a", p, true, 5).error_code, 0);
  EXPECT_EQ(list({}), "a=CompleteCommit b=Empty ");
}

}  // namespace
}  // namespace ms::kafka
