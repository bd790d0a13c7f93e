// millstream plan, apply, list, describe
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/file_system.h"
#include "base/nearest.h"
#include "catalog/catalog.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/data_dir.h"
#include "server/output.h"
#include "server/view_text.h"

namespace ms::server {
namespace {

struct DefinitionOptions {
  std::vector<std::string> paths;
  std::string dir;
  std::string kind, name;
  bool yes = false;
};

constexpr int64_t kApplyTimeoutMs = 120'000;
constexpr int kPlanRefused = 422;

bool is_yaml(const std::filesystem::path& path) { return path.extension() == ".yaml" || path.extension() == ".yml"; }

// A directory stands for the YAML files in it and below, sorted.
Result<std::vector<std::string>> expand(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector{path};
  std::vector<std::string> files;
  for (auto at = std::filesystem::recursive_directory_iterator(path, error); !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error))
    if (at->is_regular_file() && is_yaml(at->path())) files.push_back(at->path().string());
  if (error) return fail_errno("cannot list " + path, error.value());
  if (files.empty()) return invalid(fmt::format("there is no .yaml file in {}", path));
  std::ranges::sort(files);
  return files;
}

Result<std::vector<catalog::DefinitionFile>> read_files(const std::vector<std::string>& paths) {
  std::vector<catalog::DefinitionFile> files;
  for (const std::string& path : paths) {
    TRY_ASSIGN(const auto names, expand(path));
    for (const std::string& name : names) {
      auto text = read_file(posix_file_system(), name);
      if (!text) return invalid(text.error().message);
      files.push_back({name, std::move(*text)});
    }
  }
  return files;
}

Json files_json(const std::vector<catalog::DefinitionFile>& files) {
  Json list = Json::array();
  for (const auto& file : files) list.push_back({{"name", file.name}, {"text", file.text}});
  return {{"files", std::move(list)}};
}

// Refusals go to stderr, one per line, as file:line:column: message.
int print_report(const Cli& cli, const Json& json) {
  if (cli.common.json) fmt::print("{}\n", dump(json));
  else fmt::print("{}", json["text"].get<std::string>());
  for (const Json& r : json["refusals"]) {
    const auto line = r["line"].get<int64_t>();
    fmt::print(stderr, "{}{}: {}\n", r["file"].get<std::string>(), line ? fmt::format(":{}:{}", line, r["column"].get<int64_t>()) : "", r["message"].get<std::string>());
  }
  return json["ok"].get<bool>() ? kDone : kRefused;
}

Result<Json> ask(const Cli& cli, const std::string& target, const std::vector<catalog::DefinitionFile>& files) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  int status = 0;
  return client.send_also("POST", target, files_json(files), kPlanRefused, status, kApplyTimeoutMs);
}

// Against a directory that no server needs to hold: only its catalog is read.
Result<Json> plan_directory(const std::string& dir, const std::vector<catalog::DefinitionFile>& files) {
  if (const auto known = check_format(posix_file_system(), dir); !known) return is_refused(known.error()) ? invalid(known.error().message) : Unexpected(known.error());
  TRY_ASSIGN(const auto catalog, catalog::Catalog::open(posix_file_system(), dir + "/catalog"));
  return Json::parse(catalog->plan(files, nullptr).json());
}

int plan(const Cli& cli, const DefinitionOptions& options) {
  const auto files = read_files(options.paths);
  if (!files) return report(files.error());
  const auto json = options.dir.empty() ? ask(cli, "/v1/plan", *files) : plan_directory(options.dir, *files);
  if (!json) return report(json.error());
  return print_report(cli, *json);
}

int apply(const Cli& cli, const DefinitionOptions& options) {
  const auto files = read_files(options.paths);
  if (!files) return report(files.error());
  if (!options.yes) {
    const auto planned = ask(cli, "/v1/plan", *files);
    if (!planned) return report(planned.error());
    const bool nothing = (*planned)["ok"].get<bool>() && !(*planned)["changes"].get<bool>();
    if (nothing || !(*planned)["ok"].get<bool>()) return print_report(cli, *planned);
    if (is_terminal(STDIN_FILENO)) fmt::print(stderr, "{}", (*planned)["text"].get<std::string>());
    const auto agreed = confirmed("Apply this?", "say --yes, or look first with 'millstream plan'");
    if (!agreed) return report(agreed.error());
    if (!*agreed) return fmt::print(stderr, "Nothing was changed.\n"), kFailed;
  }
  const auto json = ask(cli, "/v1/apply", *files);
  if (!json) return report(json.error());
  const int status = print_report(cli, *json);
  if (status == kDone && !cli.common.quiet && !cli.common.json && (*json)["changes"].get<bool>()) fmt::print("Applied.\n");
  return status;
}

