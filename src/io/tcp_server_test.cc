#include "io/tcp_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <future>
#include <mutex>

#include "base/clock.h"
#include "base/metrics.h"
#include "io/buffer_pool.h"
#include "io/endpoint.h"
#include "io/testing/certificates.h"

namespace ms::io {
namespace {

// Sends every frame back.
class Echo final : public FrameHandler {
 public:
  Echo(std::shared_ptr<Connection> connection, std::atomic<int>& closed) : connection_(std::move(connection)), closed_(closed) {}
  void on_frame(Frame frame) override {
    connection_->settle();
    const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(frame.bytes.size()));
    connection_->send({Slice::copy(std::span(reinterpret_cast<const uint8_t*>(&length), 4)), frame.bytes});
  }
  void on_sent() override {}
  void on_closed() override { ++closed_; }

 private:
  std::shared_ptr<Connection> connection_;
  std::atomic<int>& closed_;
};

int connect_to(uint16_t port, int family = AF_INET) {
  const int fd = socket(family, SOCK_STREAM, 0);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = in6addr_loopback;
  const bool is_v4 = family == AF_INET;
  const auto* to = is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  return connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) == 0 ? fd : -1;
}

std::string framed(std::string_view body) {
  const uint32_t length = htonl(static_cast<uint32_t>(body.size()));
  return std::string(reinterpret_cast<const char*>(&length), 4) + std::string(body);
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    ASSERT_GT(n, 0);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

std::string read_exactly(int fd, size_t count) {
  std::string out(count, '\0');
  for (size_t got = 0; got < count;) {
    const ssize_t n = read(fd, out.data() + got, count - got);
    if (n <= 0) return out.substr(0, got);
    got += static_cast<size_t>(n);
  }
  return out;
}

class TcpServerTest : public ::testing::Test {
 protected:
  void start(TcpServerOptions options) {
    runtime_ = *IoRuntime::start({.threads = 2});
    server_ = *TcpServer::start(options, *runtime_, [this](std::shared_ptr<Connection> c) { return std::make_shared<Echo>(std::move(c), closed_); });
  }
  static int64_t rejections(std::string_view reason) {
    return counter("millstream_tcp_rejected_total", "reason=\"" + std::string(reason) + "\"").get();
  }
  std::atomic<int> closed_{0};
  std::unique_ptr<IoRuntime> runtime_;
  std::unique_ptr<TcpServer> server_;
};

TEST_F(TcpServerTest, EchoesFramesOfEverySizeHoweverTheyArrive) {
  start({});
  const int fd = connect_to(server_->port());
  ASSERT_GE(fd, 0);
  std::string all;
  for (const size_t size : {0u, 1u, 3u, 4u, 100u, 8187u, 8188u, 8189u, 8192u, 20'000u, 300'000u, 1'500'000u, 7u})
    all += framed(std::string(size, static_cast<char>('a' + size % 26)));
  std::thread writer([&] {
    size_t at = 0;
    for (size_t piece = 1; at < all.size(); piece = piece * 3 % 70'001 + 1) {
      const size_t n = std::min(piece, all.size() - at);
      write_all(fd, std::string_view(all).substr(at, n));
      at += n;
    }
  });
  EXPECT_TRUE(read_exactly(fd, all.size()) == all);
  writer.join();
  close(fd);
}

TEST_F(TcpServerTest, AClientThatReadsLateGetsEveryByte) {
  start({});
  const int fd = connect_to(server_->port());
  ASSERT_GE(fd, 0);
  std::string all;  // more than the sockets' buffers hold, so that the server's writes are put off
  for (size_t i = 0; i < 2'000; ++i) all += framed(std::string(10'000 + i, static_cast<char>('a' + i % 26)));
  write_all(fd, all);
  EXPECT_TRUE(read_exactly(fd, all.size()) == all);
  close(fd);
}

TEST_F(TcpServerTest, OversizedFrameEndsTheConnectionOnly) {
  start({.frame_bytes_max = 1000});
  const int64_t before = rejections("oversized");
  const int bad = connect_to(server_->port()), good = connect_to(server_->port());
  write_all(bad, framed("fine") + std::string("\x7f\xff\xff\xff more", 9));
  EXPECT_EQ(read_exactly(bad, 100), framed("fine"));  // then the end
  EXPECT_EQ(rejections("oversized"), before + 1);
  write_all(good, framed("still"));
  EXPECT_EQ(read_exactly(good, 9), framed("still"));
  close(bad), close(good);
}

