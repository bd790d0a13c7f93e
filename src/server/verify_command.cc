// millstream verify: served answers derived again, as a job of the server or straight from a directory
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <stop_token>

#include "api/verification.h"
#include "base/clock.h"
#include "replay/verify.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/interrupt.h"
#include "server/job_watch.h"
#include "server/open_directory.h"
#include "server/output.h"

namespace ms::server {
namespace {

struct VerifyOptions {
  std::string dir;
  std::string service, since;
  int64_t sample = 0;
  unsigned threads = 0;
};

Json request_json(const VerifyOptions& o) { return {{"service", o.service}, {"since", o.since}, {"sample", o.sample}, {"threads", o.threads}}; }

Result<Json> verify_on_server(const Cli& cli, const VerifyOptions& options) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  TRY_ASSIGN(const Json job, client.send("POST", "/v1/verifications", request_json(options)));
  return watch_job(client, job["id"], cli.common.quiet);
}

Result<Json> verify_on_directory(const Cli& cli, const VerifyOptions& options, const std::stop_token& stop) {
  TRY_ASSIGN(const OpenDirectory open, open_directory(options.dir));
  const auto snapshot = open.catalog->snapshot();
  TRY_ASSIGN(replay::VerifyRequest request, api::verify_request(request_json(options), *snapshot));
  request.samples_dir = open.dir->path() + "/samples";
  ProgressLine line(cli.common.quiet);
  const auto progress = [&](uint64_t done, uint64_t total) { line.show({.phase = "deriving again", .done = done, .total = total}); };
  const replay::VerifyInputs inputs{.fs = &posix_file_system(), .clock = &system_clock(), .log = open.log.get(), .timeline = open.timeline.get()};
  TRY_ASSIGN(const auto report, replay::verify(*snapshot, request, inputs, progress, stop));
  return api::verify_report_json(report);
}

int verify(const Cli& cli, const VerifyOptions& options) {
  const Interrupts interrupts;
  const auto json = options.dir.empty() ? verify_on_server(cli, options) : verify_on_directory(cli, options, interrupts.token());
  if (!json && json.error().kind == ErrorKind::kCancelled) return report({ErrorKind::kCancelled, json.error().message + "; nothing is known about the answers"});
  if (!json) return report(json.error());
  if (cli.common.json) fmt::print("{}\n", dump(*json));
  else fmt::print("{}", (*json)["text"].get<std::string>());
  return (*json)["differences"].get<uint64_t>() == 0 ? kDone : kDifferent;
}

}  // namespace

void add_verify_command(Cli& cli) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* sub = add_command(cli, cli.app, "verify", "answers that were served, derived again from the log and compared byte by byte", [&cli, options] { return verify(cli, *options); });
  sub->add_option("SERVICE", options->service, "the service (default: all)");
  sub->add_option("--sample", options->sample, "at most so many of the stored answers, chosen at random (default: all)")->type_name("N");
  sub->add_option("--since", options->since, "only answers served at or after this time, RFC 3339")->type_name("TIME");
  sub->add_option("--threads", options->threads, "0: one per core");
  sub->add_option("--dir", options->dir, "work on a data directory that no server holds")->type_name("DIR");
  add_server_options(cli, *sub);
}

}  // namespace ms::server
