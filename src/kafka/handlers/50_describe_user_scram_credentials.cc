// DescribeUserScramCredentials (50), version 0: which mechanisms users have, with their iterations; never a key. Null or no
// names: every user.
#include <algorithm>
#include <set>

#include "kafka/handlers.h"
#include "kafka/messages/describe_user_scram_credentials.h"

namespace ms::kafka {

namespace {

using Response = DescribeUserScramCredentialsResponse;

void describe(const security::Rules& rules, Response::Result& out) {
  const security::ScramCredentials* has = rules.find(out.user);
  if (!has) {
    out.error_code = code(ErrorCode::kResourceNotFound);
    out.error_message = "there is no user '" + out.user + "' with SCRAM credentials";
    return;
  }
  for (const auto& [mechanism, credential] : *has) out.credential_infos.push_back({static_cast<int8_t>(mechanism), credential.iterations});
}

std::multiset<std::string> names_of(const security::Rules& rules, const DescribeUserScramCredentialsRequest& request) {
  std::multiset<std::string> names;
  if (request.users)
    for (const auto& user : *request.users) names.insert(user.name);
  if (!names.empty()) return names;
  for (const auto* users : {&rules.file.users, &rules.users_in_log})
    for (const auto& [name, credentials] : *users)
      if (!names.contains(name)) names.insert(name);
  return names;
}

}  // namespace

void handle_describe_user_scram_credentials(Broker& broker, Call call) {
  DescribeUserScramCredentialsRequest request;
  if (!call.decode(request)) return;
  Response response;
  if (!call.may(Operation::kDescribe, cluster_resource())) {
    response.error_code = code(ErrorCode::kClusterAuthorizationFailed);
    response.error_message = call.denial(Operation::kDescribe, cluster_resource());
    return call.reply(response);
  }
  if (!broker.options.authority) return call.reply(response);
  const auto rules = broker.options.authority->rules();
  const auto names = names_of(*rules, request);
  for (auto name = names.begin(); name != names.end(); name = names.upper_bound(*name)) {
    if (!call.room().take(sizeof(Response::Result) + 2 * name->size())) break;
    auto& out = response.results.emplace_back();
    out.user = *name;
    if (names.count(*name) == 1) {
      describe(*rules, out);
    } else {
      out.error_code = code(ErrorCode::kDuplicateResource);
      out.error_message = "the request names this user twice";
    }
  }
  call.reply(response);
}

}  // namespace ms::kafka