// The handler says no before there is memory for the frame: others get in, though one frame is all that fits.
TEST_F(TcpServerTest, ARefusedLengthHoldsNoMemory) {
  class Picky final : public FrameHandler {
   public:
    explicit Picky(Echo echo) : echo_(std::move(echo)) {}
    Admission admits(size_t frame_bytes) override { return frame_bytes <= 100 ? Admission::kKnown : Admission::kRefused; }
    void on_frame(Frame frame) override { echo_.on_frame(std::move(frame)); }
    void on_sent() override {}
    void on_closed() override { echo_.on_closed(); }

   private:
    Echo echo_;
  };
  runtime_ = *IoRuntime::start({.threads = 2});
  server_ = *TcpServer::start({.memory_bytes_max = 200}, *runtime_, [this](std::shared_ptr<Connection> c) { return std::make_shared<Picky>(Echo(std::move(c), closed_)); });
  const int good = connect_to(server_->port());
  for (int i = 0; i < 3; ++i) {
    const int bad = connect_to(server_->port());
    write_all(bad, std::string("\0\0\0\x65", 4));  // 101, of which nothing comes
    EXPECT_EQ(read_exactly(bad, 1), "");
    write_all(good, framed(std::string(100, 'x')));
    EXPECT_EQ(read_exactly(good, 104).size(), 104u);
    close(bad);
  }
  close(good);
}

