// The command line: commands, their options, exit statuses. docs/cli.md is its page.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "server/api_client.h"
#include "server/exit_code.h"

namespace ms::server {

// What every command can be told.
struct CommonOptions {
  Target server;       // its user is the Kafka port's, too
  std::string kafka;   // HOST:PORT
  bool json = false;
  bool quiet = false;
};

// The command that was chosen, to be run after parsing; returns the exit status.
using Command = std::function<int()>;

struct Cli {
  CLI::App app{"Millstream: event streams in, features out - live, for training, and again."};
  CommonOptions common;
  Command chosen;
};

// A subcommand of `parent` that runs `make()` when chosen.
CLI::App* add_command(Cli& cli, CLI::App& parent, const std::string& name, const std::string& help, Command command);
// --json, --quiet; and --server for commands that talk to one over HTTP.
void add_output_options(Cli& cli, CLI::App& command);
void add_user_options(Cli& cli, CLI::App& command);  // --user, --password-file
void add_server_options(Cli& cli, CLI::App& command);
// An option that may be given several times, each time with one value.
CLI::Option* add_list_option(CLI::App& command, const std::string& name, std::vector<std::string>& values, const std::string& help);

// A subcommand that talks to the server's Kafka port (--kafka); its error becomes the exit status.
CLI::App* add_kafka_command(Cli& cli, CLI::App& parent, const std::string& name, const std::string& help, std::function<Result<>()> command);
// A client of that port, logged in. Errors: InvalidArgument (the address, the password), those of AdminClient::connect.
Result<kafka::AdminClient> connect_kafka(const Cli& cli);
// Asks "QUESTION [y/N]" on the terminal. Errors: InvalidArgument when nobody can be asked, with what to do `instead`.
Result<bool> confirmed(std::string_view question, std::string_view instead);

// Each group adds its commands.
void add_serve_command(Cli& cli);
void add_topic_commands(Cli& cli);
void add_group_commands(Cli& cli);
void add_acl_commands(Cli& cli);
void add_user_commands(Cli& cli);
void add_quota_commands(Cli& cli);
void add_definition_commands(Cli& cli);
void add_get_command(Cli& cli);
void add_train_command(Cli& cli);
void add_verify_command(Cli& cli);
void add_status_commands(Cli& cli);
void add_doctor_command(Cli& cli);
void add_log_commands(Cli& cli);
void add_credential_command(Cli& cli);

// Prints "millstream: MESSAGE" on stderr; returns the exit status of the error.
int report(const Error& error);

int run_cli(int argc, char** argv);

}  // namespace ms::server
