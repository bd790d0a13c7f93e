// millstream quota list|set|clear
#include <fmt/format.h>

#include <cstdio>

#include "base/nearest.h"
#include "kafka/admin/quota_admin.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/output.h"
#include "server/quota_words.h"

namespace ms::server {
namespace {

using kafka::AdminClient;
using kafka::QuotaTrial;

struct QuotaOptions {
  QuotaWords words;
  bool dry_run = false;
};

Json entity_json(const kafka::QuotaEntity& entity) {
  Json json = Json::object();
  for (const auto& [type, name] : entity) json[type] = name ? Json(*name) : Json();
  return json;
}

// ---- list

Result<> list(const Cli& cli, const QuotaOptions& options) {
  TRY_ASSIGN(const auto filter, quota_filter(options.words));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto quotas, kafka::list_quotas(client, filter));
  Json json = Json::array();
  Table table({"ENTITY", "QUOTA", "VALUE"});
  for (const auto& [entity, values] : quotas) {
    Json& entry = json.emplace_back(Json{{"entity", entity_json(entity)}, {"quotas", Json::object()}});
    for (const auto& [key, value] : values) {
      entry["quotas"][key] = value;
      table.add({kafka::quota_entity_text(entity), key, quota_value_text(value)});
    }
  }
  if (cli.common.json) fmt::print("{}\n", dump({{"quotas", json}}));
  else fmt::print("{}", table.rows() ? table.text() : "There are no such quotas.\n");
  return {};
}

// ---- set, clear

Result<kafka::QuotaValues> quotas_of(AdminClient& client, const kafka::QuotaEntity& entity) {
  TRY_ASSIGN(const auto table, kafka::list_quotas(client, kafka::only(entity)));
  const auto at = table.find(entity);
  return at == table.end() ? kafka::QuotaValues() : at->second;
}

void print_change(const Cli& cli, const QuotaOptions& options, const kafka::QuotaChange& change, const kafka::QuotaValues& before) {
  Json json{{"entity", entity_json(change.entity)}, {"changed", !options.dry_run}, {"quotas", Json::array()}};
  Table table({"ENTITY", "QUOTA", "BEFORE", "AFTER"});
  for (const auto& [key, after] : change.values) {
    const auto had = before.find(key);
    const bool none = had == before.end();
    json["quotas"].push_back({{"quota", key}, {"before", none ? Json() : Json(had->second)}, {"after", after ? Json(*after) : Json()}});
    table.add({kafka::quota_entity_text(change.entity), key, none ? "-" : quota_value_text(had->second), after ? quota_value_text(*after) : "-"});
  }
  if (cli.common.json) return fmt::print("{}\n", dump(json));
  fmt::print("{}", table.text());
  if (options.dry_run && !cli.common.quiet) fmt::print(stderr, "Nothing was changed: --dry-run.\n");
}

Result<> change(const Cli& cli, const QuotaOptions& options, AdminClient& client, const kafka::QuotaChange& wanted, const kafka::QuotaValues& before) {
  TRY(kafka::change_quotas(client, wanted, options.dry_run ? QuotaTrial::kYes : QuotaTrial::kNo));
  print_change(cli, options, wanted, before);
  return {};
}

Result<> set(const Cli& cli, const QuotaOptions& options) {
  TRY_ASSIGN(const auto wanted, quotas_to_set(options.words));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto before, quotas_of(client, wanted.entity));
  return change(cli, options, client, wanted, before);
}

// Says which entity may have been meant.
Unexpected no_quotas(AdminClient& client, const kafka::QuotaEntity& entity) {
  const std::string text = kafka::quota_entity_text(entity);
  std::vector<std::string> known;
  for (const auto& [other, values] : kafka::list_quotas(client, {}).value_or(kafka::QuotaTable())) known.push_back(kafka::quota_entity_text(other));
  const std::string near = nearest(text, known);
  return not_found(fmt::format("{} has no quotas; {}", text, near.empty() ? "see 'millstream quota list'" : fmt::format("did you mean {}?", near)));
}

Result<> clear(const Cli& cli, const QuotaOptions& options) {
  TRY_ASSIGN(const auto entity, quota_entity(options.words));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto before, quotas_of(client, entity));
  if (before.empty()) return no_quotas(client, entity);
  TRY_ASSIGN(const auto wanted, quotas_to_clear(options.words, before));
  return change(cli, options, client, wanted, before);
}

void add_entity(CLI::App& sub, QuotaWords& words) {
  add_list_option(sub, "--name", words.names, "user=NAME, client-id=NAME (both: that client of that user) or ip=ADDRESS")->type_name("TYPE=NAME");
  add_list_option(sub, "--default", words.defaults, "user, client-id or ip: each of them that has no quota by name")->type_name("TYPE");
}

}  // namespace

void add_quota_commands(Cli& cli) {
  // Lives as long as the commands that are registered here.
  const auto kept = std::make_shared<QuotaOptions>();
  QuotaOptions& options = *kept;
  CLI::App* quota = cli.app.add_subcommand("quota", "what clients may use: list, set, clear");
  quota->require_subcommand(1);

  CLI::App* sub = add_kafka_command(cli, *quota, "list", "the quotas, or those of the entities that are meant", [&cli, kept] { return list(cli, *kept); });
  add_entity(*sub, options.words);
  add_list_option(*sub, "--any", options.words.any, "user, client-id or ip: by name or as the default")->type_name("TYPE");
  sub->add_flag("--strict", options.words.strict, "only entities that have no other part");

  sub = add_kafka_command(cli, *quota, "set", "quotas of one entity; the others that it has stay", [&cli, kept] { return set(cli, *kept); });
  add_entity(*sub, options.words);
  sub->add_option("QUOTA=NUMBER", options.words.quotas, "producer_byte_rate, consumer_byte_rate, request_percentage; connection_creation_rate of an ip")->required();
  sub->add_flag("--dry-run", options.dry_run, "show before and after, change nothing");

  sub = add_kafka_command(cli, *quota, "clear", "lift quotas of one entity", [&cli, kept] { return clear(cli, *kept); });
  add_entity(*sub, options.words);
  sub->add_option("QUOTA", options.words.quotas, "which (default: all that it has)");
  sub->add_flag("--dry-run", options.dry_run, "show before and after, change nothing");
}

}  // namespace ms::server