// Whatever strangers hold, others have their memory, and the other way round; and a stranger's small frame needs none.
TEST_F(TcpServerTest, StrangersHaveMemoryOfTheirOwn) {
  class Door final : public FrameHandler {
   public:
    explicit Door(Echo echo) : echo_(std::move(echo)) {}
    Admission admits(size_t) override { return known_ ? Admission::kKnown : Admission::kStranger; }
    void on_frame(Frame frame) override {
      known_ |= frame.bytes.view() == "sesame";
      echo_.on_frame(std::move(frame));
    }
    void on_sent() override {}
    void on_closed() override { echo_.on_closed(); }

   private:
    Echo echo_;
    bool known_ = false;
  };
  runtime_ = *IoRuntime::start({.threads = 2});
  server_ = *TcpServer::start({.memory_bytes_max = 100'000, .strangers_bytes_max = 20'000}, *runtime_,
                              [this](std::shared_ptr<Connection> c) { return std::make_shared<Door>(Echo(std::move(c), closed_)); });
  const auto exchange = [](int fd, const std::string& body) {
    write_all(fd, framed(body));
    return read_exactly(fd, body.size() + 4) == framed(body);
  };
  const int known = connect_to(server_->port()), holder = connect_to(server_->port()), stranger = connect_to(server_->port());
  ASSERT_TRUE(exchange(known, "sesame"));
  const std::string announced = framed(std::string(20'000, 'x')), all = framed(std::string(100'000, 'x'));
  write_all(holder, announced.substr(0, 5));
  EXPECT_TRUE(exchange(known, std::string(100'000, 'y')));
  EXPECT_TRUE(exchange(stranger, std::string(kSmallFrameBytes, 'z')));
  write_all(holder, announced.substr(5));
  EXPECT_EQ(read_exactly(holder, announced.size()), announced);
  write_all(known, all.substr(0, 5));
  EXPECT_TRUE(exchange(holder, std::string(20'000, 'z')) && exchange(stranger, std::string(15'000, 'z')));
  write_all(known, all.substr(5));
  EXPECT_EQ(read_exactly(known, all.size()), all);
  close(known), close(holder), close(stranger);
}

TEST_F(TcpServerTest, PeersOfBothFamilies) {
  EXPECT_EQ(host_of_peer("[::1]:4000"), "::1");
  for (const char* host : {"127.0.0.1", "::1"}) {
    const bool v4 = host == std::string("127.0.0.1");
    runtime_ = *IoRuntime::start({.threads = 1});
    std::promise<std::string> peer;
    auto server = TcpServer::start({.host = host}, *runtime_, [&](std::shared_ptr<Connection> c) {
      peer.set_value(c->peer());
      return std::make_shared<Echo>(std::move(c), closed_);
    });
    if (!server && !v4) GTEST_SKIP() << "this machine has no IPv6";
    const int fd = connect_to((*server)->port(), v4 ? AF_INET : AF_INET6);
    const auto endpoint = parse_endpoint(peer.get_future().get());
    ASSERT_TRUE(endpoint);
    EXPECT_EQ(endpoint->host, host);
    close(fd);
    (*server)->stop();
  }
}

// Whoever holds all memory with a frame that does not come makes way for those that wait.
TEST_F(TcpServerTest, AnAnnouncedFrameThatDoesNotComeMakesWay) {
  start({.memory_bytes_max = 1000, .frame_timeout_us = 3600 * kMicrosPerSecond, .stall_timeout_us = kMicrosPerSecond / 100});
  const int64_t before = rejections("stalled");
  const int bad = connect_to(server_->port());
  write_all(bad, std::string("\0\0\3\xe8", 4) + "a");
  const int good = connect_to(server_->port());
  char byte = 0;
  do {  // as soon as the announcement has been read, the next frame has to wait for its end
    write_all(good, framed("hello"));
    ASSERT_EQ(read_exactly(good, 9), framed("hello"));
  } while (recv(bad, &byte, 1, MSG_DONTWAIT) != 0);
  EXPECT_EQ(rejections("stalled"), before + 1);
  close(bad), close(good);
}

// Its bytes keep coming, one for each answer that somebody else gets.
TEST_F(TcpServerTest, AFrameThatDripsInIsCutOff) {
  start({.frame_timeout_us = kMicrosPerSecond / 100});
  const int64_t slow = rejections("slow"), others = rejections("idle") + rejections("stalled");
  const int bad = connect_to(server_->port()), good = connect_to(server_->port());
  write_all(bad, std::string("\6\0\0\0", 4));  // 96 MiB
  char byte = 0;
  while (recv(bad, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
    send(bad, "x", 1, MSG_NOSIGNAL);
    write_all(good, framed("hello"));
    ASSERT_EQ(read_exactly(good, 9), framed("hello"));
  }
  EXPECT_EQ(rejections("slow"), slow + 1);
  EXPECT_EQ(rejections("idle") + rejections("stalled"), others);
  close(bad), close(good);
}

TEST_F(TcpServerTest, AConnectionOnWhichNothingMovesIsCutOff) {
  start({.idle_timeout_us = kMicrosPerSecond / 100});
  const int64_t idle = rejections("idle"), slow = rejections("slow");
  const int silent = connect_to(server_->port()), half = connect_to(server_->port());
  write_all(half, std::string("\0\0\0\5he", 6));
  EXPECT_EQ(read_exactly(half, 1), "");
  EXPECT_EQ(read_exactly(silent, 1), "");
  EXPECT_EQ(rejections("idle"), idle + 2);
  EXPECT_EQ(rejections("slow"), slow);
  close(silent), close(half);
}

TEST_F(TcpServerTest, WhoComesTooOftenIsTurnedAwayUnread) {
  std::atomic<int> asked{0};
  start(
      {.refuse_for_ms = [&asked](const std::string& address) { return address == "127.0.0.1" && ++asked > 1 ? int64_t{1} : int64_t{0}; }});
  const int64_t before = rejections("connection_rate");
  const int first = connect_to(server_->port());
  write_all(first, framed("x"));
  ASSERT_EQ(read_exactly(first, 5), framed("x"));
  const int second = connect_to(server_->port());
  EXPECT_EQ(read_exactly(second, 1), "");
  EXPECT_EQ(rejections("connection_rate"), before + 1);
  write_all(first, framed("y"));
  EXPECT_EQ(read_exactly(first, 5), framed("y"));
  close(first), close(second);
}

TEST_F(TcpServerTest, ALengthThatDripsInIsCutOff) {
  start({.idle_timeout_us = 3600 * kMicrosPerSecond, .frame_timeout_us = kMicrosPerSecond / 100});
  const int64_t before = rejections("slow");
  const int bad = connect_to(server_->port());
  write_all(bad, std::string("\0\0\0", 3));
  EXPECT_EQ(read_exactly(bad, 1), "");
  EXPECT_EQ(rejections("slow"), before + 1);
  close(bad);
}

TEST_F(TcpServerTest, ConnectionLimit) {
  start({.connections_max = 1});
  const int64_t before = rejections("connections");
  const int first = connect_to(server_->port());
  write_all(first, framed("x"));
  ASSERT_EQ(read_exactly(first, 5), framed("x"));
  const int second = connect_to(server_->port());
  EXPECT_EQ(read_exactly(second, 1), "");  // closed at once
  EXPECT_EQ(rejections("connections"), before + 1);
  close(first), close(second);
}

TEST_F(TcpServerTest, ANewConnectionTakesThePlaceOfTheOldestThatHasSentNothing) {
  start({.connections_max = 3});
  const int known = connect_to(server_->port());
  write_all(known, framed("x"));
  ASSERT_EQ(read_exactly(known, 5), framed("x"));
  const int silent = connect_to(server_->port()), later = connect_to(server_->port()), newest = connect_to(server_->port());
  EXPECT_EQ(read_exactly(silent, 1), "");
  for (const int fd : {known, later, newest}) {
    write_all(fd, framed("still"));
    EXPECT_EQ(read_exactly(fd, 9), framed("still"));
  }
  for (const int fd : {known, silent, later, newest}) close(fd);
}

// Frames that somebody works on, with their part of the memory.
class Hoard {
 public:
  void keep(Frame frame) {
    const std::lock_guard lock(mutex_);
    frames_.push_back(std::move(frame));
    ++count_;
    changed_.notify_all();
  }
  size_t size() {
    const std::lock_guard lock(mutex_);
    return frames_.size();
  }
  // Lets them go as they come, until there were so many.
  void release_until(size_t count) {
    std::unique_lock lock(mutex_);
    while (count_ < count || !frames_.empty()) {
      changed_.wait(lock, [&] { return !frames_.empty() || count_ >= count; });
      frames_.clear();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Frame> frames_;
  size_t count_ = 0;
};

TEST_F(TcpServerTest, OneConnectionDoesNotHoldAllMemory) {
  class Keeper final : public FrameHandler {
   public:
    Keeper(Echo echo, Hoard& hoard) : echo_(std::move(echo)), hoard_(hoard) {}
    void on_frame(Frame frame) override {
      if (frame.bytes.view().starts_with('e')) echo_.on_frame(std::move(frame));
      else hoard_.keep(std::move(frame));
    }
    void on_sent() override {}
    void on_closed() override { echo_.on_closed(); }

   private:
    Echo echo_;
    Hoard& hoard_;
  };
  Hoard hoard;
  runtime_ = *IoRuntime::start({.threads = 2});
  server_ = *TcpServer::start({.memory_bytes_max = 1000, .connection_memory_bytes_max = 300}, *runtime_,
                              [&](std::shared_ptr<Connection> c) { return std::make_shared<Keeper>(Echo(std::move(c), closed_), hoard); });
  const int greedy = connect_to(server_->port()), other = connect_to(server_->port());
  for (int i = 0; i < 20; ++i) write_all(greedy, framed(std::string(100, 'k')));
  for (int i = 0; i < 20; ++i) {
    write_all(other, framed(std::string(100, 'e')));
    EXPECT_EQ(read_exactly(other, 104).size(), 104u);
  }
  EXPECT_LE(hoard.size(), 3u);
  hoard.release_until(20);
  close(greedy), close(other);
  server_->stop();
}

TEST_F(TcpServerTest, StopClosesConnectionsAndFreesThePort) {
  start({});
  const int fd = connect_to(server_->port());
  write_all(fd, framed("x"));
  ASSERT_EQ(read_exactly(fd, 5), framed("x"));
  const uint16_t port = server_->port();
  server_->stop();
  EXPECT_EQ(read_exactly(fd, 1), "");
  EXPECT_EQ(closed_, 1);
  close(fd);
  EXPECT_EQ(connect_to(port), -1);
}

TEST_F(TcpServerTest, PortInUseIsAConflict) {
  start({});
  auto again = TcpServer::start({.port = server_->port()}, *runtime_, [](std::shared_ptr<Connection>) { return nullptr; });
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kConflict);
}

// OpenSSL's own client on a blocking socket.
class TlsClient {
 public:
  explicit TlsClient(uint16_t port, const testing::Identity* identity = nullptr) : fd_(connect_to(port)), context_(SSL_CTX_new(TLS_client_method())) {
    if (identity) SSL_CTX_use_certificate(context_.get(), identity->certificate.get()), SSL_CTX_use_PrivateKey(context_.get(), identity->key.get());
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
  }
  ~TlsClient() { close(fd_); }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool shake_hands() { return SSL_connect(ssl_.get()) == 1; }
  void write(std::string_view bytes) { ASSERT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size())); }
  std::string read(size_t count) {
    std::string out(count, '\0');
    for (size_t got = 0; got < count;) {
      const int n = SSL_read(ssl_.get(), out.data() + got, static_cast<int>(count - got));
      if (n <= 0) return out.substr(0, got);
      got += static_cast<size_t>(n);
    }
    return out;
  }
  SSL* ssl() { return ssl_.get(); }
  int fd() const { return fd_; }

 private:
  const int fd_;
  testing::Owned<SSL_CTX> context_;
  testing::Owned<SSL> ssl_;
};

class TlsServerTest : public TcpServerTest {
 protected:
  void start_tls(TcpServerOptions options, ClientAuth auth = ClientAuth::kNone) {
    options.tls = *TlsCredentials::open(folder_.files(auth));
    start(std::move(options));
  }
  // Until the other side ends the connection.
  static void read_to_the_end(int fd) {
    char bytes[4096];
    while (::read(fd, bytes, sizeof bytes) > 0) {}
  }
  testing::CertificateFolder folder_;
};

TEST_F(TlsServerTest, EchoesFramesOfEverySize) {
  start_tls({});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server_->port());
    SSL_set_max_proto_version(client.ssl(), version);
    ASSERT_TRUE(client.shake_hands());
    for (const size_t size : {0u, 1u, 4u, 8187u, 8188u, 16'383u, 16'384u, 20'000u, 300'000u, 1'500'000u, 7u}) {
      const std::string frame = framed(std::string(size, static_cast<char>('a' + size % 26)));
      client.write(frame);
      EXPECT_TRUE(client.read(frame.size()) == frame) << size;
    }
  }
}

TEST_F(TlsServerTest, AClientThatReadsLateGetsEveryByte) {
  start_tls({});
  TlsClient client(server_->port());
  ASSERT_TRUE(client.shake_hands());
  std::string all;
  for (size_t i = 0; i < 2'000; ++i) all += framed(std::string(10'000 + i, static_cast<char>('a' + i % 26)));
  client.write(all);
  EXPECT_TRUE(client.read(all.size()) == all);
}

