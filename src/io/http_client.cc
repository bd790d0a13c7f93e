#include "io/http_client.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "io/http_message.h"

namespace ms::io {
namespace {

constexpr size_t kHeadBytesMax = 64u << 10;

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

Result<> HttpClient::connect(int64_t deadline_us) {
  TRY_ASSIGN(socket_, BlockingSocket::connect(endpoint_, deadline_us));
  return {};
}

void HttpClient::close() {
  socket_.close();
  in_.clear();
}

Result<HttpAnswer> HttpClient::exchange(const std::string& request, const HttpCall& call, int64_t deadline_us) {
  const bool head_only = call.method == "HEAD";
  // A server that refuses answers and closes while we still write: then the answer counts, not the broken pipe.
  const auto written = socket_.write_all(request, deadline_us);
  HttpHead head;
  size_t head_bytes = 0;
  do {
    in_.erase(0, head_bytes);  // a "100 Continue"
    size_t end;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
      if (in_.size() > kHeadBytesMax) return corruption("the answer's head is too long");
      TRY_ASSIGN(const size_t n, socket_.read_some(in_, deadline_us));
      if (n == 0) return written ? connection_lost("the server closed the connection", ECONNRESET) : Unexpected(written.error());
    }
    head_bytes = end + 4;
    if (const auto fault = parse_response_head(std::string_view(in_).substr(0, head_bytes), head); fault.status)
      return corruption(fmt::format("the answer is not HTTP: {}", fault.reason));
  } while (head.status < 200);
  HttpAnswer answer{.status = head.status, .content_type = std::string(head.header("content-type")), .body = {}};
  if (!head.content_length && !head_only) return corruption("the answer has no Content-Length");
  const uint64_t length = head_only ? 0 : *head.content_length;
  const bool keep = head.keep_alive;
  if (length > call.answer_bytes_max) return corruption(fmt::format("the answer is too long: {} bytes, and {} are taken", length, call.answer_bytes_max));
  while (in_.size() - head_bytes < length) {
    TRY_ASSIGN(const size_t n, socket_.read_some(in_, deadline_us));
    if (n == 0) return connection_lost("the server closed the connection in the middle of an answer", ECONNRESET);
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
  if (!call.authorization.empty()) request += fmt::format("Authorization: {}\r\n", call.authorization);
  request.append("\r\n").append(call.body);
  const bool reused = socket_.is_open();
  if (!reused) TRY(connect(deadline_us));
  auto answer = exchange(request, call, deadline_us);
  if (!answer && reused && in_.empty() && answer.error().kind == ErrorKind::kUnavailable) {
    close();
    TRY(connect(deadline_us));
    answer = exchange(request, call, deadline_us);
  }
  if (!answer) close();
  return answer;
}

}  // namespace ms::io
