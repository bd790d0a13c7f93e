// millstream user list|create|update|delete
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/nearest.h"
#include "kafka/admin/acl_admin.h"
#include "kafka/admin/user_admin.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/output.h"
#include "server/password.h"

namespace ms::server {
namespace {

using kafka::AdminClient;
using kafka::UserListing;
using security::ScramMechanism;
using Mechanisms = std::set<ScramMechanism>;

struct UserOptions {
  std::string name;
  std::vector<std::string> names;  // to delete
  std::vector<std::string> mechanisms;
  std::string new_password_file;
  int iterations = security::kIterationsUsual;
  bool yes = false;
};

// ---- list

Result<> list(const Cli& cli) {
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto users, kafka::list_users(client));
  Json json = Json::array();
  Table table({"USER", "MECHANISM", "ITERATIONS"});
  for (const UserListing& user : users) {
    Json& credentials = json.emplace_back(Json{{"user", user.name}, {"credentials", Json::array()}})["credentials"];
    for (const auto& [mechanism, iterations] : user.iterations) {
      credentials.push_back({{"mechanism", to_string(mechanism)}, {"iterations", iterations}});
      table.add({user.name, std::string(to_string(mechanism)), std::to_string(iterations)});
    }
  }
  if (cli.common.json) fmt::print("{}\n", dump({{"users", json}}));
  else fmt::print("{}", table.rows() ? table.text() : "There are no users.\n");
  return {};
}

// ---- create, update

// Those that are named; none: `otherwise`.
Result<Mechanisms> mechanisms_of(const UserOptions& options, const Mechanisms& otherwise) {
  Mechanisms out;
  for (const std::string& name : options.mechanisms) {
    const auto mechanism = security::scram_mechanism_named(name);
    if (!mechanism) return invalid(fmt::format("--mechanism '{}' is none of SCRAM-SHA-256, SCRAM-SHA-512{}", name, did_you_mean(name, std::vector<std::string>{"SCRAM-SHA-256", "SCRAM-SHA-512"})));
    out.insert(*mechanism);
  }
  return out.empty() ? otherwise : out;
}

Result<kafka::NewPassword> new_password(const UserOptions& options, const Mechanisms& otherwise) {
  kafka::NewPassword wanted{.password = {}, .mechanisms = {}, .iterations = options.iterations};
  TRY_ASSIGN(wanted.mechanisms, mechanisms_of(options, otherwise));
  const std::string prompt = fmt::format("New password of {}", options.name);
  TRY_ASSIGN(wanted.password, read_password({.file = options.new_password_file,
                                             .option = "--new-password-file",
                                             .variable = "MILLSTREAM_NEW_PASSWORD",
                                             .prompt = prompt.c_str(),
                                             .twice = true}));
  return wanted;
}

void print_set(const Cli& cli, const char* what, const std::string& user, const Mechanisms& mechanisms) {
  Json json{{what, user}, {"mechanisms", Json::array()}};
  std::string text;
  for (const ScramMechanism mechanism : mechanisms) {
    json["mechanisms"].push_back(to_string(mechanism));
    text += fmt::format("{}{}", text.empty() ? "" : ", ", to_string(mechanism));
  }
  if (cli.common.json) fmt::print("{}\n", dump(json));
  else fmt::print("{} {} ({})\n", what, user, text);
}

// The first user closes the server to everybody else. Errors: InvalidArgument when nobody can be asked, kCancelled.
Result<> agree_to_close(const UserOptions& options, const std::string& name) {
  if (options.yes) return {};
  const std::string warning =
      fmt::format("'{}' will be the first user. From then on nobody does anything without a name and a password, and what no ACL allows is denied, "
                  "but to the super users of the server's security file: '{}' should be one of them, or nobody can give permissions",
                  name, name);
  TRY_ASSIGN(const bool agreed, confirmed(warning + ".\nGo on?", fmt::format("{}. Say --yes", warning)));
  return agreed ? Result<>() : fail(ErrorKind::kCancelled, "nothing was changed");
}

void say_what_follows(const Cli& cli, const std::string& name) {
  if (cli.common.quiet) return;
  fmt::print(stderr,
             "The server is no longer open: everybody has to log in now, commands with --user {}.\n"
             "More users: millstream user create NAME --user {}. What they may do: millstream acl create.\n",
             name, name);
}

Result<> create(const Cli& cli, const UserOptions& options) {
  const std::string& name = options.name;
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto users, kafka::list_users(client));
  if (std::ranges::find(users, name, &UserListing::name) != users.end())
    return fail(ErrorKind::kAlreadyExists, fmt::format("user '{}' is there already; 'millstream user update {}' changes the password", name, name));
  const bool first = users.empty() && cli.common.server.user.empty();  // who could log in is not alone
  if (first) TRY(agree_to_close(options, name));
  TRY_ASSIGN(const auto wanted, new_password(options, {ScramMechanism::kSha256, ScramMechanism::kSha512}));
  TRY(kafka::set_password(client, {.name = name}, wanted));
  print_set(cli, "created", name, wanted.mechanisms);
  if (first) say_what_follows(cli, name);
  return {};
}

