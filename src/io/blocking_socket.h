// A TCP connection, in the clear or with TLS, for commands, tests and a thread of its own: every call blocks until its deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/client_tls.h"
#include "io/endpoint.h"

namespace ms::io {

// One thread at a time. Deadlines are on system_clock().steady_us().
class BlockingSocket {
 public:
  BlockingSocket() = default;  // closed
  BlockingSocket(BlockingSocket&& other) noexcept;
  BlockingSocket& operator=(BlockingSocket&& other) noexcept;
  ~BlockingSocket() { close(); }

  // Tries every address of the host. Errors: kUnavailable (no such host, nobody listens; no TLS there, or a certificate that is not
  // trusted), kTimeout. `tls` null: in the clear; else it must outlive the connection.
  static Result<BlockingSocket> connect(const Endpoint& endpoint, int64_t deadline_us, const ClientTls* tls = nullptr);
  // Errors of both: kUnavailable (the connection is lost), kTimeout.
  Result<> write_all(std::string_view bytes, int64_t deadline_us);
  // Appends what is there to `in`, at least a byte; gives how much. 0: the other side has closed.
  Result<size_t> read_some(std::string& in, int64_t deadline_us);

  bool is_open() const { return fd_ >= 0; }
  void close();  // idempotent

 private:
  explicit BlockingSocket(int fd) : fd_(fd) {}
  Result<> shake_hands(const ClientTls& tls, const std::string& host, int64_t deadline_us);
  Result<> wait_for_session(int returned, std::string_view what, int64_t deadline_us);

  struct FreeSession {
    void operator()(ssl_st* session) const;
  };
  int fd_ = -1;
  std::unique_ptr<ssl_st, FreeSession> session_;
};

// kUnavailable with the text of an errno.
Unexpected connection_lost(std::string_view what, int error_number);

}  // namespace ms::io
