#include "catalog/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ms::catalog {
namespace {

std::string bytes_text(uint64_t bytes) { return bytes < 10'000 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} KB", static_cast<double>(bytes) / 1e3); }
std::string reach_text(int64_t us) { return us == INT64_MAX ? "all history" : "the last " + format_duration(us); }

void item_text(const PlanItem& item, std::string& out) {
  out += fmt::format("{} {}{}: {}\n", item.kind, item.name, item.version > 0 ? fmt::format(" v{}", item.version) : "", to_string(item.change));
  for (const std::string& note : item.notes) out += fmt::format("  {}\n", note);
  size_t wide = 0;
  for (const FeaturePlan& f : item.features) wide = std::max(wide, f.name.size());
  for (const FeaturePlan& f : item.features)
    out += fmt::format("  {:<{}}  {:<9} {:<24} {:>9}  {}\n", f.name, wide, f.type, f.window, bytes_text(f.state_bytes), to_string(f.change));
  if (!item.features.empty())
    out += fmt::format("  state: about {} for an entity with an event a minute; needs {} of topic {}\n", bytes_text(item.state_bytes_per_entity), reach_text(item.retention_us), item.topic);
  for (const std::string& warning : item.warnings) out += fmt::format("  warning: {}\n", warning);
  if (!item.columns.empty()) {
    out += fmt::format("  {} features:", item.columns.size());
    for (const std::string& c : item.columns) out += " " + c;
    out += "\n";
  }
}

nlohmann::ordered_json item_json(const PlanItem& item) {
  nlohmann::ordered_json out = {{"kind", item.kind}, {"name", item.name}, {"change", to_string(item.change)}};
  if (item.version > 0) out["version"] = item.version;
  out["notes"] = item.notes;
  if (item.kind == "view") {
    out["features"] = nlohmann::ordered_json::array();
    for (const FeaturePlan& f : item.features)
      out["features"].push_back({{"name", f.name}, {"type", f.type}, {"window", f.window}, {"hash", f.hash}, {"change", to_string(f.change)}, {"state_bytes", f.state_bytes}});
    out["state_bytes_per_entity"] = item.state_bytes_per_entity;
    out["topic"] = item.topic;
    out["retention"] = item.retention_us == INT64_MAX ? "all" : format_duration(item.retention_us);
    out["warnings"] = item.warnings;
  }
  if (item.kind == "service") out["columns"] = item.columns;
  return out;
}

}  // namespace

std::string_view to_string(Change change) {
  switch (change) {
    case Change::kNew: return "new";
    case Change::kChanged: return "changed";
    case Change::kUnchanged: return "unchanged";
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
  if (!ok()) return out + fmt::format("refused: {} {}\n", refusals.size(), refusals.size() == 1 ? "mistake" : "mistakes");
  for (const PlanItem& item : items) item_text(item, out);
  const auto count = [&](Change c) { return std::count_if(items.begin(), items.end(), [&](const PlanItem& i) { return i.change == c; }); };
  return out + fmt::format("{} new, {} changed, {} unchanged\n", count(Change::kNew), count(Change::kChanged), count(Change::kUnchanged));
}

std::string PlanReport::json() const {
  nlohmann::ordered_json out = {{"ok", ok()}, {"changes", changes()}, {"refusals", nlohmann::ordered_json::array()}, {"items", nlohmann::ordered_json::array()}};
  for (const Refusal& r : refusals) out["refusals"].push_back({{"file", r.file}, {"line", r.line}, {"column", r.column}, {"message", r.message}});
  for (const PlanItem& item : items) out["items"].push_back(item_json(item));
  // Names and messages may quote bytes that are not UTF-8.
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ms::catalog
