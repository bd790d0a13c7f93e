// What one client may do: its name, and the answers it has had. Thread-safe: its requests run on several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "security/authority.h"

namespace ms::security {

// How a decision is audited: a denial that the client is told, or things that are merely left out of a list.
enum class Told : bool { kNo, kYes };

class Session {
 public:
  // `principal`: "User:alice". `credentials`: what the user had when it came in; empty: it did not come with any.
  Session(Authority* authority, std::string principal, std::string host, ScramCredentials credentials = {})
      : authority_(authority), principal_(std::move(principal)), host_(std::move(host)), credentials_(std::move(credentials)) {}

  const std::string& principal() const { return principal_; }
  std::string user() const { return principal_.substr(principal_.find(':') + 1); }  // "alice"
  const std::string& host() const { return host_; }
  bool is_anonymous() const { return principal_ == kAnonymous; }
  // False: no user exists, everything is allowed.
  bool guarded() const { return authority_ && authority_->guards(); }
  // The user is still there with the credentials it came with.
  bool is_current() const;
  uint64_t revision_of_rules() const { return authority_ ? authority_->revision() : 0; }

  // `on_behalf`: the request, for the audit file.
  bool may(Operation operation, const Resource& resource, std::string_view on_behalf, Told told = Told::kYes);
  bool may_any(Operation operation, ResourceType type);
  // The operations on the resource that are allowed, as Kafka's bit field.
  int32_t operations(const Resource& resource);

 private:
  bool ask(Operation operation, const Resource& resource, std::string_view on_behalf, Told told);
  void audit(bool allowed, std::string_view because, Operation operation, const Resource& resource, std::string_view on_behalf) const;

  Authority* const authority_;
  const std::string principal_, host_;
  const ScramCredentials credentials_;
  std::mutex mutex_;
  uint64_t revision_ = 0;  // of the answers
  struct Answer {
    bool allowed = false, audited = false;
  };
  std::unordered_map<std::string, Answer> answers_;
};

}  // namespace ms::security
