// An HTTP/1.1 server: keep-alive, pipelining, limits, deadlines. One write per response and no heap use per request in
// steady state. What requests mean is the handler's business; TLS and names of services are not here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/http_message.h"
#include "io/runtime.h"

namespace ms::io {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address or "localhost"
  uint16_t port = 8484;            // 0: a free one
  size_t header_bytes_max = 16u << 10;
  size_t body_bytes_max = 16u << 20;
  size_t buffered_bytes_max = 256u << 20;  // of all connections' requests together, beyond 64 KiB each; then 503
  size_t connections_max = 10'000;         // beyond it new ones are closed at once
  int64_t idle_timeout_ms = 75'000;        // between requests
  int64_t request_timeout_ms = 30'000;     // from a request's first byte to its last, and for the client to take a response
};

// Valid until handle() returns; copy what a deferred answer needs.
struct HttpRequest {
  std::string_view method;
  std::string_view path;   // still percent-encoded
  std::string_view query;  // after '?', without it
  std::string_view body;
  std::string_view peer;   // the client's address
  const HttpHead* head = nullptr;
};

class HttpConnection;
class HttpPending;

// Filled by the handler; the buffers are reused for the connection's next request.
class HttpReply {
 public:
  int status = 200;
  std::string_view content_type = "application/json";  // static storage
  std::string body;
  std::vector<std::pair<std::string_view, std::string>> headers;  // further ones; static names

  // The answer comes later, from any thread, through the returned handle; what was filled in so far is ignored.
  HttpPending defer();

 private:
  friend class HttpConnection;
  HttpConnection* connection_ = nullptr;
  bool deferred_ = false;
};

// The right to answer one request, once. Destroyed unanswered it answers 503. Must not outlive the IoRuntime.
class HttpPending {
 public:
  HttpPending() = default;
  HttpPending(HttpPending&&) noexcept = default;
  HttpPending& operator=(HttpPending&& other) noexcept;
  ~HttpPending();
  // Thread-safe. If the client has gone nothing happens.
  void complete(HttpReply reply);

 private:
  friend class HttpReply;
  explicit HttpPending(std::shared_ptr<HttpConnection> connection) : connection_(std::move(connection)) {}
  std::shared_ptr<HttpConnection> connection_;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // On the connection's I/O thread: must not block; long work is deferred. Several threads at once.
  virtual void handle(const HttpRequest& request, HttpReply& reply) = 0;
};

class HttpServer {
 public:
  // Listens and serves. `handler` and `runtime` outlive the server. Errors: kInvalidArgument (not an address),
  // kConflict (the address is in use), kInternal.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler& handler, IoRuntime& runtime);
  virtual ~HttpServer() = default;  // stops
  virtual uint16_t port() const = 0;
  virtual size_t connections() const = 0;
  // Closes the listener and every connection; no handle() runs after it returns. Idempotent. Not from an I/O thread.
  virtual void stop() = 0;
};

}  // namespace ms::io
