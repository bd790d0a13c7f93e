#include "security/authority.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/logging.h"

namespace ms::security {

namespace {

const std::string kUserSpace = "security/users";
const std::string kAclSpace = "security/acls";
const std::string kSecretSpace = "security/secret";
constexpr size_t kSecretBytes = 32;
constexpr size_t kRememberedMax = 10'000;

std::string user_key(const std::string& user, ScramMechanism mechanism) { return fmt::format("{}:{}", to_string(mechanism), user); }

std::string acl_key(const Acl& acl) {
  ByteWriter out;
  for (const int8_t v : {static_cast<int8_t>(acl.type), static_cast<int8_t>(acl.pattern), static_cast<int8_t>(acl.operation), static_cast<int8_t>(acl.permission)})
    out.u8(static_cast<uint8_t>(v));
  out.sized(acl.name), out.sized(acl.principal), out.sized(acl.host);
  return out.take();
}

Result<Acl> acl_of(const std::string& key) {
  ByteReader in(key);
  Acl acl;
  acl.type = static_cast<ResourceType>(in.u8());
  acl.pattern = static_cast<PatternType>(in.u8());
  acl.operation = static_cast<Operation>(in.u8());
  acl.permission = static_cast<Permission>(in.u8());
  acl.name = in.sized(), acl.principal = in.sized(), acl.host = in.sized();
  if (!in.ok() || !in.at_end() || !check_acl(acl)) return corruption("the log's metadata holds an ACL that cannot be read; restore the directory from a backup");
  return acl;
}

Result<std::map<std::string, ScramCredentials>> users_of(const log::Entries& entries) {
  std::map<std::string, ScramCredentials> users;
  for (const auto& [key, value] : entries) {
    auto parsed = parse_user_credential(key.substr(0, key.find(':') + 1) + value);
    if (!parsed) return corruption(fmt::format("the log's metadata holds a credential that cannot be read ({}); restore the directory from a backup", key));
    users[key.substr(key.find(':') + 1)][parsed->first] = std::move(parsed->second);
  }
  return users;
}

std::set<Acl> both(const std::set<Acl>& a, const std::set<Acl>& b) {
  std::set<Acl> out = a;
  out.insert(b.begin(), b.end());
  return out;
}

std::map<std::string, const ScramCredentials*> all_users(const SecurityFile& file, const std::map<std::string, ScramCredentials>& kept) {
  std::map<std::string, const ScramCredentials*> all;
  for (const auto* users : {&file.users, &kept})
    for (const auto& [user, credentials] : *users) all.emplace(user, &credentials);
  return all;
}

}  // namespace

Rules::Rules(SecurityFile security_file, std::map<std::string, ScramCredentials> kept_users, std::set<Acl> kept_acls)
    : file(std::move(security_file)),
      users_in_log(std::move(kept_users)),
      acls_in_log(std::move(kept_acls)),
      acls(both(file.acls, acls_in_log)),
      unknown_users(all_users(file, users_in_log)) {}

const ScramCredentials* Rules::find(const std::string& user) const {
  for (const auto* users : {&file.users, &users_in_log})
    if (const auto at = users->find(user); at != users->end()) return &at->second;
  return nullptr;
}

Decision Rules::decide(const Asker& asker, Operation operation, const Resource& resource) const {
  if (is_super(asker.principal)) return {true, nullptr};
  return acls.decide(asker, operation, resource);
}

Authority::Authority(SecurityFile file, log::Log& log, Audit* audit)
    : log_(log), audit_(audit), cache_key_(random_bytes(kSecretBytes)), rules_(std::make_shared<const Rules>(std::move(file), std::map<std::string, ScramCredentials>(), std::set<Acl>())) {
  oauth_ = keys_of(rules_->file);
}

Authority::~Authority() = default;

Result<std::unique_ptr<Authority>> Authority::open(SecurityFile file, log::Log& log, Audit* audit) {
  std::unique_ptr<Authority> authority(new Authority(std::move(file), log, audit));
  TRY(authority->load());
  return authority;
}

Result<> Authority::load() {
  TRY_ASSIGN(auto users, users_of(log_.entries(kUserSpace)));
  std::set<Acl> acls;
  for (const auto& [key, value] : log_.entries(kAclSpace)) {
    TRY_ASSIGN(Acl acl, acl_of(key));
    acls.insert(std::move(acl));
  }
  publish(rules_->file, std::move(users), std::move(acls));
  return guards() ? ensure_secret() : Result<>();
}

// With the keys that there are now: a failure is logged, and tokens are refused until there are some.
std::shared_ptr<OauthKeys> Authority::keys_of(const SecurityFile& file) {
  if (!file.oauth) return nullptr;
  auto keys = std::make_shared<OauthKeys>(*file.oauth, system_clock());
  static_cast<void>(keys->refresh());
  return keys;
}

std::shared_ptr<OauthKeys> Authority::oauth() const {
  const std::lock_guard lock(mutex_);
  return oauth_;
}

// Once: whoever is challenged reads it without a lock.
Result<> Authority::ensure_secret() {
  if (!secret_.empty()) return {};
  const log::Entries kept = log_.entries(kSecretSpace);
  if (const auto at = kept.find("unknown_users"); at != kept.end()) return secret_ = at->second, Result<>();
  secret_ = random_bytes(kSecretBytes);
  return log_.change_entries(kSecretSpace, {{"unknown_users", secret_}});
}

void Authority::publish(SecurityFile file, std::map<std::string, ScramCredentials> users, std::set<Acl> acls) {
  auto rules = std::make_shared<const Rules>(std::move(file), std::move(users), std::move(acls));
  {
    const std::lock_guard lock(mutex_);
    rules_ = rules;
  }
  guards_.store(rules->any_user(), std::memory_order_release);
  revision_.fetch_add(1, std::memory_order_acq_rel);
}

void Authority::announce() {
  const std::lock_guard lock(listeners_mutex_);
  for (const auto& [id, listener] : listeners_) listener();
}

std::shared_ptr<const Rules> Authority::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

// The same work for known and unknown users.
Authority::Challenge Authority::challenge_for(const std::string& user, ScramMechanism mechanism) const {
  const auto now = rules();
  ScramCredential fake = now->unknown_users.credential(secret_, user, mechanism);
  if (const ScramCredentials* has = now->find(user))
    if (const auto at = has->find(mechanism); at != has->end()) return {at->second, true};
  return {std::move(fake), false};
}

// The one that the password is checked against.
std::pair<ScramMechanism, ScramCredential> Authority::credential_of(const Rules& rules, const std::string& user) const {
  const ScramMechanism mechanism = rules.unknown_users.mechanism(secret_, user);
  ScramCredential fake = rules.unknown_users.credential(secret_, user, mechanism);
  if (const ScramCredentials* has = rules.find(user); has && !has->empty()) return *has->begin();
  return {mechanism, std::move(fake)};
}

std::string Authority::password_key(const std::string& user, std::string_view password) const {
  return hmac(Digest::kSha256, cache_key_, fmt::format("{}:{}{}", user.size(), user, password));
}

bool Authority::check_password(const std::string& user, std::string_view password) {
  const auto now = rules();
  const auto [mechanism, credential] = credential_of(*now, user);
  const bool right = has_password(mechanism, credential, password) && now->find(user) != nullptr;
  if (!right) return false;
  const std::lock_guard lock(remembered_mutex_);
  if (remembered_.size() >= kRememberedMax) remembered_.clear();
  remembered_[password_key(user, password)] = credential.stored_key;
  return true;
}

bool Authority::is_known_password(const std::string& user, std::string_view password) const {
  const auto now = rules();
  const ScramCredentials* has = now->find(user);
  const std::lock_guard lock(remembered_mutex_);
  const auto at = remembered_.find(password_key(user, password));
  return at != remembered_.end() && has && !has->empty() && at->second == has->begin()->second.stored_key;
}

Result<> Authority::change_credentials(std::span<const CredentialChange> changes, std::string_view by) {
  const std::lock_guard one_at_a_time(changing_);
  const auto now = rules();
  auto users = now->users_in_log;
  log::EntryChanges entries;
  if (now->file.super_users.empty())
    return invalid("name a super user first: start the server with --security FILE and super_users in it; otherwise nobody could give permissions");
  for (const CredentialChange& change : changes) {
    if (now->file.users.contains(change.user)) return invalid(fmt::format("user '{}' stands in the security file; change it there", change.user));
    ScramCredentials& has = users[change.user];
    if (change.credential) has[change.mechanism] = *change.credential;
    else has.erase(change.mechanism);
    if (has.empty()) users.erase(change.user);
    entries[user_key(change.user, change.mechanism)] = change.credential ? std::optional(format_credential(*change.credential)) : std::nullopt;
  }
  if (now->any_user() && users.empty() && !now->file.names_users())
    return invalid("without its last user the server would be open to everybody; make another user first");
  TRY(ensure_secret());
  TRY(log_.change_entries(kUserSpace, entries));
  publish(now->file, std::move(users), now->acls_in_log);
  for (const CredentialChange& change : changes)
    if (audit_) audit_->write(change.credential ? "user_set" : "user_deleted", {{"principal", by}, {"user", change.user}, {"mechanism", to_string(change.mechanism)}});
  return {};
}

Result<> Authority::change_acls(const std::set<Acl>& added, const std::set<Acl>& removed, std::string_view by) {
  const std::lock_guard one_at_a_time(changing_);
  const auto now = rules();
  auto acls = now->acls_in_log;
  log::EntryChanges entries;
  for (const Acl& acl : removed) acls.erase(acl), entries[acl_key(acl)] = std::nullopt;
  for (const Acl& acl : added) acls.insert(acl), entries[acl_key(acl)] = "";
  TRY(log_.change_entries(kAclSpace, entries));
  publish(now->file, now->users_in_log, std::move(acls));
  for (const auto& [event, changed] : {std::pair{"acl_created", &added}, std::pair{"acl_deleted", &removed}})
    for (const Acl& acl : *changed)
      if (audit_) audit_->write(event, {{"principal", by}, {"acl", to_string(acl)}});
  return {};
}

Result<> Authority::replace_file(SecurityFile file) {
  const std::lock_guard one_at_a_time(changing_);
  const auto before = rules();
  if (before->any_user() && before->users_in_log.empty() && !file.names_users()) return invalid("it names no users, and the server would be open to everybody");
  if (file.names_users()) TRY(ensure_secret());
  auto keys = oauth();
  if (file.oauth == before->file.oauth) {
    if (keys) keys->refresh_soon();
  } else {
    keys = keys_of(file);
  }
  {
    const std::lock_guard lock(mutex_);
    oauth_.swap(keys);
  }
  publish(std::move(file), before->users_in_log, before->acls_in_log);
  if (audit_) audit_replaced(*before, *rules());
  announce();
  return {};
}

void Authority::audit_replaced(const Rules& before, const Rules& after) const {
  constexpr std::string_view kBecause = "security file";
  audit_->write("security_file_read", {});
  for (const auto& [user, credentials] : after.file.users)
    if (const auto at = before.file.users.find(user); at == before.file.users.end() || at->second != credentials) audit_->write("user_set", {{"user", user}, {"because", kBecause}});
  for (const auto& [user, credentials] : before.file.users)
    if (!after.file.users.contains(user)) audit_->write("user_deleted", {{"user", user}, {"because", kBecause}});
  for (const Acl& acl : after.file.acls)
    if (!before.file.acls.contains(acl)) audit_->write("acl_created", {{"acl", to_string(acl)}, {"because", kBecause}});
  for (const Acl& acl : before.file.acls)
    if (!after.file.acls.contains(acl)) audit_->write("acl_deleted", {{"acl", to_string(acl)}, {"because", kBecause}});
}

uint64_t Authority::add_listener(std::function<void()> listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_[++last_listener_] = std::move(listener);
  return last_listener_;
}

void Authority::remove_listener(uint64_t id) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(id);
}

}  // namespace ms::security
