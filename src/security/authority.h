// Who there is and who may what, right now: the users and ACLs of the security file and those kept in the log's metadata.
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "log/log.h"
#include "security/acl.h"
#include "security/audit.h"
#include "security/oauth_keys.h"
#include "security/scram.h"
#include "security/security_file.h"
#include "security/unknown_users.h"

namespace ms::security {

// Everything that decides, at one moment. Immutable.
struct Rules {
  Rules(SecurityFile security_file, std::map<std::string, ScramCredentials> kept_users, std::set<Acl> kept_acls);

  const SecurityFile file;
  const std::map<std::string, ScramCredentials> users_in_log;
  const std::set<Acl> acls_in_log;
  const AclIndex acls;  // of both
  const UnknownUsers unknown_users;

  // The user's credentials; null: there is no such user.
  const ScramCredentials* find(const std::string& user) const;
  // Somebody can show who it is: from then on everybody must.
  bool any_user() const { return !users_in_log.empty() || file.names_users(); }
  Decision decide(const Asker& asker, Operation operation, const Resource& resource) const;
  bool is_super(std::string_view principal) const { return file.super_users.contains(principal); }
};

// One change of a user's credentials; nullopt: deleted.
struct CredentialChange {
  std::string user;
  ScramMechanism mechanism = ScramMechanism::kSha256;
  std::optional<ScramCredential> credential;
};

class Authority {
 public:
  // Reads what the log keeps. `audit` may be null; the log and the audit outlive this. Errors: those of the log, kCorruption.
  static Result<std::unique_ptr<Authority>> open(SecurityFile file, log::Log& log, Audit* audit);
  ~Authority();

  // False: no user exists, everybody may do everything. Cheap.
  bool guards() const { return guards_.load(std::memory_order_acquire); }
  uint64_t revision() const { return revision_.load(std::memory_order_acquire); }  // another one after every change
  std::shared_ptr<const Rules> rules() const;
  Audit* audit() const { return audit_; }
  std::shared_ptr<OauthKeys> oauth() const;  // null: not configured

  // The credential a SCRAM exchange with this user goes by: for one that does not exist, one that nobody has, always the same
  // and like those of real users.
  struct Challenge {
    ScramCredential credential;
    bool known = false;
  };
  Challenge challenge_for(const std::string& user, ScramMechanism mechanism) const;
  // Whether that is the user's password. Takes milliseconds, also for users that do not exist.
  bool check_password(const std::string& user, std::string_view password);
  // The same in microseconds, for what was right before and still is; false says nothing.
  bool is_known_password(const std::string& user, std::string_view password) const;

  // Both are durable on return, all or none, and audited as done by the principal `by`; `announce` goes to the listeners once the change has been answered. Not on an event
  // loop. Errors: kInvalidArgument saying why not; those of the log.
  Result<> change_credentials(std::span<const CredentialChange> changes, std::string_view by);
  Result<> change_acls(const std::set<Acl>& added, const std::set<Acl>& removed, std::string_view by);

  // Takes another security file in place of the one of before, and announces it; audited. May wait for the network (keys of tokens).
  // Errors: kInvalidArgument when it would open the server to everybody; those of the log. Then nothing has changed.
  Result<> replace_file(SecurityFile file);

  void announce();

  // Called on the thread that announces.
  uint64_t add_listener(std::function<void()> listener);
  void remove_listener(uint64_t id);  // no call runs after it returns

 private:
  Authority(SecurityFile file, log::Log& log, Audit* audit);
  Result<> load();
  Result<> ensure_secret();
  void audit_replaced(const Rules& before, const Rules& after) const;
  static std::shared_ptr<OauthKeys> keys_of(const SecurityFile& file);
  void publish(SecurityFile file, std::map<std::string, ScramCredentials> users, std::set<Acl> acls);
  std::string password_key(const std::string& user, std::string_view password) const;
  std::pair<ScramMechanism, ScramCredential> credential_of(const Rules& rules, const std::string& user) const;

  log::Log& log_;
  Audit* const audit_;
  std::string secret_;  // of the fake credentials; the same after a restart
  const std::string cache_key_;
  std::atomic<bool> guards_{false};
  std::atomic<uint64_t> revision_{1};
  std::mutex changing_;  // one change at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const Rules> rules_;
  std::shared_ptr<OauthKeys> oauth_;
  mutable std::mutex remembered_mutex_;
  std::unordered_map<std::string, std::string> remembered_;  // by user and password, hashed: the stored key it was right for
  std::mutex listeners_mutex_;
  std::map<uint64_t, std::function<void()>> listeners_;
  uint64_t last_listener_ = 0;
};

}  // namespace ms::security
