#include "kafka/admin/user_admin.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "kafka/admin/admin_error.h"
#include "kafka/messages/alter_user_scram_credentials.h"
#include "kafka/messages/describe_user_scram_credentials.h"

namespace ms::kafka {

namespace {

using security::ScramMechanism;

AlterUserScramCredentialsRequest::Upsertion upsertion(const std::string& user, ScramMechanism mechanism, const NewPassword& wanted) {
  const std::string salt = security::random_bytes(security::kSaltBytesUsual);
  const std::string salted = security::pbkdf2(security::digest_of(mechanism), wanted.password, salt, wanted.iterations);
  return {.name = user,
          .mechanism = static_cast<int8_t>(mechanism),
          .iterations = wanted.iterations,
          .salt = Slice::copy(salt),
          .salted_password = Slice::copy(salted)};
}

Result<> alter(AdminClient& client, const std::string& user, AlterUserScramCredentialsRequest request) {
  TRY_ASSIGN(const auto answer, client.call<AlterUserScramCredentialsResponse>(request));
  if (answer.results.size() != 1) return corruption("AlterUserScramCredentials was answered without the user");
  const auto& result = answer.results.front();
  return check(result.error_code, fmt::format("user '{}'", user), result.error_message);
}

}  // namespace

Result<std::vector<UserListing>> list_users(AdminClient& client) {
  DescribeUserScramCredentialsRequest request;
  TRY_ASSIGN(const auto answer, client.call<DescribeUserScramCredentialsResponse>(request));
  TRY(check(answer.error_code, "the list of users", answer.error_message));
  std::vector<UserListing> users;
  for (const auto& result : answer.results) {
    TRY(check(result.error_code, fmt::format("user '{}'", result.user), result.error_message));
    UserListing& user = users.emplace_back(result.user);
    for (const auto& info : result.credential_infos) user.iterations[static_cast<ScramMechanism>(info.mechanism)] = info.iterations;
  }
  std::ranges::sort(users, {}, &UserListing::name);
  return users;
}

Result<UserListing> find_user(AdminClient& client, const std::string& name) {
  TRY_ASSIGN(const auto users, list_users(client));
  const auto at = std::ranges::find(users, name, &UserListing::name);
  if (at != users.end()) return *at;
  std::vector<std::string> names;
  for (const UserListing& user : users) names.push_back(user.name);
  const std::string near = did_you_mean(name, names);
  return not_found(fmt::format("there is no user '{}'{}", name, near.empty() ? "; see 'millstream user list'" : near));
}

Result<> set_password(AdminClient& client, const UserListing& now, const NewPassword& wanted) {
  AlterUserScramCredentialsRequest request;
  for (const auto& [mechanism, _] : now.iterations)
    if (!wanted.mechanisms.contains(mechanism)) request.deletions.push_back({.name = now.name, .mechanism = static_cast<int8_t>(mechanism)});
  for (const ScramMechanism mechanism : wanted.mechanisms) request.upsertions.push_back(upsertion(now.name, mechanism, wanted));
  return alter(client, now.name, std::move(request));
}

Result<> delete_user(AdminClient& client, const UserListing& now) {
  AlterUserScramCredentialsRequest request;
  for (const auto& [mechanism, _] : now.iterations) request.deletions.push_back({.name = now.name, .mechanism = static_cast<int8_t>(mechanism)});
  return alter(client, now.name, std::move(request));
}

}  // namespace ms::kafka
