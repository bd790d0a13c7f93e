// millstream log fsck: is everything in a stopped server's log that was acknowledged, once and whole
#include <fmt/format.h>

#include "log/fsck.h"
#include "server/api_client.h"
#include "server/cli.h"
#include "server/data_dir.h"
#include "server/output.h"

namespace ms::server {
namespace {

Json json_of(const std::vector<log::FsckFinding>& findings) {
  Json list = Json::array();
  for (const auto& f : findings) list.push_back({{"what", f.what}, {"where", f.where}, {"found", f.found}, {"advice", f.advice}});
  return list;
}

Json json_of(const log::FsckReport& report) {
  return {{"clean", report.clean()},
          {"problems", json_of(report.problems)},
          {"remarks", json_of(report.remarks)},
          {"checked",
           {{"topics", report.topics}, {"partitions", report.partitions}, {"records", report.records}, {"wal_segments", report.wal_segments},
            {"wal_frames", report.wal_frames}, {"objects", report.objects}, {"object_bytes", report.object_bytes}, {"batches", report.batches}}}};
}

void print(std::string_view verdict, const std::vector<log::FsckFinding>& findings) {
  for (const auto& f : findings) fmt::print("{} {}: {}: {}\n  what to do: {}\n", verdict, f.what, f.where, f.found, f.advice);
}

void print(const log::FsckReport& report, bool quiet) {
  print("PROBLEM", report.problems);
  if (quiet) return;
  print("remark", report.remarks);
  fmt::print("{} topics with {} partitions and {} records; write-ahead log: {} frames in {} segments; {} stream objects ({}) with {} batches\n",
             human_count(report.topics), human_count(report.partitions), human_count(report.records), human_count(report.wal_frames),
             human_count(report.wal_segments), human_count(report.objects), human_bytes(report.object_bytes), human_count(report.batches));
  if (report.clean()) fmt::print("clean\n");
  else fmt::print("{} problems\n", human_count(static_cast<int64_t>(report.problems.size())));
}

int fsck(const Cli& cli, const std::string& dir) {
  FileSystem& fs = posix_file_system();
  if (const auto format = check_format(fs, dir); !format) return report(is_refused(format.error()) ? Error{ErrorKind::kInvalidArgument, format.error().message} : format.error());
  const auto held = DataDir::open(fs, dir);  // a server's log changes while it is read
  if (!held) return report(is_refused(held.error()) ? Error{ErrorKind::kInvalidArgument, held.error().message} : held.error());
  const auto report_or = log::fsck(fs, (*held)->path());
  if (!report_or) return report(report_or.error());
  if (cli.common.json) fmt::print("{}\n", dump(json_of(*report_or)));
  else print(*report_or, cli.common.quiet);
  return report_or->clean() ? kDone : kFailed;
}

}  // namespace

void add_log_commands(Cli& cli) {
  CLI::App* log = cli.app.add_subcommand("log", "the log of a stopped server");
  log->require_subcommand(1);
  const auto dir = std::make_shared<std::string>("millstream-data");
  CLI::App* sub = add_command(cli, *log, "fsck", "check that everything acknowledged is there, once and whole; changes nothing", [&cli, dir] { return fsck(cli, *dir); });
  sub->add_option("DIR", *dir, "the data directory (default ./millstream-data)")->type_name("DIR");
  add_output_options(cli, *sub);
}

}  // namespace ms::server
