// Any bytes as the frames of one connection, into the real broker over a log in memory: every request through its handler.
// Each answer must decode as what was asked for, in the order of the requests, and stopping must end whatever still waits.
//
// Input: one byte of flags, then frames, each a little-endian uint16 length and so many bytes. Flag 1: the record batches
// of Produce requests get the length, magic and CRC they should have, so that the log takes them.
#include <cstring>
#include <deque>
#include <semaphore>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/testing/crash_file_system.h"
#include "codec/record_batch.h"
#include "kafka/connection.h"
#include "kafka/messages/all.h"

namespace {

using namespace ms;
using namespace ms::kafka;

constexpr size_t kFramesMax = 16;
constexpr std::chrono::milliseconds kPatience{5};  // then what has not been answered is left to stop

template <class T>
T big_endian(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return sizeof value == 2 ? static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value))) : static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
}

// The client's end: sees what is sent, and lets the fuzzer wait for it.
class Peer final : public io::Connection {
 public:
  explicit Peer(io::IoThread& thread) : thread_(thread) {}

  io::IoThread& thread() override { return thread_; }
  const std::string& peer() const override { return name_; }
  const io::PeerSecurity& security() const override { return security_; }
  size_t unsent_bytes() const override { return 0; }
  void pause_reading() override {}
  void resume_reading() override {}
  void close() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  void send(std::vector<Slice> parts) override {
    std::string frame;
    for (const Slice& part : parts) frame.append(part.view());
    const std::lock_guard lock(mutex_);
    check_answer(frame);
    changed_.notify_all();
  }

  void expect(const RequestHeader& header) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(header);
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return closed_ || asked_.empty(); });
  }

 private:
  void check_answer(const std::string& frame) {
    CHECK(frame.size() >= 8 && big_endian<uint32_t>(reinterpret_cast<const uint8_t*>(frame.data())) == frame.size() - 4);
    const auto correlation = big_endian<int32_t>(reinterpret_cast<const uint8_t*>(frame.data()) + 4);
    while (!asked_.empty() && asked_.front().correlation != correlation) asked_.pop_front();  // acks=0 gets no answer
    CHECK(!asked_.empty());
    const RequestHeader header = asked_.front();
    asked_.pop_front();
    const Slice body = Slice::copy(std::string_view(frame).substr(8));
    for_each_api([&]<class Request, class Response>() {
      if (Response::kApi.key != header.api_key) return;
      const bool known = header.version >= Request::kApi.min_version && header.version <= Request::kApi.max_version;
      const int16_t version = known ? header.version : int16_t{0};
      Decoder in(body, version, Response::kApi.is_flexible(version));
      if (Response::kApi.is_flexible(version) && Response::kApi.key != ApiVersionsRequest::kApi.key) in.skip_tags();
      Response response;
      response.code(in);
      CHECK(in.ok() && in.at_end());
    });
  }

  io::IoThread& thread_;
  const std::string name_ = "127.0.0.1:1";
  const io::PeerSecurity security_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::deque<RequestHeader> asked_;
};

// One broker with one topic, as new for every input, so that an input alone says what happens.
class Node {
 public:
  explicit Node(io::IoRuntime& runtime)
      : fs_(1), log_(std::move(log::Log::open(log_options(fs_)).value())), broker_(options(), *log_, runtime) {
    CHECK(log_->create_topic("t", 2, {}));
    listener_ = log_->add_listener([this](std::span<const TopicPartition> touched) { broker_.waiters.notify(touched); });
  }
  ~Node() {
    log_->remove_listener(listener_);
    broker_.worker.stop();
    broker_.coordinator.stop();
    broker_.waiters.close();
    CHECK(broker_.alive->wait_for_none(std::chrono::seconds(20)));
    CHECK(log_->close());
  }
  Broker& broker() { return broker_; }

 private:
  static KafkaServerOptions options() {
    KafkaServerOptions o;
    o.group_initial_rebalance_delay_ms = 0;
    return o;
  }
  static log::LogOptions log_options(FileSystem& fs) {
    return log::by_hand({.dir = "/log", .fs = &fs, .clock = &system_clock(), .wal_segment_bytes = 1u << 20, .partitions_max = 1'000});
  }
  ms::testing::CrashFileSystem fs_;
  std::unique_ptr<log::Log> log_;
  Broker broker_;
  uint64_t listener_ = 0;
};

void mend_batch(uint8_t* at, size_t size) {
  if (size < kBatchHeaderBytes) return;
  const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(size - 12));
  std::memcpy(at + 8, &length, 4);
  at[16] = 2;
  const uint32_t crc = __builtin_bswap32(crc32c({at + 21, size - 21}));
  std::memcpy(at + 17, &crc, 4);
}

// A frame as the server would read it, in a block of its own, its correlation id replaced by its number.
io::Frame frame_of(std::span<const uint8_t> bytes, int32_t number, bool mend, Peer& peer) {
  auto block = std::make_shared_for_overwrite<uint8_t[]>(bytes.size());
  std::ranges::copy(bytes, block.get());
  uint8_t* at = block.get();
  Slice frame(std::move(block), at, bytes.size());
  if (bytes.size() < 8) return {frame, {}};
  const uint32_t correlation = __builtin_bswap32(static_cast<uint32_t>(number));
  std::memcpy(at + 4, &correlation, 4);
  const RequestHeader header = *peek_header(frame);
  peer.expect(header);
  if (!mend || header.api_key != ProduceRequest::kApi.key || header.version > ProduceRequest::kApi.max_version || header.version < 0) return {frame, {}};
  const bool flexible = ProduceRequest::kApi.is_flexible(header.version);
  const auto parsed = parse_request(frame, flexible);
  if (!parsed) return {frame, {}};
  ProduceRequest request;
  Decoder in(parsed->body, header.version, flexible);
  request.code(in);
  for (const auto& topic : request.topic_data)
    for (const auto& partition : topic.partition_data)
      for (const Slice& part : partition.records.parts) mend_batch(at + (part.data() - frame.data()), part.size());
  return {frame, {}};
}

void feed(KafkaConnection& connection, std::span<const uint8_t> input, Peer& peer) {
  const bool mend = input[0] & 1;
  input = input.subspan(1);
  for (int32_t number = 0; input.size() >= 2 && number < static_cast<int32_t>(kFramesMax) && !peer.closed(); ++number) {
    const size_t size = std::min<size_t>(input[0] | input[1] << 8, input.size() - 2);
    connection.on_frame(frame_of(input.subspan(2, size), number, mend, peer));
    input = input.subspan(2 + size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const auto runtime = io::IoRuntime::start({.threads = 1}).value();
  Node node(*runtime);
  auto& thread = runtime->thread(0);
  auto peer = std::make_shared<Peer>(thread);
  auto connection = std::make_shared<KafkaConnection>(node.broker(), peer, std::make_shared<AdvertisedAddress>("127.0.0.1", 9092));
  std::binary_semaphore fed(0), over(0);
  thread.post([&] { feed(*connection, {data, size}, *peer), fed.release(); });
  fed.acquire();
  peer->wait();
  thread.post([&] { connection->on_closed(), connection.reset(), over.release(); });
  over.acquire();
  return 0;
}
