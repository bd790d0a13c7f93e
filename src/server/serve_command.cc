// millstream serve
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/file_system.h"
#include "server/cli.h"
#include "server/config.h"
#include "server/data_dir.h"
#include "server/serve.h"

namespace ms::server {
namespace {

struct ServeOptions {
  std::string config_file;
  bool print_config = false;
  std::map<std::string, std::string> given;  // by key
};

Settings from_environment() {
  Settings settings;
  for (const SettingSpec& spec : setting_specs()) {
    const std::string name = variable_name(spec);
    if (const char* value = std::getenv(name.c_str())) settings[std::string(spec.key)] = {value, "variable " + name};
  }
  return settings;
}

Settings from_options(const ServeOptions& options) {
  Settings settings;
  for (const SettingSpec& spec : setting_specs())
    if (const auto at = options.given.find(std::string(spec.key)); at != options.given.end())
      settings[std::string(spec.key)] = {at->second, "option " + option_name(spec)};
  return settings;
}

Result<Settings> all_settings(const ServeOptions& options) {
  Settings file;
  if (!options.config_file.empty()) {
    const auto text = read_file(posix_file_system(), options.config_file);
    if (!text) return invalid(text.error().message);
    TRY_ASSIGN(file, parse_config_file(options.config_file, *text));
  }
  const Settings layers[] = {file, from_environment(), from_options(options)};
  return merge_settings(layers);
}

int run_serve(const ServeOptions& options) {
  const auto settings = all_settings(options);
  if (!settings) return report(settings.error());
  const auto config = to_config(*settings);
  if (options.print_config) {
    fmt::print("{}", print_settings(*settings));
    return config ? kDone : report(config.error());
  }
  if (!config) return report(config.error());
  // Before any thread: signals are taken by sigwait alone.
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGHUP);  // reads files again
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto served = serve(*config);
  if (served) return kDone;
  report(served.error());
  return is_refused(served.error()) ? kRefused : kFailed;
}

}  // namespace

void add_serve_command(Cli& cli) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* sub = add_command(cli, cli.app, "serve", "run the server: Kafka port, HTTP port, feature engine", [options] { return run_serve(*options); });
  sub->add_option("--config", options->config_file, "YAML file with the options below as keys (dashes become underscores)")->type_name("FILE");
  sub->add_flag("--print-config", options->print_config, "print every value and where it came from, then end");
  for (const SettingSpec& spec : setting_specs()) {
    const auto take = [options, key = std::string(spec.key)](const std::string& value) { options->given[key] = value; };
    const std::string help = fmt::format("{} ({}{})", spec.help, spec.otherwise.empty() ? "" : "default ", spec.otherwise.empty() ? variable_name(spec) : spec.otherwise);
    if (spec.type == SettingType::kFlag)
      sub->add_flag_function(option_name(spec) + "{true}", [options, key = std::string(spec.key)](int64_t n) { options->given[key] = n > 0 ? "true" : "false"; }, help);
    else
      sub->add_option_function<std::string>(option_name(spec), take, help)->type_name(spec.type == SettingType::kInteger ? "NUMBER" : "TEXT");
  }
}

}  // namespace ms::server
