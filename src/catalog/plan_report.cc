#include "catalog/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/human_bytes.h"

namespace ms::catalog {
namespace {

std::string reach_text(int64_t us) { return us == INT64_MAX ? "all history" : "the last " + format_duration(us); }

char sign(Change change) {
  switch (change) {
    case Change::kNew: return '+';
    case Change::kChanged: return '~';
    case Change::kUnchanged: return '=';
    case Change::kRemoved: return '-';
    case Change::kRefused: return '!';
  }
  return '?';
}

std::string type_text(const FeaturePlan& f) { return f.change == Change::kChanged && f.type != f.type_before ? f.type_before + " -> " + f.type : f.type; }

std::string features_text(const std::vector<FeaturePlan>& features) {
  std::vector<std::array<std::string, 4>> cells;  // name, type, window, state
  std::array<size_t, 4> widths{};
  for (const FeaturePlan& f : features) {
    cells.push_back({f.name, type_text(f), f.window, f.change == Change::kRemoved ? "" : human_bytes(static_cast<int64_t>(f.state_bytes))});
    for (size_t c = 0; c < widths.size(); ++c) widths[c] = std::max(widths[c], cells.back()[c].size());
  }
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) {
    const auto& [name, type, window, state] = cells[i];
    out += fmt::format("    {} {:<{}}  {:<{}}  {:<{}}  {:>{}}", sign(features[i].change), name, widths[0], type, widths[1], window, widths[2], state, widths[3]);
    out.erase(out.find_last_not_of(' ') + 1);
    out += "\n";
  }
  return out;
}

std::string columns_text(const PlanItem& item) {
  const auto listed = [](const std::string& head, const std::vector<std::string>& names) {
    return names.empty() ? "" : fmt::format("    {} {}\n", head, fmt::join(names, " "));
  };
  std::string out = listed(fmt::format("{} features:", item.columns.size()), item.columns);
  for (const Change change : {Change::kNew, Change::kChanged, Change::kRemoved}) {
    std::vector<std::string> names;
    for (const auto& [how, name] : item.column_changes)
      if (how == change) names.push_back(name);
    out += listed(std::string(1, sign(change)), names);
  }
  return out;
}

std::string item_text(const PlanItem& item) {
  std::string out = fmt::format("{} {} {}{}  ({})\n", sign(item.change), item.kind, item.name, item.version > 0 ? fmt::format("@{}", item.version) : "", to_string(item.change));
  for (const std::string& note : item.notes) out += fmt::format("    {}\n", note);
  out += features_text(item.features);
  if (!item.features.empty())
    out += fmt::format("    state: about {} for an entity with an event a minute\n    needs {} of topic {}\n",
                       human_bytes(static_cast<int64_t>(item.state_bytes_per_entity)), reach_text(item.retention_us), item.topic);
  for (const std::string& warning : item.warnings) out += fmt::format("    warning: {}\n", warning);
  return out + columns_text(item);
}

nlohmann::ordered_json feature_json(const FeaturePlan& f) {
  nlohmann::ordered_json out = {{"name", f.name}, {"type", f.type}, {"window", f.window}, {"hash", f.hash}, {"change", to_string(f.change)}, {"state_bytes", f.state_bytes}, {"state_bytes_most", f.state_bytes_most}};
  if (f.change == Change::kChanged) out["type_before"] = f.type_before;
  return out;
}

nlohmann::ordered_json item_json(const PlanItem& item) {
  nlohmann::ordered_json out = {{"kind", item.kind}, {"name", item.name}, {"change", to_string(item.change)}};
  if (item.version > 0) out["version"] = item.version;
  out["notes"] = item.notes;
  if (item.kind == "view") {
    out["features"] = nlohmann::ordered_json::array();
    for (const FeaturePlan& f : item.features) out["features"].push_back(feature_json(f));
    out["state_bytes_per_entity"] = item.state_bytes_per_entity;
    out["topic"] = item.topic;
    out["retention"] = item.retention_us == INT64_MAX ? "all" : format_duration(item.retention_us);
    out["warnings"] = item.warnings;
  }
  if (item.kind == "service") out["columns"] = item.columns, out["warnings"] = item.warnings;
  return out;
}

}  // namespace

std::string_view to_string(Change change) {
  switch (change) {
    case Change::kNew: return "new";
    case Change::kChanged: return "changed";
    case Change::kUnchanged: return "unchanged";
    case Change::kRemoved: return "removed";
    case Change::kRefused: return "refused";
  }
  return "?";
}

void warn_of_retention(PlanReport& report, const TopicRetention& keeps) {
  for (PlanItem& item : report.items) {
    if (item.kind != "view" || item.features.empty()) continue;
    const auto kept = keeps(item.topic);
    if (!kept) continue;
    const std::string needs = item.retention_us == INT64_MAX ? "needs all history" : "needs " + format_duration(item.retention_us);
    const auto warn = [&](const std::string& what, const std::string& setting) {
      item.warnings.push_back(fmt::format("topic {0} keeps {1}, the view {2}: what is gone can be neither verified, trained on nor built again; "
                                          "to keep all: millstream topic alter {0} --config {3}=-1", item.topic, what, needs, setting));
    };
    if (kept->ms >= 0 && kept->ms < item.retention_us / kMicrosPerMilli) warn(format_duration(kept->ms * kMicrosPerMilli), "retention.ms");
    if (kept->bytes >= 0) warn(fmt::format("{} bytes of a partition, of whatever age", kept->bytes), "retention.bytes");
  }
}

std::string Refusal::text() const { return line == 0 ? fmt::format("{}: {}", file, message) : fmt::format("{}:{}:{}: {}", file, line, column, message); }

bool PlanReport::changes() const {
  return std::any_of(items.begin(), items.end(), [](const PlanItem& i) { return i.change != Change::kUnchanged || i.only_words; });
}

std::string PlanReport::text() const {
  std::string out;
  for (const Refusal& r : refusals) out += r.text() + "\n";
  return out + items_text();
}

std::string PlanReport::items_text() const {
  std::string out;
  for (const PlanItem& item : items) out += item_text(item);
  if (!ok()) return out + fmt::format("Refused: {} {}.\n", refusals.size(), refusals.size() == 1 ? "mistake" : "mistakes");
  if (!changes()) return out + "Nothing changes.\n";
  const auto count = [&](Change c) { return std::count_if(items.begin(), items.end(), [&](const PlanItem& i) { return i.change == c; }); };
  return out + fmt::format("{} new, {} changed, {} unchanged\n", count(Change::kNew), count(Change::kChanged), count(Change::kUnchanged));
}

std::string PlanReport::json() const {
  nlohmann::ordered_json out = {{"ok", ok()}, {"changes", changes()}, {"refusals", nlohmann::ordered_json::array()}, {"items", nlohmann::ordered_json::array()}};
  for (const Refusal& r : refusals) out["refusals"].push_back({{"file", r.file}, {"line", r.line}, {"column", r.column}, {"message", r.message}});
  for (const PlanItem& item : items) out["items"].push_back(item_json(item));
  out["text"] = items_text();
  // Names and messages may quote bytes that are not UTF-8.
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ms::catalog
