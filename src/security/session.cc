#include "security/session.h"

#include <algorithm>

#include "security/refusals.h"

namespace ms::security {

namespace {

constexpr size_t kAnswersMax = 10'000;
constexpr size_t kNameBytesMax = 1'000;  // longer names are asked for anew each time

// What is done all day is audited once per session and resource, everything else each time.
bool is_daily(Operation operation) {
  return operation == Operation::kRead || operation == Operation::kWrite || operation == Operation::kDescribe || operation == Operation::kDescribeConfigs ||
         operation == Operation::kIdempotentWrite;
}

std::string key_of(Operation operation, const Resource& resource) {
  std::string key{static_cast<char>(operation), static_cast<char>(resource.type)};
  key += resource.name;
  return key;
}

}  // namespace

bool Session::is_current() const {
  if (!authority_ || !authority_->guards()) return true;
  if (is_anonymous()) return false;
  if (credentials_.empty()) return true;  // a token or a certificate, which has its own end
  const auto rules = authority_->rules();
  const size_t colon = principal_.find(':');
  const ScramCredentials* has = rules->find(principal_.substr(colon + 1));
  return has && *has == credentials_;
}

bool Session::may(Operation operation, const Resource& resource, std::string_view on_behalf, Told told) {
  return !guarded() || ask(operation, resource, on_behalf, told);
}

bool Session::ask(Operation operation, const Resource& resource, std::string_view on_behalf, Told told) {
  const bool keep = resource.name.size() <= kNameBytesMax;
  const std::string key = keep ? key_of(operation, resource) : std::string();
  const uint64_t revision = authority_->revision();
  const std::lock_guard lock(mutex_);
  if (revision != revision_ || answers_.size() >= kAnswersMax) answers_.clear();
  revision_ = revision;
  const auto known = answers_.find(key);
  const bool told_before = known != answers_.end() && known->second.audited;
  if (keep && known != answers_.end() && known->second.allowed && is_daily(operation) && (told_before || told == Told::kNo)) return true;
  if (keep && known != answers_.end() && !known->second.allowed && told == Told::kNo) return false;
  const auto rules = authority_->rules();
  const Decision decision = rules->decide({principal_, host_}, operation, resource);
  const std::string because = decision.because ? to_string(*decision.because) : decision.allowed ? "super user" : "no ACL allows it";
  if (keep) answers_[key] = {decision.allowed, told == Told::kYes};
  if (told == Told::kYes) audit(decision.allowed, because, operation, resource, on_behalf);
  return decision.allowed;
}

bool Session::may_any(Operation operation, ResourceType type) {
  if (!guarded()) return true;
  const auto rules = authority_->rules();
  return rules->is_super(principal_) || rules->acls.decide_any({principal_, host_}, operation, type).allowed;
}

int32_t Session::operations(const Resource& resource) {
  int32_t bits = 0;
  for (const Operation operation : operations_of(resource.type))
    if (may(operation, resource, {}, Told::kNo)) bits |= 1 << static_cast<int>(operation);
  return bits;
}

void Session::audit(bool allowed, std::string_view because, Operation operation, const Resource& resource, std::string_view on_behalf) const {
  if (!allowed)
    warn_access_denied(principal_, {{"principal", principal_}, {"host", host_}, {"request", on_behalf}, {"operation", to_string(operation)},
                                    {"resource_type", to_string(resource.type)}, {"resource", resource.name.substr(0, 300)}, {"because", because}});
  if (!authority_->audit()) return;
  authority_->audit()->write("access", {{"outcome", allowed ? "allowed" : "denied"}, {"principal", principal_}, {"host", host_}, {"request", on_behalf},
                                        {"operation", to_string(operation)}, {"resource_type", to_string(resource.type)}, {"resource", resource.name}, {"because", because}});
}

}  // namespace ms::security
