// millstream acl list|create|delete
#include <fmt/format.h>

#include <cstdio>

#include "kafka/admin/acl_admin.h"
#include "server/acl_words.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/output.h"

namespace ms::server {
namespace {

using kafka::AdminClient;
using security::Acl;

struct AclOptions {
  AclWords words;
  bool dry_run = false;
};

Json acls_json(const std::set<Acl>& acls) {
  Json json = Json::array();
  for (const Acl& acl : acls)
    json.push_back({{"principal", acl.principal}, {"host", acl.host}, {"resource_type", to_string(acl.type)}, {"resource", acl.name},
                    {"pattern", to_string(acl.pattern)}, {"operation", to_string(acl.operation)}, {"permission", to_string(acl.permission)}});
  return json;
}

std::string acls_text(const std::set<Acl>& acls) {
  Table table({"PRINCIPAL", "HOST", "RESOURCE", "NAME", "PATTERN", "OPERATION", "PERMISSION"});
  const auto text = [](auto word) { return std::string(to_string(word)); };
  for (const Acl& acl : acls) table.add({acl.principal, acl.host, text(acl.type), acl.name, text(acl.pattern), text(acl.operation), text(acl.permission)});
  return table.text();
}

Result<> list(const Cli& cli, const AclOptions& options) {
  TRY_ASSIGN(const auto filters, acls_meant(options.words));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto acls, kafka::list_acls(client, filters));
  if (cli.common.json) fmt::print("{}\n", dump({{"acls", acls_json(acls)}}));
  else fmt::print("{}", acls.empty() ? "There are no such ACLs.\n" : acls_text(acls));
  return {};
}

Result<> create(const Cli& cli, const AclOptions& options) {
  TRY_ASSIGN(const auto acls, acls_to_make(options.words));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY(kafka::create_acls(client, acls));
  fmt::print("{}", cli.common.json ? dump({{"created", acls_json(acls)}}) + "\n" : acls_text(acls));
  return {};
}

// ---- delete

Result<std::vector<security::AclFilter>> filters_to_delete(const AclWords& words) {
  TRY_ASSIGN(auto filters, acls_meant(words));
  const security::AclFilter everything;
  const auto says_nothing = [&](const security::AclFilter& f) {
    return !f.name && !f.principal && !f.host && f.type == everything.type && f.operation == everything.operation && f.permission == everything.permission;
  };
  if (std::ranges::any_of(filters, says_nothing))
    return invalid("that would be every ACL: say which, for example with --principal NAME, --topic NAME or --resource topic");
  return filters;
}

Unexpected nothing_fits(AdminClient& client, const std::vector<security::AclFilter>& filters) {
  const auto all = kafka::list_acls(client, {{}});
  const std::string near = all ? nearest_acl(filters, *all) : "";
  return not_found(fmt::format("no ACL is like that{}", near.empty() ? "; see 'millstream acl list'" : near));
}

Result<> remove(const Cli& cli, const AclOptions& options) {
  TRY_ASSIGN(const auto filters, filters_to_delete(options.words));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  kafka::DeletedAcls done;
  if (options.dry_run) {
    TRY_ASSIGN(done.deleted, kafka::list_acls(client, filters));
  } else {
    TRY_ASSIGN(done, kafka::delete_acls(client, filters));
  }
  if (done.deleted.empty() && done.kept.empty()) return nothing_fits(client, filters);
  if (cli.common.json) fmt::print("{}\n", dump({{"deleted", !options.dry_run}, {"acls", acls_json(done.deleted)}}));
  else if (!done.deleted.empty()) fmt::print("{}", acls_text(done.deleted));
  if (options.dry_run && !cli.common.quiet) fmt::print(stderr, "Nothing was deleted: --dry-run. ACLs of the security file would stay.\n");
  for (const Error& error : done.kept) report(error);
  return done.kept.empty() ? Result<>() : fail(ErrorKind::kConflict, fmt::format("{} of {} ACLs stay", done.kept.size(), done.kept.size() + done.deleted.size()));
}

// ---- options

void add_resources(CLI::App& sub, AclWords& words) {
  add_list_option(sub, "--topic", words.topics, "a topic; '*' is every one")->type_name("NAME");
  add_list_option(sub, "--group", words.groups, "a consumer group")->type_name("NAME");
  add_list_option(sub, "--transactional-id", words.transactional_ids, "a transactional id")->type_name("NAME");
  sub.add_flag("--cluster", words.cluster, "the cluster");
}

void add_rules(CLI::App& sub, AclWords& words) {
  add_list_option(sub, "--allow-principal", words.allow_principals, "who may: a user, or '*' for everybody")->type_name("NAME");
  add_list_option(sub, "--deny-principal", words.deny_principals, "who may not, whatever else allows it")->type_name("NAME");
  add_list_option(sub, "--allow-host", words.allow_hosts, "only from this address")->type_name("ADDRESS");
  add_list_option(sub, "--deny-host", words.deny_hosts, "only from this address")->type_name("ADDRESS");
  add_list_option(sub, "--operation", words.operations, "read, write, create, delete, alter, describe, describe-configs, alter-configs, ..., all")->delimiter(',')->type_name("NAME,...");
}

void add_filters(CLI::App& sub, AclWords& words) {
  add_rules(sub, words);
  add_resources(sub, words);
  add_list_option(sub, "--principal", words.principals, "whom it allows or denies something")->type_name("NAME");
  add_list_option(sub, "--resource", words.types, "everything of a type: topic, group, cluster, transactional-id")->type_name("TYPE");
  sub.add_option("--pattern", words.pattern, "literal, prefixed, any (default), or match: all that say something about the names")->type_name("PATTERN");
}

}  // namespace

void add_acl_commands(Cli& cli) {
  // Lives as long as the commands that are registered here.
  const auto kept = std::make_shared<AclOptions>();
  AclOptions& options = *kept;
  CLI::App* acl = cli.app.add_subcommand("acl", "who may do what: list, create, delete");
  acl->require_subcommand(1);

  CLI::App* sub = add_kafka_command(cli, *acl, "list", "the ACLs, or those that are meant", [&cli, kept] { return list(cli, *kept); });
  add_filters(*sub, options.words);

  sub = add_kafka_command(cli, *acl, "create", "allow or deny: each principal each operation on each resource", [&cli, kept] { return create(cli, *kept); });
  add_rules(*sub, options.words);
  add_resources(*sub, options.words);
  sub->add_option("--pattern", options.words.pattern, "literal (default): these names; prefixed: all names that begin so")->type_name("PATTERN");

  sub = add_kafka_command(cli, *acl, "delete", "take back what is meant; the options that made an ACL delete it", [&cli, kept] { return remove(cli, *kept); });
  add_filters(*sub, options.words);
  sub->add_flag("--dry-run", options.dry_run, "show what would go, delete nothing");
}

}  // namespace ms::server
