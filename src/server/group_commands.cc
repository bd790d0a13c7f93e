// millstream group list|describe|seek|delete
#include <fmt/format.h>

#include <cstdio>

#include "kafka/admin/group_admin.h"
#include "kafka/admin/group_seek.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/output.h"

namespace ms::server {
namespace {

using kafka::AdminClient;

struct GroupOptions {
  std::vector<std::string> names;
  std::vector<std::string> topics;
  std::string to;
  bool dry_run = false, create = false;
};

std::string text_or_dash(int64_t offset) { return offset < 0 ? "-" : std::to_string(offset); }
Json json_or_null(int64_t offset) { return offset < 0 ? Json() : Json(offset); }

// ---- list

Result<> list(const Cli& cli) {
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const auto groups, kafka::list_groups(client));
  Json json = Json::array();
  Table table({"GROUP", "TYPE", "STATE"});
  for (const auto& g : groups) {
    json.push_back({{"group", g.name}, {"type", g.type}, {"state", g.state}});
    table.add({g.name, g.type, g.state});
  }
  if (cli.common.json) fmt::print("{}\n", dump({{"groups", json}}));
  else fmt::print("{}", table.rows() ? table.text() : "There are no groups.\n");
  return {};
}

// ---- describe

struct Described {
  kafka::GroupDescription group;
  kafka::Positions positions;
  std::map<kafka::PartitionName, const kafka::GroupMember*> owners;
};

Result<Described> look_at(AdminClient& client, const std::string& name) {
  Described out;
  TRY_ASSIGN(const auto listing, kafka::find_group(client, name));
  TRY_ASSIGN(out.group, kafka::describe_group(client, listing));
  std::set<kafka::PartitionName> assigned;
  for (const auto& m : out.group.members) assigned.insert(m.assigned.begin(), m.assigned.end());
  TRY_ASSIGN(out.positions, kafka::group_positions(client, name, assigned));
  for (const auto& m : out.group.members)
    for (const auto& p : m.assigned) out.owners[p] = &m;
  return out;
}

int64_t total_lag(const kafka::Positions& positions) {
  int64_t sum = 0;
  for (const auto& [p, position] : positions) sum += position.lag().value_or(0);
  return sum;
}

Json describe_json(const Described& d) {
  Json json{{"group", d.group.group.name}, {"type", d.group.group.type}, {"state", d.group.group.state}, {"assignor", d.group.assignor},
            {"lag", total_lag(d.positions)}, {"members", Json::array()}, {"partitions", Json::array()}};
  for (const auto& m : d.group.members) {
    Json& member = json["members"].emplace_back(Json{{"id", m.id}, {"instance_id", m.instance_id.empty() ? Json() : Json(m.instance_id)},
                                                     {"client_id", m.client_id}, {"host", m.host}, {"partitions", Json::array()}});
    for (const auto& [topic, partition] : m.assigned) member["partitions"].push_back({{"topic", topic}, {"partition", partition}});
  }
  for (const auto& [p, at] : d.positions) {
    const auto owner = d.owners.find(p);
    const auto lag = at.lag();
    json["partitions"].push_back({{"topic", p.first}, {"partition", p.second}, {"current_offset", json_or_null(at.committed)},
                                  {"log_start", json_or_null(at.log_start)}, {"log_end", json_or_null(at.log_end)},
                                  {"lag", lag ? Json(*lag) : Json()}, {"member", owner == d.owners.end() ? Json() : Json(owner->second->id)}});
  }
  return json;
}

std::string members_text(const std::vector<kafka::GroupMember>& members) {
  if (members.empty()) return "No members.\n";
  Table table({"MEMBER", "INSTANCE", "CLIENT ID", "HOST", "PARTITIONS"});
  for (const auto& m : members)
    table.add({m.id, m.instance_id.empty() ? "-" : m.instance_id, m.client_id, m.host, std::to_string(m.assigned.size())});
  return table.text();
}

std::string positions_text(const Described& d) {
  if (d.positions.empty()) return "No offsets are committed and no partitions are assigned.\n";
  Table table({"TOPIC", "PARTITION", "CURRENT OFFSET", "LOG START", "LOG END", "LAG", "MEMBER"});
  for (const auto& [p, at] : d.positions) {
    const auto owner = d.owners.find(p);
    const auto lag = at.lag();
    table.add({p.first, std::to_string(p.second), text_or_dash(at.committed), text_or_dash(at.log_start), text_or_dash(at.log_end),
               text_or_dash(lag.value_or(-1)), owner == d.owners.end() ? "-" : owner->second->id});
  }
  return table.text();
}

std::string describe_text(const Described& d) {
  const auto& g = d.group.group;
  std::string out = fmt::format("group     {}\ntype      {}\nstate     {}\n", g.name, g.type, g.state);
  if (!d.group.assignor.empty()) out += fmt::format("assignor  {}\n", d.group.assignor);
  return out + fmt::format("lag       {}\n\n{}\n{}", human_count(total_lag(d.positions)), positions_text(d), members_text(d.group.members));
}

Result<> describe(const Cli& cli, const GroupOptions& options) {
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  for (size_t i = 0; i < options.names.size(); ++i) {
    TRY_ASSIGN(const Described described, look_at(client, options.names[i]));
    if (cli.common.json) fmt::print("{}\n", dump(describe_json(described)));
    else fmt::print("{}{}", i > 0 ? "\n" : "", describe_text(described));
  }
  return {};
}

// ---- seek

// What is to be moved: the partitions of --topics, else what the group has committed.
Result<kafka::Positions> chosen_positions(AdminClient& client, const GroupOptions& options) {
  const std::string& group = options.names.front();
  if (!options.create) TRY(kafka::find_group(client, group));
  TRY_ASSIGN(const auto chosen, kafka::partitions_of(client, options.topics));
  TRY_ASSIGN(auto positions, kafka::group_positions(client, group, chosen));
  if (!options.topics.empty()) std::erase_if(positions, [&](const auto& p) { return !chosen.contains(p.first); });
  if (positions.empty()) return invalid(fmt::format("group '{}' has committed nothing; name what it is to read with --topics", group));
  return positions;
}

void print_plan(const Cli& cli, const GroupOptions& options, const kafka::Positions& before, const kafka::SeekPlan& plan) {
  Json json{{"group", options.names.front()}, {"moved", !options.dry_run}, {"partitions", Json::array()}};
  Table table({"TOPIC", "PARTITION", "BEFORE", "AFTER", "LAG AFTER"});
  for (const auto& [p, offset] : plan) {
    const auto& now = before.at(p);
    const int64_t lag = now.log_end - offset;
    json["partitions"].push_back({{"topic", p.first}, {"partition", p.second}, {"before", json_or_null(now.committed)}, {"after", offset}, {"lag", lag}});
    table.add({p.first, std::to_string(p.second), text_or_dash(now.committed), std::to_string(offset), std::to_string(lag)});
  }
  if (cli.common.json) return fmt::print("{}\n", dump(json));
  fmt::print("{}", table.text());
  if (options.dry_run && !cli.common.quiet) fmt::print(stderr, "Nothing was moved: --dry-run.\n");
}

Result<> seek(const Cli& cli, const GroupOptions& options) {
  TRY_ASSIGN(const kafka::SeekTarget target, kafka::parse_seek_target(options.to));
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  TRY_ASSIGN(const kafka::Positions before, chosen_positions(client, options));
  TRY_ASSIGN(const kafka::SeekPlan plan, kafka::plan_seek(client, before, target));
  if (!options.dry_run) TRY(kafka::commit_seek(client, options.names.front(), plan));
  print_plan(cli, options, before, plan);
  return {};
}

// ---- delete

Result<> remove(const Cli& cli, const GroupOptions& options) {
  TRY_ASSIGN(AdminClient client, connect_kafka(cli));
  for (const std::string& name : options.names) {
    TRY(kafka::find_group(client, name));
    TRY(kafka::delete_group(client, name));
    if (cli.common.json) fmt::print("{}\n", dump({{"deleted", name}}));
    else fmt::print("deleted {}\n", name);
  }
  return {};
}

}  // namespace

