#include "io/http_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "io/http_message.h"

namespace ms::io {
namespace {

constexpr size_t kHeadBytesMax = 64u << 10;
constexpr size_t kBodyBytesMax = 1u << 30;
constexpr size_t kReadBytes = 64u << 10;

Unexpected lost(std::string_view what, int error) {
  return fail(ErrorKind::kUnavailable, fmt::format("{}: {}", what, std::strerror(error)));
}

// Waits until the socket is ready for `events`.
Result<> wait_for(int socket, short events, int64_t deadline_us) {
  while (true) {
    const int64_t left_ms = (deadline_us - system_clock().steady_us() + 999) / kMicrosPerMilli;
    if (left_ms <= 0) return fail(ErrorKind::kTimeout, "no answer in time");
    pollfd p{.fd = socket, .events = events, .revents = 0};
    const int n = ::poll(&p, 1, static_cast<int>(std::min<int64_t>(left_ms, 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return lost("poll", errno);
  }
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  if (code) return fail(ErrorKind::kUnavailable, fmt::format("cannot find the host '{}': {}", endpoint.host, ::gai_strerror(code)));
  return Addresses(list);
}

Result<int> connect_one(const addrinfo& address, int64_t deadline_us) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return lost("socket", errno);
  int error = ::connect(socket, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    if (const auto ready = wait_for(socket, POLLOUT, deadline_us); !ready) {
      ::close(socket);
      return Unexpected(ready.error());
    }
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error) {
    ::close(socket);
    return lost("connect", error);
  }
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket;
}

}  // namespace

Result<HttpClient> HttpClient::to(std::string_view url) {
  std::string_view rest = url;
  if (!rest.starts_with("http://")) return invalid(fmt::format("'{}' is not a server address such as http://127.0.0.1:8484", url));
  rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const bool has_port = rest.rfind(':') != std::string_view::npos && !rest.ends_with(']');
  auto endpoint = parse_endpoint(has_port ? std::string(rest) : std::string(rest) + ":80");
  if (!endpoint) return invalid(fmt::format("'{}' is not a server address such as http://127.0.0.1:8484", url));
  return HttpClient(std::move(*endpoint));
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : endpoint_(std::move(other.endpoint_)), socket_(std::exchange(other.socket_, -1)), in_(std::move(other.in_)) {}

HttpClient& HttpClient::operator=(HttpClient&& other) noexcept {
  std::swap(endpoint_, other.endpoint_);
  std::swap(socket_, other.socket_);
  std::swap(in_, other.in_);
  return *this;
}

HttpClient::~HttpClient() { close(); }

void HttpClient::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  in_.clear();
}

Result<> HttpClient::connect(int64_t deadline_us) {
  TRY_ASSIGN(const Addresses addresses, resolve(endpoint_));
  Result<int> socket = lost("connect", EHOSTUNREACH);
  for (const addrinfo* a = addresses.get(); a && !socket; a = a->ai_next) socket = connect_one(*a, deadline_us);
  if (!socket) return Unexpected(socket.error());
  socket_ = *socket;
  return {};
}

Result<> HttpClient::write_all(std::string_view bytes, int64_t deadline_us) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    else if (errno == EAGAIN) TRY(wait_for(socket_, POLLOUT, deadline_us));
    else if (errno != EINTR) return lost("send", errno);
  }
  return {};
}

Result<size_t> HttpClient::read_some(int64_t deadline_us) {
  const size_t before = in_.size();
  in_.resize(before + kReadBytes);
  while (true) {
    const ssize_t n = ::recv(socket_, in_.data() + before, kReadBytes, 0);
    in_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR) return lost("receive", errno);
    TRY(wait_for(socket_, POLLIN, deadline_us));
    in_.resize(before + kReadBytes);
  }
}

Result<HttpAnswer> HttpClient::exchange(const std::string& request, bool head_only, int64_t deadline_us) {
  // A server that refuses answers and closes while we still write: then the answer counts, not the broken pipe.
  const auto written = write_all(request, deadline_us);
  HttpHead head;
  size_t head_bytes = 0;
  do {
    in_.erase(0, head_bytes);  // a "100 Continue"
    size_t end;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
      if (in_.size() > kHeadBytesMax) return corruption("the answer's head is too long");
      TRY_ASSIGN(const size_t n, read_some(deadline_us));
      if (n == 0) return written ? lost("the server closed the connection", ECONNRESET) : Unexpected(written.error());
    }
    head_bytes = end + 4;
    if (const auto fault = parse_response_head(std::string_view(in_).substr(0, head_bytes), head); fault.status)
      return corruption(fmt::format("the answer is not HTTP: {}", fault.reason));
  } while (head.status < 200);
  HttpAnswer answer{.status = head.status, .content_type = std::string(head.header("content-type")), .body = {}};
  if (!head.content_length && !head_only) return corruption("the answer has no Content-Length");
  const uint64_t length = head_only ? 0 : *head.content_length;
  const bool keep = head.keep_alive;
  if (length > kBodyBytesMax) return corruption("the answer is too long");
  while (in_.size() - head_bytes < length) {
    TRY_ASSIGN(const size_t n, read_some(deadline_us));
    if (n == 0) return lost("the server closed the connection in the middle of an answer", ECONNRESET);
  }
  answer.body = in_.substr(head_bytes, length);
  in_.clear();
  if (!keep) close();
  return answer;
}

Result<HttpAnswer> HttpClient::send(const HttpCall& call) {
  const int64_t deadline_us = system_clock().steady_us() + call.timeout_ms * kMicrosPerMilli;
  std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: millstream\r\n", call.method, call.target, format_endpoint(endpoint_));
  if (!call.body.empty() || call.method == "POST")
    request += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", call.content_type, call.body.size());
  request.append("\r\n").append(call.body);
  const bool reused = socket_ >= 0;
  if (!reused) TRY(connect(deadline_us));
  auto answer = exchange(request, call.method == "HEAD", deadline_us);
  if (!answer && reused && in_.empty() && answer.error().kind == ErrorKind::kUnavailable) {
    close();
    TRY(connect(deadline_us));
    answer = exchange(request, call.method == "HEAD", deadline_us);
  }
  if (!answer) close();
  return answer;
}

}  // namespace ms::io
