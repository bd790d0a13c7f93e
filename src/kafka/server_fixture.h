// A server on a free port over a real log, and a client that speaks to it message by message.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/metrics.h"
#include "base/rng.h"
#include "codec/record_batch.h"
#include "kafka/error_code.h"
#include "kafka/kafka_server.h"
#include "kafka/messages/all.h"
#include "kafka/request.h"

namespace ms::kafka {

class Client {
 public:
  explicit Client(uint16_t port, int family = AF_INET) : fd_(socket(family, SOCK_STREAM, 0)) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    const bool is_v4 = family == AF_INET;
    EXPECT_EQ(connect(fd_, is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6), is_v4 ? sizeof v4 : sizeof v6), 0);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }

  void send_raw(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void send_frame(std::string_view body) {
    const uint32_t size = htonl(static_cast<uint32_t>(body.size()));
    send_raw(std::string(reinterpret_cast<const char*>(&size), 4) + std::string(body));
  }
  // nullopt: the server has closed the connection.
  std::optional<std::string> receive_frame() {
    uint32_t size;
    if (!read_all(&size, 4)) return std::nullopt;
    std::string body(ntohl(size), '\0');
    if (!read_all(body.data(), body.size())) return std::nullopt;
    return body;
  }
  template <class Request>
  void ask(Request& request, int16_t version, int32_t correlation = 1) {
    send_frame(request_bytes(request, version, correlation));
  }
  template <class Response>
  Response receive(int16_t version, int32_t correlation = 1) {
    Response response;
    const auto body = receive_frame();
    if (!body) return ADD_FAILURE() << "closed", response;
    const bool flexible = Response::kApi.is_flexible(version);
    Decoder in(Slice::copy(*body), version, flexible);
    int32_t got;
    in.value(got);
    EXPECT_EQ(got, correlation);
    if (flexible && Response::kApi.key != 18) in.skip_tags();
    response.code(in);
    EXPECT_TRUE(in.ok() && in.at_end());
    return response;
  }
  template <class Response, class Request>
  Response call(Request& request, int16_t version) {
    ask(request, version);
    return receive<Response>(version);
  }
  bool closed() { return !receive_frame(); }

  template <class Request>
  static std::string request_bytes(Request& request, int16_t version, int32_t correlation, const std::string& client_id = "test") {
    const bool flexible = Request::kApi.is_flexible(version);
    Encoder header(version, false);
    header.value(Request::kApi.key);
    header.value(version);
    header.value(correlation);
    header.value(client_id);
    if (flexible) header.no_tags();
    Encoder body(version, flexible);
    request.code(body);
    return header.take_bytes() + body.take_bytes();
  }

 private:
  bool read_all(void* into, size_t count) {
    auto* at = static_cast<char*>(into);
    while (count > 0) {
      const ssize_t n = read(fd_, at, count);
      if (n <= 0) return false;
      at += n;
      count -= static_cast<size_t>(n);
    }
    return true;
  }
  int fd_;
};

inline std::string batch_of(std::string_view value, int32_t records = 1) {
  std::vector<RecordToWrite> list(static_cast<size_t>(records));
  for (auto& r : list) r.timestamp_ms = 1'700'000'000'000, r.value = value;
  return *build_record_batch({}, list);
}

class KafkaServerTest : public ::testing::Test {
 protected:
  explicit KafkaServerTest(FileSystem& fs = posix_file_system()) : dir_(std::filesystem::temp_directory_path() / ("ms-kafka-" + random_uuid().to_string())) {
    runtime_ = *io::IoRuntime::start({.threads = 2});
    log_ = *log::Log::open(log::by_hand({.dir = dir_.string(), .fs = &fs, .clock = &system_clock()}));
    serve({});
    id_ = log_->create_topic("t", 2, {})->id;
  }
  ~KafkaServerTest() override {
    server_->stop();
    static_cast<void>(log_->close());
    server_.reset();
    log_.reset();
    runtime_.reset();
    std::filesystem::remove_all(dir_);
  }

  void serve(KafkaServerOptions options) {
    server_.reset();
    options.group_initial_rebalance_delay_ms = 0;
    options.request_bytes_max = 1 << 20;
    server_ = *KafkaServer::start(std::move(options), *log_, *runtime_);
  }
  static int64_t refused(std::string_view reason) {
    return counter("millstream_kafka_requests_refused_total", "reason=\"" + std::string(reason) + "\"").get();
  }

  static ProduceRequest produce_of(std::string topic, int32_t partition, std::string_view batch, int16_t acks = -1) {
    ProduceRequest request;
    request.acks = acks;
    auto& data = request.topic_data.emplace_back();
    data.name = std::move(topic);
    auto& p = data.partition_data.emplace_back();
    p.index = partition;
    p.records.parts.push_back(Slice::copy(batch));
    return request;
  }
  ProduceResponse::Response::PartitionResponse produce(Client& client, std::string_view batch, int16_t version = 9, std::string topic = "t", int32_t partition = 0) {
    auto request = produce_of(std::move(topic), partition, batch);
    request.topic_data[0].topic_id = id_;
    return client.call<ProduceResponse>(request, version).responses.at(0).partition_responses.at(0);
  }
  FetchRequest fetch_of(int64_t offset, int32_t max_wait_ms, int32_t min_bytes = 1) const {
    FetchRequest request;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = min_bytes;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    topic.topic_id = id_;
    topic.partitions.push_back({.partition = 0, .fetch_offset = offset, .partition_max_bytes = 1 << 20});
    return request;
  }

  std::filesystem::path dir_;
  std::unique_ptr<io::IoRuntime> runtime_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<KafkaServer> server_;
  TopicId id_;
};

}  // namespace ms::kafka
