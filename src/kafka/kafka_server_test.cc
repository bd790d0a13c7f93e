// The server over real sockets and the real log: every API once, and everything a client must not be able to do.
#include "kafka/kafka_server.h"

#include <gtest/gtest.h>

#include "kafka/sampler.h"
#include "kafka/server_fixture.h"
#include "kafka/topics.h"

namespace ms::kafka {
namespace {

TEST_F(KafkaServerTest, ProducedBatchesComeBackInEveryVersion) {
  Client client(server_->port());
  int64_t next = 0;
  for (int16_t version = 3; version <= ProduceRequest::kApi.max_version; ++version) {
    const auto answer = produce(client, batch_of("v" + std::to_string(version)), version);
    EXPECT_EQ(answer.error_code, 0) << version;
    EXPECT_EQ(answer.base_offset, next++);
  }
  for (int16_t version = FetchRequest::kApi.min_version; version <= FetchRequest::kApi.max_version; ++version) {
    auto request = fetch_of(3, 0);
    const auto p = client.call<FetchResponse>(request, version).responses.at(0).partitions.at(0);
    EXPECT_EQ(p.error_code, 0);
    EXPECT_EQ(p.high_watermark, next);
    ASSERT_EQ(p.records.parts.size(), 1u);
    std::string scratch;
    auto reader = RecordReader::open(p.records.parts[0].span().first(*record_batch_size(p.records.parts[0].span())), scratch);
    ASSERT_TRUE(reader) << version;
    RecordView record;
    ASSERT_EQ(reader->next(record), RecordReader::Step::kRecord);
    EXPECT_EQ(record.offset, 3);
    EXPECT_EQ(*record.value, "v6");
  }
}

TEST_F(KafkaServerTest, OldProduceVersionsAreAdvertisedAndRefused) {
  Client client(server_->port());
  for (int16_t version = 0; version < 3; ++version)
    EXPECT_EQ(produce(client, batch_of("x"), version).error_code, code(ErrorCode::kUnsupportedVersion));
}

// Clients of these versions may know nothing of it (KIP-110).
TEST_F(KafkaServerTest, ZstdNeedsVersion7) {
  Client client(server_->port());
  const RecordToWrite record{.timestamp_ms = 1'700'000'000'000, .value = "v"};
  int64_t next = 0;
  for (int16_t version = 3; version <= ProduceRequest::kApi.max_version; ++version) {
    for (const Compression codec : {Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
      const bool may = codec != Compression::kZstd || version >= 7;
      const auto answer = produce(client, *build_record_batch({.compression = codec}, std::span(&record, 1)), version);
      EXPECT_EQ(answer.error_code, may ? 0 : code(ErrorCode::kUnsupportedCompressionType)) << version << " " << to_string(codec);
      EXPECT_EQ(answer.base_offset, may ? next++ : -1);
    }
  }
}

TEST_F(KafkaServerTest, BadBatchesGetTheirError) {
  Client client(server_->port());
  std::string flipped = batch_of("hello");
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  EXPECT_EQ(produce(client, flipped).error_code, code(ErrorCode::kCorruptMessage));
  EXPECT_EQ(produce(client, batch_of("a") + batch_of("b")).error_code, code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(produce(client, batch_of("a").substr(0, 40)).error_code, code(ErrorCode::kCorruptMessage));
  EXPECT_EQ(produce(client, "").error_code, code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(produce(client, batch_of("a"), 9, "no-such-topic").error_code, code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(produce(client, "", 9, "no-such-topic").error_code, code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(produce(client, "", 9, "t", 7).error_code, code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(produce(client, batch_of("a"), 9, "t", 7).error_code, code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(produce(client, batch_of("a"), 9, "t", -1).error_code, code(ErrorCode::kUnknownTopicOrPartition));
  id_ = TopicId{random_uuid()};
  EXPECT_EQ(produce(client, batch_of("a"), 13).error_code, code(ErrorCode::kUnknownTopicId));
  EXPECT_EQ(log_->partition_state({log_->find_topic("t")->id, {0}})->high_watermark.value, 0);
}

TEST_F(KafkaServerTest, AcksZeroIsSilentUntilItFails) {
  Client client(server_->port());
  auto fine = produce_of("t", 0, batch_of("a"), 0);
  client.ask(fine, 9);
  MetadataRequest metadata;
  EXPECT_EQ(client.call<MetadataResponse>(metadata, 9).topics.size(), 1u);  // the first answer on this connection
  auto bad = produce_of("t", 9, batch_of("a"), 0);
  client.ask(bad, 9);
  EXPECT_TRUE(client.closed());
}

TEST_F(KafkaServerTest, AnswersKeepTheOrderOfTheRequests) {
  Client client(server_->port());
  auto slow = fetch_of(0, 200);  // nothing there: waits
  client.ask(slow, 12, 1);
  MetadataRequest quick;
  client.ask(quick, 9, 2);
  auto produce_request = produce_of("t", 1, batch_of("a"));
  client.ask(produce_request, 9, 3);
  EXPECT_EQ(client.receive<FetchResponse>(12, 1).responses.size(), 1u);
  client.receive<MetadataResponse>(9, 2);
  client.receive<ProduceResponse>(9, 3);
}

TEST_F(KafkaServerTest, ALongPollEndsWhenRecordsArrive) {
  Client consumer(server_->port()), producer(server_->port());
  auto request = fetch_of(0, 30'000);
  consumer.ask(request, 12);
  EXPECT_EQ(produce(producer, batch_of("a")).error_code, 0);
  const auto p = consumer.receive<FetchResponse>(12).responses.at(0).partitions.at(0);
  EXPECT_EQ(p.high_watermark, 1);
  EXPECT_GT(p.records.bytes(), 0u);
}

TEST_F(KafkaServerTest, IncrementalSessionsTellOnlyNews) {
  Client client(server_->port());
  EXPECT_EQ(produce(client, batch_of("a")).error_code, 0);
  auto first = fetch_of(0, 0);
  first.session_epoch = 0;
  const auto full = client.call<FetchResponse>(first, 12);
  ASSERT_NE(full.session_id, 0);
  EXPECT_EQ(full.responses.size(), 1u);
  auto next = fetch_of(1, 0);
  next.session_id = full.session_id;
  next.session_epoch = 1;
  EXPECT_TRUE(client.call<FetchResponse>(next, 12).responses.empty());
  EXPECT_EQ(produce(client, batch_of("b")).error_code, 0);
  FetchRequest again;
  again.session_id = full.session_id;
  again.session_epoch = 2;
  EXPECT_EQ(client.call<FetchResponse>(again, 12).responses.size(), 1u);
  EXPECT_EQ(client.call<FetchResponse>(again, 12).error_code, code(ErrorCode::kInvalidFetchSessionEpoch));
}

TEST_F(KafkaServerTest, FetchLimitsGiveAtLeastOneBatch) {
  Client client(server_->port());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(produce(client, batch_of(std::string(5000, 'x'))).error_code, 0);
  auto request = fetch_of(0, 0);
  request.max_bytes = 1;
  request.topics[0].partitions[0].partition_max_bytes = 1;
  const size_t one = client.call<FetchResponse>(request, 12).responses.at(0).partitions.at(0).records.bytes();
  EXPECT_EQ(one, batch_of(std::string(5000, 'x')).size());
  request.max_bytes = 1 << 20;
  request.topics[0].partitions[0].partition_max_bytes = static_cast<int32_t>(2 * one + 10);
  EXPECT_EQ(client.call<FetchResponse>(request, 12).responses.at(0).partitions.at(0).records.bytes(), 2 * one);
  auto beyond = fetch_of(99, 1000);
  EXPECT_EQ(client.call<FetchResponse>(beyond, 12).responses.at(0).partitions.at(0).error_code, code(ErrorCode::kOffsetOutOfRange));
}

TEST_F(KafkaServerTest, UnknownApiVersionsVersionIsAnsweredInTheOldestForm) {
  Client client(server_->port());
  client.send_frame(std::string("\0\x12\0\x63\0\0\0\1\0\0", 10));
  const auto response = client.receive<ApiVersionsResponse>(0);
  EXPECT_EQ(response.error_code, code(ErrorCode::kUnsupportedVersion));
  ASSERT_EQ(response.api_keys.size(), 1u);
  EXPECT_EQ(response.api_keys[0].max_version, 4);
}

TEST_F(KafkaServerTest, MalformedInputClosesTheConnectionAndIsCounted) {
  const struct {
    std::string_view reason;
    std::string frame;
  } cases[] = {
      {"malformed", ""},
      {"malformed", std::string("\0\3\0\1\0\0", 6)},
      {"malformed", std::string("\0\3\0\1\0\0\0\1\x7f\xff", 10)},                      // client id longer than the frame
      {"malformed", std::string("\0\3\0\1\0\0\0\1\0\0\x7f\xff\xff\xff", 14)},          // two billion topics
      {"malformed", std::string("\0\0\0\x09\0\0\0\1\0\0\0\0\xff\xff\0\0\0\0\xff\xff\xff\xff\x0f", 23)},
      {"unknown_api", std::string("\x7f\xff\0\0\0\0\0\1\0\0", 10)},
      {"unknown_api", std::string("\0\x04\0\0\0\0\0\1\0\0", 10)},                      // LeaderAndIsr is not ours
      {"unknown_version", std::string("\0\3\0\x63\0\0\0\1\0\0", 10)},
      {"unknown_version", std::string("\0\3\xff\xff\0\0\0\1\0\0", 10)},
  };
  for (const auto& [reason, frame] : cases) {
    const int64_t before = refused(reason);
    Client client(server_->port());
    client.send_frame(frame);
    EXPECT_TRUE(client.closed()) << reason;
    EXPECT_EQ(refused(reason), before + 1);
  }
  Client oversized(server_->port());
  oversized.send_raw(std::string("\x7f\xff\xff\xff", 4));
  EXPECT_TRUE(oversized.closed());
  Client negative(server_->port());
  negative.send_raw(std::string("\xff\xff\xff\xff", 4));
  EXPECT_TRUE(negative.closed());
  Client fine(server_->port());
  MetadataRequest metadata;
  EXPECT_EQ(fine.call<MetadataResponse>(metadata, 9).topics.size(), 1u);
}

// Well-formed nonsense for every API and version: an answer or a closed connection, and the server goes on.
TEST_F(KafkaServerTest, SampledRequestsOfEveryApi) {
  for_each_api([&]<class Request, class Response>() {
    for (int16_t version = Request::kApi.min_version; version <= Request::kApi.max_version; ++version) {
      for (uint64_t seed = 0; seed < 4; ++seed) {
        Request request;
        Sampler sampler(seed * 7919 + static_cast<uint64_t>(version), version);
        request.code(sampler);
        if constexpr (requires { request.max_wait_ms; }) request.max_wait_ms = 0;
        Client client(server_->port());
        client.ask(request, version);
        if constexpr (requires { request.acks; }) {
          if (request.acks == 0) continue;
        }
        if constexpr (std::is_same_v<Request, ApiVersionsRequest>) {
          if (version < 3) client.template receive<Response>(version);
        } else {
          client.template receive<Response>(version);
        }
      }
    }
  });
  Client fine(server_->port());
  MetadataRequest metadata;
  EXPECT_EQ(fine.call<MetadataResponse>(metadata, 9).error_code, 0);
}

TEST_F(KafkaServerTest, MetadataCreatesTopicsWhenAllowed) {
  Client client(server_->port());
  MetadataRequest request;
  auto& topics = request.topics.emplace();
  topics.push_back({.topic_id = {}, .name = "fresh"});
  topics.push_back({.topic_id = {}, .name = "not legal!"});
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(client.call<MetadataResponse>(request, 9).topics.at(0).error_code, code(ErrorCode::kUnknownTopicOrPartition));
  request.allow_auto_topic_creation = true;
  const auto created = client.call<MetadataResponse>(request, 12);
  EXPECT_EQ(created.topics.at(0).error_code, 0);
  EXPECT_EQ(created.topics.at(0).partitions.size(), 1u);
  EXPECT_EQ(created.topics.at(1).error_code, code(ErrorCode::kInvalidTopicException));
  MetadataRequest by_id;
  by_id.topics.emplace().push_back({.topic_id = created.topics[0].topic_id, .name = std::nullopt});
  EXPECT_EQ(*client.call<MetadataResponse>(by_id, 12).topics.at(0).name, "fresh");
}

TEST_F(KafkaServerTest, MetadataCreatesNoTopicsWhoseNamesCollide) {
  ASSERT_TRUE(log_->create_topic("a.b", 1, {}));
  Client client(server_->port());
  MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = {}, .name = "a_b"});
  request.allow_auto_topic_creation = true;
  EXPECT_EQ(client.call<MetadataResponse>(request, 9).topics.at(0).error_code, code(ErrorCode::kInvalidTopicException));
  EXPECT_FALSE(log_->find_topic("a_b"));
}

// What a client sends comes back in messages and ids; both have a length the protocol can say.
TEST_F(KafkaServerTest, TheLongestNamesGetAnAnswer) {
  Client client(server_->port());
  const std::string longest(32'760, 'n');
  CreateTopicsRequest create;
  create.topics.push_back({.name = "u", .num_partitions = 1, .replication_factor = 1, .assignments = {}, .configs = {{longest, "1"}}});
  EXPECT_EQ(client.call<CreateTopicsResponse>(create, 4).topics.at(0).error_code, code(ErrorCode::kInvalidConfig));
  EXPECT_EQ(client.call<CreateTopicsResponse>(create, 5).topics.at(0).error_code, code(ErrorCode::kInvalidConfig));
  DescribeGroupsRequest groups;
  groups.groups = {longest};
  EXPECT_EQ(client.call<DescribeGroupsResponse>(groups, 6).groups.at(0).group_id, longest);
  for (const std::string& name : {longest, std::string("t")}) {
    DescribeConfigsRequest describe;
    describe.resources.push_back({.resource_type = 2, .resource_name = name, .configuration_keys = std::nullopt});
    EXPECT_EQ(client.call<DescribeConfigsResponse>(describe, 4).results.at(0).resource_name, name);
    IncrementalAlterConfigsRequest alter;
    alter.resources.push_back({.resource_type = 2, .resource_name = name, .configs = {{longest, 0, "1"}}});
    EXPECT_NE(client.call<IncrementalAlterConfigsResponse>(alter, 1).responses.at(0).error_code, 0);
  }
  JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", {}});
  client.send_frame(Client::request_bytes(join, 5, 1, std::string(INT16_MAX, 'c')));
  const auto first = client.receive<JoinGroupResponse>(5);
  EXPECT_EQ(first.error_code, code(ErrorCode::kMemberIdRequired));
  join.member_id = first.member_id;
  EXPECT_EQ(client.call<JoinGroupResponse>(join, 5).error_code, 0);
}

TEST_F(KafkaServerTest, ASmallQuestionGetsNoHugeAnswer) {
  ASSERT_TRUE(log_->create_topic("wide", 1000, {}));
  const int64_t before = refused("answer_too_large");
  MetadataRequest metadata;
  metadata.topics.emplace().assign(5000, {.topic_id = {}, .name = "wide"});
  Client(server_->port()).ask(metadata, 9);
  Client asking(server_->port());
  asking.ask(metadata, 9);
  EXPECT_TRUE(asking.closed());
  DescribeConfigsRequest configs;
  configs.resources.assign(100'000, {.resource_type = 2, .resource_name = "t", .configuration_keys = std::nullopt});
  Client describing(server_->port());
  describing.ask(configs, 4);
  EXPECT_TRUE(describing.closed());
  EXPECT_GE(refused("answer_too_large"), before + 2);
  metadata.topics->resize(2);
  EXPECT_EQ(Client(server_->port()).call<MetadataResponse>(metadata, 9).topics.at(1).partitions.size(), 1000u);
}

// Requests that are worked on share a budget; one that waits must not keep what it has been decoded from.
TEST_F(KafkaServerTest, AWaitingFetchGivesItsMemoryBack) {
  serve({.request_memory_bytes_max = 300'000});
  auto waits = fetch_of(0, 60'000);
  waits.forgotten_topics_data.push_back({.topic = "t", .topic_id = {}, .partitions = std::vector<int32_t>(60'000)});
  Client waiting(server_->port()), other(server_->port());
  waiting.ask(waits, 12);
  auto quick = waits;
  quick.max_wait_ms = 0;
  EXPECT_EQ(other.call<FetchResponse>(quick, 12).responses.size(), 1u);
}

TEST_F(KafkaServerTest, AWaitingFetchEndsWithItsConnection) {
  serve({.request_memory_bytes_max = 300'000});
  ASSERT_TRUE(log_->create_topic("wide", 9'000, {}));
  auto waits = fetch_of(0, 60'000);
  waits.topics[0].topic = "wide";
  waits.topics[0].partitions.assign(9'000, waits.topics[0].partitions[0]);
  for (int32_t i = 0; i < 9'000; ++i) waits.topics[0].partitions[static_cast<size_t>(i)].partition = i;
  auto gone = std::make_unique<Client>(server_->port());
  gone->ask(waits, 12);
  auto quick = waits;
  quick.max_wait_ms = 0;
  Client other(server_->port());
  other.ask(quick, 12);
  gone.reset();
  EXPECT_EQ(other.receive<FetchResponse>(12).responses.at(0).partitions.size(), 9'000u);
}

TEST_F(KafkaServerTest, ATopicThatIsNeededStays) {
  serve({.delete_topic = [this](const log::TopicInfo& topic) -> Result<> {
    if (topic.name == "t") return fail(ErrorKind::kConflict, "somebody reads it");
    return log_->delete_topic(topic.id);
  }});
  ASSERT_TRUE(log_->create_topic("free", 1, {}));
  DeleteTopicsRequest request;
  request.topic_names = {"t", "free"};
  const auto responses = Client(server_->port()).call<DeleteTopicsResponse>(request, 5).responses;
  EXPECT_EQ(responses.at(0).error_code, code(ErrorCode::kPolicyViolation));
  EXPECT_EQ(responses.at(0).error_message, "somebody reads it");
  EXPECT_EQ(responses.at(1).error_code, 0);
  EXPECT_TRUE(log_->find_topic("t"));
  EXPECT_FALSE(log_->find_topic("free"));
}

TEST(TopicError, AFullDiskIsNoPolicy) {
  EXPECT_EQ(topic_error({ErrorKind::kExhausted, "no space"}), ErrorCode::kKafkaStorageError);
  EXPECT_EQ(topic_error({ErrorKind::kConflict, "too many partitions"}), ErrorCode::kPolicyViolation);
}

TEST_F(KafkaServerTest, StopEndsWaitingRequestsWithinSeconds) {
  Client waiting(server_->port()), joining(server_->port());
  auto request = fetch_of(0, 60'000);
  waiting.ask(request, 12);
  JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", Slice::copy(std::string_view("x"))});
  EXPECT_EQ(joining.call<JoinGroupResponse>(join, 3).error_code, 0);
  MetadataRequest metadata;
  Client(server_->port()).call<MetadataResponse>(metadata, 9);
  const int64_t before_us = system_clock().steady_us();
  server_->stop();
  EXPECT_LT(system_clock().steady_us() - before_us, 5 * kMicrosPerSecond);
  EXPECT_TRUE(waiting.closed());
}

}  // namespace
}  // namespace ms::kafka
