// A small blocking HTTP client for commands, tests and a thread of its own. One request at a time over one kept connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/blocking_socket.h"
#include "io/endpoint.h"

namespace ms::io {

struct HttpHead;

struct HttpCall {
  std::string_view method = "GET";
  std::string_view target = "/";  // encoded
  std::string_view body;
  std::string_view content_type = "application/json";
  std::string_view authorization;  // the header of that name; empty: none
  int64_t timeout_ms = 30'000;
  size_t answer_bytes_max = 1u << 30;  // a longer body is kCorruption, before it is read
};
struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

// One thread at a time.
class HttpClient {
 public:
  // "http://127.0.0.1:8484", also without a port (80) and with a trailing slash; with `tls` also "https://issuer" (443).
  // Errors: InvalidArgument.
  static Result<HttpClient> to(std::string_view url, std::shared_ptr<const ClientTls> tls = nullptr);

  // Any status is success here. Errors: kUnavailable (cannot connect, connection lost), kTimeout, kCorruption (not HTTP).
  // Sent again once if a kept connection turns out to be closed before any byte came back.
  Result<HttpAnswer> send(const HttpCall& call);
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  HttpClient(Endpoint endpoint, std::shared_ptr<const ClientTls> tls) : endpoint_(std::move(endpoint)), tls_(std::move(tls)) {}
  Result<> connect(int64_t deadline_us);
  Result<HttpAnswer> exchange(const std::string& request, const HttpCall& call, int64_t deadline_us);
  Result<std::string> body_of(const HttpHead& head, size_t at, const HttpCall& call, int64_t deadline_us);
  void close();

  Endpoint endpoint_;
  std::shared_ptr<const ClientTls> tls_;  // null: in the clear
  BlockingSocket socket_;
  std::string in_;
};

}  // namespace ms::io
