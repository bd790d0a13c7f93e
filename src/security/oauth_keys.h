// The keys that tokens are checked with: read from a file or an http:// address, kept, and fetched anew when they are old or a
// token names one that is not among them. Thread-safe; may wait for the network, so not on an event loop.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "security/jwt.h"

namespace ms::security {

class OauthKeys {
 public:
  OauthKeys(OauthSettings settings, const Clock& clock) : settings_(std::move(settings)), clock_(clock) {}
  // Errors: kInvalidArgument (the token), kUnavailable (no keys: nobody comes in).
  Result<Token> verify(std::string_view token);
  Result<> refresh();

 private:
  Result<JwksKeys> fetch() const;
  const OauthSettings settings_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<JwksKeys> keys_;
  int64_t fetched_us_ = 0;  // by the steady clock; also of attempts that failed
};

}  // namespace ms::security
