#include "api/view_description.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "feature/view_program.h"

namespace ms::api {
namespace {

constexpr size_t kHottestMost = 10;

Json key_json(const feature::ViewProgram& program, std::string_view key) {
  const auto parts = feature::parse_key(key);
  CHECK(parts && parts->size() == program.key_fields().size());
  Json json = Json::object();
  for (size_t i = 0; i < parts->size(); ++i) {
    Json& to = json[program.key_fields()[i].name];
    const feature::ScalarValue& part = (*parts)[i];
    if (const auto* text = std::get_if<std::string>(&part)) to = *text;
    else if (const auto* number = std::get_if<int64_t>(&part)) to = *number;
    else if (const auto* flag = std::get_if<bool>(&part)) to = *flag;
  }
  return json;
}

Json hottest_json(const engine::ActivityReport& activity, const feature::ViewProgram& program) {
  Json keys = Json::array();
  for (const engine::HotKey& hot : activity.hottest) {
    const double share =
        activity.hottest_of_rows == 0 ? 0 : static_cast<double>(hot.rows_max) / static_cast<double>(activity.hottest_of_rows);
    keys.push_back({{"key", key_json(program, hot.key)},
                    {"rows_at_most", hot.rows_max},
                    {"rows_at_least", hot.rows_max - hot.error},
                    {"share", share}});
  }
  return {{"of_rows", activity.hottest_of_rows}, {"one_in", activity.sampled_one_in}, {"keys", std::move(keys)}};
}

Json live_json(const engine::ViewDetails& details, const feature::ViewProgram& program, const std::string& topic) {
  const engine::ViewStatus& status = details.status;
  Json rows = {{"applied", status.applied_rows},
               {"late", details.activity.late},
               {"beyond_horizon", status.beyond_horizon},
               {"filtered", status.filtered},
               {"null_keys", status.null_keys}};
  if (status.retracts) rows["retracted"] = status.retracted, rows["retracted_unknown"] = status.retracted_unknown;
  return {{"ready", status.ready},
          {"now", format_time(details.now.us)},
          {"entities", status.entities},
          {"resident_bytes", status.resident_bytes},
          {"bytes_per_entity", status.entities == 0 ? Json() : Json(status.resident_bytes / status.entities)},
          {"rows", std::move(rows)},
          {"dead_letters", {{"topic", topic}, {"records", details.dead_letters}}},
          {"rows_per_second", {{"10s", details.activity.rows_per_second_10s}, {"60s", details.activity.rows_per_second_60s}}},
          {"hottest", hottest_json(details.activity, program)},
          {"ages", ages_json(details.newest_event_times_us, status.entities, details.now.us)}};
}

}  // namespace

Json ages_json(std::span<const int64_t> newest_event_times_us, size_t of, int64_t now_us) {
  std::vector<int64_t> ages_ms;
  for (const int64_t us : newest_event_times_us)
    if (us != feature::kNoEventTime) ages_ms.push_back((now_us - us) / kMicrosPerMilli);
  std::ranges::sort(ages_ms);
  Json json{{"entities", newest_event_times_us.size()}, {"of", of}, {"without_events", newest_event_times_us.size() - ages_ms.size()}};
  const auto quantile = [&](double q) {
    return ages_ms.empty() ? Json() : Json(ages_ms[static_cast<size_t>(q * static_cast<double>(ages_ms.size() - 1))]);
  };
  json["min"] = quantile(0), json["p50"] = quantile(0.5), json["p90"] = quantile(0.9), json["p99"] = quantile(0.99),
  json["max"] = quantile(1);
  return json;
}

Result<Json> view_description(Context& context, const std::string& name) {
  TRY_ASSIGN(const std::string text, context.parts.catalog->describe_json("views", name));
  Json json = Json::parse(text);
  const auto view = context.parts.catalog->snapshot()->find_view(name);
  if (!view) return not_found("view '" + name + "' has just gone");
  const auto details = context.parts.engine->view_details(name, view->version, kHottestMost);
  json["live"] = details ? live_json(*details, *view->program, view->source.definition.topic) : Json();
  return json;
}

}  // namespace ms::api
