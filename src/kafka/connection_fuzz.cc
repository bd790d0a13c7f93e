// Any bytes as the frames of one connection, into the real broker over a log in memory: every request through its handler.
// Each answer must decode as what was asked for, in the order of the requests, and stopping must end whatever still waits.
//
// Input: one byte of flags, then frames, each a little-endian uint16 length and so many bytes. Flag 1: the record batches
// of Produce requests get the length, magic and CRC they should have, so that the log takes them. Flag 2: the server has a
// user, alice with the password "secret", who may do everything, and takes the tokens of security/fuzz_keys.h. Flag 4: SCRAM's
// final messages get the server's nonce and the proof.
#include <unistd.h>

#include <cstring>
#include <deque>
#include <filesystem>
#include <semaphore>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "base/testing/crash_file_system.h"
#include "codec/record_batch.h"
#include "kafka/connection.h"
#include "kafka/messages/all.h"
#include "security/fuzz_keys.h"

namespace {

using namespace ms;
using namespace ms::kafka;

constexpr size_t kFramesMax = 16;
constexpr std::chrono::milliseconds kPatience{5};  // then what has not been answered is left to stop
constexpr std::chrono::seconds kLoginPatience{10};
constexpr uint8_t kMendBatches = 1, kUsers = 2, kMendProofs = 4;

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
  void pause_reading() override {
    const std::lock_guard lock(mutex_);
    paused_ = true;  // a login that fails is answered late
    changed_.notify_all();
  }
  void resume_reading() override {}
  void settle() override {}
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
  void expect_bare_answer() { expect({.api_key = kBare, .version = 0, .correlation = 0, .client_id = {}}); }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return closed_ || asked_.empty(); });
  }
  void wait_for_login() {
    std::unique_lock lock(mutex_);
    CHECK(changed_.wait_for(lock, kLoginPatience, [&] { return closed_ || paused_ || asked_.empty(); }));
  }
  // What the last SaslAuthenticate was answered.
  std::string challenge() const {
    const std::lock_guard lock(mutex_);
    return challenge_;
  }

 private:
  void check_answer(const std::string& frame) {
    CHECK(frame.size() >= 4 && big_endian<uint32_t>(reinterpret_cast<const uint8_t*>(frame.data())) == frame.size() - 4);
    const bool has_header = frame.size() >= 8;
    const auto correlation = has_header ? big_endian<int32_t>(reinterpret_cast<const uint8_t*>(frame.data()) + 4) : 0;
    while (!asked_.empty() && asked_.front().api_key != kBare && !(has_header && asked_.front().correlation == correlation)) asked_.pop_front();  // acks=0 gets no answer
    CHECK(!asked_.empty());
    const RequestHeader header = asked_.front();
    asked_.pop_front();
    if (header.api_key == kBare) return void(challenge_ = frame.substr(4));
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
      if constexpr (std::is_same_v<Response, SaslAuthenticateResponse>) challenge_ = response.auth_bytes.view();
    });
  }

  static constexpr int16_t kBare = -1;  // in place of an API: a token without a header

  io::IoThread& thread_;
  const std::string name_ = "127.0.0.1:1";
  const io::PeerSecurity security_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false, paused_ = false;
  std::string challenge_;
  std::deque<RequestHeader> asked_;
};

