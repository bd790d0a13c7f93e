#include "security/oauth_keys.h"

#include <fmt/format.h>

#include <utility>

#include "base/file_system.h"
#include "base/logging.h"
#include "io/http_client.h"

namespace ms::security {

namespace {
constexpr int64_t kFetchTimeoutMs = 5'000;
constexpr size_t kDocumentBytesMax = 1u << 20;
constexpr size_t kWaitingMax = 1'000;  // tokens that wait for a fetch

bool is_address(const std::string& jwks) { return jwks.starts_with("http://") || jwks.starts_with("https://"); }

// https://host:port/path -> both halves
std::pair<std::string, std::string> split(const std::string& url) {
  const size_t slash = url.find('/', url.find("//") + 2);
  return slash == std::string::npos ? std::pair{url, std::string("/")} : std::pair{url.substr(0, slash), url.substr(slash)};
}
}  // namespace

Result<JwksKeys> OauthKeys::fetch() const {
  if (!is_address(settings_.jwks)) {
    TRY_ASSIGN(const std::string text, read_file(posix_file_system(), settings_.jwks));
    return JwksKeys::parse(text);
  }
  const auto [server, target] = split(settings_.jwks);
  std::shared_ptr<const io::ClientTls> tls;  // made each time, so that new authorities count from the next fetch on
  if (server.starts_with("https://")) {
    TRY_ASSIGN(tls, io::ClientTls::load({.ca = settings_.jwks_ca}));
  }
  TRY_ASSIGN(io::HttpClient client, io::HttpClient::to(server, tls));
  TRY_ASSIGN(const io::HttpAnswer answer, client.send({.target = target, .timeout_ms = kFetchTimeoutMs, .answer_bytes_max = kDocumentBytesMax}));
  if (answer.status != 200) return fail(ErrorKind::kUnavailable, fmt::format("{} answered {}; a JWKS document with 200 is expected", settings_.jwks, answer.status));
  return JwksKeys::parse(answer.body);
}

OauthKeys::OauthKeys(OauthSettings settings, const Clock& clock) : settings_(std::move(settings)), clock_(clock), thread_([this] { run(); }) {}

OauthKeys::~OauthKeys() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  refuse_waiting();
}

Result<> OauthKeys::refresh() {
  {
    const std::lock_guard lock(mutex_);
    fetched_us_ = clock_.steady_us();
    fetching_ = true;
  }
  auto keys = fetch();
  const std::lock_guard lock(mutex_);
  fetching_ = false;
  if (!keys) {
    log_error("jwks_fetch_failed", {{"jwks", settings_.jwks}, {"error", keys.error().message}, {"what", keys_ ? "the keys of before stay in use" : "no token is good until there are keys"}});
    return Unexpected(keys.error().within(settings_.jwks));
  }
  keys_ = std::make_shared<const JwksKeys>(std::move(*keys));
  return {};
}

void OauthKeys::refresh_soon() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  changed_.notify_all();
}

void OauthKeys::refuse_waiting() {
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  for (Waiting& one : waiting) one.done(fail(ErrorKind::kUnavailable, "the server stops"));
}

// Under the lock: whether the keys should be fetched because of a token with this key.
bool OauthKeys::can_help(std::string_view key_id) const {
  if (wanted_ || fetching_ || fetched_us_ == 0) return true;
  const int64_t age_us = clock_.steady_us() - fetched_us_;
  const bool needed = !keys_ || !keys_->has(key_id) || age_us > settings_.jwks_refresh_ms * kMicrosPerMilli;
  return needed && age_us > kFetchAnewUs;
}

Result<Token> OauthKeys::check(const Keys& keys, std::string_view token) const {
  if (!keys) return fail(ErrorKind::kUnavailable, "there are no keys to check tokens with");
  return verify_token(token, *keys, settings_, clock_.wall_us() / kMicrosPerMilli);
}

void OauthKeys::verify(std::string token, Done done) {
  const std::string key_id = key_id_of(token);
  Keys keys;
  {
    const std::lock_guard lock(mutex_);
    keys = keys_;
    const bool fetches = !stopping_ && can_help(key_id);
    if (fetches && !fetching_) wanted_ = true;
    const bool known = keys && keys->has(key_id);
    if (fetches && !known && waiting_.size() < kWaitingMax) {
      waiting_.push_back({std::move(token), std::move(done)});
      done = nullptr;
    }
  }
  changed_.notify_all();
  if (done) done(check(keys, token));
}

void OauthKeys::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || wanted_; });
    if (stopping_) return;
    wanted_ = false;
    lock.unlock();
    static_cast<void>(refresh());  // logged
    lock.lock();
    auto waiting = std::exchange(waiting_, {});
    const Keys keys = keys_;
    lock.unlock();
    for (Waiting& one : waiting) one.done(check(keys, one.token));
    waiting.clear();
    lock.lock();
  }
}

}  // namespace ms::security
