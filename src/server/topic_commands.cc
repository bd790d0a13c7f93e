// millstream topic create|list|describe|alter|trim|delete|produce|consume
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <utility>

#include "kafka/admin/group_seek.h"
#include "kafka/admin/key_partitioner.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/output.h"

namespace ms::server {
namespace {

struct TopicOptions {
  std::string name;
  int partitions = 1;
  std::vector<std::string> config;  // KEY=VALUE; KEY= removes
  std::optional<int> partition;
  int64_t offset = INT64_MIN;
  int64_t count = 0;
  std::string key_separator;
  bool headers = false;
  std::string to;
  bool dry_run = false;
};

constexpr size_t kProduceBatch = 1'000;

Result<Json> config_json(const std::vector<std::string>& pairs) {
  Json config = Json::object();
  for (const std::string& pair : pairs) {
    const size_t at = pair.find('=');
    if (at == std::string::npos) return invalid(fmt::format("--config {} must be KEY=VALUE", pair));
    const std::string value = pair.substr(at + 1);
    config[pair.substr(0, at)] = value.empty() ? Json() : Json(value);
  }
  return config;
}

std::string path_of(const TopicOptions& options) { return "/v1/topics/" + segment(options.name); }

// One JSON document, or what `people` makes of it.
int print(const Cli& cli, const Result<Json>& result, const std::function<std::string(const Json&)>& people) {
  if (!result) return report(result.error());
  fmt::print("{}", cli.common.json ? dump(*result) + "\n" : people(*result));
  return kDone;
}

Result<Json> create(const Cli& cli, const TopicOptions& options) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  TRY_ASSIGN(const Json config, config_json(options.config));
  return client.send("POST", "/v1/topics", {{"name", options.name}, {"partitions", options.partitions}, {"config", config}});
}

Result<Json> alter(const Cli& cli, const TopicOptions& options, bool with_partitions) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  TRY_ASSIGN(const Json config, config_json(options.config));
  Json body{{"config", config}};
  if (with_partitions) body["partitions"] = options.partitions;
  return client.send("PATCH", path_of(options), body);
}

Result<Json> simple(const Cli& cli, std::string_view method, const std::string& target) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  return client.send(method, target, {});
}

std::string list_text(const Json& json) {
  Table table({"TOPIC", "PARTITIONS", "RECORDS", "SIZE"});
  for (const Json& topic : json["topics"])
    table.add({topic["name"], topic["partitions"].dump(), human_count(topic["records"]), human_bytes(topic["bytes"])});
  return table.rows() ? table.text() : "There are no topics. Create one: millstream topic create NAME\n";
}

std::string describe_text(const Json& topic) {
  std::string out = fmt::format("topic       {}\nid          {}\nrecords     {}\nsize        {}\n\n", topic["name"].get<std::string>(),
                                topic["id"].get<std::string>(), human_count(topic["records"]), human_bytes(topic["bytes"]));
  Table partitions({"PARTITION", "FIRST OFFSET", "NEXT OFFSET", "BYTES"});
  for (const Json& p : topic["partition_states"])
    partitions.add({p["partition"].dump(), p["log_start"].dump(), p["high_watermark"].dump(), p["bytes"].dump()});
  out += partitions.text() + "\n";
  Table config({"CONFIG", "VALUE", "FROM"});
  for (const auto& [key, value] : topic["config"].items())
    config.add({key, value["value"].get<std::string>(), value["set"].get<bool>() ? "topic" : "default"});
  return out + config.text();
}

Json line_to_record(const std::string& line, const std::string& separator) {
  const size_t at = separator.empty() ? std::string::npos : line.find(separator);
  if (at == std::string::npos) return {{"value", line}};
  return {{"key", line.substr(0, at)}, {"value", line.substr(at + separator.size())}};
}

// The lines of stdin on their way: a batch per partition, sent together, each acknowledged when it is durable.
class Producing {
 public:
  Producing(ApiClient& client, const TopicOptions& options) : client_(client), options_(options) {}
  Result<> add(const std::string& line) {
    Json record = line_to_record(line, options_.key_separator);
    TRY_ASSIGN(const int partition, partition_of(record));
    batches_[partition].push_back(std::move(record));
    return ++waiting_ < kProduceBatch ? Result<>() : flush();
  }
  Result<> flush() {
    for (const auto& [partition, records] : std::exchange(batches_, {})) {
      TRY(client_.send("POST", path_of(options_) + "/records", {{"partition", partition}, {"records", records}}));
      sent_[partition] += static_cast<int64_t>(records.size());
    }
    waiting_ = 0;
    return {};
  }
  const std::map<int, int64_t>& sent() const { return sent_; }  // records, by partition

