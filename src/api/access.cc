#include "api/access.h"

#include <fmt/format.h>

#include "api/context.h"
#include "api/problem.h"
#include "api/routes.h"
#include "security/crypto.h"
#include "security/refusals.h"

namespace ms::api {

namespace {
constexpr size_t kSessionsMax = 10'000;
}  // namespace

std::optional<Credentials> parse_basic(std::string_view header) {
  constexpr std::string_view kScheme = "basic ";
  if (header.size() <= kScheme.size() || !io::http_equal(header.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const auto text = security::from_base64(header.substr(kScheme.size()));
  const size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  return Credentials{text->substr(0, colon), text->substr(colon + 1)};
}

std::shared_ptr<security::Session> HttpSessions::open(std::string_view host) const {
  return std::make_shared<security::Session>(authority_, std::string(security::kAnonymous), std::string(host));
}

std::shared_ptr<security::Session> HttpSessions::session_of(const std::string& user, std::string_view host) {
  const std::lock_guard lock(mutex_);
  const std::string key = std::string(host) + " " + user;
  auto& session = sessions_[key];
  if (session && session->is_current()) return session;
  const auto rules = authority_->rules();
  const auto* has = rules->find(user);
  if (!has) return sessions_.erase(key), nullptr;
  if (sessions_.size() > kSessionsMax) sessions_.clear();
  return sessions_[key] = std::make_shared<security::Session>(authority_, "User:" + user, std::string(host), *has);
}

std::shared_ptr<security::Session> HttpSessions::find(const Credentials& credentials, std::string_view host) {
  return authority_->is_known_password(credentials.user, credentials.password) ? session_of(credentials.user, host) : nullptr;
}

std::shared_ptr<security::Session> HttpSessions::check(const Credentials& credentials, std::string_view host) {
  const bool right = authority_->check_password(credentials.user, credentials.password);
  if (!right) security::warn_login_refused(host, {{"host", host}, {"mechanism", "Basic"}, {"user", credentials.user.substr(0, 300)}});
  if (security::Audit* audit = authority_->audit())
    audit->write("login", {{"outcome", right ? "allowed" : "denied"}, {"user", credentials.user}, {"host", host}, {"mechanism", "Basic"}});
  return right ? session_of(credentials.user, host) : nullptr;
}

void answer_unauthorized(io::HttpReply& reply) {
  reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"millstream\", charset=\"UTF-8\"");
  answer_problem(reply, 401, "unauthenticated", "give the name and password of a user: --user NAME with MILLSTREAM_PASSWORD, or curl --user NAME");
}

bool permit(security::Session& session, security::Operation operation, const security::Resource& resource, std::string_view on_behalf, io::HttpReply& reply) {
  if (session.may(operation, resource, on_behalf)) return true;
  answer_problem(reply, 403, "forbidden", security::denial_text(session.principal(), operation, resource));
  return false;
}

bool permit(security::Session& session, const Route& route, const Call& call, io::HttpReply& reply) {
  if (!session.guarded()) return true;
  const std::string request = fmt::format("{} {}", route.method, route.path);
  const auto asks = [&](security::Operation operation, const security::Resource& resource) { return permit(session, operation, resource, request, reply); };
  const auto body = route.needs.about == About::kNewTopic || route.needs.about == About::kChangedTopic ? parse_object(call.body) : Result<Json>(Json::object());
  if (!body) return answer_error(reply, body.error()), false;
  switch (route.needs.about) {
    case About::kNothing:
    case About::kTopicList: return true;
    case About::kCluster: return asks(route.needs.operation, security::cluster_resource());
    case About::kTopic: return asks(route.needs.operation, security::topic_resource(call.names[0]));
    case About::kChangedTopic:
      return (!body->contains("config") || asks(security::Operation::kAlterConfigs, security::topic_resource(call.names[0]))) &&
             (!body->contains("partitions") || asks(security::Operation::kAlter, security::topic_resource(call.names[0]))) && asks(security::Operation::kDescribe, security::topic_resource(call.names[0]));
    case About::kNewTopic:
      if (session.may(security::Operation::kCreate, security::cluster_resource(), request, security::Told::kNo))
        return asks(security::Operation::kCreate, security::cluster_resource());  // and says so in the audit file
      return asks(security::Operation::kCreate, security::topic_resource(string_member(*body, "name").value_or("")));
  }
  return false;
}

}  // namespace ms::api
