// A TCP server of frames: int32 big-endian length, then so many bytes. Each connection lives on one IoThread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "io/memory_budget.h"
#include "io/runtime.h"
#include "io/tls_credentials.h"

namespace ms::io {

// One frame without its length. `bytes` lies in a block of its own whose memory may be patched by whoever consumes it;
// `hold` is the frame's share of the server's memory budget: keep it as long as the request is being worked on.
struct Frame {
  Slice bytes;
  MemoryHold hold;
  int64_t began_us = 0;  // when its length was there, on system_clock().steady_us()
};

// How a connection is protected, and what the other side has proved about itself.
struct PeerSecurity {
  bool encrypted = false;
  std::string certificate_subject;  // of the client's certificate, in the form of RFC 2253 as Java prints it; empty: it showed none
};

// One side of a connection. Every method must be called on thread() (post() there from elsewhere).
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  virtual ~Connection() = default;
  virtual IoThread& thread() = 0;
  virtual const std::string& peer() const = 0;  // address:port
  virtual const PeerSecurity& security() const = 0;  // the same from the first call of the handler's factory to the end
  // Queues the parts for a gathering write, after everything sent before. Nothing happens on a closed connection.
  virtual void send(std::vector<Slice> parts) = 0;
  virtual size_t unsent_bytes() const = 0;
  virtual void pause_reading() = 0;   // no on_frame after it returns, until
  virtual void resume_reading() = 0;  // this
  virtual void close() = 0;           // on_closed follows, later
  // It is a client that is known: from now on it does not make room for others when the server is full.
  virtual void settle() = 0;
};

// Whether a frame may come, and whose memory it takes.
enum class Admission : uint8_t { kRefused, kStranger, kKnown };

// The other side: what the protocol does. Called on the connection's thread.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  // For a frame of this size, asked when its length is there and before memory is reserved for it. kRefused ends the connection.
  virtual Admission admits(size_t frame_bytes) {
    static_cast<void>(frame_bytes);
    return Admission::kKnown;
  }
  virtual void on_frame(Frame frame) = 0;
  virtual void on_sent() = 0;    // everything queued so far has been given to the system
  virtual void on_closed() = 0;  // the last call
};
// What each connection may hold for a stranger's frame without asking anybody, so that small ones never wait.
inline constexpr size_t kSmallFrameBytes = 8192;
using HandlerFactory = std::function<std::shared_ptr<FrameHandler>(std::shared_ptr<Connection>)>;

struct TcpServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: a free one
  // Beyond it, the oldest that has not settled makes room for a new one; when all have, the new one is closed.
  size_t connections_max = 10'000;
  size_t frame_bytes_max = 100u << 20;   // a larger length closes the connection
  size_t memory_bytes_max = 512u << 20;  // over all frames being read or worked on; reading waits when it is used up
  size_t connection_memory_bytes_max = 64u << 20;  // of it, over those of one connection; one larger frame is let in alone
  size_t strangers_bytes_max = 16u << 20;  // over all strangers' frames beyond kSmallFrameBytes, which hold nothing of memory_bytes_max
  size_t idle_block_bytes_max = 128u << 20;
  int64_t idle_timeout_us = 10 * 60 * 1'000'000LL;  // no byte in either direction
  int64_t frame_timeout_us = 60 * 1'000'000LL;      // from the first byte of a frame to its last
  // While others wait for memory, a frame that is older than this must have come at 64 KiB/s at least: who only announces
  // frames could otherwise keep everybody out for frame_timeout_us.
  int64_t stall_timeout_us = 5 * 1'000'000LL;
  // Asked for each new connection, by its client's address without the port, on an IoThread: 0, and it may come in; else it is closed after
  // so long, unread. Empty: all may.
  std::function<int64_t(const std::string& address)> refuse_for_ms;
  // Empty: in the clear. Else a connection gets its handler when the handshake is over, and ends when its client's certificate
  // expires (looked at once a second).
  std::shared_ptr<TlsCredentials> tls;
  int64_t handshake_timeout_us = 10 * 1'000'000LL;
  size_t handshake_bytes_max = 64u << 10;  // what a client may send before the handshake is over
};

class TcpServer {
 public:
  // Listens and accepts. Errors: kConflict (port in use), kInvalidArgument (host), kInternal. The runtime must outlive it.
  static Result<std::unique_ptr<TcpServer>> start(TcpServerOptions options, IoRuntime& runtime, HandlerFactory factory);
  ~TcpServer();  // stops
  uint16_t port() const;
  // Closes the listener and every connection and waits until their handlers have had on_closed(). Not on an IoThread.
  void stop();

 private:
  struct Core;
  explicit TcpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
};

}  // namespace ms::io