 private:
  // The one that was asked for, else that of the key, as Kafka's own producers choose it; without a key the first one.
  Result<int> partition_of(const Json& record) {
    if (options_.partition) return *options_.partition;
    const auto key = record.find("key");
    if (key == record.end()) return 0;
    if (partitions_ == 0) {
      TRY_ASSIGN(const Json topic, client_.get(path_of(options_)));
      partitions_ = topic["partitions"];
    }
    return kafka::partition_of_key(key->get<std::string>(), partitions_);
  }

  ApiClient& client_;
  const TopicOptions& options_;
  std::map<int, Json> batches_;
  size_t waiting_ = 0;
  int partitions_ = 0;
  std::map<int, int64_t> sent_;
};

int produce(const Cli& cli, const TopicOptions& options) {
  auto client = ApiClient::to(cli.common.server);
  if (!client) return report(client.error());
  Producing producing(*client, options);
  std::string line;
  while (std::getline(std::cin, line))
    if (const auto added = producing.add(line); !added) return report(added.error());
  if (const auto flushed = producing.flush(); !flushed) return report(flushed.error());
  int64_t records = 0;
  Json partitions = Json::array();
  for (const auto& [partition, count] : producing.sent()) records += count, partitions.push_back({{"partition", partition}, {"records", count}});
  if (cli.common.json) fmt::print("{}\n", dump({{"topic", options.name}, {"records", records}, {"partitions", partitions}}));
  else if (!cli.common.quiet) fmt::print(stderr, "{} records are durable in {}\n", human_count(records), options.name);
  return kDone;
}

void print_record(const Cli& cli, const TopicOptions& options, int partition, const Json& record) {
  if (cli.common.json) {
    Json json{{"partition", partition}};
    json.update(record);
    return fmt::print("{}\n", dump(json));
  }
  const auto text = [](const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); };
  if (options.headers) {
    std::string headers;
    for (const Json& header : record["headers"])
      headers += fmt::format("{}{}={}", headers.empty() ? "" : ",", text(header["key"]), text(header["value"]));
    fmt::print("{}\t", headers);
  }
  if (!options.key_separator.empty()) fmt::print("{}{}", text(record["key"]), options.key_separator);
  fmt::print("{}\n", text(record["value"]));
}