// Where the keys of tokens are.
class KeyFile {
 public:
  KeyFile() : path_(std::filesystem::temp_directory_path() / ("ms-connection-fuzz-" + std::to_string(::getpid()))) {
    CHECK(write_file_atomically(posix_file_system(), path_, security::kFuzzJwks));
  }
  ~KeyFile() { static_cast<void>(posix_file_system().remove(path_)); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

security::SecurityFile security_file() {
  static const KeyFile keys;
  static const auto credential = security::make_credential(security::ScramMechanism::kSha256, "secret", "0123456789abcdef", security::kIterationsMin);
  security::SecurityFile file;
  file.super_users = {"User:alice"};
  file.users["alice"][security::ScramMechanism::kSha256] = credential;
  file.oauth = security::fuzz_settings();
  file.oauth->jwks = keys.path();
  return file;
}

std::unique_ptr<security::Authority> authority_of(log::Log& log, bool users) {
  return users ? security::Authority::open(security_file(), log, nullptr).value() : nullptr;
}

// One broker with one topic, as new for every input, so that an input alone says what happens.
class Node {
 public:
  Node(io::IoRuntime& runtime, bool users)
      : fs_(1), log_(std::move(log::Log::open(log_options(fs_)).value())), authority_(authority_of(*log_, users)), broker_(options(authority_.get()), *log_, runtime) {
    if (authority_) authority_listener_ = authority_->add_listener([this] { broker_.connections.tell_all(); });
    CHECK(log_->create_topic("t", 2, {}));
    listener_ = log_->add_listener([this](std::span<const TopicPartition> touched) { broker_.waiters.notify(touched); });
  }
  ~Node() {
    log_->remove_listener(listener_);
    if (authority_) authority_->remove_listener(authority_listener_);
    broker_.worker.stop();
    broker_.logins.stop();
    if (authority_) authority_->oauth()->refuse_waiting();
    broker_.coordinator.stop();
    broker_.waiters.close();
    CHECK(broker_.alive->wait_for_none(std::chrono::seconds(20)));
    CHECK(log_->close());
  }
  Broker& broker() { return broker_; }

 private:
  static KafkaServerOptions options(security::Authority* authority) {
    KafkaServerOptions o;
    o.authority = authority;
    o.group_initial_rebalance_delay_ms = 0;
    return o;
  }
  static log::LogOptions log_options(FileSystem& fs) {
    return log::by_hand({.dir = "/log", .fs = &fs, .clock = &system_clock(), .wal_segment_bytes = 1u << 20, .partitions_max = 1'000});
  }
  ms::testing::CrashFileSystem fs_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<security::Authority> authority_;
  Broker broker_;
  uint64_t listener_ = 0, authority_listener_ = 0;
};

void mend_batch(uint8_t* at, size_t size) {
  if (size < kBatchHeaderBytes) return;
  const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(size - 12));
  std::memcpy(at + 8, &length, 4);
  at[16] = 2;
  const uint32_t crc = __builtin_bswap32(crc32c({at + 21, size - 21}));
  std::memcpy(at + 17, &crc, 4);
}

// Alice's side of SCRAM, for messages that only look like hers.
class Prover {
 public:
  // The message with the proof that the server wants, if it is a final one; else as it is.
  std::string mend(std::string message, const std::string& challenge) {
    constexpr std::string_view kFirst = "n,,n=alice,r=";
    if (message.starts_with(kFirst)) client_.emplace(security::ScramMechanism::kSha256, "alice", "secret", message.substr(kFirst.size()));
    if (!client_ || !message.starts_with("c=")) return message;
    return client_->answer(challenge).value_or(std::move(message));
  }

 private:
  std::optional<security::ScramClient> client_;
};

std::vector<uint8_t> mend_bare_proof(std::span<const uint8_t> bytes, Prover& prover, const std::string& challenge) {
  const std::string mended = prover.mend(std::string(bytes.begin(), bytes.end()), challenge);
  return {mended.begin(), mended.end()};
}

// A SaslAuthenticate whose message is mended, as new bytes; anything else as it is.
std::vector<uint8_t> mend_proof(std::span<const uint8_t> bytes, Prover& prover, const std::string& challenge) {
  std::vector<uint8_t> same(bytes.begin(), bytes.end());
  using Request = SaslAuthenticateRequest;
  const Slice frame = Slice::copy(bytes);
  const auto header = peek_header(frame);
  if (!header || header->api_key != Request::kApi.key || header->version < 0 || header->version > Request::kApi.max_version) return same;
  const bool flexible = Request::kApi.is_flexible(header->version);
  const auto parsed = parse_request(frame, flexible);
  if (!parsed) return same;
  Request request;
  Decoder in(parsed->body, header->version, flexible);
  request.code(in);
  if (!in.ok()) return same;
  request.auth_bytes = Slice::copy(prover.mend(std::string(request.auth_bytes.view()), challenge));
  Encoder out(header->version, flexible);
  request.code(out);
  const std::string body = out.take_bytes();
  same.resize(frame.size() - parsed->body.size());
  same.insert(same.end(), body.begin(), body.end());
  return same;
}

// A token after SaslHandshake 0, as it is.
io::Frame bare_frame_of(std::span<const uint8_t> bytes, Peer& peer) {
  peer.expect_bare_answer();
  return {Slice::copy(bytes), {}};
}

bool is_login(std::span<const uint8_t> frame) { return frame.size() >= 8 && big_endian<int16_t>(frame.data()) == SaslAuthenticateRequest::kApi.key; }

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

// Frames one after the other; whoever logs in waits for the answer, as clients do.
void feed(KafkaConnection& connection, io::IoThread& thread, std::span<const uint8_t> input, Peer& peer) {
  const uint8_t flags = input[0];
  Prover prover;
  input = input.subspan(1);
  for (int32_t number = 0; input.size() >= 2 && number < static_cast<int32_t>(kFramesMax) && !peer.closed(); ++number) {
    const size_t size = std::min<size_t>(input[0] | input[1] << 8, input.size() - 2);
    std::vector<uint8_t> bytes(input.begin() + 2, input.begin() + 2 + static_cast<ptrdiff_t>(size));
    std::binary_semaphore fed(0);
    bool bare = false;
    thread.post([&] {
      bare = connection.login().expects_bare_token();
      if (flags & kMendProofs) bytes = bare ? mend_bare_proof(bytes, prover, peer.challenge()) : mend_proof(bytes, prover, peer.challenge());
      if (connection.admits(bytes.size()) != io::Admission::kRefused)
        connection.on_frame(bare ? bare_frame_of(bytes, peer) : frame_of(bytes, number, flags & kMendBatches, peer));
      fed.release();
    });
    fed.acquire();
    if ((flags & kUsers) && (bare || is_login(bytes))) peer.wait_for_login();
    input = input.subspan(2 + size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  set_log_level(LogLevel::kError);
  static const std::string first = security::random_bytes(1);  // so that OpenSSL's own end comes after that of the threads that use it
  static const auto runtime = io::IoRuntime::start({.threads = 1}).value();
  Node node(*runtime, data[0] & kUsers);
  auto& thread = runtime->thread(0);
  auto peer = std::make_shared<Peer>(thread);
  std::shared_ptr<KafkaConnection> connection;
  std::binary_semaphore made(0), over(0);
  thread.post([&] { connection = KafkaConnection::make(node.broker(), peer, std::make_shared<AdvertisedAddress>("127.0.0.1", 9092)), made.release(); });
  made.acquire();
  feed(*connection, thread, {data, size}, *peer);
  peer->wait();
  thread.post([&] { connection->on_closed(), connection.reset(), over.release(); });
  over.acquire();
  return 0;
}
