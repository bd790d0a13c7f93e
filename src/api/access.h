// Who may use the HTTP API: the users of the Kafka port by HTTP Basic, and the same permissions (decision record 0022).
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "io/http_server.h"
#include "security/session.h"

namespace ms::api {

struct Call;
struct Route;

struct Credentials {
  std::string user, password;
};
// Of an Authorization header. nullopt: not Basic, or malformed.
std::optional<Credentials> parse_basic(std::string_view header);

// The sessions of those who have shown their password. Thread-safe.
class HttpSessions {
 public:
  explicit HttpSessions(security::Authority* authority) : authority_(authority), everybody_(open("")) {}

  // That of every request while no user exists: such requests cost no session.
  const std::shared_ptr<security::Session>& everybody() const { return everybody_; }
  // Of somebody who does not say who it is.
  std::shared_ptr<security::Session> open(std::string_view host) const;
  bool guards() const { return authority_ && authority_->guards(); }
  // The user's session if that is its password. The first knows only passwords that were right before, and takes microseconds;
  // the second takes milliseconds: not on an event loop.
  std::shared_ptr<security::Session> find(const Credentials& credentials, std::string_view host);
  std::shared_ptr<security::Session> check(const Credentials& credentials, std::string_view host);

 private:
  std::shared_ptr<security::Session> session_of(const std::string& user, std::string_view host);
  security::Authority* const authority_;
  const std::shared_ptr<security::Session> everybody_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<security::Session>> sessions_;
};

void answer_unauthorized(io::HttpReply& reply);  // 401

// Whether the session may send this request; else 403 is answered. `body` decides for what it names: a topic to make, and what of
// a topic is changed.
bool permit(security::Session& session, const Route& route, const Call& call, io::HttpReply& reply);
bool permit(security::Session& session, security::Operation operation, const security::Resource& resource, std::string_view on_behalf, io::HttpReply& reply);

}  // namespace ms::api
