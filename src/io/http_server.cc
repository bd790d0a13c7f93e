#include "io/http_server.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <ctime>
#include <future>

#include "base/clock.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "io/endpoint.h"
#include "io/http_connection.h"

namespace ms::io {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

HttpPending HttpReply::defer() {
  deferred_ = true;
  return HttpPending(connection_->shared_from_this());
}

HttpPending& HttpPending::operator=(HttpPending&& other) noexcept {
  std::swap(connection_, other.connection_);
  return *this;
}

HttpPending::~HttpPending() {
  if (!connection_) return;
  HttpReply reply;
  reply.status = 503;
  reply.content_type = "application/problem+json";
  reply.body = R"({"type":"about:blank","title":"Service Unavailable","status":503,"code":"unavailable","detail":"the server is stopping"})";
  complete(std::move(reply));
}

void HttpPending::complete(HttpReply reply) {
  if (!connection_) return;
  IoThread& thread = connection_->thread();
  thread.post([connection = std::move(connection_), reply = std::move(reply)]() mutable {
    connection->finish_deferred(std::move(reply));
  });
}

namespace {

constexpr int64_t kSweepUs = 500'000;
constexpr int64_t kAcceptPauseUs = 100'000;  // when the process is out of file descriptors

std::string http_date(int64_t wall_us) {
  const std::time_t seconds = wall_us / kMicrosPerSecond;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", tm);
}

Result<tcp::endpoint> resolve(const std::string& host, uint16_t port) {
  error_code error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error) return invalid(fmt::format("'{}' is not an IP address (or localhost)", host));
  return tcp::endpoint(address, port);
}

class HttpServerImpl final : public HttpServer {
 public:
  HttpServerImpl(HttpServerOptions options, HttpHandler& handler, IoRuntime& runtime)
      : runtime_(runtime), acceptor_(runtime.thread(0).context()) {
    shared_->options = std::move(options);
    shared_->handler = &handler;
    for (size_t i = 0; i < runtime.size(); ++i) {
      loops_.push_back(std::make_unique<Loop>(runtime.thread(i)));
      loops_[i]->state->shared = shared_;
      loops_[i]->state->thread = &runtime.thread(i);
    }
  }
  ~HttpServerImpl() override { HttpServerImpl::stop(); }

  Result<> listen() {
    TRY_ASSIGN(const tcp::endpoint endpoint, resolve(shared_->options.host, shared_->options.port));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      const ErrorKind kind = error == asio::error::address_in_use ? ErrorKind::kConflict : ErrorKind::kInternal;
      return fail(kind, fmt::format("cannot listen on http {}: {}", format_endpoint({shared_->options.host, shared_->options.port}), error.message()));
    }
    port_ = acceptor_.local_endpoint(error).port();
    for (auto& loop : loops_) run_on(*loop, [this, &loop = *loop] { sweep(loop); });
    run_on(*loops_[0], [this] { accept(); });
    running_ = true;
    return {};
  }

  uint16_t port() const override { return port_; }
  size_t connections() const override { return shared_->connections.load(std::memory_order_relaxed); }

  void stop() override {
    if (!std::exchange(running_, false)) return;
    run_on(*loops_[0], [this] {
      error_code ignored;
      acceptor_.close(ignored);
      accept_again_.cancel();
    });
    for (auto& loop : loops_) {
      run_on(*loop, [&loop = *loop] {
        loop.state->stopping = true;
        loop.sweeper.cancel();
        const auto open = std::move(loop.state->open);
        loop.state->open.clear();
        for (const auto& connection : open) connection->close();
      });
    }
    // Twice round each loop, so that the aborted reads and writes have let go of their connections.
    for (auto& loop : loops_) run_on(*loop, [] {});
    for (auto& loop : loops_) run_on(*loop, [] {});
  }

 private:
  struct Loop {
    explicit Loop(IoThread& thread) : sweeper(thread) {}
    std::shared_ptr<HttpLoop> state = std::make_shared<HttpLoop>();
    Timer sweeper;
  };

  // Runs on the loop's thread and waits for it.
  static void run_on(Loop& loop, Job job) {
    std::promise<void> done;
    loop.state->thread->post([&] {
      job();
      done.set_value();
    });
    done.get_future().wait();
  }

  void sweep(Loop& loop) {
    loop.state->date = http_date(system_clock().wall_us());
    const int64_t now = system_clock().steady_us();
    const auto open = std::vector(loop.state->open.begin(), loop.state->open.end());
    for (const auto& connection : open) connection->check_deadline(now);
    loop.sweeper.start(kSweepUs, [this, &loop] { sweep(loop); });
  }

  void accept() {
    Loop& loop = *loops_[placed_++ % loops_.size()];
    acceptor_.async_accept(loop.state->thread->context(), [this, &loop](const error_code& error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (error) {
        log_warn("http_accept_failed", {{"error", error.message()}});
        return accept_again_.start(kAcceptPauseUs, [this] { accept(); });
      }
      if (connections() < shared_->options.connections_max) hand_over(loop.state, std::move(socket));
      else counter("millstream_http_connections_refused_total").add();
      accept();
    });
  }

  static void hand_over(const std::shared_ptr<HttpLoop>& loop, tcp::socket socket) {
    loop->thread->post([loop, socket = std::move(socket)]() mutable {
      if (loop->stopping) return;
      auto connection = std::make_shared<HttpConnection>(std::move(socket), loop);
      loop->open.insert(connection);
      connection->start();
    });
  }

  const std::shared_ptr<HttpShared> shared_ = std::make_shared<HttpShared>();
  IoRuntime& runtime_;
  tcp::acceptor acceptor_;
  Timer accept_again_{runtime_.thread(0)};
  std::vector<std::unique_ptr<Loop>> loops_;
  size_t placed_ = 0;
  uint16_t port_ = 0;
  bool running_ = false;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, HttpHandler& handler, IoRuntime& runtime) {
  auto server = std::make_unique<HttpServerImpl>(std::move(options), handler, runtime);
  TRY(server->listen());
  return server;
}

}  // namespace ms::io
