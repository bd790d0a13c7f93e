// AlterUserScramCredentials (51), version 0: makes, changes and deletes users' credentials in the log's metadata.
//
// - Iterations are 4096 to 16384. One that is not there cannot be deleted (RESOURCE_NOT_FOUND); who is named twice for one
//   mechanism is DUPLICATE_RESOURCE. Users with an error are left alone, the others change together.
// - Open connections of a changed or deleted user end after the answer.
// - Users of the security file, the first user of a server that has no super user, and the deletion of the last user are
//   UNACCEPTABLE_CREDENTIAL with a message.
#include <map>

#include "kafka/acl_messages.h"
#include "kafka/handlers.h"
#include "kafka/messages/alter_user_scram_credentials.h"

namespace ms::kafka {

namespace {

using Request = AlterUserScramCredentialsRequest;
using Response = AlterUserScramCredentialsResponse;
using security::ScramMechanism;

struct Refusal {
  ErrorCode error = ErrorCode::kNone;
  std::string message;
};

constexpr size_t kSaltBytesMax = 1024;

struct Wanted {
  std::vector<security::CredentialChange> changes;
  std::map<std::string, Refusal> users;  // everybody the request names
};

bool is_mechanism(int8_t number) { return number == static_cast<int8_t>(ScramMechanism::kSha256) || number == static_cast<int8_t>(ScramMechanism::kSha512); }

Refusal check_name(const std::string& name, int8_t mechanism) {
  if (name.empty() || name == "*" || name == "ANONYMOUS") return {ErrorCode::kUnacceptableCredential, "this cannot be the name of a user"};
  if (!is_mechanism(mechanism)) return {ErrorCode::kUnsupportedSaslMechanism, "there are SCRAM-SHA-256 (1) and SCRAM-SHA-512 (2)"};
  return {};
}

Refusal check(const Request::Upsertion& u) {
  if (auto refused = check_name(u.name, u.mechanism); refused.error != ErrorCode::kNone) return refused;
  if (u.iterations < security::kIterationsMin || u.iterations > security::kIterationsMax)
    return {ErrorCode::kUnacceptableCredential, "iterations are " + std::to_string(security::kIterationsMin) + " to " + std::to_string(security::kIterationsMax)};
  const size_t size = security::digest_bytes(security::digest_of(static_cast<ScramMechanism>(u.mechanism)));
  if (u.salt.size() == 0 || u.salt.size() > kSaltBytesMax || u.salted_password.size() != size)
    return {ErrorCode::kUnacceptableCredential, "a salt, and a salted password of " + std::to_string(size) + " bytes are needed"};
  return {};
}

Refusal check(const security::Rules& rules, const Request::Deletion& d) {
  if (auto refused = check_name(d.name, d.mechanism); refused.error != ErrorCode::kNone) return refused;
  const auto* has = rules.find(d.name);
  if (!has || !has->contains(static_cast<ScramMechanism>(d.mechanism))) return {ErrorCode::kResourceNotFound, "there is no such credential"};
  return {};
}

void keep(Wanted& wanted, const std::string& name, Refusal refusal) {
  auto& at = wanted.users[name];
  if (at.error == ErrorCode::kNone) at = std::move(refusal);
}

Wanted plan(const security::Rules& rules, const Request& request) {
  Wanted wanted;
  std::map<std::pair<std::string, int8_t>, int> named;
  const auto count = [&](const std::string& name, int8_t mechanism) {
    if (++named[{name, mechanism}] > 1) keep(wanted, name, {ErrorCode::kDuplicateResource, "the request names this user twice for one mechanism"});
  };
  for (const auto& d : request.deletions) {
    keep(wanted, d.name, check(rules, d));
    count(d.name, d.mechanism);
    wanted.changes.push_back({.user = d.name, .mechanism = static_cast<ScramMechanism>(d.mechanism), .credential = std::nullopt});
  }
  for (const auto& u : request.upsertions) {
    keep(wanted, u.name, check(u));
    count(u.name, u.mechanism);
    if (wanted.users[u.name].error != ErrorCode::kNone) continue;
    const auto mechanism = static_cast<ScramMechanism>(u.mechanism);
    wanted.changes.push_back({.user = u.name, .mechanism = mechanism,
                              .credential = security::credential_of_salted(mechanism, u.salted_password.view(), std::string(u.salt.view()), u.iterations)});
  }
  std::erase_if(wanted.changes, [&](const auto& change) { return wanted.users[change.user].error != ErrorCode::kNone; });
  return wanted;
}

void refuse_rest(Wanted& wanted, ErrorCode error, const std::string& message) {
  for (auto& [name, refusal] : wanted.users)
    if (refusal.error == ErrorCode::kNone) refusal = {error, message};
}

void alter(Broker& broker, Call& call, Wanted& wanted) {
  if (wanted.changes.empty()) return;
  const auto done = broker.options.authority->change_credentials(wanted.changes, call.session().principal());
  if (done) return;
  const bool refused = done.error().kind == ErrorKind::kInvalidArgument;
  refuse_rest(wanted, refused ? ErrorCode::kUnacceptableCredential : ErrorCode::kKafkaStorageError, done.error().message);
}

}  // namespace

void handle_alter_user_scram_credentials(Broker& broker, Call call) {
  Request request;
  if (!call.decode(request)) return;
  broker.worker.run([&broker, call = call.leave_for(Stage::kQueue), request = std::move(request)]() mutable {
    call.enter(Stage::kWork);
    security::Authority* authority = broker.options.authority;
    Wanted wanted;
    if (authority) wanted = plan(*authority->rules(), request);
    else for (const auto& u : request.upsertions) wanted.users[u.name] = {ErrorCode::kSecurityDisabled, kNoAuthority};
    if (call.may(Operation::kAlter, cluster_resource())) {
      alter(broker, call, wanted);
    } else {
      for (auto& [name, refusal] : wanted.users) refusal = {ErrorCode::kClusterAuthorizationFailed, call.denial(Operation::kAlter, cluster_resource())};
    }
    Response response;
    for (auto& [name, refusal] : wanted.users) {
      auto& out = response.results.emplace_back();
      out.user = name;
      out.error_code = code(refusal.error);
      if (refusal.error != ErrorCode::kNone) out.error_message = std::move(refusal.message);
    }
    call.reply(response);
    if (authority) authority->announce();
  });
}

}  // namespace ms::kafka
