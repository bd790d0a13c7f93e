#include "security/oauth_keys.h"

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/logging.h"
#include "io/http_client.h"

namespace ms::security {

namespace {
constexpr int64_t kFetchTimeoutMs = 5'000;
constexpr int64_t kAnewUs = 10 * kMicrosPerSecond;  // tokens with unknown keys make us fetch no more often than this
constexpr size_t kDocumentBytesMax = 1u << 20;

// http://host:port/path -> both halves
std::pair<std::string, std::string> split(const std::string& url) {
  const size_t slash = url.find('/', std::string_view("http://").size());
  return slash == std::string::npos ? std::pair{url, std::string("/")} : std::pair{url.substr(0, slash), url.substr(slash)};
}
}  // namespace

Result<JwksKeys> OauthKeys::fetch() const {
  if (!settings_.jwks.starts_with("http://")) {
    TRY_ASSIGN(const std::string text, read_file(posix_file_system(), settings_.jwks));
    return JwksKeys::parse(text);
  }
  const auto [server, target] = split(settings_.jwks);
  TRY_ASSIGN(io::HttpClient client, io::HttpClient::to(server));
  TRY_ASSIGN(const io::HttpAnswer answer, client.send({.target = target, .timeout_ms = kFetchTimeoutMs}));
  if (answer.status != 200 || answer.body.size() > kDocumentBytesMax)
    return fail(ErrorKind::kUnavailable, fmt::format("{} answered {} with {} bytes; a JWKS document with 200 is expected", settings_.jwks, answer.status, answer.body.size()));
  return JwksKeys::parse(answer.body);
}

Result<> OauthKeys::refresh() {
  const std::lock_guard lock(mutex_);
  fetched_us_ = clock_.steady_us();
  auto keys = fetch();
  if (!keys) {
    log_error("jwks_fetch_failed", {{"jwks", settings_.jwks}, {"error", keys.error().message}});
    return Unexpected(keys.error().within(settings_.jwks));
  }
  keys_ = std::move(*keys);
  return {};
}

Result<Token> OauthKeys::verify(std::string_view token) {
  const std::string kid = key_id_of(token);
  bool stale = false;
  {
    const std::lock_guard lock(mutex_);
    const int64_t age_us = clock_.steady_us() - fetched_us_;
    stale = !keys_ || age_us > settings_.jwks_refresh_ms * kMicrosPerMilli || !keys_->has(kid);
    stale = stale && (fetched_us_ == 0 || age_us > kAnewUs);
  }
  if (stale) static_cast<void>(refresh());  // the keys we have stay good
  const std::lock_guard lock(mutex_);
  if (!keys_) return fail(ErrorKind::kUnavailable, "there are no keys to check tokens with");
  return verify_token(token, *keys_, settings_, clock_.wall_us() / kMicrosPerMilli);
}

}  // namespace ms::security
