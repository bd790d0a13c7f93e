// The corpora of request_header_fuzz and connection_fuzz hold a good request of every API in every version of the field tables.
//
// MS_WRITE_FUZZ_SEEDS=1 writes those that are missing from the first, and one conversation of every API to the second, anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/rng.h"
#include "kafka/fuzz_request.h"
#include "kafka/server_fixture.h"

namespace ms::kafka {
namespace {

using Api = std::pair<int16_t, int16_t>;  // its key, a version
using Apis = std::set<Api>;

constexpr std::string_view kCorpora = MS_SOURCE_DIR "/tests/fuzz/";
constexpr size_t kFramesMax = 16;  // that connection_fuzz takes
constexpr char kMendBatches = 1, kUsers = 2;

// Values that name what the broker of connection_fuzz may have: the topic "t" of two partitions, a group, a transaction.
class Plausible {
 public:
  Plausible(uint64_t seed, int16_t version) : rng_(seed), version_(version) {}
  int16_t version() const { return version_; }
  void value(bool& v) { v = rng_.below(2) == 1; }
  template <class T>
    requires std::is_integral_v<T>
  void value(T& v) {
    constexpr std::array<int16_t, 6> kValues{0, 0, 1, 2, -1, 100};
    v = static_cast<T>(kValues.at(rng_.below(kValues.size())));
  }
  void value(double& v) { v = static_cast<double>(rng_.below(1000)); }
  void value(TopicId& v) { v = {}; }
  void value(std::string& v) {
    constexpr std::array<std::string_view, 8> kNames{"t", "t", "g", "x", "new", "cleanup.policy", "compact", ""};
    v = kNames.at(rng_.below(kNames.size()));
  }
  void value(Slice& v) { v = Slice::copy(std::string(rng_.below(16), '\0')); }
  void value(Records& v) { v.parts = {Slice::copy(batch_of("v"))}; }
  void nullable(std::optional<std::string>& v, bool may_be_null) { maybe(v, may_be_null); }
  template <class T>
  void value(std::vector<T>& v) {
    v.clear();
    v.resize(1 + rng_.below(2));
    for (T& element : v) value(element);
  }
  template <class T>
    requires requires(T& v, Plausible& self) { v.code(self); }
  void value(T& v) {
    v.code(*this);
  }
  template <class T>
    requires requires(T& v, Plausible& self) { v.code(self); }
  void nullable(std::optional<T>& v, bool may_be_null) {
    maybe(v, may_be_null);
  }
  template <class T>
  void nullable(std::optional<std::vector<T>>& v, bool may_be_null) {
    maybe(v, may_be_null);
  }
  template <class... T>
  void end_struct(Tagged<T>... tagged) {
    (value(tagged.value), ...);
  }

 private:
  template <class T>
  void maybe(std::optional<T>& v, bool may_be_null) {
    v.reset();
    if (!may_be_null || rng_.below(4) != 0) value(v.emplace());
  }
  Rng rng_;
  int16_t version_;
};

// ---- what is there

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void see(std::string_view frame, Apis& seen) {
  if (!decode_any_request({reinterpret_cast<const uint8_t*>(frame.data()), frame.size()})) return;
  const auto header = peek_header(Slice::copy(frame));
  seen.emplace(header->api_key, header->version);
}

Apis requests_of(std::string_view bytes) {
  Apis seen;
  see(bytes, seen);
  return seen;
}

// As connection_fuzz takes its input apart.
Apis conversation_of(std::string_view bytes) {
  Apis seen;
  bytes.remove_prefix(std::min<size_t>(1, bytes.size()));
  for (size_t frame = 0; frame < kFramesMax && bytes.size() >= 2; ++frame) {
    const size_t size = std::min<size_t>(static_cast<uint8_t>(bytes[0]) | static_cast<uint8_t>(bytes[1]) << 8, bytes.size() - 2);
    see(bytes.substr(2, size), seen);
    bytes.remove_prefix(2 + size);
  }
  return seen;
}

template <class F>
Apis corpus(std::string_view fuzzer, F apis_of) {
  Apis seen;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(kCorpora) / fuzzer))
    seen.merge(apis_of(read(entry.path())));
  return seen;
}

