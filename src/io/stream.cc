#include "io/stream.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

namespace ms::io {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr size_t kInputBytes = 32u << 10;
constexpr size_t kRecordBytes = 16u << 10;  // of plaintext: the largest record of TLS
constexpr size_t kWriteBytes = 4 * kRecordBytes;
// Answers to the other side's requests about the session itself; who asks for more and takes none means ill.
constexpr size_t kUntakenAnswersMax = 16u << 10;

}  // namespace

Stream::Stream(tcp::socket socket, std::shared_ptr<const TlsContext> tls) : socket_(std::move(socket)), context_(std::move(tls)) {
  Ec ignored;
  if (context_) socket_.non_blocking(true, ignored);
}

// ---- ciphertext in

asio::awaitable<Stream::Ec> Stream::wait_for_input(std::shared_ptr<Stream> self) {
  for (;;) {
    input_.reset();
    const auto [error] = co_await socket_.async_wait(tcp::socket::wait_read, kAwait);
    if (error) co_return error;
    input_ = std::make_unique_for_overwrite<uint8_t[]>(kInputBytes);
    Ec failed;
    input_bytes_ = socket_.read_some(asio::buffer(input_.get(), kInputBytes), failed);
    if (failed == asio::error::would_block) continue;
    co_return failed;
  }
}

void Stream::refuse(std::string_view reason, std::string text) { refusal_ = {reason, std::move(text)}; }

asio::awaitable<bool> Stream::open(std::shared_ptr<Stream> self, size_t bytes_max) {
  while (!session_ || session_->state() == TlsSession::State::kHandshake) {
    const Ec error = co_await wait_for_input(self);
    if (error && session_) refuse("tls_handshake", "the client has gone in the middle of the handshake");
    if (error || !shake_hands(bytes_max)) co_return false;
  }
  co_return true;
}

// Goes on with what has come. False: refused.
bool Stream::shake_hands(size_t bytes_max) {
  const std::span<const uint8_t> input(input_.get(), input_bytes_);
  if (!session_ && !begins_tls(input)) {
    refuse("plain_on_tls", "the client does not speak TLS and this listener does; switch TLS on in the client (security.protocol=SSL), or "
                           "connect to the listener in the clear");
    return false;
  }
  if (!session_) session_ = std::make_unique<TlsSession>(context_);
  handshake_bytes_ += input.size();
  session_->feed(input);
  session_->shake_hands();
  if (!busy_) send_output();
  if (session_->state() == TlsSession::State::kOpen) return true;
  if (session_->state() != TlsSession::State::kHandshake) refuse("tls_handshake", session_->failure());
  else if (handshake_bytes_ > bytes_max) refuse("tls_handshake", "the client's handshake is too long: send fewer or smaller certificates");
  else return true;
  return false;
}

asio::awaitable<Stream::ReadResult> Stream::read_tls(std::shared_ptr<Stream> self, TwoBuffers into) {
  for (;;) {
    size_t done = 0;
    for (const asio::mutable_buffer& buffer : into) {
      const size_t n = session_->read({static_cast<uint8_t*>(buffer.data()), buffer.size()});
      done += n;
      if (n < buffer.size()) break;
    }
    if (!busy_) send_output();
    if (session_->output().size() > kUntakenAnswersMax) co_return ReadResult{asio::error::connection_aborted, 0};
    if (done > 0) co_return ReadResult{Ec{}, done};
    if (session_->state() != TlsSession::State::kOpen) co_return ReadResult{asio::error::eof, 0};
    const Ec error = co_await wait_for_input(self);
    if (error) co_return ReadResult{error, 0};
    session_->feed({input_.get(), input_bytes_});
  }
}

// ---- ciphertext out

void Stream::write_tls(std::span<const asio::const_buffer> parts, WriteDone done) {
  waiting_ = parts;
  done_ = std::move(done);
  if (!busy_) send_output();
}

// Sends what the session has to say and what waits to be said.
void Stream::send_output() {
  const auto parts = std::exchange(waiting_, {});
  if (!parts.empty()) encrypted_bytes_ = encrypt(parts);
  if (!parts.empty() && session_->state() == TlsSession::State::kFailed)
    return asio::post(socket_.get_executor(), [self = shared_from_this()] { self->output_sent(asio::error::connection_aborted); });
  if (session_->output().empty()) return;
  busy_ = true;
  sending_.swap(session_->output());
  asio::async_write(socket_, asio::buffer(sending_), [self = shared_from_this()](Ec error, size_t) { self->output_sent(error); });
}

void Stream::output_sent(Ec error) {
  busy_ = false;
  sending_.clear();
  const size_t plain = std::exchange(encrypted_bytes_, 0);
  if (plain > 0 || error)
    if (auto done = std::exchange(done_, nullptr)) done(error, plain);
  if (!error && !busy_) send_output();
  if (busy_) return;
  std::vector<uint8_t>().swap(sending_);
  std::vector<uint8_t>().swap(session_->output());
}

// In full records as far as there is enough: small parts are put together.
size_t Stream::encrypt(std::span<const asio::const_buffer> parts) {
  thread_local std::array<uint8_t, kRecordBytes> record;
  size_t total = 0, filled = 0;
  for (const asio::const_buffer& part : parts) {
    std::span<const uint8_t> left(static_cast<const uint8_t*>(part.data()), part.size());
    while (!left.empty() && total < kWriteBytes) {
      const size_t n = std::min(left.size(), kRecordBytes - filled);
      if (n == kRecordBytes) {
        session_->write(left.first(n));
      } else {
        std::memcpy(record.data() + filled, left.data(), n);
        filled += n;
        if (filled == kRecordBytes) session_->write(record), filled = 0;
      }
      left = left.subspan(n);
      total += n;
    }
  }
  session_->write(std::span(record).first(filled));
  return total;
}

void Stream::close() {
  Ec ignored;
  if (session_ && !busy_) {
    session_->end();
    socket_.write_some(asio::buffer(session_->output()), ignored);
  }
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace ms::io