void add_group_commands(Cli& cli) {
  // Lives as long as the commands that are registered here.
  const auto kept = std::make_shared<GroupOptions>();
  GroupOptions& options = *kept;
  CLI::App* group = cli.app.add_subcommand("group", "consumer groups: list, describe, seek, delete");
  group->require_subcommand(1);
  const auto add = [&cli, group](const char* name, const char* help, std::function<Result<>()> command) { return add_kafka_command(cli, *group, name, help, std::move(command)); };

  add("list", "all groups", [&cli] { return list(cli); });

  CLI::App* sub = add("describe", "state, members, offsets and lag", [&cli, kept] { return describe(cli, *kept); });
  sub->add_option("NAME", options.names, "the groups")->required();

  sub = add("seek", "move the committed offsets of a group without members", [&cli, kept] { return seek(cli, *kept); });
  sub->add_option("NAME", options.names, "the group")->required()->expected(1);
  sub->add_option("--to", options.to, "start, end, +N, -N, an offset, or a time such as 2026-01-01T00:00:00Z")->required()->type_name("TARGET");
  sub->add_option("--topics", options.topics, "only these, also such as nothing is committed of; default: all with committed offsets")->delimiter(',')->type_name("TOPIC,...");
  sub->add_flag("--create", options.create, "the group need not be there");
  sub->add_flag("--dry-run", options.dry_run, "show before and after, move nothing");

  sub = add("delete", "forget groups without members, and their offsets", [&cli, kept] { return remove(cli, *kept); });
  sub->add_option("NAME", options.names, "the groups")->required();
}

}  // namespace ms::server