// ---- what is written

void write(std::string_view fuzzer, const std::string& name, std::string_view bytes) {
  std::ofstream(std::filesystem::path(kCorpora) / fuzzer / name, std::ios::binary) << bytes;
}

template <class Request>
std::string request_of(int16_t version, Request request) {
  return Client::request_bytes(request, version, 1, "fuzz");
}

template <class Request>
std::string plausible(int16_t version) {
  Request request;
  Plausible values(static_cast<uint64_t>(Request::kApi.key) * 100 + static_cast<uint64_t>(version), version);
  request.code(values);
  if constexpr (requires { request.acks; }) request.acks = -1;                 // 0 closes the connection when it fails
  if constexpr (requires { request.mechanism; }) request.mechanism = "PLAIN";  // of SaslHandshake
  if constexpr (requires { request.auth_bytes; })
    request.auth_bytes = Slice::copy(std::string("\0alice\0secret", 13));  // of SaslAuthenticate
  return request_of(version, std::move(request));
}

std::string conversation(char flags, const std::vector<std::string>& frames) {
  std::string bytes(1, flags);
  for (const std::string& frame : frames) {
    bytes.push_back(static_cast<char>(frame.size() & 0xff));
    bytes.push_back(static_cast<char>(frame.size() >> 8));
    bytes += frame;
  }
  return bytes;
}

// The newest first: should one close the connection, it is an old one that is not reached.
template <class Request>
std::string every_version() {
  constexpr bool sasl = std::is_same_v<Request, SaslHandshakeRequest> || std::is_same_v<Request, SaslAuthenticateRequest>;
  std::vector<std::string> frames;
  for (int16_t version = Request::kApi.max_version; version >= Request::kApi.min_version; --version) {
    if constexpr (std::is_same_v<Request, SaslAuthenticateRequest>) frames.push_back(plausible<SaslHandshakeRequest>(1));
    frames.push_back(plausible<Request>(version));
  }
  return conversation(sasl ? kUsers : kMendBatches, frames);
}

void write_seeds(const Apis& there) {
  for_each_api([&]<class Request, class Response>() {
    const std::string name(Request::kApi.name);
    for (int16_t version = Request::kApi.min_version; version <= Request::kApi.max_version; ++version)
      if (!there.contains({Request::kApi.key, version}))
        write("request_header_fuzz", name + "_v" + std::to_string(version), plausible<Request>(version));
    write("connection_fuzz", name + "_every_version", every_version<Request>());
  });
}

std::string batch_of_producer(int64_t producer, int32_t sequence) {
  const std::vector<RecordToWrite> records(2);
  return *build_record_batch({.producer_id = producer, .producer_epoch = 0, .base_sequence = sequence, .transactional = true}, records);
}

