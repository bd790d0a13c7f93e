#include "server/view_text.h"

#include <fmt/format.h>

#include "server/output.h"

namespace ms::server {
namespace {

std::string hottest_text(const Json& hottest) {
  if (hottest["of_rows"].get<int64_t>() == 0) return "";
  if (hottest["keys"].empty()) return fmt::format("\nno key stands out among the last {} rows\n", human_count(hottest["of_rows"]));
  Table table({"HOTTEST KEY", "ROWS", "SHARE"});
  for (const Json& hot : hottest["keys"]) {
    std::string key;
    for (const auto& [name, value] : hot["key"].items()) key += fmt::format("{}{}={}", key.empty() ? "" : " ", name, value_text(value));
    const auto most = hot["rows_at_most"].get<int64_t>(), least = hot["rows_at_least"].get<int64_t>();
    table.add({key, most == least ? human_count(most) : fmt::format("{} to {}", human_count(least), human_count(most)),
               fmt::format("{:.1f} %", hot["share"].get<double>() * 100)});
  }
  const auto one_in = hottest["one_in"].get<int64_t>();
  return fmt::format("\n{}of the last {} rows since the start of the server{}\n", table.text(), human_count(hottest["of_rows"]),
                     one_in == 1 ? "" : fmt::format(", estimated from one in {}", one_in));
}

std::string ages_text(const Json& ages) {
  if (ages["entities"].get<int64_t>() == 0) return "";
  std::string out = "\nage       ";
  if (ages["min"].is_null()) {
    out += "no entity has an event that a window can still reach\n";
  } else {
    for (const char* name : {"min", "p50", "p90", "p99", "max"})
      out += fmt::format("{}{} {}", name == std::string_view("min") ? "" : ", ", name, human_age(ages[name]));
    out += "\n";
  }
  const auto sampled = ages["entities"].get<int64_t>(), of = ages["of"].get<int64_t>();
  out += fmt::format(
      "          time since the last event, over {}",
      sampled < of ? fmt::format("a sample of {} of the {} entities", human_count(sampled), human_count(of)) : std::string("all entities"));
  if (const auto none = ages["without_events"].get<int64_t>(); none > 0)
    out += fmt::format("; {} more have none that a window can still reach", human_count(none));
  return out + "\n";
}

// {"kind": "sliding", "length": "1h", "hop": "5m"} -> "sliding 1h, hop 5m"
std::string definition_window_text(const Json& window) {
  std::string out;
  for (const auto& [name, value] : window.items()) {
    if (name == "kind") out = value_text(value);
    else out += name == "length" ? " " + value_text(value) : fmt::format(", {} {}", name, value_text(value));
  }
  return out;
}

std::string rate_text(double per_second) {
  return per_second < 100 ? fmt::format("{:.1f}", per_second) : human_count(static_cast<int64_t>(per_second));
}

std::string live_text(const Json& live) {
  const Json& rows = live["rows"];
  std::string out =
      fmt::format("state     {}\nentities  {}\n", live["ready"].get<bool>() ? "ready" : "catching up", human_count(live["entities"]));
  out += fmt::format("memory    {}{}\n", human_bytes(live["resident_bytes"]),
                     live["bytes_per_entity"].is_null() ? "" : fmt::format(", {} bytes per entity", human_count(live["bytes_per_entity"])));
  const Json& rate = live["rows_per_second"];
  out += fmt::format("rate      {} rows/s in the last 10 s, {} in the last minute\n", rate_text(rate["10s"]), rate_text(rate["60s"]));
  out += fmt::format("rows      {} applied since the start of the server, {} of them late\n", human_count(rows["applied"]),
                     human_count(rows["late"]));
  if (rows.contains("retracted"))
    out += fmt::format("retracted {} row{} taken back, {} retraction{} of no row that is here\n", human_count(rows["retracted"]),
                       rows["retracted"] == 1 ? "" : "s", human_count(rows["retracted_unknown"]), rows["retracted_unknown"] == 1 ? "" : "s");
  const auto dead = live["dead_letters"]["records"].get<int64_t>();
  out += fmt::format("left out  {} filtered, {} with a null key, {} beyond the horizon; {} dead letter{} of {}\n",
                     human_count(rows["filtered"]), human_count(rows["null_keys"]), human_count(rows["beyond_horizon"]), human_count(dead),
                     dead == 1 ? "" : "s", text_of(live["dead_letters"], "topic"));
  return out + ages_text(live["ages"]) + hottest_text(live["hottest"]);
}

}  // namespace

std::string value_text(const Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : dump(value);
}

std::string text_of(const Json& json, const char* member) {
  return json[member].is_string() ? json[member].get<std::string>() : std::string();
}

std::string view_text(const Json& view) {
  std::string out = fmt::format("{}@{}  entity {}, source {}\n", text_of(view, "name"), view["version"].dump(),
                                value_text(view["entity"]["name"]), value_text(view["source"]["name"]));
  if (view.contains("where") && !text_of(view, "where").empty()) out += fmt::format("where     {}\n", text_of(view, "where"));
  out += view["live"].is_null() ? "state     not taken up by the engine yet\n" : live_text(view["live"]);
  Table table({"FEATURE", "TYPE", "AGGREGATE", "OF", "WHERE", "WINDOW"});
  for (const Json& f : view["features"])
    table.add({text_of(f, "name"), value_text(f["type"]), value_text(f["aggregate"]), f.contains("of") ? value_text(f["of"]) : "",
               f.contains("where") ? value_text(f["where"]) : "", definition_window_text(f["window"])});
  return out + "\n" + table.text();
}

}  // namespace ms::server
