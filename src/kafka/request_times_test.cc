// Where time goes: the stopwatch by itself, and delays planted in every stage of requests to the real server.
#include "kafka/request_times.h"

#include <latch>
#include <thread>

#include "kafka/request_log.h"
#include "kafka/server_fixture.h"
#include "log/testing/faulty_disk.h"

namespace ms::kafka {
namespace {

TEST(RequestTimes, EveryMicrosecondIsInOneStage) {
  RequestTimes times(70, 100);
  times.enter(Stage::kQueue, 105);
  times.enter(Stage::kWork, 125);
  times.enter(Stage::kLog, 126);
  times.enter(Stage::kWait, 130);
  times.enter(Stage::kSend, 1'130);
  times.enter(Stage::kSend, 1'133);
  const std::array<int64_t, kStages> expected{30, 20, 6, 4, 1'000, 3};
  for (size_t i = 0; i < kStages; ++i) EXPECT_EQ(times.us(static_cast<Stage>(i)), expected[i]) << i;
  EXPECT_EQ(times.total_us(), 63);
  EXPECT_EQ(times.slowest(), Stage::kRead);
}

TEST(RequestTimes, TheSlowestStageIsNamed) {
  for (size_t planted = 0; planted < kStages; ++planted) {
    RequestTimes times(0, 0);
    int64_t now = 0;
    for (size_t i = 0; i < kStages; ++i) {
      times.enter(static_cast<Stage>(i), now);
      now += i == planted ? 1'000'000 : 10;
    }
    times.enter(Stage::kSend, now);
    const auto stage = static_cast<Stage>(planted);
    if (stage != Stage::kWait) EXPECT_EQ(times.slowest(), stage);
    EXPECT_EQ(times.total_us(), stage == Stage::kWait ? 50 : 1'000'040);
  }
}

TEST(RequestTimes, SubjectsAreShort) {
  ProduceRequest produce;
  EXPECT_EQ(subject_of(produce).text(), "");
  produce.topic_data.push_back({.name = std::string(100, 'a')});
  produce.topic_data.push_back({.name = "b"});
  EXPECT_EQ(subject_of(produce).text(), std::string(Subject::kTextMax, 'a'));
  EXPECT_EQ(subject_of(produce).more, 1u);
  FetchRequest fetch;
  fetch.topics.push_back({.topic = "t", .topic_id = TopicId{random_uuid()}});
  EXPECT_EQ(subject_of(fetch).text(), "t");
  EXPECT_EQ(subject_of(fetch).id, fetch.topics[0].topic_id);
  HeartbeatRequest heartbeat{.group_id = "g"};
  EXPECT_TRUE(subject_of(heartbeat).is_group);
  MetadataRequest metadata;
  EXPECT_EQ(subject_of(metadata).text(), "");
  metadata.topics.emplace().push_back({.name = "m"});
  EXPECT_EQ(subject_of(ApiVersionsRequest{}).text(), "");
}

constexpr int64_t kDelayUs = 250'000;
constexpr int64_t kSlowMs = 50;

void let_time_pass(int64_t us = kDelayUs) {
  const int64_t until = system_clock().steady_us() + us;
  while (system_clock().steady_us() < until) std::this_thread::yield();
}

// The next sync, once asked for, takes its time.
struct SlowDisk {
  SlowDisk() {
    disk_.syncing = [this] {
      if (slow_disk_.exchange(false)) syncing_.count_down(), let_time_pass(sync_us_);
    };
  }
  log::testing::FaultyDisk disk_{posix_file_system()};
  std::atomic<bool> slow_disk_ = false;
  int64_t sync_us_ = kDelayUs;  // set before slow_disk_
  std::latch syncing_{1};
};

class SlowRequestTest : protected SlowDisk, public KafkaServerTest {
 protected:
  SlowRequestTest() : KafkaServerTest(disk_) { serve(kSlowMs); }

  void serve(int64_t slow_ms) {
    server_.reset();
    KafkaServerOptions options;
    options.slow_request_ms = slow_ms;
    server_ = *KafkaServer::start(options, *log_, *runtime_);
  }
  static int64_t slow(std::string_view api, std::string_view stage) {
    return counter("millstream_kafka_slow_requests_total", "api=\"" + std::string(api) + "\",stage=\"" + std::string(stage) + "\"").get();
  }
  static int64_t slow(std::string_view api) {
    int64_t sum = 0;
    for (const char* stage : {"read", "queue", "work", "log", "send"}) sum += slow(api, stage);
    return sum;
  }
  static int64_t answered(std::string_view api) {
    return histogram("millstream_kafka_request_seconds", "api=\"" + std::string(api) + "\"").count();
  }
  // An answer is counted when the system has taken it, which may be after the client has it.
  static void wait_for(const std::function<bool()>& condition) {
    const int64_t deadline = system_clock().steady_us() + 30 * kMicrosPerSecond;
    while (!condition() && system_clock().steady_us() < deadline) std::this_thread::yield();
    EXPECT_TRUE(condition());
  }
  static ProduceRequest produce_of(std::string_view value) {
    ProduceRequest request;
    request.acks = -1;
    request.topic_data.push_back({.name = "t"});
    request.topic_data[0].partition_data.emplace_back().records.parts.push_back(Slice::copy(batch_of(value)));
    return request;
  }
  static FetchRequest fetch_of(int32_t max_wait_ms) {
    FetchRequest request;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 64 << 20;
    request.topics.push_back({.topic = "t"});
    request.topics[0].partitions.push_back({.partition = 0, .fetch_offset = 0, .partition_max_bytes = 64 << 20});
    return request;
  }
  static CreateTopicsRequest create_of(const std::string& name) {
    CreateTopicsRequest request;
    request.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = 1});
    return request;
  }
};

TEST_F(SlowRequestTest, TheDiskIsTheLogStage) {
  const int64_t before = slow("Produce", "log");
  Client client(server_->port());
  slow_disk_ = true;
  auto request = produce_of("v");
  EXPECT_EQ(client.call<ProduceResponse>(request, 9).responses[0].partition_responses[0].error_code, 0);
  wait_for([&] { return slow("Produce", "log") > before; });
}

TEST_F(SlowRequestTest, WhatWaitsBehindAnotherIsQueued) {
  const int64_t queued = slow("CreateTopics", "queue"), worked = slow("CreateTopics", "work");
  Client first(server_->port()), second(server_->port());
  sync_us_ = 8 * kDelayUs;  // longer than the second one's own sync takes
  slow_disk_ = true;
  auto one = create_of("one"), two = create_of("two");
  first.ask(one, 5);
  syncing_.wait();
  EXPECT_EQ(second.call<CreateTopicsResponse>(two, 5).topics[0].error_code, 0);
  EXPECT_EQ(first.receive<CreateTopicsResponse>(5).topics[0].error_code, 0);
  wait_for([&] { return slow("CreateTopics", "queue") > queued && slow("CreateTopics", "work") > worked; });
}

TEST_F(SlowRequestTest, AFrameThatComesInPiecesIsRead) {
  const int64_t before = slow("Metadata", "read");
  Client client(server_->port());
  MetadataRequest request;
  const std::string body = Client::request_bytes(request, 9, 1);
  const uint32_t size = htonl(static_cast<uint32_t>(body.size()));
  client.send_raw(std::string(reinterpret_cast<const char*>(&size), 4) + body.substr(0, 5));
  let_time_pass();
  client.send_raw(body.substr(5));
  client.receive<MetadataResponse>(9);
  wait_for([&] { return slow("Metadata", "read") > before; });
}

TEST_F(SlowRequestTest, AClientThatDoesNotReadIsSending) {
  Client client(server_->port());
  for (int i = 0; i < 30; ++i) {
    auto request = produce_of(std::string(900'000, 'x'));
    ASSERT_EQ(client.call<ProduceResponse>(request, 9).responses[0].partition_responses[0].error_code, 0);
  }
  const int64_t before = slow("Fetch", "send");
  auto request = fetch_of(0);
  client.ask(request, 12);
  let_time_pass();
  let_time_pass();
  EXPECT_GT(client.receive<FetchResponse>(12).responses[0].partitions[0].records.bytes(), 20u << 20);
  wait_for([&] { return slow("Fetch", "send") > before; });
}

TEST_F(SlowRequestTest, ALongPollIsNotSlow) {
  serve(400);
  const int64_t before = slow("Fetch"), all = answered("Fetch");
  Client client(server_->port());
  auto request = fetch_of(800);
  client.call<FetchResponse>(request, 12);
  wait_for([&] { return answered("Fetch") == all + 1; });
  EXPECT_EQ(slow("Fetch"), before);
}

TEST_F(SlowRequestTest, TrafficIsCountedByTopic) {
  const std::string label = "topic=\"t\"";
  const auto at = [&](const char* what) { return counter(std::string("millstream_kafka_topic_") + what + "_total", label).get(); };
  const int64_t in = at("in_records"), in_bytes = at("in_bytes"), out = at("out_records"), out_bytes = at("out_bytes");
  Client client(server_->port());
  auto request = produce_of("v");
  const std::string batch = batch_of("v", 3);
  request.topic_data[0].partition_data[0].records.parts = {Slice::copy(batch)};
  client.call<ProduceResponse>(request, 9);
  auto fetch = fetch_of(0);
  client.call<FetchResponse>(fetch, 12);
  EXPECT_EQ(at("in_records"), in + 3);
  EXPECT_EQ(at("out_records"), out + 3);
  EXPECT_EQ(at("in_bytes"), in_bytes + static_cast<int64_t>(batch.size()));
  EXPECT_EQ(at("out_bytes"), out_bytes + static_cast<int64_t>(batch.size()));
}

}  // namespace
}  // namespace ms::kafka
