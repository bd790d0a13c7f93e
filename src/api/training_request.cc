#include "api/training_request.h"

#include <fmt/format.h>

#include "base/nearest.h"

namespace ms::api {
namespace {

Result<history::TrainMode> parse_mode(const std::string& text) {
  if (text == "as_known") return history::TrainMode::kAsKnown;
  if (text == "as_served") return history::TrainMode::kAsServed;
  const std::vector<std::string> known{"as_known", "as_served"};
  return invalid(fmt::format("unknown mode '{}': as_known or as_served{}", text, did_you_mean(text, known)));
}

Result<> check_absolute(std::string_view name, const std::string& path) {
  if (path.empty() || path[0] == '/') return {};
  return invalid(fmt::format("\"{}\" must be an absolute path of the server's machine, not '{}'", name, path));
}

Result<std::string> path_member(const Json& body, std::string_view name, bool needed) {
  TRY_ASSIGN(std::string path, string_member(body, name));
  if (path.empty() && needed) return invalid(fmt::format("a training set needs \"{}\"", name));
  TRY(check_absolute(name, path));
  return path;
}

// {"SOURCE": "/FILE.parquet", ...}: these sources are read from files instead of the log.
Result<std::map<std::string, std::string>> event_files(const Json& body) {
  std::map<std::string, std::string> files;
  const auto at = body.find("event_files");
  if (at == body.end() || at->is_null()) return files;
  if (!at->is_object()) return invalid("\"event_files\" must be an object of source names and paths");
  for (const auto& [source, file] : at->items()) {
    if (!file.is_string() || file.get_ref<const std::string&>().empty()) return invalid(fmt::format("\"event_files\": '{}' must be a path", source));
    TRY(check_absolute("event_files", file.get_ref<const std::string&>()));
    files.emplace(source, file.get<std::string>());
  }
  return files;
}

}  // namespace

Result<history::TrainRequest> training_request(const Json& body, std::string& service) {
  TRY(only_members(
      body, {"service", "spine", "out", "manifest", "mode", "time_column", "after_event", "exclude_self", "self_source", "self_partition",
             "self_offset", "pin_manifest", "event_files", "statuses", "event_times", "compression", "threads", "memory_bytes"}));
  history::TrainRequest request;
  TRY_ASSIGN(service, string_member(body, "service"));
  if (service.empty()) return invalid("a training set needs a \"service\"");
  TRY_ASSIGN(request.spine, path_member(body, "spine", true));
  TRY_ASSIGN(request.out, path_member(body, "out", true));
  TRY_ASSIGN(request.manifest, path_member(body, "manifest", false));
  TRY_ASSIGN(request.pin_manifest, path_member(body, "pin_manifest", false));
  TRY_ASSIGN(request.event_files, event_files(body));
  TRY_ASSIGN(const std::string mode, string_member(body, "mode", "as_known"));
  TRY_ASSIGN(request.mode, parse_mode(mode));
  TRY_ASSIGN(request.time_column, string_member(body, "time_column"));
  TRY_ASSIGN(request.after_event, bool_member(body, "after_event", false));
  TRY_ASSIGN(request.exclude_self, bool_member(body, "exclude_self", false));
  TRY_ASSIGN(request.self_source, string_member(body, "self_source"));
  TRY_ASSIGN(request.self_partition, string_member(body, "self_partition"));
  TRY_ASSIGN(request.self_offset, string_member(body, "self_offset"));
  TRY_ASSIGN(request.statuses, bool_member(body, "statuses", false));
  TRY_ASSIGN(request.event_times, bool_member(body, "event_times", false));
  TRY_ASSIGN(request.compression, string_member(body, "compression", "snappy"));
  TRY_ASSIGN(const int64_t threads, int_member(body, "threads", 0));
  if (threads < 0 || threads > 256) return invalid("\"threads\" must be 0 (one per core) to 256");
  request.threads = static_cast<unsigned>(threads);
  TRY_ASSIGN(const int64_t memory, int_member(body, "memory_bytes", 0));
  if (memory < 0) return invalid("\"memory_bytes\" must be 0 (half of the machine's) or more");
  request.memory_bytes = static_cast<uint64_t>(memory);
  return request;
}

Json training_report(const history::TrainReport& report) {
  return {{"rows", report.rows},
          {"features", report.features},
          {"events", report.events},
          {"undecodable", report.undecodable},
          {"gap_rows", report.gap_rows},
          {"not_mature_rows", report.not_mature_rows},
          {"spilled_bytes", report.spilled_bytes},
          {"seconds", report.seconds},
          {"out", report.out},
          {"manifest", report.manifest}};
}

}  // namespace ms::api
