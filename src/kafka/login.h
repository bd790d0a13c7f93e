// How one connection says who it is: SaslHandshake and SaslAuthenticate, step by step, and again before its session ends
// (KIP-368). On the connection's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/tcp_server.h"
#include "kafka/error_code.h"
#include "security/session.h"

namespace ms::kafka {

struct Broker;

// Before it is known who it is, a connection may send frames of this size, and must be done within this time.
inline constexpr size_t kLoginFrameBytesMax = 64u << 10;
inline constexpr int64_t kLoginTimeoutUs = 10'000'000;
inline constexpr int64_t kLoginFailureDelayUs = 100'000;   // Kafka's connection.failed.authentication.delay.ms

// For how long from now the answer to a failure waits, when its request came `worked_us` ago: until a whole number of delays is
// over, so that what it took is not seen. In (0, kLoginFailureDelayUs].
constexpr int64_t failure_wait_us(int64_t worked_us) { return kLoginFailureDelayUs - worked_us % kLoginFailureDelayUs; }

enum class Tokens : uint8_t { kFramed, kBare };  // in SaslAuthenticate, or each a frame by itself

struct LoginAnswer {
  ErrorCode error = ErrorCode::kNone;
  std::string message;  // of an error
  std::string bytes;    // for the client's mechanism
  int64_t session_lifetime_ms = 0;
};

class Login {
 public:
  // `may_use_plain`: passwords do not travel in the clear. `peer`: address:port. Who shows a certificate is known by it already.
  Login(Broker& broker, const std::string& peer, const io::PeerSecurity& security, bool may_use_plain);

  const std::shared_ptr<security::Session>& session() const { return session_; }
  const std::string& host() const { return session_->host(); }
  // Once, when it is known by its certificate on a server that asks who comes.
  void audit_certificate();
  bool done() const { return !session_->guarded() || !session_->is_anonymous(); }
  // Why a request may not come in now, as a reason for the counter of refused ones; empty: it may.
  std::string_view refuse(int16_t api_key);
  // The session is over: its user was removed or changed, what it came by is not taken any more, or the server has begun to ask
  // who comes.
  bool is_over();

  ErrorCode handshake(const std::string& mechanism, Tokens tokens);
  // The next frame is a token, not a request.
  bool expects_bare_token() const { return tokens_ == Tokens::kBare && step_ != Step::kHandshake; }
  std::vector<std::string> mechanisms() const;
  // One message of the client. `done` is called once, on any thread; what it is given goes to finish().
  struct Outcome {
    std::string bytes;  // for the client's mechanism
    std::string user;
    std::string why;    // it is refused; for our own log alone
    ErrorCode error = ErrorCode::kSaslAuthenticationFailed;  // what the client is told then
    bool done = false;  // the user is who it says
    security::ScramCredentials credentials;
    std::optional<int64_t> expires_ms;  // of a token, wall clock
  };
  using Done = std::move_only_function<void(Outcome)>;
  void authenticate(std::string bytes, Done done);
  // Takes over what came out; gives what the client is told.
  LoginAnswer finish(Outcome outcome);

 private:
  std::string principal_by_certificate() const;
  bool came_by_what_is_gone() const;
  enum class Step : uint8_t { kHandshake, kFirst, kFinal, kTokenRefused, kBusy };
  void plain(const std::string& bytes, Done done);
  void token(const std::string& bytes, Done done);
  Outcome scram(const std::string& bytes);
  void audit(const Outcome& outcome) const;
  LoginAnswer accept(Outcome outcome);

  Broker& broker_;
  const bool may_use_plain_;
  const std::string certificate_subject_;
  std::shared_ptr<security::Session> session_;
  const bool asked_from_the_start_;  // the server had users when the connection came
  Step step_ = Step::kHandshake;
  Tokens tokens_ = Tokens::kFramed;  // of the exchange that runs
  std::string mechanism_;          // of the exchange that runs, or of the last one
  std::string session_mechanism_;  // that the session came with
  std::optional<security::ScramServer> scram_;
  Outcome scram_outcome_;  // if the proof is right
  uint64_t seen_revision_ = 0;  // of the rules that over_ is about
  bool over_ = false;
  bool certificate_audited_ = false;
  int64_t expires_us_ = 0;  // of the session, steady clock; 0: never
};

}  // namespace ms::kafka
