// millstream train: a training set, as a job of the server or straight from a directory
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <stop_token>

#include "api/training_request.h"
#include "base/clock.h"
#include "base/nearest.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/interrupt.h"
#include "server/job_watch.h"
#include "server/open_directory.h"
#include "server/output.h"

namespace ms::server {
namespace {

struct TrainOptions {
  std::string dir;
  std::string service, spine, out, manifest, pin_manifest, time_column;
  std::string mode = "as_known";
  std::string compression = "snappy";
  std::vector<std::string> events;  // SOURCE=FILE
  bool statuses = false, event_times = false, after_event = false, exclude_self = false;
  std::string self_source, self_partition, self_offset;
  unsigned threads = 0;
  uint64_t memory_bytes = 0;
};

std::string absolute(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  const auto full = std::filesystem::absolute(path, error);
  return error ? path : full.lexically_normal().string();
}

Json request_json(const TrainOptions& o) {
  Json event_files = Json::object();
  for (const std::string& pair : o.events) {
    const size_t equals = pair.find('=');
    event_files[pair.substr(0, equals)] = absolute(pair.substr(equals + 1));
  }
  return {{"service", o.service},
          {"spine", absolute(o.spine)},
          {"out", absolute(o.out)},
          {"manifest", absolute(o.manifest)},
          {"pin_manifest", absolute(o.pin_manifest)},
          {"event_files", event_files},
          {"mode", o.mode},
          {"time_column", o.time_column},
          {"after_event", o.after_event},
          {"exclude_self", o.exclude_self},
          {"self_source", o.self_source},
          {"self_partition", o.self_partition},
          {"self_offset", o.self_offset},
          {"statuses", o.statuses},
          {"event_times", o.event_times},
          {"compression", o.compression},
          {"threads", o.threads},
          {"memory_bytes", o.memory_bytes}};
}

Result<Json> train_on_server(const Cli& cli, const TrainOptions& options) {
  TRY_ASSIGN(ApiClient client, ApiClient::to(cli.common.server));
  TRY_ASSIGN(const Json job, client.send("POST", "/v1/training-sets", request_json(options)));
  return watch_job(client, job["id"], cli.common.quiet);
}

// With no server on it: the directory's own log, catalog and timeline. The lock keeps a server from starting meanwhile.
Result<Json> train_on_directory(const Cli& cli, const TrainOptions& options, const std::stop_token& stop) {
  TRY_ASSIGN(const OpenDirectory open, open_directory(options.dir));
  std::string name;
  TRY_ASSIGN(const history::TrainRequest request, api::training_request(request_json(options), name));
  const auto snapshot = open.catalog->snapshot();
  const auto service = snapshot->find_service(name);
  std::vector<std::string> names;
  for (const auto& s : snapshot->services) names.push_back(s->definition.name);
  if (!service) return not_found(fmt::format("there is no service '{}'{}", name, did_you_mean(name, names)));
  ProgressLine line(cli.common.quiet);
  const auto progress = [&](const history::TrainProgress& p) { line.show({std::string(p.phase), p.done, p.total, p.rows_per_second, p.seconds_left}); };
  const history::TrainInputs inputs{.fs = &posix_file_system(), .clock = &system_clock(), .log = open.log.get(), .timeline = open.timeline.get(), .data_dir = open.dir->path()};
  TRY_ASSIGN(const auto made, history::train(history::training_service(*service), request, inputs, progress, stop));
  return api::training_report(made);
}

int train(const Cli& cli, const TrainOptions& options) {
  const Interrupts interrupts;
  const auto made = options.dir.empty() ? train_on_server(cli, options) : train_on_directory(cli, options, interrupts.token());
  if (!made && made.error().kind == ErrorKind::kCancelled) return report({ErrorKind::kCancelled, made.error().message + "; nothing was written to " + options.out});
  if (!made) return report(made.error());
  if (cli.common.json) return fmt::print("{}\n", dump(*made)), kDone;
  fmt::print("{} rows x {} features from {} events in {:.1f} s\n{}\n{}\n", human_count((*made)["rows"]), human_count((*made)["features"]),
             human_count((*made)["events"]), (*made)["seconds"].get<double>(), (*made)["out"].get<std::string>(), (*made)["manifest"].get<std::string>());
  if ((*made)["gap_rows"].get<int64_t>() > 0)
    fmt::print(stderr, "{} rows have values that nobody can know (a recorded gap, or records that retention removed): they are null, with status GAP\n", human_count((*made)["gap_rows"]));
  if (const int64_t rows = (*made)["not_mature_rows"]; rows > 0)
    fmt::print(stderr,
               "{} rows have labels that are not mature: their windows end after the newest event; they are null, with status NOT_MATURE\n",
               human_count(rows));
  return kDone;
}

}  // namespace

void add_train_command(Cli& cli) {
  const auto options = std::make_shared<TrainOptions>();
  CLI::App* sub = add_command(cli, cli.app, "train", "a training set: the features of a service for every row of a spine", [&cli, options] { return train(cli, *options); });
  sub->add_option("SERVICE", options->service, "the service")->required();
  sub->add_option("--spine", options->spine, "rows with the entity's keys and a time: .parquet or .csv")->required()->type_name("FILE");
  sub->add_option("--out", options->out, "the training set: .parquet")->required()->type_name("FILE");
  sub->add_option("--mode", options->mode, "as_known (everything in the log) or as_served (what was answered then)");
  sub->add_option("--events", options->events, "the history of a source from a file instead of the log: .parquet or .csv; may be repeated")
      ->type_name("SOURCE=FILE")
      ->allow_extra_args(false)
      ->check([](const std::string& pair) {
        const size_t equals = pair.find('=');
        return equals == 0 || equals == std::string::npos || equals + 1 == pair.size() ? "'" + pair + "' is not SOURCE=FILE" : std::string();
      });
  sub->add_option("--manifest", options->manifest, "where to (default OUT.manifest.json)")->type_name("FILE");
  sub->add_option("--pin-manifest", options->pin_manifest, "see exactly the records that an earlier training set saw")->type_name("FILE");
  sub->add_option("--time-column", options->time_column, "the spine's time (default event_time, timestamp, time or date)")->type_name("NAME");
  sub->add_flag("--after-event", options->after_event, "rows at the very instant count too");
  sub->add_flag("--exclude-self", options->exclude_self, "the same, but for the event that the spine's row was made from");
  sub->add_option("--self-offset", options->self_offset,
                  "the spine's column with that event's offset (in a file of events: its row number from 0)")
      ->type_name("COLUMN");
  sub->add_option("--self-partition", options->self_partition,
                  "the spine's column with that event's partition (default: there is one alone)")
      ->type_name("COLUMN");
  sub->add_option("--self-source", options->self_source, "the source of that event (default: the only one of the service)")
      ->type_name("SOURCE");
  sub->add_flag("--statuses", options->statuses, "add a status column per feature");
  sub->add_flag("--event-times", options->event_times, "add an event time column per feature");
  sub->add_option("--compression", options->compression, "none, snappy, lz4 or zstd");
  sub->add_option("--threads", options->threads, "0: one per core");
  sub->add_option("--memory", options->memory_bytes,
                  "what it should do with, such as 4GiB (default half of the machine's): events beyond half of it wait on disk beside OUT")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false));
  sub->add_option("--dir", options->dir, "work on a data directory that no server holds")->type_name("DIR");
  add_server_options(cli, *sub);
}

}  // namespace ms::server
