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

Result<HttpClient> HttpClient::to(std::string_view url, std::shared_ptr<const ClientTls> tls) {
  const bool secure = url.starts_with("https://") && tls;
  const auto wrong = [&] {
    return invalid(fmt::format("'{}' is not a server address such as http{}://127.0.0.1:8484", url, tls ? "s" : ""));
  };
  if (!secure && !url.starts_with("http://")) return wrong();
  std::string_view rest = url.substr(url.find("//") + 2);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const bool has_port = rest.rfind(':') != std::string_view::npos && !rest.ends_with(']');
  auto endpoint = parse_endpoint(has_port ? std::string(rest) : std::string(rest) + (secure ? ":443" : ":80"));
  if (!endpoint) return wrong();
  return HttpClient(std::move(*endpoint), secure ? std::move(tls) : nullptr);
}

Result<> HttpClient::connect(int64_t deadline_us) {
  TRY_ASSIGN(socket_, BlockingSocket::connect(endpoint_, deadline_us, tls_.get()));
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
  const bool keep = head.keep_alive;
  if (!head_only) {
    TRY_ASSIGN(answer.body, body_of(head, head_bytes, call, deadline_us));
  }
  in_.clear();
  if (!keep) close();
  return answer;
}

// The body of the answer whose head ends at `at`; both its forms are bounded before they are taken.
Result<std::string> HttpClient::body_of(const HttpHead& head, size_t at, const HttpCall& call, int64_t deadline_us) {
  const auto more = [&]() -> Result<> {
    TRY_ASSIGN(const size_t n, socket_.read_some(in_, deadline_us));
    if (n == 0) return connection_lost("the server closed the connection in the middle of an answer", ECONNRESET);
    return {};
  };
  const auto too_long = [&](std::string_view bytes) {
    return corruption(fmt::format("the answer is too long: {} bytes, and {} are taken", bytes, call.answer_bytes_max));
  };
  if (!head.chunked) {
    if (!head.content_length) return corruption("the answer has neither a Content-Length nor chunks");
    const uint64_t length = *head.content_length;
    if (length > call.answer_bytes_max) return too_long(std::to_string(length));
    while (in_.size() - at < length) TRY(more());
    return in_.substr(at, length);
  }
  std::string body = in_.substr(at);
  ChunkDecoder chunks;
  for (size_t used = 0;;) {
    const auto state = chunks.feed(body, used, call.answer_bytes_max);
    if (state == ChunkDecoder::State::kBad) return chunks.too_large() ? too_long("more") : corruption("the answer's chunks are broken");
    if (state == ChunkDecoder::State::kDone) return body.substr(0, chunks.decoded());
    body.erase(chunks.decoded(), used - chunks.decoded());
    used = chunks.decoded();
    in_.clear();
    TRY(more());
    body += in_;
  }
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
