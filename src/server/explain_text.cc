#include "server/explain_text.h"

#include <fmt/format.h>

#include "server/output.h"
#include "server/view_text.h"

namespace ms::server {
namespace {

std::string counted(int64_t n, std::string_view what) { return fmt::format("{} {}{}", human_count(n), what, n == 1 ? "" : "s"); }

std::string position_text(const Json& event) {
  return fmt::format("{}-{} offset {}", event["topic"].get<std::string>(), event["partition"].get<int64_t>(),
                     event["offset"].get<int64_t>());
}

std::string times_text(const Json& event) {
  return fmt::format("{}, appended {}", event["event_time"].get<std::string>(), event["append_time"].get<std::string>());
}

// "sum of amount where kind = 'debit', sliding 1h, hop 5m"
std::string computation_text(const Json& feature) {
  std::string out = text_of(feature, "aggregate");
  if (const std::string of = text_of(feature, "of"); !of.empty()) out += " of " + of;
  if (const std::string where = text_of(feature, "where"); !where.empty()) out += " where " + where;
  return out + ", " + feature["window"]["text"].get<std::string>();
}

std::string window_text(const Json& window) {
  return fmt::format("{}event time < {}",
                     window["tail"].is_null() ? "" : window["tail"].get<std::string>() + " <= ", window["head"].get<std::string>());
}

std::string events_text(const Json& feature) {
  const auto events = feature["events"].get<int64_t>(), nulls = feature["nulls"].get<int64_t>();
  std::string out = human_count(events);
  if (nulls > 0)
    out += fmt::format(", {} of them with a null {}, which {} skips", human_count(nulls), text_of(feature, "of"),
                       text_of(feature, "aggregate"));
  return out;
}

std::string reads_text(const Json& feature) {
  std::string out;
  for (const Json& read : feature["tiles"]) {
    const std::string width = read["width"];
    if (!out.empty()) out += ", ";
    out += width == "before" ? "the tile of everything older" : counted(read["tiles"], "tile") + " of " + width;
  }
  const auto rows = feature["raw_rows"].get<int64_t>();
  if (rows > 0) out += (out.empty() ? "" : ", ") + counted(rows, "raw row");
  return out.empty() ? "nothing: no row or tile of this key reaches into the window" : out;
}

std::string reason_text(const Json& group, const Json& view, const Json& feature) {
  const std::string reason = group["reason"];
  if (reason == "before_window") return "before the window";
  if (reason == "after_window") return "at or after the window's head";
  if (reason == "undecodable") return "dead letters of this view";
  if (reason == "filtered_by_view") return "not where " + text_of(view, "where") + " (the view's)";
  if (reason == "filtered_by_feature") return "not where " + text_of(feature, "where") + " (the feature's)";
  if (reason == "retracted") return "taken back, the last one by offset " + group["last"]["retracted_by"].dump();
  if (reason == "appended_later") return "came later than this instant";
  if (reason == "not_applied") return "in the log, but not applied yet";
  return reason;
}

std::string left_out_text(const Json& view, const Json& feature) {
  if (feature["left_out"].empty()) return "";
  Table table({"EVENTS", "WHY", "LAST OF THEM", "EVENT TIME"});
  for (const Json& group : feature["left_out"])
    table.add({human_count(group["events"]), reason_text(group, view, feature), position_text(group["last"]), group["last"]["event_time"]});
  std::string out, rows = table.text();
  for (size_t at = 0; at < rows.size();) {
    const size_t end = rows.find('\n', at);
    out += (at == 0 ? "  left out  " : "            ") + rows.substr(at, end - at + 1);
    at = end + 1;
  }
  return out;
}

std::string proof_text(const Json& view, const Json& feature) {
  const std::string proof = feature["proof"];
  if (proof == "equal") return "derived again from the log: bit for bit the same";
  if (proof == "derived") return "derived from the log; what was served then is not kept";
  if (proof == "not_checkable") return "not proved: " + text_of(view, "lost");
  const Json& derived = feature["derived"];
  return fmt::format("DIFFERS: the log gives {} {}, event time {}. Please report this.", value_text(derived["value"]),
                     derived["status"].get<std::string>(), value_text(derived["event_time"]));
}

std::string feature_text(const Json& view, const Json& feature) {
  std::string out = fmt::format("\n{} = {}  {}\n", feature["name"].get<std::string>(), value_text(feature["value"]),
                                feature["status"].get<std::string>());
  const auto line = [&](std::string_view label, const std::string& text) { out += fmt::format("  {:<8}  {}\n", label, text); };
  line("is", computation_text(feature));
  line("window", window_text(feature["window"]));
  line("events", events_text(feature));
  if (!feature["first"].is_null()) line("first", position_text(feature["first"]) + " at " + times_text(feature["first"]));
  if (!feature["last"].is_null()) line("last", position_text(feature["last"]) + " at " + times_text(feature["last"]));
  if (!feature["age_ms"].is_null()) line("age", human_age(feature["age_ms"]));
  if (!feature["tiles"].is_null()) line("state", reads_text(feature));
  out += left_out_text(view, feature);
  line("proof", proof_text(view, feature));
  return out;
}

std::string derived_proof_text(const Json& feature) {
  if (feature["proof"] == "not_checkable") return "not proved: records that an input may need are gone";
  return proof_text(Json::object(), feature);
}

// A derived feature of the service: what it was computed from.
std::string derived_text(const Json& feature) {
  std::string out = fmt::format("\n{} = {}  {}\n", feature["name"].get<std::string>(), value_text(feature["value"]), feature["status"].get<std::string>());
  const auto line = [&](std::string_view label, const std::string& text) { out += fmt::format("  {:<8}  {}\n", label, text); };
  line("is", text_of(feature, "expression"));
  std::string_view label = "from";
  for (const Json& input : feature["inputs"]) {
    line(label, fmt::format("{} = {}  {}", text_of(input, "name"), value_text(input["value"]), text_of(input, "status")));
    label = "";
  }
  if (!feature["reason"].is_null()) line("reason", text_of(feature, "reason"));
  line("proof", derived_proof_text(feature));
  return out;
}

std::string seen_text(const Json& view) {
  const auto seen = view["seen"]["events"].get<int64_t>();
  if (seen > 0) return counted(seen, "event") + " of this key";
  if (view["known"].is_boolean() && view["known"].get<bool>())
    return "none of this key: its events are older than the windows, or no longer in the log";
  return "none of this key: nobody has sent an event with it that a window could reach";
}

std::string view_head(const Json& view) {
  std::string out = fmt::format("{}@{}  shard {}, publish {}\n", view["name"].get<std::string>(), view["version"].get<int64_t>(),
                                view["shard"].get<int64_t>(), view["publish"].get<int64_t>());
  for (const Json& range : view["read"]) {
    out += fmt::format("  {}-{}  applied: offsets below {}; read for this: {} to {}\n", view["topic"].get<std::string>(),
                       range["partition"].get<int64_t>(), range["applied"].get<int64_t>(), range["from"].get<int64_t>(),
                       range["until"].get<int64_t>());
  }
  out += fmt::format("  {} read, {}\n", counted(view["records"], "record"), seen_text(view));
  if (const Json& dead = view["undecodable"]; !dead.is_null())
    out += fmt::format("  {} of no known key that cannot be decoded; the last: {}: {}\n", counted(dead["records"], "record"),
                       position_text(dead["last"]), text_of(dead, "last_reason"));
  if (!view["lost"].is_null()) out += fmt::format("  {}\n", text_of(view, "lost"));
  return out;
}

std::string entity_text(const Json& explanation, const std::string& name) {
  std::string out = fmt::format("\n{}\n", name);
  for (const Json& view : explanation["views"]) out += view_head(view);
  for (const Json& feature : explanation["features"]) {
    if (feature.contains("expression")) out += derived_text(feature);
    else
      for (const Json& view : explanation["views"])
        if (view["name"] == feature["view"]) out += feature_text(view, feature);
  }
  return out;
}

}  // namespace

std::string explanation_text(const Json& explanation, const std::vector<std::string>& names) {
  std::string out = fmt::format("{}@{}  {} {}\n", text_of(explanation, "service"), explanation["version"].get<int64_t>(),
                                text_of(explanation, "mode") == "live" ? "as of" : "as served at", text_of(explanation, "as_of"));
  const Json& all = explanation["explanations"];
  for (size_t i = 0; i < all.size() && i < names.size(); ++i) out += entity_text(all[i], names[i]);
  return out;
}

bool has_difference(const Json& explanation) {
  for (const Json& entity : explanation["explanations"])
    for (const Json& feature : entity["features"])
      if (feature["proof"] == "differs") return true;
  return false;
}

}  // namespace ms::server
