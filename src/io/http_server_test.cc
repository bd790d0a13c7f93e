#include "io/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <thread>

#include "io/http_client.h"

namespace ms::io {
namespace {

// Echoes what it was asked; /later answers from another thread, /drop never answers, /big answers 8 MiB.
class EchoHandler final : public HttpHandler {
 public:
  ~EchoHandler() override {
    for (auto& thread : threads_) thread.join();
  }
  void handle(const HttpRequest& request, HttpReply& reply) override {
    if (request.path == "/later") {
      const std::scoped_lock lock(mutex_);
      threads_.emplace_back([pending = reply.defer(), body = std::string(request.body)]() mutable {
        HttpReply answer;
        answer.body = "later " + body;
        pending.complete(std::move(answer));
      });
    } else if (request.path == "/drop") {
      const HttpPending dropped = reply.defer();
    } else if (request.path == "/big") {
      reply.body.assign(8u << 20, 'x');
    } else {
      reply.status = request.path == "/missing" ? 404 : 200;
      reply.body.append(request.method).append(" ").append(request.path).append("?").append(request.query).append(" ").append(request.body);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    options.port = 0;
    runtime_ = *IoRuntime::start({.threads = 2});
    auto server = HttpServer::start(options, handler_, *runtime_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  HttpClient client() { return *HttpClient::to("http://127.0.0.1:" + std::to_string(server_->port())); }
  void TearDown() override {
    if (server_) server_->stop();
  }

  // Sends raw bytes, reads until the server closes.
  std::string raw(std::string_view bytes) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    std::string out;
    char buffer[4096];
    for (ssize_t n; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<size_t>(n));
    ::close(fd);
    return out;
  }

  EchoHandler handler_;
  std::unique_ptr<IoRuntime> runtime_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersOverOneKeptConnection) {
  start();
  HttpClient c = client();
  for (int i = 0; i < 100; ++i) {
    const auto answer = c.send({.method = "POST", .target = "/a%20b?q=1", .body = "hello"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->content_type, "application/json");
    EXPECT_EQ(answer->body, "POST /a%20b?q=1 hello");
  }
  EXPECT_EQ(server_->connections(), 1u);
  EXPECT_EQ(c.send({.target = "/missing"})->status, 404);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  const std::string out = raw(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n2"
      "HEAD /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const size_t one = out.find("GET /1? "), two = out.find("later 2"), four = out.find("GET /4? ");
  ASSERT_NE(four, std::string::npos) << out;
  EXPECT_LT(one, two);
  EXPECT_LT(two, four);
  EXPECT_EQ(out.find("GET /3"), std::string::npos);
  EXPECT_NE(out.find("Connection: close"), std::string::npos);
}

TEST_F(HttpServerTest, TakesAndGivesLargeBodies) {
  start();
  HttpClient c = client();
  EXPECT_EQ(c.send({.target = "/big"})->body.size(), 8u << 20);
  const std::string body(3u << 20, 'y');
  const auto answer = c.send({.method = "POST", .target = "/", .body = body});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body.size(), body.size() + 8);
  EXPECT_EQ(raw("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").substr(0, 15),
            "HTTP/1.1 200 OK");
}

TEST_F(HttpServerTest, ADroppedPendingIsA503) {
  start();
  EXPECT_EQ(client().send({.target = "/drop"})->status, 503);
}

TEST_F(HttpServerTest, RefusesWithAProblemAndCloses) {
  start({.body_bytes_max = 100});
  for (const auto& [text, status] : std::map<std::string, std::string>{
           {"nonsense\r\n\r\n", "400"},
           {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", "413"},
           {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", "413"},
           {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
           {"GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
           {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505"},
       }) {
    const std::string out = raw(text);
    EXPECT_EQ(out.substr(9, 3), status) << text.substr(0, 80);
    EXPECT_NE(out.find("\"code\":\"http." + status), std::string::npos) << out;
  }
}

TEST_F(HttpServerTest, TheBudgetOfLargeRequestsHolds) {
  start({.buffered_bytes_max = 1u << 20});
  HttpClient c = client();
  EXPECT_EQ(c.send({.method = "POST", .body = std::string(300'000, 'a')})->status, 200);
  EXPECT_EQ(c.send({.method = "POST", .body = std::string(3'000'000, 'a')})->status, 503);
  EXPECT_EQ(c.send({.method = "POST", .body = std::string(300'000, 'a')})->status, 200);
}

TEST_F(HttpServerTest, StopClosesIdleConnectionsAndTheClientSaysUnavailable) {
  start();
  HttpClient c = client();
  ASSERT_TRUE(c.send({}));
  server_->stop();
  const auto answer = c.send({});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::kUnavailable);
}

TEST_F(HttpServerTest, ASecondServerOnThePortIsAConflict) {
  start();
  HttpServerOptions options;
  options.port = server_->port();
  const auto second = HttpServer::start(options, handler_, *runtime_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
}

TEST(Endpoint, ReadsAndWrites) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:9092"), (Endpoint{"127.0.0.1", 9092}));
  EXPECT_EQ(format_endpoint(*parse_endpoint("[::1]:0")), "[::1]:0");
  for (const char* bad : {"", "x", ":1", "x:", "x:99999", "::1:5", "x:1a"}) EXPECT_FALSE(parse_endpoint(bad)) << bad;
  for (const auto& [peer, host] : std::map<std::string, std::string>{{"10.0.0.1:5", "10.0.0.1"}, {"[::1]:5", "::1"}, {"[::ffff:10.0.0.1]:5", "10.0.0.1"}, {"[::ffff:1]:5", "::ffff:1"}})
    EXPECT_EQ(host_of_peer(peer), host) << peer;
  EXPECT_TRUE(is_loopback("127.9.9.9") && is_loopback("::1") && is_loopback("localhost"));
  EXPECT_FALSE(is_loopback("0.0.0.0") || is_loopback("example.org"));
}

}  // namespace
}  // namespace ms::io
