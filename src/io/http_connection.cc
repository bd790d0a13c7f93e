#include "io/http_connection.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <cstring>

#include "base/check.h"
#include "base/clock.h"
#include "base/metrics.h"

namespace ms::io {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr size_t kCapacityStart = 8u << 10;
constexpr size_t kFreeCapacity = 64u << 10;  // of each connection, outside the common budget
constexpr size_t kReplyCapacityKept = 1u << 20;
constexpr size_t kDrainBytesMax = 1u << 20;
constexpr int64_t kDrainMs = 2'000;

Metric& requests_total() {
  static Metric& metric = counter("millstream_http_requests_total");
  return metric;
}
Metric& refused_total() {
  static Metric& metric = counter("millstream_http_refused_total");
  return metric;
}

}  // namespace

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, std::shared_ptr<HttpLoop> loop)
    : socket_(std::move(socket)), loop_(std::move(loop)), shared_(*loop_->shared) {
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
}

HttpConnection::~HttpConnection() {
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  shared_.buffered_bytes.fetch_sub(charged_, std::memory_order_relaxed);
}

void HttpConnection::start() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  if (const auto end = socket_.remote_endpoint(ignored); !ignored) peer_ = end.address().to_string();
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  reply_.connection_ = this;
  set_deadline(shared_.options.request_timeout_ms);
  set_capacity(kCapacityStart);
  read_more();
}

void HttpConnection::close() {
  if (closed_) return;
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  loop_->open.erase(shared_from_this());
}

void HttpConnection::check_deadline(int64_t now_us) {
  if (deadline_us_ && now_us > deadline_us_) close();
}

void HttpConnection::set_deadline(int64_t ms) {
  deadline_us_ = ms ? system_clock().steady_us() + ms * kMicrosPerMilli : 0;
}

// ---- bytes in

void HttpConnection::set_capacity(size_t bytes) {
  auto grown = std::make_unique_for_overwrite<char[]>(bytes);
  if (end_ > begin_) std::memcpy(grown.get(), in_.get() + begin_, end_ - begin_);
  in_ = std::move(grown);
  end_ -= begin_, begin_ = 0, capacity_ = bytes;
  head_moved_ = true;
}

bool HttpConnection::make_room() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ < capacity_) return true;
  if (begin_ > 0) {
    std::memmove(in_.get(), in_.get() + begin_, end_ - begin_);
    end_ -= begin_, begin_ = 0;
    head_moved_ = true;
    return true;
  }
  const size_t bytes = capacity_ * 2;
  if (bytes > kFreeCapacity) {
    const size_t more = bytes - charged_;
    if (shared_.buffered_bytes.fetch_add(more, std::memory_order_relaxed) + more > shared_.options.buffered_bytes_max) {
      shared_.buffered_bytes.fetch_sub(more, std::memory_order_relaxed);
      return false;
    }
    charged_ = bytes;
  }
  set_capacity(bytes);
  return true;
}

// Back to a small buffer, when what is unread fits.
void HttpConnection::give_back() {
  if (charged_ == 0 || end_ - begin_ > kCapacityStart) return;
  set_capacity(kCapacityStart);
  shared_.buffered_bytes.fetch_sub(charged_, std::memory_order_relaxed);
  charged_ = 0;
}

void HttpConnection::read_more() {
  if (reading_ || closed_) return;
  if (!make_room()) return refuse(503, "the server holds too many large requests; try again later");
  reading_ = true;
  socket_.async_read_some(asio::buffer(in_.get() + end_, capacity_ - end_),
                          [self = shared_from_this()](const error_code& error, size_t count) {
                            self->reading_ = false;
                            if (error || self->closed_) return self->close();
                            self->on_bytes(count);
                          });
}

void HttpConnection::on_bytes(size_t count) {
  if (draining_) {
    drained_bytes_ += count;
    begin_ = end_ = 0;
    if (drained_bytes_ > kDrainBytesMax) return close();
    return read_more();
  }
  if (begin_ == end_) set_deadline(shared_.options.request_timeout_ms);
  end_ += count;
  run();
}