// "view", "views", ... -> "views"
Result<std::string> plural_kind(const std::string& kind) {
  const std::vector<std::string> kinds{"views", "services", "sources", "entities"};
  for (const std::string& k : kinds)
    if (kind == k || kind + "s" == k || (kind == "entity" && k == "entities")) return k;
  if (kind == "topics" || kind == "topic") return invalid("topics have a command of their own: millstream topic list, millstream topic describe NAME");
  return invalid(fmt::format("unknown kind '{}': views, services, sources or entities{}", kind, did_you_mean(kind, kinds)));
}

std::string cell(const Json& value) {
  if (value.is_string()) return value;
  if (value.is_array()) {
    std::string out;
    for (const Json& one : value) out += (out.empty() ? "" : ", ") + cell(one.is_object() && one.contains("name") ? one["name"] : one);
    return out;
  }
  return value.dump();
}

// The members that every row has and that are short, as columns.
std::string list_text(const std::string& kind, const Json& rows) {
  if (rows.empty()) return fmt::format("There are no {}. Define some: millstream apply FILE\n", kind);
  std::vector<std::string> columns;
  for (const auto& [name, value] : rows[0].items()) {
    const bool everywhere = std::ranges::all_of(rows, [&, n = name](const Json& row) { return row.contains(n); });
    if (everywhere && !value.is_object() && cell(value).size() < 60 && name != "hash") columns.push_back(name);
  }
  std::vector<std::string> header = columns;
  for (std::string& name : header) std::ranges::transform(name, name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  Table table(header);
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& name : columns) {
      std::string text = cell(row[name]);
      if (text.size() > 60) text = text.substr(0, 57) + "...";
      cells.push_back(std::move(text));
    }
    table.add(std::move(cells));
  }
  return table.text();
}

Result<Json> fetch(const Cli& cli, const std::string& target) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  return client.get(target);
}

int list(const Cli& cli, const DefinitionOptions& options) {
  const auto kind = plural_kind(options.kind);
  if (!kind) return report(kind.error());
  const auto json = fetch(cli, "/v1/" + *kind);
  if (!json) return report(json.error());
  fmt::print("{}", cli.common.json ? dump(*json) + "\n" : list_text(*kind, (*json)[*kind]));
  return kDone;
}

int describe(const Cli& cli, const DefinitionOptions& options) {
  const auto kind = plural_kind(options.kind);
  if (!kind) return report(kind.error());
  const auto json = fetch(cli, fmt::format("/v1/{}/{}", *kind, segment(options.name)));
  if (!json) return report(json.error());
  if (*kind == "views" && !cli.common.json) fmt::print("{}", view_text(*json));
  else fmt::print("{}\n", dump(*json, !cli.common.json));
  return kDone;
}

}  // namespace

void add_definition_commands(Cli& cli) {
  const auto options = std::make_shared<DefinitionOptions>();
  CLI::App* sub = add_command(cli, cli.app, "plan", "what apply would change: types, windows, state, refusals", [&cli, options] { return plan(cli, *options); });
  sub->add_option("FILE", options->paths, "YAML files, or directories of them")->required()->type_name("FILE|DIR");
  sub->add_option("--dir", options->dir, "plan against a data directory instead of a server")->type_name("DIR");
  add_server_options(cli, *sub);

  sub = add_command(cli, cli.app, "apply", "make definitions current, all or none", [&cli, options] { return apply(cli, *options); });
  sub->add_option("FILE", options->paths, "YAML files, or directories of them")->required()->type_name("FILE|DIR");
  sub->add_flag("--yes,-y", options->yes, "do not ask");
  add_server_options(cli, *sub);

  sub = add_command(cli, cli.app, "list", "views, services, sources or entities", [&cli, options] { return list(cli, *options); });
  sub->add_option("KIND", options->kind, "views, services, sources, entities")->required();
  add_server_options(cli, *sub);

  sub = add_command(cli, cli.app, "describe", "a view and what it is doing; a service, source or entity as JSON",
                    [&cli, options] { return describe(cli, *options); });
  sub->add_option("KIND", options->kind, "view, service, source, entity")->required();
  sub->add_option("NAME", options->name, "its name")->required();
  add_server_options(cli, *sub);
}

}  // namespace ms::server
