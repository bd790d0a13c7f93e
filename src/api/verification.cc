#include "api/verification.h"

#include <fmt/format.h>

#include "base/nearest.h"
#include "base/types.h"
#include "engine/timeline.h"

namespace ms::api {
namespace {

Result<> check_service(const std::string& name, const catalog::CatalogSnapshot& catalog) {
  if (name.empty() || catalog.find_service(name)) return {};
  std::vector<std::string> names;
  for (const auto& service : catalog.services) names.push_back(service->definition.name);
  return not_found(fmt::format("there is no service '{}'{}", name, did_you_mean(name, names)));
}

// Everything served up to now is on disk before anything is read; what is served meanwhile is left to the next verification.
Result<Json> run(const ApiParts& parts, replay::VerifyRequest request, const JobProgressSink& sink, std::stop_token stop) {
  request.samples_dir = parts.dir + "/samples";
  request.until = Instant{parts.clock->wall_us()};
  TRY(parts.samples->flush());
  TRY(parts.engine->sync_timeline());
  TRY_ASSIGN(const auto timeline, engine::TimelineReader::open(*parts.fs, parts.dir + "/timeline"));
  const auto progress = [&](uint64_t done, uint64_t total) { sink({"deriving again", done, total, 0, 0}); };
  const replay::VerifyInputs inputs{.fs = parts.fs, .clock = parts.clock, .log = parts.log, .timeline = timeline.get()};
  TRY_ASSIGN(const auto report, replay::verify(*parts.catalog->snapshot(), request, inputs, progress, stop));
  return verify_report_json(report);
}

Result<std::string> start(Context& context, const Call& call) {
  TRY_ASSIGN(const Json body, parse_object(call.body));
  TRY_ASSIGN(replay::VerifyRequest request, verify_request(body, *context.parts.catalog->snapshot()));
  return context.jobs.start("verification", [&parts = context.parts, request = std::move(request)](const JobProgressSink& sink, std::stop_token stop) {
    return run(parts, request, sink, stop);
  });
}

}  // namespace

Result<replay::VerifyRequest> verify_request(const Json& body, const catalog::CatalogSnapshot& catalog) {
  TRY(only_members(body, {"service", "since", "sample", "threads"}));
  replay::VerifyRequest request;
  TRY_ASSIGN(request.service, string_member(body, "service"));
  TRY(check_service(request.service, catalog));
  TRY_ASSIGN(const std::string since, string_member(body, "since"));
  if (!since.empty()) {
    TRY_ASSIGN(const int64_t us, parse_time(since));
    request.since = Instant{us};
  }
  TRY_ASSIGN(const int64_t sample, int_member(body, "sample", 0));
  if (sample < 0) return invalid("\"sample\" must not be negative (0: all stored answers)");
  request.samples_max = static_cast<uint64_t>(sample);
  TRY_ASSIGN(const int64_t threads, int_member(body, "threads", 0));
  if (threads < 0 || threads > 256) return invalid("\"threads\" must be 0 (one per core) to 256");
  request.threads = static_cast<unsigned>(threads);
  return request;
}

Json verify_report_json(const replay::VerifyReport& report) {
  Json shown = Json::array();
  for (const replay::Difference& d : report.shown)
    shown.push_back({{"service", d.service}, {"view", d.view}, {"key", d.key}, {"as_of", format_time(d.as_of.us)}, {"feature", d.feature},
                     {"served", d.served}, {"derived", d.derived}, {"cut", d.cut}});
  const bool any = report.samples != 0;
  return {{"samples", report.samples},
          {"answers", report.answers},
          {"values", report.values},
          {"differences", report.differences},
          {"gaps", report.gaps},
          {"not_checkable", report.not_checkable},
          {"forgotten", report.forgotten},
          {"torn_tails", report.torn_tails},
          {"first", any ? Json(format_time(report.first.us)) : Json()},
          {"last", any ? Json(format_time(report.last.us)) : Json()},
          {"seconds", report.seconds},
          {"shown", std::move(shown)},
          {"text", replay::to_text(report)}};
}

void start_verification(Context& context, const Call& call, io::HttpReply& reply) {
  answer_started(context.jobs, start(context, call), reply);
}

}  // namespace ms::api
