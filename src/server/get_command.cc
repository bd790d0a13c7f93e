// millstream get SERVICE KEY=VALUE ...
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/nearest.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/explain_text.h"
#include "server/interrupt.h"
#include "server/job_watch.h"
#include "server/output.h"
#include "server/view_text.h"

namespace ms::server {
namespace {

struct GetOptions {
  std::string service;
  std::vector<std::string> keys;  // KEY=VALUE
  std::vector<std::string> request;   // NAME=VALUE, or JSON
  bool explain = false;
  std::string at;                     // with `explain`
  std::vector<std::string> features;  // with `explain`; empty: all
};

Result<Json> to_key_value(const std::string& name, const std::string& text, const std::string& type) {
  if (type == "int64") {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return invalid(fmt::format("{}={}: the key is an integer", name, text));
    return number;
  }
  if (type == "bool") {
    if (text != "true" && text != "false") return invalid(fmt::format("{}={}: the key is true or false", name, text));
    return text == "true";
  }
  return text;
}

// Types of the key parts of every view the service reads, by their names and, for keys of one part, the entity's name.
Result<std::map<std::string, std::string>> key_types(ApiClient& client, const Json& description) {
  std::map<std::string, std::string> types;
  std::string last;
  for (const Json& column : description["columns"]) {
    const std::string view = column["view"];
    if (view == last) continue;
    last = view;
    TRY_ASSIGN(const Json json, client.get("/v1/views/" + segment(view)));
    for (const Json& part : json["key"]) types[part["name"]] = part["type"];
    if (json["key"].size() == 1) types.emplace(json["entity"]["name"], json["key"][0]["type"]);
  }
  return types;
}

std::string unknown_key(const std::string& service, const std::string& name, const std::map<std::string, std::string>& types) {
  std::vector<std::string> names;
  std::string all;
  for (const auto& [known, type] : types) names.push_back(known), all += (all.empty() ? "" : ", ") + known;
  const std::string hint = did_you_mean(name, names);
  return fmt::format("service '{}' has no key '{}'{}", service, name, hint.empty() ? "; its keys: " + all : hint);
}

// The entities of the arguments, in their order: a key that the entity at hand already has begins the next one.
struct Entities {
  Json rows = Json::array();
  std::vector<std::string> names;  // "airport=ORD carrier=AA"
};

Result<Entities> to_entities(const GetOptions& options, const std::map<std::string, std::string>& types) {
  Entities out;
  for (const std::string& pair : options.keys) {
    const size_t at = pair.find('=');
    if (at == std::string::npos) return invalid(fmt::format("'{}' must be KEY=VALUE", pair));
    const std::string name = pair.substr(0, at);
    const auto type = types.find(name);
    if (type == types.end()) return invalid(unknown_key(options.service, name, types));
    if (out.rows.empty() || out.rows.back().contains(name)) out.rows.push_back(Json::object()), out.names.emplace_back();
    TRY_ASSIGN(out.rows.back()[name], to_key_value(name, pair.substr(at + 1), type->second));
    out.names.back() += (out.names.back().empty() ? "" : " ") + pair;
  }
  return out;
}

// A value of a request field as it is sent; the server checks it. What is not of a plain type is JSON.
Result<std::string> to_request_value(const std::string& name, const std::string& text, const std::string& type) {
  const bool is_text = type == "string" || type == "timestamp" || type.starts_with("decimal") || text == "NaN" || text.ends_with("Infinity");
  if (is_text && (type == "string" || text != "null")) return dump(text);
  if (!Json::accept(text)) return invalid(fmt::format("--request {}={}: the field is {}, written as in JSON", name, text, type));
  return text;
}

// The body's "request": JSON as it stands, or the fields of NAME=VALUE, which are for every entity; a name that repeats begins those of
// the next entity. Empty: none.
Result<std::string> to_request(const GetOptions& options, const Json& description) {
  if (options.request.empty()) return std::string();
  if (const std::string& first = options.request.front(); first.starts_with('{') || first.starts_with('[')) {
    if (options.request.size() > 1) return invalid("--request takes NAME=VALUE several times, or JSON once");
    if (!Json::accept(first)) return invalid(fmt::format("--request {} is not JSON", first));
    return first;
  }
  const Json types = description.value("request", Json::object());
  std::vector<std::string> names;
  for (const auto& [name, type] : types.items()) names.push_back(name);
  std::vector<std::map<std::string, std::string>> rows;
  for (const std::string& pair : options.request) {
    const size_t at = pair.find('=');
    if (at == std::string::npos) return invalid(fmt::format("--request '{}' must be NAME=VALUE", pair));
    const std::string name = pair.substr(0, at);
    if (types.empty()) return invalid(fmt::format("service '{}' takes no request fields", options.service));
    if (!types.contains(name)) return invalid(fmt::format("service '{}' has no request field '{}'{}", options.service, name, did_you_mean(name, names)));
    if (rows.empty() || rows.back().contains(name)) rows.emplace_back();
    TRY_ASSIGN(rows.back()[name], to_request_value(name, pair.substr(at + 1), types[name]));
  }
  std::string list;
  for (const auto& row : rows) {
    std::string object;
    for (const auto& [name, value] : row) object += fmt::format("{}{}:{}", object.empty() ? "" : ",", dump(name), value);
    list += fmt::format("{}{{{}}}", list.empty() ? "" : ",", object);
  }
  return rows.size() == 1 ? list : "[" + list + "]";
}

// The body with "request" put in as it is written: a reader of doubles would round its numbers.
std::string with_request(const Json& body, const std::string& request) {
  std::string text = dump(body);
  if (!request.empty()) text.insert(text.size() - 1, ",\"request\":" + request);
  return text;
}

std::string cut_text(const Json& cut) {
  std::string out;
  for (const Json& part : cut)
    out += fmt::format("{} shard {} publish {}", out.empty() ? "" : ",", part["shard"].get<int64_t>(), part["publish"].get<int64_t>());
  return out;
}

std::string entity_text(const Json& features, const Json& row, const std::string& name) {
  std::string out = fmt::format("\n{}\n", name);
  if (!row["found"].get<bool>()) out += "No event of this entity lies in any window: counts are 0, everything else is empty.\n";
  Table table({"FEATURE", "VALUE", "STATUS", "EVENT TIME", "AGE"});
  for (size_t i = 0; i < features.size(); ++i) {
    const Json& age = row["ages_ms"][i];
    table.add({features[i], value_text(row["values"][i]), row["statuses"][i], value_text(row["event_times"][i]),
               age.is_null() ? "-" : human_age(age.get<int64_t>())});
  }
  return out + table.text();
}

std::string reply_text(const Json& reply, const std::vector<std::string>& names) {
  std::string out = fmt::format("{}@{}  as of {}\ncut:{}\n", reply["service"].get<std::string>(), reply["version"].get<int>(),
                                reply["as_of"].get<std::string>(), cut_text(reply["cut"]));
  for (size_t i = 0; i < names.size(); ++i) out += entity_text(reply["features"], reply["rows"][i], names[i]);
  return out;
}

struct Answer {
  std::string text;
  int status = kDone;
};

// A job, because much of the log may have to be read.
Result<Answer> explain(const Cli& cli, ApiClient& client, const GetOptions& options, const Entities& entities, const std::string& request) {
  const Interrupts interrupts;
  Json body{{"service", options.service}, {"entities", entities.rows}};
  if (!options.at.empty()) body["at"] = options.at;
  if (!options.features.empty()) body["features"] = options.features;
  TRY_ASSIGN(const Json job, client.send_written("POST", "/v1/explanations", with_request(body, request)));
  TRY_ASSIGN(const Json explanation, watch_job(client, job["id"], cli.common.quiet));
  return Answer{cli.common.json ? dump(explanation) + "\n" : explanation_text(explanation, entities.names),
                has_difference(explanation) ? kDifferent : kDone};
}

Result<Answer> read(const Cli& cli, const GetOptions& options) {
  if (!options.explain && !options.at.empty()) return invalid("--at TIME is for explanations: say --explain, too");
  if (!options.explain && !options.features.empty()) return invalid("--feature NAME is for explanations: say --explain, too");
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  TRY_ASSIGN(const Json description, client.get("/v1/services/" + segment(options.service)));
  TRY_ASSIGN(const auto types, key_types(client, description));
  TRY_ASSIGN(const std::string request, to_request(options, description));
  TRY_ASSIGN(const Entities entities, to_entities(options, types));
  if (options.explain) return explain(cli, client, options, entities, request);
  const std::string target = fmt::format("/v1/services/{}/features", segment(options.service));
  const std::string body = with_request({{"entities", entities.rows}}, request);
  if (cli.common.json) {
    TRY_ASSIGN(const std::string text, client.send_text("POST", target, body));
    return Answer{text + "\n"};
  }
  TRY_ASSIGN(const Json reply, client.send_written("POST", target + "?numbers=string", body));
  return Answer{reply_text(reply, entities.names)};
}

int get(const Cli& cli, const GetOptions& options) {
  const auto answer = read(cli, options);
  if (!answer) return report(answer.error());
  fmt::print("{}", answer->text);
  return answer->status;
}

}  // namespace

void add_get_command(Cli& cli) {
  const auto options = std::make_shared<GetOptions>();
  CLI::App* sub = add_command(cli, cli.app, "get", "the features of entities now, with status and age", [&cli, options] { return get(cli, *options); });
  sub->add_option("SERVICE", options->service, "the service")->required();
  sub->add_option("KEY=VALUE", options->keys, "the parts of the entity's key; a key that repeats begins the next entity")->required();
  sub->add_option("--request", options->request, "a field of the request; a name that repeats begins the next entity's; or all of it as JSON")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  sub->add_flag("--explain", options->explain, "why the values are what they are: windows, events, what was left out, proved from the log");
  sub->add_option("--at", options->at, "with --explain: as served at this instant of the past, RFC 3339")->type_name("TIME");
  sub->add_option("--feature", options->features, "with --explain: only this feature; may be given several times")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add_server_options(cli, *sub);
}

}  // namespace ms::server
