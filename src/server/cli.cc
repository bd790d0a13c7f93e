#include "server/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/nearest.h"
#include "server/interrupt.h"
#include "server/output.h"
#include "server/version.h"

namespace ms::server {
namespace {

// The innermost command that was named.
const CLI::App* chosen_command(const CLI::App* app) {
  while (true) {
    const auto below = app->get_subcommands();
    if (below.empty()) return app;
    app = below.back();
  }
}

std::vector<std::string> names_below(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// What was not understood, with the nearest thing that would have been.
std::string describe_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = chosen_command(&app);
  const std::vector<std::string> left = app.remaining(true);
  if (!left.empty()) {
    const std::string& word = left.front();
    if (word.starts_with("-")) return fmt::format("unknown option '{}'{}", word, did_you_mean(word.substr(0, word.find('=')), options_of(*command)));
    const auto names = names_below(*command);
    if (!names.empty()) return fmt::format("unknown command '{}'{}", word, did_you_mean(word, names));
    return fmt::format("'{}' is one argument too many", word);
  }
  return error.what();
}

std::string path_of(const CLI::App* app) {
  std::string path = app->get_name();
  while ((app = app->get_parent()) != nullptr) path = app->get_name() + " " + path;
  return path;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help
  fmt::print(stderr, "millstream: {}\nRun '{} --help' to see how it is used.\n", describe_usage_error(app, error), path_of(chosen_command(&app)));
  return kRefused;
}

std::string environment_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

}  // namespace

CLI::App* add_command(Cli& cli, CLI::App& parent, const std::string& name, const std::string& help, Command command) {
  CLI::App* sub = parent.add_subcommand(name, help);
  sub->callback([&cli, command = std::move(command)] { cli.chosen = command; });
  return sub;
}

void add_output_options(Cli& cli, CLI::App& command) {
  command.add_flag("--json", cli.common.json, "one JSON document on stdout");
  command.add_flag("--quiet", cli.common.quiet, "no progress, no remarks");
}

void add_user_options(Cli& cli, CLI::App& command) {
  command.add_option("--user", cli.common.server.user, "log in as this user (also MILLSTREAM_USER); the password comes from MILLSTREAM_PASSWORD or the terminal")->type_name("NAME");
  command.add_option("--password-file", cli.common.server.password_file, "or from the first line of this file, - for stdin")->type_name("FILE");
}

void add_server_options(Cli& cli, CLI::App& command) {
  command.add_option("--server", cli.common.server.url, "URL of the server (also MILLSTREAM_SERVER; default http://127.0.0.1:8484)")->type_name("URL");
  add_user_options(cli, command);
  add_output_options(cli, command);
}

CLI::Option* add_list_option(CLI::App& command, const std::string& name, std::vector<std::string>& values, const std::string& help) {
  return command.add_option(name, values, help)->allow_extra_args(false);
}

CLI::App* add_kafka_command(Cli& cli, CLI::App& parent, const std::string& name, const std::string& help, std::function<Result<>()> command) {
  CLI::App* sub = add_command(cli, parent, name, help, [command = std::move(command)] {
    const Result<> done = command();
    return done ? kDone : report(done.error());
  });
  sub->add_option("--kafka", cli.common.kafka, "HOST:PORT of the server's Kafka port (also MILLSTREAM_KAFKA; default 127.0.0.1:9092)")->type_name("HOST:PORT");
  Target& server = cli.common.server;
  sub->add_flag("--tls", server.tls, "that port speaks TLS, with a certificate that the system trusts");
  sub->add_option("--tls-ca", server.tls_files.ca, "or one that these authorities have signed (PEM)")->type_name("FILE");
  sub->add_option("--tls-certificate", server.tls_files.certificate, "our own certificate (PEM), when the server asks for one")
      ->type_name("FILE");
  sub->add_option("--tls-key", server.tls_files.key, "its key (PEM)")->type_name("FILE");
  add_user_options(cli, *sub);
  add_output_options(cli, *sub);
  return sub;
}

Result<kafka::AdminClient> connect_kafka(const Cli& cli) {
  TRY_ASSIGN(io::Endpoint server, io::parse_endpoint(cli.common.kafka));
  return connect_kafka(cli.common.server, std::move(server));
}

Result<bool> confirmed(std::string_view question, std::string_view instead) {
  if (!is_terminal(STDIN_FILENO)) return invalid(fmt::format("nobody can be asked here: {}", instead));
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int report(const Error& error) {
  fmt::print(stderr, "millstream: {}\n", error.message);
  if (error.kind == ErrorKind::kCancelled && Interrupts::signal() != 0) return kInterrupted + Interrupts::signal();
  return exit_code(error);
}

int run_cli(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Cli cli;
  cli.app.name("millstream");
  cli.app.require_subcommand(1);
  cli.app.set_version_flag("--version", fmt::format("millstream {}", kVersion), "the version of this program");
  cli.common.server.url = environment_or("MILLSTREAM_SERVER", "http://127.0.0.1:8484");
  cli.common.server.user = environment_or("MILLSTREAM_USER", "");
  cli.common.kafka = environment_or("MILLSTREAM_KAFKA", "127.0.0.1:9092");
  add_serve_command(cli);
  add_topic_commands(cli);
  add_group_commands(cli);
  add_acl_commands(cli);
  add_user_commands(cli);
  add_quota_commands(cli);
  add_definition_commands(cli);
  add_get_command(cli);
  add_train_command(cli);
  add_verify_command(cli);
  add_status_commands(cli);
  add_doctor_command(cli);
  add_log_commands(cli);
  add_credential_command(cli);
  try {
    cli.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(cli.app, error);
  }
  const int status = cli.chosen();
  return std::fflush(stdout) == 0 || status != kDone ? status : kFailed;
}

}  // namespace ms::server
