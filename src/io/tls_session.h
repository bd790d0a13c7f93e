// One TLS connection without its socket: ciphertext in, plaintext out, and the other way round. Knows no I/O and no time;
// one thread at a time.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/tls_context.h"

struct ssl_st;

namespace ms::io {

inline constexpr int64_t kNeverUs = std::numeric_limits<int64_t>::max();

class TlsSession {
 public:
  explicit TlsSession(std::shared_ptr<const TlsContext> context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  enum class State : uint8_t {
    kHandshake,  // wants ciphertext
    kOpen,
    kEnded,   // the other side has said that it is done
    kFailed,  // see failure()
  };
  State state() const { return state_; }
  const std::string& failure() const { return failure_; }  // what went wrong and what to do about it

  // Takes ciphertext in. The bytes must stay until wants_input().
  void feed(std::span<const uint8_t> ciphertext) { input_ = ciphertext; }
  bool wants_input() const { return input_.empty(); }
  // Goes on with the handshake as far as the input goes.
  void shake_hands();
  // Plaintext of what came in; 0 when there is none for now or state() is no longer kOpen.
  size_t read(std::span<uint8_t> into);
  // Encrypts all of it behind output(). False: the session has failed.
  bool write(std::span<const uint8_t> plaintext);
  // Says that this side is done.
  void end();
  // Ciphertext for the other side; whoever sends it takes it from here.
  std::vector<uint8_t>& output() { return output_; }

  // Of the client's certificate, from kOpen on: its subject in the form of RFC 2253, empty when none was shown; and when the
  // first certificate of its chain expires, microseconds since 1970.
  std::string subject() const;
  int64_t expires_us() const;

 private:
  friend struct TlsBio;
  void fail(int result);

  const std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_ = nullptr;
  State state_ = State::kHandshake;
  std::span<const uint8_t> input_;
  std::vector<uint8_t> output_;
  std::string failure_;
};

// Whether these first bytes of a connection begin a TLS handshake; fewer than three may be one.
bool begins_tls(std::span<const uint8_t> first);

}  // namespace ms::io