Result<> update(const Cli& cli, const UserOptions& options) {
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto user, kafka::find_user(client, options.name));
  Mechanisms has;
  for (const auto& [mechanism, _] : user.iterations) has.insert(mechanism);
  TRY_ASSIGN(const auto wanted, new_password(options, has));
  TRY(kafka::set_password(client, user, wanted));
  print_set(cli, "updated", user.name, wanted.mechanisms);
  return {};
}

// ---- delete

// ACLs outlive users: whoever gets the name later has them. nullopt: the server does not tell (it may keep none).
std::optional<size_t> acls_naming(AdminClient& client, const std::string& user) {
  const auto acls = kafka::list_acls(client, {{.principal = security::principal_named(user)}});
  return acls ? std::optional(acls->size()) : std::nullopt;
}

Result<> remove(const Cli& cli, const UserOptions& options) {
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  for (const std::string& name : options.names) {
    TRY_ASSIGN(const auto user, kafka::find_user(client, name));
    const auto left = acls_naming(client, name);  // before: who deletes himself is shut out afterwards
    TRY(kafka::delete_user(client, user));
    if (cli.common.json) fmt::print("{}\n", dump({{"deleted", name}, {"acls_left", left ? Json(*left) : Json()}}));
    else fmt::print("deleted {}\n", name);
    if (left.value_or(0) > 0 && !cli.common.quiet)
      fmt::print(stderr, "{} ACLs still name '{}', and hold for the next user of that name: millstream acl delete --principal {}\n", *left, name, name);
  }
  return {};
}

void add_password_options(CLI::App& sub, UserOptions& options, const char* mechanisms_help) {
  sub.add_option("--new-password-file", options.new_password_file, "file with the user's password, - for stdin (default: MILLSTREAM_NEW_PASSWORD, then the terminal)")->type_name("FILE");
  add_list_option(sub, "--mechanism", options.mechanisms, mechanisms_help)->delimiter(',')->type_name("NAME,...");
  sub.add_option("--iterations", options.iterations, fmt::format("how much work a guess costs (default {})", security::kIterationsUsual))
      ->check(CLI::Range(security::kIterationsMin, security::kIterationsMax))
      ->type_name("NUMBER");
}

}  // namespace

void add_user_commands(Cli& cli) {
  // Lives as long as the commands that are registered here.
  const auto kept = std::make_shared<UserOptions>();
  UserOptions& options = *kept;
  CLI::App* user = cli.app.add_subcommand("user", "who may log in: list, create, update, delete");
  user->require_subcommand(1);

  add_kafka_command(cli, *user, "list", "all users with a password, those of the security file, too", [&cli] { return list(cli); });

  CLI::App* sub = add_kafka_command(cli, *user, "create", "a new user", [&cli, kept] { return create(cli, *kept); });
  sub->add_option("NAME", options.name, "the user")->required();
  add_password_options(*sub, options, "SCRAM-SHA-256, SCRAM-SHA-512 (default: both)");
  sub->add_flag("--yes,-y", options.yes, "do not ask before the first user closes the server");

  sub = add_kafka_command(cli, *user, "update", "another password; the old one is gone", [&cli, kept] { return update(cli, *kept); });
  sub->add_option("NAME", options.name, "the user")->required();
  add_password_options(*sub, options, "SCRAM-SHA-256, SCRAM-SHA-512: only these afterwards (default: those that the user has)");

  sub = add_kafka_command(cli, *user, "delete", "users may not log in any more", [&cli, kept] { return remove(cli, *kept); });
  sub->add_option("NAME", options.names, "the users")->required();
}

}  // namespace ms::server
