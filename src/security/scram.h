// SCRAM (RFC 5802, RFC 7677), both sides, without channel binding, and the credentials that a server keeps: never a
// password, and nothing that lets its owner log in elsewhere. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "security/crypto.h"

namespace ms::security {

enum class ScramMechanism : int8_t { kSha256 = 1, kSha512 = 2 };  // Kafka's numbers
std::string_view to_string(ScramMechanism mechanism);              // "SCRAM-SHA-256"
std::optional<ScramMechanism> scram_mechanism_named(std::string_view name);
Digest digest_of(ScramMechanism mechanism);

// What Kafka takes.
inline constexpr int kIterationsMin = 4096;
inline constexpr int kIterationsMax = 16384;
// Of our own commands.
inline constexpr int kIterationsUsual = 8192;
inline constexpr size_t kSaltBytesUsual = 24;

struct ScramCredential {
  std::string salt, stored_key, server_key;  // bytes
  int iterations = 0;
  bool operator==(const ScramCredential&) const = default;
};
// By mechanism, what one user has.
using ScramCredentials = std::map<ScramMechanism, ScramCredential>;

ScramCredential make_credential(ScramMechanism mechanism, std::string_view password, std::string salt, int iterations);
// What a client that knows PBKDF2's result alone sends (AlterUserScramCredentials).
ScramCredential credential_of_salted(ScramMechanism mechanism, std::string_view salted_password, std::string salt, int iterations);
bool has_password(ScramMechanism mechanism, const ScramCredential& credential, std::string_view password);  // takes milliseconds

// "salt=BASE64,stored_key=BASE64,server_key=BASE64,iterations=4096", as Kafka writes it. Errors: InvalidArgument naming the part.
std::string format_credential(const ScramCredential& credential);
Result<ScramCredential> parse_credential(ScramMechanism mechanism, std::string_view text);

// One authentication: the client's first message, our answer, its final message, our answer. Any step in which something is
// wrong ends it, and nothing says what: callers answer every failure alike.
class ScramServer {
 public:
  // `nonce`: ours, printable and without commas.
  ScramServer(ScramMechanism mechanism, std::string nonce) : mechanism_(mechanism), nonce_(std::move(nonce)) {}

  // The user name that the first message asks for; nullopt: malformed, or it asks for what we do not have (channel binding,
  // another authorization id, mandatory extensions).
  std::optional<std::string> begin(std::string_view client_first);
  // The server's first message. For an unknown user `credential` is one that nobody has.
  std::string challenge(ScramCredential credential);
  // The server's final message; nullopt: refused.
  std::optional<std::string> finish(std::string_view client_final);

 private:
  const ScramMechanism mechanism_;
  std::string nonce_;  // ours; the client's and ours after begin()
  std::string gs2_header_, client_first_bare_, server_first_;
  ScramCredential credential_;
};

// The client's side of the same, for our own commands.
class ScramClient {
 public:
  ScramClient(ScramMechanism mechanism, std::string_view user, std::string password, std::string nonce);
  std::string first() const { return "n,," + first_bare_; }
  // The final message. Errors: kCorruption (no SCRAM), kInvalidArgument (iterations that are none: a server that fishes for proofs).
  Result<std::string> answer(std::string_view challenge);
  // Whether the server knows the credential, too.
  bool verifies(std::string_view server_final) const;

 private:
  const ScramMechanism mechanism_;
  const std::string password_, nonce_, first_bare_;
  std::string expected_;  // of the server's final message
};

}  // namespace ms::security