void HttpConnection::run() {
  while (!closed_ && !busy_ && !draining_) {
    if (framing_ == Framing::kHead && take_head() == Step::kStop) break;
    if (take_body() == Step::kStop) break;
    if (dispatch() == Step::kStop) break;
  }
  if (!busy_ && !closed_) read_more();
}

HttpConnection::Step HttpConnection::take_head() {
  const std::string_view unread(in_.get() + begin_, end_ - begin_);
  const size_t found = unread.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
  scanned_ = unread.size();
  if (std::min(found, unread.size()) > shared_.options.header_bytes_max) {
    refuse(431, "the request's head is larger than this server takes");
    return Step::kStop;
  }
  if (found == std::string_view::npos) return Step::kStop;
  head_bytes_ = found + 4;
  head_moved_ = false;
  if (const HttpFault fault = parse_request_head(unread.substr(0, head_bytes_), head_); fault.status) {
    refuse(fault.status, fault.reason);
    return Step::kStop;
  }
  if (head_.content_length.value_or(0) > shared_.options.body_bytes_max) {
    refuse(413, "the request's body is larger than this server takes");
    return Step::kStop;
  }
  framing_ = Framing::kBody;
  chunks_ = ChunkDecoder();
  chunk_at_ = 0;
  close_after_ = !head_.keep_alive;
  const bool more_to_come = head_.chunked || head_.content_length.value_or(0) > unread.size() - head_bytes_;
  if (head_.expect_continue && more_to_come) {
    error_code ignored;
    socket_.write_some(asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25), ignored);
  }
  return Step::kGoOn;
}

HttpConnection::Step HttpConnection::take_body() {
  const std::span<char> wire(in_.get() + begin_ + head_bytes_, end_ - begin_ - head_bytes_);
  if (!head_.chunked) {
    wire_bytes_ = body_bytes_ = head_.content_length.value_or(0);
    return wire.size() < wire_bytes_ ? Step::kStop : Step::kGoOn;
  }
  const auto state = chunks_.feed(wire, chunk_at_, shared_.options.body_bytes_max);
  if (state == ChunkDecoder::State::kBad) {
    if (chunks_.too_large()) refuse(413, "the request's body is larger than this server takes");
    else refuse(400, "the chunked body is malformed");
    return Step::kStop;
  }
  if (state == ChunkDecoder::State::kMore) {  // close the gap that the chunks' headers left
    std::memmove(wire.data() + chunks_.decoded(), wire.data() + chunk_at_, wire.size() - chunk_at_);
    end_ -= chunk_at_ - chunks_.decoded();
    chunk_at_ = chunks_.decoded();
    return Step::kStop;
  }
  wire_bytes_ = chunk_at_;
  body_bytes_ = chunks_.decoded();
  return Step::kGoOn;
}

// ---- requests and answers

HttpConnection::Step HttpConnection::dispatch() {
  const std::string_view text(in_.get() + begin_, head_bytes_);
  if (head_moved_) CHECK(parse_request_head(text, head_).status == 0);
  const size_t mark = std::min(head_.target.find('?'), head_.target.size());
  HttpRequest request{.method = head_.method,
                      .path = head_.target.substr(0, mark),
                      .query = head_.target.substr(std::min(mark + 1, head_.target.size())),
                      .body = {in_.get() + begin_ + head_bytes_, body_bytes_},
                      .peer = peer_,
                      .head = &head_};
  head_only_ = head_.method == "HEAD";
  if (head_only_) request.method = "GET";
  requests_total().add();
  reply_.status = 200;
  reply_.content_type = "application/json";
  reply_.body.clear();
  reply_.headers.clear();
  reply_.deferred_ = false;
  deadline_us_ = 0;
  shared_.handler->handle(request, reply_);
  if (reply_.deferred_) {
    busy_ = true;
    return Step::kStop;
  }
  return send_reply();
}