// Requests to change keys come between the frames; their answers mix with a write under way.
TEST_F(TlsServerTest, KeysChangeInMidStream) {
  start_tls({});
  TlsClient client(server_->port());
  ASSERT_TRUE(client.shake_hands());
  std::string all;
  for (size_t i = 0; i < 50; ++i) {
    const std::string frame = framed(std::string(100'000, static_cast<char>('a' + i % 26)));
    client.write(frame);
    all += frame;
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  }
  EXPECT_TRUE(client.read(all.size()) == all);
}

TEST_F(TlsServerTest, AHandshakeThatDoesNotEndIsCutOff) {
  start_tls({.handshake_timeout_us = kMicrosPerSecond / 100});
  const int64_t before = rejections("slow_handshake");
  const int silent = connect_to(server_->port()), half = connect_to(server_->port());
  write_all(half, std::string_view("\x16\x03\x01\x02\x00\x01", 6));
  read_to_the_end(silent), read_to_the_end(half);
  EXPECT_EQ(rejections("slow_handshake"), before + 2);
  close(silent), close(half);
}

TEST_F(TlsServerTest, AHandshakeThatIsTooLongIsCutOff) {
  start_tls({.handshake_bytes_max = 100});
  const int64_t before = rejections("tls_handshake");
  TlsClient client(server_->port());
  client.shake_hands();  // with TLS 1.3 a client is done before the server is
  read_to_the_end(client.fd());
  EXPECT_EQ(rejections("tls_handshake"), before + 1);
}

TEST_F(TlsServerTest, PlainTextIsToldFromTlsBothWays) {
  start_tls({});
  const int64_t before = rejections("plain_on_tls");
  const int plain = connect_to(server_->port());
  write_all(plain, framed("hello"));
  read_to_the_end(plain);
  close(plain);
  EXPECT_EQ(rejections("plain_on_tls"), before + 1);

  server_.reset();
  start({});
  const int64_t others = rejections("tls_on_plain");
  TlsClient client(server_->port());
  EXPECT_FALSE(client.shake_hands());
  EXPECT_EQ(rejections("tls_on_plain"), others + 1);
}

TEST_F(TlsServerTest, AConnectionEndsWithItsClientsCertificate) {
  const auto brief = testing::make_identity({.common_name = "brief", .to_s = 3}, &folder_.authority);
  start_tls({}, ClientAuth::kRequired);
  TlsClient client(server_->port(), &brief);
  ASSERT_TRUE(client.shake_hands());
  client.write(framed("hello"));
  ASSERT_EQ(client.read(9), framed("hello"));
  EXPECT_EQ(client.read(1), "");
  EXPECT_EQ(SSL_get_shutdown(client.ssl()), SSL_RECEIVED_SHUTDOWN) << "an orderly end";
  EXPECT_GE(rejections("certificate_expired"), 1);
}

TEST_F(TlsServerTest, StopsWithConnectionsInEveryState) {
  start_tls({});
  const int silent = connect_to(server_->port()), half = connect_to(server_->port());
  write_all(half, std::string_view("\x16\x03\x01\x02\x00\x01", 6));
  TlsClient open(server_->port());
  ASSERT_TRUE(open.shake_hands());
  open.write(framed("hello"));
  ASSERT_EQ(open.read(9), framed("hello"));
  server_->stop();
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(open.read(1), "");
  close(silent), close(half);
}

TEST(BufferPool, ClassesWasteAtMostAnEighthAndBlocksComeBack) {
  for (size_t size = 1; size < 3'000'000; size = size * 9 / 8 + 1) {
    const size_t bytes = class_bytes(size_class(size));
    EXPECT_GE(bytes, size);
    EXPECT_LE(bytes, size + size / 8 + 8) << size;
  }
  auto pool = BufferPool::create(1 << 20);
  Block a = pool->allocate(100'000);
  uint8_t* const data = a.data;
  a.owner.reset();
  EXPECT_GE(pool->idle_bytes(), 100'000u);
  EXPECT_EQ(pool->allocate(100'000).data, data);
  pool->allocate(4 << 20);
  EXPECT_LE(pool->idle_bytes(), 1u << 20);
}

TEST(MemoryBudget, AdmitsUpToItsSizeAndOneGiantAlone) {
  auto budget = std::make_shared<MemoryBudget>(100);
  auto a = budget->try_hold(60);
  ASSERT_TRUE(a);
  EXPECT_FALSE(budget->try_hold(41));
  EXPECT_TRUE(budget->try_hold(40));
  EXPECT_FALSE(budget->try_hold(1000));
  a.reset();
  EXPECT_TRUE(budget->try_hold(1000));
  EXPECT_EQ(budget->held(), 0u);
}

TEST(MemoryBudget, APartIsHeldOfTheWholeToo) {
  const auto whole = std::make_shared<MemoryBudget>(100);
  const auto mine = std::make_shared<MemoryBudget>(70, whole), yours = std::make_shared<MemoryBudget>(70, whole);
  auto a = mine->try_hold(60);
  ASSERT_TRUE(a);
  EXPECT_FALSE(mine->try_hold(20));
  EXPECT_FALSE(mine->fits(20));
  EXPECT_TRUE(yours->fits(50));
  EXPECT_FALSE(yours->try_hold(50));
  EXPECT_EQ(yours->held(), 0u);  // what the whole refuses is not held of the part
  a->shrink(10);
  EXPECT_EQ(whole->held(), 10u);
  EXPECT_TRUE(yours->try_hold(50));
  a.reset();
  EXPECT_EQ(whole->held() + mine->held() + yours->held(), 0u);
}

}  // namespace
}  // namespace ms::io
