// A connected socket, in the clear or under TLS: the same calls for both. Internal to io/; lives on one IoThread.
#pragma once

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "io/tls_session.h"

namespace ms::io {

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  using Ec = boost::system::error_code;
  using ReadResult = std::tuple<Ec, size_t>;
  using WriteDone = std::move_only_function<void(Ec, size_t)>;
  static constexpr auto kAwait = boost::asio::as_tuple(boost::asio::use_awaitable);

  // `tls` empty: in the clear.
  Stream(boost::asio::ip::tcp::socket socket, std::shared_ptr<const TlsContext> tls);

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  bool encrypted() const { return context_ != nullptr; }
  const TlsSession* session() const { return session_.get(); }  // nullptr: in the clear, or nothing has come yet

  // Why open() failed: a label for a counter (empty: the client went before it said anything), and what to do about it.
  struct Refusal {
    std::string_view reason;
    std::string text;
  };
  // The handshake, from which at most `bytes_max` are taken before the session is open. False: over, see refusal().
  boost::asio::awaitable<bool> open(std::shared_ptr<Stream> self, size_t bytes_max);
  const Refusal& refusal() const { return refusal_; }

  // One or two buffers; at least one byte, or an error.
  template <class Buffers>
  boost::asio::awaitable<ReadResult> read_some(Buffers into) {
    if (!context_) return socket_.async_read_some(into, kAwait);
    TwoBuffers two;
    std::copy(boost::asio::buffer_sequence_begin(into), boost::asio::buffer_sequence_end(into), two.begin());
    return read_tls(shared_from_this(), two);
  }
  // Some of `parts`, which must stay until `done` has been called with how many bytes of them were sent. One at a time.
  template <class Done>
  void write_some(std::span<const boost::asio::const_buffer> parts, Done done) {
    if (!context_) return socket_.async_write_some(parts, std::move(done));
    write_tls(parts, std::move(done));
  }
  // Says goodbye if that is possible at once. Reads and writes under way end with an error.
  void close();

 private:
  using TwoBuffers = std::array<boost::asio::mutable_buffer, 2>;

  boost::asio::awaitable<ReadResult> read_tls(std::shared_ptr<Stream> self, TwoBuffers into);
  boost::asio::awaitable<Ec> wait_for_input(std::shared_ptr<Stream> self);
  bool shake_hands(size_t bytes_max);
  void refuse(std::string_view reason, std::string text);
  void write_tls(std::span<const boost::asio::const_buffer> parts, WriteDone done);
  void send_output();
  void output_sent(Ec error);
  size_t encrypt(std::span<const boost::asio::const_buffer> parts);

  boost::asio::ip::tcp::socket socket_;
  const std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<TlsSession> session_;
  Refusal refusal_;
  std::unique_ptr<uint8_t[]> input_;  // ciphertext; none while the connection is quiet
  size_t input_bytes_ = 0;
  size_t handshake_bytes_ = 0;
  std::span<const boost::asio::const_buffer> waiting_;  // plaintext that `done_` waits for
  WriteDone done_;
  size_t encrypted_bytes_ = 0;  // of it, in sending_
  std::vector<uint8_t> sending_;
  bool busy_ = false;  // sending_ is on its way
};

}  // namespace ms::io
