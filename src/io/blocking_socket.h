// A TCP connection for commands and tests, whose every call blocks until its deadline.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/endpoint.h"

namespace ms::io {

// One thread at a time. Deadlines are on system_clock().steady_us().
class BlockingSocket {
 public:
  BlockingSocket() = default;  // closed
  BlockingSocket(BlockingSocket&& other) noexcept;
  BlockingSocket& operator=(BlockingSocket&& other) noexcept;
  ~BlockingSocket() { close(); }

  // Tries every address of the host. Errors: kUnavailable (no such host, nobody listens), kTimeout.
  static Result<BlockingSocket> connect(const Endpoint& endpoint, int64_t deadline_us);
  // Errors of both: kUnavailable (the connection is lost), kTimeout.
  Result<> write_all(std::string_view bytes, int64_t deadline_us);
  // Appends what is there to `in`, at least a byte; gives how much. 0: the other side has closed.
  Result<size_t> read_some(std::string& in, int64_t deadline_us);

  bool is_open() const { return fd_ >= 0; }
  void close();  // idempotent

 private:
  explicit BlockingSocket(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// kUnavailable with the text of an errno.
Unexpected connection_lost(std::string_view what, int error_number);

}  // namespace ms::io