// Prints what the partition holds from the offset on, at most `left` records, and takes them off.
Result<> consume_partition(const Cli& cli, ApiClient& client, const TopicOptions& options, int partition, int64_t& left) {
  std::string offset = options.offset == INT64_MIN ? "" : fmt::format("&offset={}", options.offset);
  while (left > 0) {
    TRY_ASSIGN(const Json page, client.get(fmt::format("{}/records?partition={}&limit={}{}", path_of(options), partition,
                                                       std::min<int64_t>(left, 1'000), offset)));
    for (const Json& record : page["records"]) print_record(cli, options, partition, record), --left;
    const int64_t next = page["next_offset"];
    offset = fmt::format("&offset={}", next);
    if (next >= page["last_stable"].get<int64_t>()) break;  // what is open is not decided
  }
  return {};
}

// One partition, or all of them one after the other.
Result<> consume_all(const Cli& cli, const TopicOptions& options) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  int64_t left = options.count > 0 ? options.count : INT64_MAX;
  if (options.partition) return consume_partition(cli, client, options, *options.partition, left);
  TRY_ASSIGN(const Json topic, client.get(path_of(options)));
  for (int partition = 0; partition < topic["partitions"].get<int>(); ++partition)
    TRY(consume_partition(cli, client, options, partition, left));
  return {};
}

int consume(const Cli& cli, const TopicOptions& options) {
  const auto consumed = consume_all(cli, options);
  return consumed ? kDone : report(consumed.error());
}

// What is to be removed: for each partition, the offset of the first record that stays.
Result<std::pair<kafka::Positions, kafka::SeekPlan>> plan_trim(kafka::AdminClient& client, const TopicOptions& options) {
  TRY_ASSIGN(const kafka::SeekTarget target, kafka::parse_seek_target(options.to));
  if (std::holds_alternative<kafka::SeekBy>(target)) return invalid(fmt::format("--to {} has nothing to start from; use end, an offset or a time", options.to));
  TRY_ASSIGN(auto partitions, kafka::partitions_of(client, {options.name}));
  if (options.partition) std::erase_if(partitions, [&](const auto& p) { return p.second != *options.partition; });
  if (partitions.empty()) return not_found(fmt::format("topic '{}' has no partition {}; see 'millstream topic describe {}'", options.name, *options.partition, options.name));
  TRY_ASSIGN(auto now, kafka::log_positions(client, partitions));
  TRY_ASSIGN(auto plan, kafka::plan_seek(client, now, target));
  return std::pair(std::move(now), std::move(plan));
}

Result<> trim(const Cli& cli, const TopicOptions& options) {
  TRY_ASSIGN(auto client, connect_kafka(cli));
  TRY_ASSIGN(const auto planned, plan_trim(client, options));
  const auto& [now, plan] = planned;
  if (!options.dry_run) TRY(kafka::delete_records(client, plan));
  Json json{{"topic", options.name}, {"removed", !options.dry_run}, {"partitions", Json::array()}};
  Table table({"PARTITION", "FIRST BEFORE", "FIRST AFTER", "OFFSETS REMOVED"});
  for (const auto& [p, first] : plan) {
    const int64_t before = now.at(p).log_start;
    json["partitions"].push_back({{"partition", p.second}, {"before", before}, {"after", first}});
    table.add({std::to_string(p.second), std::to_string(before), std::to_string(first), std::to_string(first - before)});
  }
  fmt::print("{}", cli.common.json ? dump(json) + "\n" : table.text());
  if (options.dry_run && !cli.common.quiet) fmt::print(stderr, "Nothing was removed: --dry-run.\n");
  return {};
}

CLI::App* add(Cli& cli, CLI::App& parent, TopicOptions& options, const std::string& name, const std::string& help, Command command) {
  CLI::App* sub = add_command(cli, parent, name, help, std::move(command));
  sub->add_option("NAME", options.name, "the topic")->required();
  add_server_options(cli, *sub);
  return sub;
}

std::string at_least_one(const std::string& number) { return number.starts_with("-") || number == "0" ? number + " is too few: at least 1" : ""; }

void add_topic_settings(TopicOptions& options, CLI::App& sub) {
  sub.add_option("--config", options.config, "KEY=VALUE, Kafka's names: retention.ms, max.message.bytes, ...; KEY= goes back to the default")->type_name("KEY=VALUE");
}

}  // namespace

void add_topic_commands(Cli& cli) {
  // Lives as long as the commands that are registered here.
  const auto kept = std::make_shared<TopicOptions>();
  TopicOptions& options = *kept;
  CLI::App* topic = cli.app.add_subcommand("topic", "topics: create, list, describe, alter, trim, delete, produce, consume");
  topic->require_subcommand(1);

  CLI::App* sub = add(cli, *topic, options, "create", "create a topic", [&cli, kept] {
    return print(cli, create(cli, *kept), [](const Json& t) { return fmt::format("created {} with {} partitions\n", t["name"].get<std::string>(), t["partitions"].get<int>()); });
  });
  sub->add_option("--partitions", options.partitions, "how many")->check(at_least_one);
  add_topic_settings(options, *sub);

  sub = add_command(cli, *topic, "list", "all topics", [&cli] { return print(cli, simple(cli, "GET", "/v1/topics"), list_text); });
  add_server_options(cli, *sub);

  add(cli, *topic, options, "describe", "partitions, offsets and configuration", [&cli, kept] { return print(cli, simple(cli, "GET", path_of(*kept)), describe_text); });

  sub = add(cli, *topic, options, "alter", "add partitions, change the configuration", nullptr);
  CLI::Option* partitions = sub->add_option("--partitions", options.partitions, "the new number of partitions")->check(at_least_one);
  add_topic_settings(options, *sub);
  sub->callback([&cli, kept, partitions] {
    cli.chosen = [&cli, kept, partitions] { return print(cli, alter(cli, *kept, partitions->count() > 0), describe_text); };
  });

  sub = add_kafka_command(cli, *topic, "trim", "remove the oldest records, for good", [&cli, kept] { return trim(cli, *kept); });
  sub->add_option("NAME", options.name, "the topic")->required();
  sub->add_option("--to", options.to, "what is to be the first record: an offset, a time such as 2026-01-01T00:00:00Z, or end (removes all)")->required()->type_name("TARGET");
  sub->add_option("--partition", options.partition, "only this one (default: all)");
  sub->add_flag("--dry-run", options.dry_run, "show what would go, remove nothing");

  add(cli, *topic, options, "delete", "delete a topic that no source reads", [&cli, kept] {
    return print(cli, simple(cli, "DELETE", path_of(*kept)), [](const Json& t) { return fmt::format("deleted {}\n", t["deleted"].get<std::string>()); });
  });

  sub = add(cli, *topic, options, "produce", "append the lines of stdin as records", [&cli, kept] { return produce(cli, *kept); });
  sub->add_option("--partition", options.partition, "where to (default: that of the key, as Kafka's producers choose it; 0 without a key)");
  sub->add_option("--key-separator", options.key_separator, "text between key and value of a line; default: no keys")->type_name("TEXT");

  sub = add(cli, *topic, options, "consume", "print records, one per line", [&cli, kept] { return consume(cli, *kept); });
  sub->add_option("--partition", options.partition, "where from (default: all, one after the other)");
  sub->add_option("--offset", options.offset,
                  "the first one in each partition; negative: so many before its end; default: the oldest there is");
  sub->add_option("--count", options.count, "how many at most");
  sub->add_option("--key-separator", options.key_separator, "print keys, with this text behind them")->type_name("TEXT");
  sub->add_flag("--headers", options.headers, "print headers (KEY=VALUE,...) and a tab before each record");
}

}  // namespace ms::server
