#include "kafka/login.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "io/endpoint.h"
#include "kafka/broker.h"
#include "security/refusals.h"

namespace ms::kafka {

namespace {

constexpr int16_t kHandshakeKey = 17, kApiVersionsKey = 18, kAuthenticateKey = 36;
constexpr const char* kPlain = "PLAIN";
constexpr const char* kToken = "OAUTHBEARER";
constexpr size_t kNonceBytes = 18;

struct PlainMessage {
  std::string user, password;
};
// RFC 4616: authorization id, NUL, user, NUL, password.
std::optional<PlainMessage> parse_plain(std::string_view bytes) {
  const size_t first = bytes.find('\0');
  const size_t second = first == std::string_view::npos ? first : bytes.find('\0', first + 1);
  if (second == std::string_view::npos || bytes.find('\0', second + 1) != std::string_view::npos) return std::nullopt;
  const std::string_view authorization = bytes.substr(0, first), user = bytes.substr(first + 1, second - first - 1), password = bytes.substr(second + 1);
  if (user.empty() || password.empty() || (!authorization.empty() && authorization != user)) return std::nullopt;
  return PlainMessage{std::string(user), std::string(password)};
}

// RFC 7628: "n,a=...,^Aauth=Bearer TOKEN^A^A", with other key=value pairs between the ^A.
std::optional<std::string> parse_bearer(std::string_view bytes) {
  constexpr std::string_view kAuth = "auth=Bearer ";
  if (!bytes.starts_with("n,") || !bytes.ends_with("\x01\x01")) return std::nullopt;
  for (size_t at = bytes.find('\x01'); at + 1 < bytes.size();) {
    const size_t end = bytes.find('\x01', at + 1);
    const std::string_view pair = bytes.substr(at + 1, end - at - 1);
    if (pair.starts_with(kAuth)) return std::string(pair.substr(kAuth.size()));
    at = end;
  }
  return std::nullopt;
}

Login::Outcome checked(const security::Authority& authority, const std::string& user, bool right) {
  const auto rules = authority.rules();
  const auto* has = rules->find(user);
  if (!right || !has) return {.user = user, .why = has ? "wrong password" : "no such user"};
  return {.user = user, .done = true, .credentials = *has};
}

Metric& logins(bool good) { return counter("millstream_kafka_logins_total", good ? "outcome=\"success\"" : "outcome=\"failure\""); }

}  // namespace

std::string Login::principal_by_certificate() const {
  const security::Authority* authority = broker_.options.authority;
  if (!authority || certificate_subject_.empty()) return std::string(security::kAnonymous);
  return security::principal_of(certificate_subject_, authority->rules()->file.principal_mapping).value_or(std::string(security::kAnonymous));
}

Login::Login(Broker& broker, const std::string& peer, const io::PeerSecurity& security, bool may_use_plain)
    : broker_(broker), may_use_plain_(may_use_plain), certificate_subject_(security.certificate_subject),
      session_(std::make_shared<security::Session>(broker.options.authority, principal_by_certificate(), io::host_of_peer(peer))), asked_from_the_start_(session_->guarded()) {}

bool Login::came_by_what_is_gone() const {
  if (!session_->guarded()) return false;
  if (session_mechanism_ == kToken) return !broker_.options.authority->rules()->file.oauth;
  return session_mechanism_.empty() && session_->principal() != principal_by_certificate();
}

bool Login::is_over() {
  if (asked_from_the_start_ && session_->is_anonymous()) return false;  // it has not come in yet, and has its own time for that
  const uint64_t revision = session_->revision_of_rules();
  if (seen_revision_ != revision) over_ = !session_->is_current() || came_by_what_is_gone();
  seen_revision_ = revision;
  return over_;
}

std::string_view Login::refuse(int16_t api_key) {
  if (!session_->guarded()) return {};
  const bool is_login = api_key == kHandshakeKey || api_key == kAuthenticateKey;
  if (!done()) return is_login || api_key == kApiVersionsKey ? "" : "unauthenticated";
  if (is_over()) return "session_over";
  const bool expired = expires_us_ != 0 && system_clock().steady_us() >= expires_us_;
  return expired && !is_login ? "session_expired" : "";
}

std::vector<std::string> Login::mechanisms() const {
  std::vector<std::string> out;
  if (!session_->guarded()) return out;
  const auto rules = broker_.options.authority->rules();
  if (rules->file.plain && may_use_plain_) out.emplace_back(kPlain);
  if (rules->file.scram)
    for (const auto mechanism : {security::ScramMechanism::kSha256, security::ScramMechanism::kSha512}) out.emplace_back(security::to_string(mechanism));
  if (rules->file.oauth) out.emplace_back(kToken);
  return out;
}

ErrorCode Login::handshake(const std::string& mechanism, Tokens tokens) {
  if (!session_->guarded() || step_ != Step::kHandshake) return ErrorCode::kIllegalSaslState;
  const auto offered = mechanisms();
  if (std::ranges::find(offered, mechanism) == offered.end()) return ErrorCode::kUnsupportedSaslMechanism;
  if (!session_mechanism_.empty() && mechanism != session_mechanism_) return ErrorCode::kIllegalSaslState;  // who comes again comes the same way
  mechanism_ = mechanism;
  tokens_ = tokens;
  step_ = Step::kFirst;
  return ErrorCode::kNone;
}

void Login::authenticate(std::string bytes, Done done) {
  if (step_ == Step::kHandshake || step_ == Step::kBusy) return done({.why = "SaslAuthenticate without SaslHandshake", .error = ErrorCode::kIllegalSaslState});
  if (mechanism_ == kPlain) return plain(bytes, std::move(done));
  if (mechanism_ == kToken) return token(bytes, std::move(done));
  done(scram(bytes));
}

// A password that was right before costs nothing and does not wait: only its user knows it.
void Login::plain(const std::string& bytes, Done done) {
  auto message = parse_plain(bytes);
  if (!message) return done({.why = "malformed"});
  security::Authority& authority = *broker_.options.authority;
  if (authority.is_known_password(message->user, message->password)) return done(checked(authority, message->user, true));
  step_ = Step::kBusy;
  broker_.logins.run(
      [&authority, message = std::move(*message), done = std::move(done)]() mutable {
        const bool right =
            authority.is_known_password(message.user, message.password) || authority.check_password(message.user, message.password);
        done(checked(authority, message.user, right));
      },
      host());
}

Login::Outcome Login::scram(const std::string& bytes) {
  if (step_ == Step::kFirst) {
    const auto mechanism = *security::scram_mechanism_named(mechanism_);
    scram_.emplace(mechanism, security::base64(security::random_bytes(kNonceBytes)));
    const auto user = scram_->begin(bytes);
    if (!user) return {.why = "malformed"};
    const auto rules = broker_.options.authority->rules();
    const auto* has = rules->find(*user);
    auto challenge = broker_.options.authority->challenge_for(*user, mechanism);
    scram_outcome_ = {.user = *user, .done = challenge.known && has, .credentials = has ? *has : security::ScramCredentials()};
    step_ = Step::kFinal;
    return {.bytes = scram_->challenge(std::move(challenge.credential))};
  }
  auto last = scram_->finish(bytes);
  scram_.reset();
  Outcome out = std::move(scram_outcome_);
  if (!out.done) return {.user = out.user, .why = "no such user"};
  if (!last) return {.user = out.user, .why = "wrong password, or messages that do not belong together"};
  out.bytes = std::move(*last);
  return out;
}

// A token that is refused is answered with a reason in JSON; the client says ^A to that, and then it is over (RFC 7628).
void Login::token(const std::string& bytes, Done done) {
  if (step_ == Step::kTokenRefused) return done({.why = "token refused"});
  auto token = parse_bearer(bytes);
  if (!token) return done({.why = "malformed"});
  step_ = Step::kBusy;
  broker_.logins.run(
      [&authority = *broker_.options.authority, token = std::move(*token), done = std::move(done)]() mutable {
        const auto keys = authority.oauth();
        if (!keys) return done({.why = "tokens are not taken any more"});
        keys->verify(std::move(token), [done = std::move(done)](Result<security::Token> verified) mutable {
          if (!verified) return done({.bytes = R"({"status":"invalid_token"})", .why = verified.error().message});
          done({.user = std::move(verified->user), .done = true, .expires_ms = verified->expires_ms});
        });
      },
      host());
}

void Login::audit(const Outcome& outcome) const {
  logins(outcome.done).add();
  if (!outcome.done) security::warn_login_refused(host(), {{"host", host()}, {"mechanism", mechanism_}, {"user", outcome.user.substr(0, 300)}, {"because", outcome.why}});
  if (security::Audit* audit = broker_.options.authority->audit())
    audit->write("login", {{"outcome", outcome.done ? "allowed" : "denied"}, {"user", outcome.user}, {"host", host()}, {"mechanism", mechanism_}, {"because", outcome.why}});
}

void Login::audit_certificate() {
  if (certificate_subject_.empty() || !session_mechanism_.empty() || !session_->guarded() || session_->is_anonymous()) return;
  if (std::exchange(certificate_audited_, true)) return;
  logins(true).add();
  if (security::Audit* audit = broker_.options.authority->audit())
    audit->write("login", {{"outcome", "allowed"},
                           {"user", session_->user()},
                           {"host", host()},
                           {"mechanism", "certificate"},
                           {"because", certificate_subject_}});
}

LoginAnswer Login::finish(Outcome outcome) {
  const std::string principal = "User:" + outcome.user;
  if (outcome.done && !session_mechanism_.empty() && principal != session_->principal()) outcome = {.user = outcome.user, .why = "the connection is another user's"};
  if (outcome.error == ErrorCode::kIllegalSaslState || !session_->guarded())
    return {.error = ErrorCode::kIllegalSaslState, .message = "SaslAuthenticate comes after SaslHandshake, on a server that has users", .bytes = {}};
  if (!outcome.done && outcome.why.empty()) return {.message = {}, .bytes = std::move(outcome.bytes)};
  audit(outcome);
  if (outcome.done) return accept(std::move(outcome));
  const bool tell_first = mechanism_ == kToken && !outcome.bytes.empty();
  step_ = tell_first ? Step::kTokenRefused : Step::kHandshake;
  if (tell_first) return {.message = {}, .bytes = std::move(outcome.bytes)};
  // One text for every failure: which half was wrong, and whether there is such a user, is nobody's business.
  return {.error = ErrorCode::kSaslAuthenticationFailed,
          .message = fmt::format("Authentication failed: invalid credentials with SASL mechanism {}; check the user name and the password or token", mechanism_),
          .bytes = {}};
}

LoginAnswer Login::accept(Outcome outcome) {
  session_ = std::make_shared<security::Session>(broker_.options.authority, "User:" + outcome.user, host(), std::move(outcome.credentials));
  session_mechanism_ = mechanism_;
  seen_revision_ = 0;
  step_ = Step::kHandshake;
  int64_t lifetime_ms = broker_.options.authority->rules()->file.session_ms_max;
  if (outcome.expires_ms) {
    const int64_t left_ms = std::max<int64_t>(*outcome.expires_ms - system_clock().wall_us() / kMicrosPerMilli, 1);
    lifetime_ms = lifetime_ms == 0 ? left_ms : std::min(lifetime_ms, left_ms);
  }
  expires_us_ = lifetime_ms == 0 ? 0 : system_clock().steady_us() + lifetime_ms * kMicrosPerMilli;
  return {.message = {}, .bytes = std::move(outcome.bytes), .session_lifetime_ms = lifetime_ms};
}

}  // namespace ms::kafka
