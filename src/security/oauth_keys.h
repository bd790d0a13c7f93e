// The keys that tokens are checked with: read from a file or an https:// or http:// address, kept, and fetched anew when they are old or a
// token names one that is not among them. A thread of its own fetches: whoever shows a token of a known key waits for nobody.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "security/jwt.h"

namespace ms::security {

inline constexpr int64_t kFetchAnewUs = 10 * kMicrosPerSecond;  // tokens with unknown keys make us fetch no more often than this

// Thread-safe.
class OauthKeys {
 public:
  using Done = std::move_only_function<void(Result<Token>)>;

  OauthKeys(OauthSettings settings, const Clock& clock);
  ~OauthKeys();  // refuses what waits; waits for a fetch under way, which has a deadline

  // `done` is called once: now, when the token's key is known or fetching cannot help; else when the keys have been fetched, on
  // the thread that did. Errors: kInvalidArgument (the token), kUnavailable (no keys: nobody comes in).
  void verify(std::string token, Done done);
  // Fetches now, on this thread: it may wait for the network. The keys of before stay good when it fails. Errors: of files and
  // of HTTP, and kInvalidArgument (not a JWKS).
  Result<> refresh();
  // Lets the other thread fetch, whatever the age of the keys.
  void refresh_soon();
  void refuse_waiting();

 private:
  struct Waiting {
    std::string token;
    Done done;
  };
  using Keys = std::shared_ptr<const JwksKeys>;
  Result<JwksKeys> fetch() const;
  Result<Token> check(const Keys& keys, std::string_view token) const;
  bool can_help(std::string_view key_id) const;
  void run();

  const OauthSettings settings_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Keys keys_;
  int64_t fetched_us_ = 0;  // by the steady clock, when the last attempt began; 0: none yet
  bool wanted_ = false, fetching_ = false, stopping_ = false;
  std::vector<Waiting> waiting_;  // for the fetch that is wanted or under way
  std::thread thread_;
};

}  // namespace ms::security
