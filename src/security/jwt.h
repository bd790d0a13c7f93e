// JSON Web Tokens (RFC 7519) signed with RS256 or ES256 by a key of a JWKS (RFC 7517), as OAUTHBEARER brings them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms::security {

struct OauthSettings {
  std::string jwks;       // a file, or an https:// or http:// URL
  std::string jwks_ca;    // of an https:// URL: a PEM file with the authorities of its server; empty: the system's
  std::string issuer;     // `iss` must be this
  std::string audience;   // `aud` must be or contain this
  std::string user_claim = "sub";
  int64_t clock_skew_ms = 30'000;
  int64_t jwks_refresh_ms = 3'600'000;
  bool operator==(const OauthSettings&) const = default;
};

inline constexpr size_t kTokenBytesMax = 64u << 10;

// The public keys of a JWKS document by `kid` ("" when a key has none). Keys of other kinds or for other uses are left out.
// Errors: InvalidArgument.
class JwksKeys {
 public:
  static Result<JwksKeys> parse(std::string_view json);
  size_t size() const { return keys_.size(); }
  bool has(std::string_view kid) const { return keys_.contains(kid); }

 private:
  friend Result<struct Token> verify_token(std::string_view, const JwksKeys&, const OauthSettings&, int64_t);
  struct Key;
  std::map<std::string, std::shared_ptr<const Key>, std::less<>> keys_;
};

struct Token {
  std::string user;
  int64_t expires_ms = 0;
};
// What the token says once everything about it is right: algorithm (RS256 or ES256, and that of its key), signature, `exp`, `nbf`,
// `iss`, `aud` and the claim of the user. Errors: InvalidArgument saying what is wrong (for our log, not for the client).
Result<Token> verify_token(std::string_view token, const JwksKeys& keys, const OauthSettings& settings, int64_t now_ms);
// The key that a token names, unchecked: whether fetching the keys anew can help.
std::string key_id_of(std::string_view token);

}  // namespace ms::security
