// millstream status, version
#include <fmt/format.h>

#include "server/api_client.h"
#include "server/cli.h"
#include "server/output.h"
#include "server/version.h"

namespace ms::server {
namespace {

std::string sources_text(const Json& sources) {
  Table table({"SOURCE", "TOPIC", "READ", "BEHIND", "DEAD LETTERS"});
  for (const Json& s : sources)
    table.add({s["name"], s["topic"], human_count(s["records"]), s["lag"].is_null() ? "-" : human_count(s["lag"]), human_count(s["dead_letters"])});
  return table.rows() ? "\n" + table.text() : "";
}

std::string views_text(const Json& views) {
  Table table({"VIEW", "VERSION", "STATE", "ENTITIES", "MEMORY", "ROWS", "FILTERED", "NULL KEYS", "BEYOND HORIZON"});
  for (const Json& v : views)
    table.add({v["name"], v["version"].dump(), v["ready"].get<bool>() ? "ready" : "catching up", human_count(v["entities"]),
               human_bytes(v["resident_bytes"]), human_count(v["applied_rows"]), human_count(v["filtered"]), human_count(v["null_keys"]),
               human_count(v["beyond_horizon"])});
  return table.rows() ? "\n" + table.text() : "\nNo views yet. Define some: millstream apply FILE\n";
}

std::string services_text(const Json& services) {
  Table table({"SERVICE", "VERSION", "FEATURES"});
  for (const Json& s : services) table.add({s["name"], s["version"].dump(), s["features"].dump()});
  return table.rows() ? "\n" + table.text() : "";
}

std::string topics_text(const Json& topics) {
  Table table({"TOPIC", "PARTITIONS", "RECORDS", "SIZE"});
  for (const Json& t : topics) table.add({t["name"], t["partitions"].dump(), human_count(t["records"]), human_bytes(t["bytes"])});
  return table.rows() ? "\n" + table.text() : "\nNo topics yet. Produce to one with any Kafka client, or: millstream topic create NAME\n";
}

int status(const Cli& cli) {
  auto client = ApiClient::to(cli.common.server);
  if (!client) return report(client.error());
  const auto json = client->get("/v1/status");
  if (!json) return report(json.error());
  if (cli.common.json) return fmt::print("{}\n", dump(*json)), kDone;
  fmt::print("{}  version {}, up {}\nkafka  {}\ndir    {}\n", (*json)["ready"].get<bool>() ? "ready" : "NOT READY (catching up with the log)",
             (*json)["version"].get<std::string>(), human_age((*json)["uptime_s"].get<int64_t>() * 1'000), (*json)["kafka"].get<std::string>(), (*json)["dir"].get<std::string>());
  fmt::print("{}{}{}{}", topics_text((*json)["topics"]), sources_text((*json)["sources"]), views_text((*json)["views"]), services_text((*json)["services"]));
  return kDone;
}

}  // namespace

void add_status_commands(Cli& cli) {
  CLI::App* sub = add_command(cli, cli.app, "status", "topics, lag of the sources, views, readiness", [&cli] { return status(cli); });
  add_server_options(cli, *sub);
  sub = add_command(cli, cli.app, "version", "the version of this program", [&cli] {
    cli.common.json ? fmt::print("{}\n", dump({{"version", kVersion}})) : fmt::print("millstream {}\n", kVersion);
    return kDone;
  });
  add_output_options(cli, *sub);
}

}  // namespace ms::server
