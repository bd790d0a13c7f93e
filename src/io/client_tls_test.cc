// The blocking client over TLS, against our own listener: what it trusts, and that every byte arrives.
#include "io/client_tls.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "io/blocking_socket.h"
#include "io/tcp_server.h"
#include "io/testing/certificates.h"

namespace ms::io {
namespace {

class Echo final : public FrameHandler {
 public:
  explicit Echo(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  void on_frame(Frame frame) override { connection_->send({frame.bytes}); }
  void on_sent() override {}
  void on_closed() override { connection_.reset(); }

 private:
  std::shared_ptr<Connection> connection_;
};

class ClientTlsTest : public ::testing::Test {
 protected:
  void serve(const TlsFiles& files, const std::string& host = "127.0.0.1") {
    server_ = *TcpServer::start({.host = host, .tls = *TlsCredentials::open(files)}, *runtime_,
                                [](std::shared_ptr<Connection> c) { return std::make_shared<Echo>(std::move(c)); });
  }
  static int64_t deadline() { return system_clock().steady_us() + 30 * kMicrosPerSecond; }
  Result<BlockingSocket> connect(const ClientTlsFiles& files, const std::string& host = "127.0.0.1") {
    TRY_ASSIGN(tls_, ClientTls::load(files));
    return BlockingSocket::connect({host, server_->port()}, deadline(), tls_.get());
  }
  // What comes back of a frame of `body`; empty: the connection is lost.
  static std::string echo(BlockingSocket& socket, const std::string& body) {
    const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(body.size()));
    std::string in;
    if (!socket.write_all(std::string(reinterpret_cast<const char*>(&length), 4) + body, deadline())) return {};
    while (in.size() < body.size()) {
      const auto n = socket.read_some(in, deadline());
      if (!n || *n == 0) return {};
    }
    return in;
  }
  std::string text_of(const Result<BlockingSocket>& refused) { return refused ? "let in" : refused.error().message; }

  testing::CertificateFolder folder_;
  std::unique_ptr<IoRuntime> runtime_ = *IoRuntime::start({.threads = 1});
  std::unique_ptr<TcpServer> server_;
  std::shared_ptr<const ClientTls> tls_;
};

TEST_F(ClientTlsTest, EveryByteArrives) {
  serve(folder_.files());
  for (const char* host : {"127.0.0.1", "localhost"}) {
    auto socket = connect({.ca = folder_.path("ca.pem")}, host);
    ASSERT_TRUE(socket) << socket.error().message;
    for (const size_t size : {1u, 16'384u, 20'000u, 3'000'000u}) {
      const std::string body(size, static_cast<char>('a' + size % 26));
      EXPECT_TRUE(echo(*socket, body) == body) << size;
    }
    BlockingSocket moved = std::move(*socket);
    EXPECT_EQ(echo(moved, "still"), "still");
    moved.close();
    EXPECT_FALSE(moved.is_open());
  }
}

TEST_F(ClientTlsTest, OnlyCertificatesOfItsAuthoritiesAndForTheHostAreTrusted) {
  serve(folder_.files());
  const testing::CertificateFolder other;
  EXPECT_TRUE(text_of(connect({.ca = other.path("ca.pem")})).contains("the server's certificate is not trusted"));
  EXPECT_TRUE(text_of(connect({})).contains("the server's certificate is not trusted"));  // nor do the system's authorities know it
  serve(folder_.files(), "127.0.0.2");
  EXPECT_TRUE(text_of(connect({.ca = folder_.path("ca.pem")}, "127.0.0.2")).contains("IP address mismatch"));
}

TEST_F(ClientTlsTest, ItShowsItsOwnCertificateWhenItHasOne) {
  serve(folder_.files(ClientAuth::kRequired));
  const testing::Identity mine = testing::make_identity({.common_name = "me"}, &folder_.authority);
  folder_.write("me.pem", mine.certificate_pem());
  folder_.write("me.key", mine.key_pem());
  auto shown = connect({.ca = folder_.path("ca.pem"), .certificate = folder_.path("me.pem"), .key = folder_.path("me.key")});
  ASSERT_TRUE(shown) << shown.error().message;
  EXPECT_EQ(echo(*shown, "hello"), "hello");
  auto hidden = connect({.ca = folder_.path("ca.pem")});  // TLS 1.3 tells it after the handshake
  EXPECT_TRUE(!hidden || echo(*hidden, "hello").empty());
}

TEST_F(ClientTlsTest, FilesThatCannotBeUsedAreNamed) {
  const auto error = [](const ClientTlsFiles& files) {
    const auto made = ClientTls::load(files);
    return made ? std::string() : made.error().message;
  };
  const std::string ca = folder_.path("ca.pem"), server = folder_.path("server.pem");
  EXPECT_TRUE(error({.ca = "/nowhere/ca.pem"}).contains("/nowhere/ca.pem"));
  EXPECT_TRUE(error({.ca = ca, .certificate = server}).contains("go together"));
  EXPECT_TRUE(error({.ca = ca, .certificate = server, .key = ca}).contains("unencrypted private key of '" + server));
  EXPECT_TRUE(error({.ca = ca, .certificate = folder_.path("server.key"), .key = server}).contains("certificate first"));
}

TEST_F(ClientTlsTest, AServerInTheClearIsToldFromOneWithTls) {
  server_ = *TcpServer::start({}, *runtime_, [](std::shared_ptr<Connection> c) { return std::make_shared<Echo>(std::move(c)); });
  const auto refused = connect({.ca = folder_.path("ca.pem")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(refused.error().message.starts_with("the TLS handshake")) << refused.error().message;
}

}  // namespace
}  // namespace ms::io