void HttpConnection::finish_deferred(HttpReply reply) {
  if (closed_ || !busy_) return;
  reply_.status = reply.status;
  reply_.content_type = reply.content_type;
  reply_.body = std::move(reply.body);
  reply_.headers = std::move(reply.headers);
  reply_.deferred_ = false;
  busy_ = false;
  if (send_reply() == Step::kGoOn) run();
}

void HttpConnection::refuse(int status, std::string_view reason) {
  refused_total().add();
  close_after_ = draining_ = true;
  reply_.status = status;
  reply_.content_type = "application/problem+json";
  reply_.headers.clear();
  reply_.body = fmt::format(R"({{"type":"about:blank","title":"{}","status":{},"code":"http.{}","detail":"{}"}})",
                            http_reason(status), status, status, reason);
  head_only_ = false;
  send_reply();
}

void HttpConnection::format_reply_head() {
  out_head_.clear();
  const auto out = std::back_inserter(out_head_);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nContent-Type: ", reply_.status, http_reason(reply_.status));
  out_head_.append(reply_.content_type).append("\r\nContent-Length: ");
  fmt::format_to(out, "{}", reply_.body.size());
  out_head_.append("\r\nDate: ").append(loop_->date);
  for (const auto& [name, value] : reply_.headers) out_head_.append("\r\n").append(name).append(": ").append(value);
  if (close_after_) out_head_.append("\r\nConnection: close");
  out_head_.append("\r\n\r\n");
  if (head_only_) reply_.body.clear();
}

HttpConnection::Step HttpConnection::send_reply() {
  format_reply_head();
  const std::array<asio::const_buffer, 2> parts{asio::buffer(out_head_), asio::buffer(reply_.body)};
  error_code error;
  out_done_ = socket_.write_some(parts, error);
  if (error && error != asio::error::would_block) {
    close();
    return Step::kStop;
  }
  if (out_done_ < out_head_.size() + reply_.body.size()) {
    busy_ = true;
    set_deadline(shared_.options.request_timeout_ms);
    continue_writing();
    return Step::kStop;
  }
  request_done();
  return closed_ || draining_ ? Step::kStop : Step::kGoOn;
}

void HttpConnection::continue_writing() {
  const size_t head_left = out_head_.size() - std::min(out_done_, out_head_.size());
  const size_t body_done = out_done_ - std::min(out_done_, out_head_.size());
  const std::array<asio::const_buffer, 2> parts{
      asio::buffer(out_head_.data() + out_head_.size() - head_left, head_left),
      asio::buffer(reply_.body.data() + body_done, reply_.body.size() - body_done)};
  socket_.async_write_some(parts, [self = shared_from_this()](const error_code& error, size_t count) {
    if (error || self->closed_) return self->close();
    self->out_done_ += count;
    if (self->out_done_ < self->out_head_.size() + self->reply_.body.size()) {
      self->set_deadline(self->shared_.options.request_timeout_ms);
      return self->continue_writing();
    }
    self->busy_ = false;
    self->request_done();
    self->run();
  });
}

// The response has left: forget the request, keep what came after it.
void HttpConnection::request_done() {
  if (close_after_) return close_when_read();
  begin_ += head_bytes_ + wire_bytes_;
  framing_ = Framing::kHead;
  scanned_ = 0;
  if (reply_.body.capacity() > kReplyCapacityKept) std::string().swap(reply_.body);
  give_back();
  set_deadline(begin_ == end_ ? shared_.options.idle_timeout_ms : shared_.options.request_timeout_ms);
}

// A close with unread bytes would reset the connection and could take the answer with it: first say that we are done
// writing, then read until the client closes, within bounds.
void HttpConnection::close_when_read() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  draining_ = true;
  begin_ = end_ = 0;
  give_back();
  set_deadline(kDrainMs);
  read_more();
}

}  // namespace ms::io
