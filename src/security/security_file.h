// The file of `serve --security`: who may come in and what they may do. docs/security.md is its page.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "security/acl.h"
#include "security/jwt.h"
#include "security/principal_mapping.h"
#include "security/scram.h"

namespace ms::security {

struct SecurityFile {
  std::set<std::string, std::less<>> super_users;              // principals
  std::map<std::string, ScramCredentials> users;  // by name
  std::set<Acl> acls;
  bool plain = true, scram = true;  // mechanisms that are offered
  int64_t session_ms_max = 0;       // after so long a client must authenticate again; 0: never
  std::optional<OauthSettings> oauth;
  std::vector<MappingRule> principal_mapping;

  bool names_users() const { return !users.empty() || oauth || !principal_mapping.empty(); }
};

// `name` for messages. Errors: InvalidArgument with file:line:column.
Result<SecurityFile> parse_security_file(const std::string& name, const std::string& text);
// "SCRAM-SHA-256:salt=...": one credential of a user. Errors: InvalidArgument.
Result<std::pair<ScramMechanism, ScramCredential>> parse_user_credential(std::string_view text);
// The line of `users` for this user, as `millstream credential` prints it.
std::string user_line(const std::string& user, const ScramCredentials& credentials);

}  // namespace ms::security