// A transaction of the first producer of a new broker, which has the id 0, from its beginning to its end, and who asks about it.
std::string a_transaction() {
  ProduceRequest produce;
  produce.transactional_id = "x";
  produce.acks = -1;
  auto& topic = produce.topic_data.emplace_back();
  topic.name = "t";
  topic.partition_data.emplace_back().records.parts.push_back(Slice::copy(batch_of_producer(0, 0)));
  return conversation(
      0, {
             request_of<InitProducerIdRequest>(5, {.transactional_id = "x", .transaction_timeout_ms = 60'000}),
             request_of<AddPartitionsToTxnRequest>(
                 3, {.transactional_id = "x", .producer_id = 0, .producer_epoch = 0, .topics = {{.name = "t", .partitions = {0, 1}}}}),
             request_of<ProduceRequest>(9, std::move(produce)),
             request_of<AddOffsetsToTxnRequest>(4, {.transactional_id = "x", .producer_id = 0, .producer_epoch = 0, .group_id = "g"}),
             request_of<TxnOffsetCommitRequest>(
                 5, {.transactional_id = "x",
                     .group_id = "g",
                     .producer_id = 0,
                     .producer_epoch = 0,
                     .member_id = {},
                     .group_instance_id = std::nullopt,
                     .topics = {{.name = "t",
                                 .partitions = {{.partition_index = 0, .committed_offset = 1, .committed_metadata = std::nullopt}}}}}),
             request_of<DescribeTransactionsRequest>(0, {.transactional_ids = {"x"}}),
             request_of<DescribeProducersRequest>(0, {.topics = {{.name = "t", .partition_indexes = {0}}}}),
             request_of<ListTransactionsRequest>(1, {}),
             request_of<EndTxnRequest>(5, {.transactional_id = "x", .producer_id = 0, .producer_epoch = 0, .committed = true}),
             request_of<OffsetDeleteRequest>(0, {.group_id = "g", .topics = {{.name = "t", .partitions = {{.partition_index = 0}}}}}),
             request_of<DescribeTransactionsRequest>(0, {.transactional_ids = {"x"}}),
         });
}

// A consumer group of one member: it joins, is described, commits, and leaves.
std::string a_consumer_group() {
  const auto heartbeat = [](int32_t epoch) {
    ConsumerGroupHeartbeatRequest request{.group_id = "g",
                                          .member_id = "m",
                                          .member_epoch = epoch,
                                          .instance_id = std::nullopt,
                                          .rack_id = std::nullopt,
                                          .rebalance_timeout_ms = 5'000};
    if (epoch == 0) request.subscribed_topic_names = {"t"}, request.topic_partitions.emplace();
    return request_of<ConsumerGroupHeartbeatRequest>(1, std::move(request));
  };
  OffsetCommitRequest commit{.group_id = "g", .generation_id_or_member_epoch = 1, .member_id = "m"};
  auto& topic = commit.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back().committed_offset = 1;
  return conversation(0, {heartbeat(0), heartbeat(1),
                          request_of<ConsumerGroupDescribeRequest>(1, {.group_ids = {"g"}, .include_authorized_operations = true}),
                          request_of<OffsetCommitRequest>(9, std::move(commit)), heartbeat(1), heartbeat(-1),
                          request_of<ConsumerGroupDescribeRequest>(1, {.group_ids = {"g"}})});
}

void write_conversations() {
  write("connection_fuzz", "a_transaction", a_transaction());
  write("connection_fuzz", "a_consumer_group", a_consumer_group());
}

// ---- tests

std::vector<std::string> missing(const Apis& seen) {
  std::vector<std::string> names;
  for_each_api([&]<class Request, class Response>() {
    for (int16_t version = Request::kApi.min_version; version <= Request::kApi.max_version; ++version)
      if (!seen.contains({Request::kApi.key, version})) names.push_back(std::string(Request::kApi.name) + " v" + std::to_string(version));
  });
  return names;
}

constexpr std::string_view kHowTo = "; MS_WRITE_FUZZ_SEEDS=1 GTEST_FILTER='FuzzSeeds.*' build/release/bin/kafka_test writes them";

TEST(FuzzSeeds, OfEveryApiAndVersion) {
  if (std::getenv("MS_WRITE_FUZZ_SEEDS") != nullptr) write_seeds(corpus("request_header_fuzz", requests_of)), write_conversations();
  EXPECT_EQ(missing(corpus("request_header_fuzz", requests_of)), std::vector<std::string>{}) << kHowTo;
  EXPECT_EQ(missing(corpus("connection_fuzz", conversation_of)), std::vector<std::string>{}) << kHowTo;
}

TEST(FuzzSeeds, WhatIsMissingIsSeen) {
  Apis seen = corpus("request_header_fuzz", requests_of);
  ASSERT_EQ(seen.erase({EndTxnRequest::kApi.key, 5}), 1u);
  EXPECT_EQ(missing(seen), std::vector<std::string>{"EndTxn v5"});
  EXPECT_TRUE(requests_of("no request").empty());
}

}  // namespace
}  // namespace ms::kafka
