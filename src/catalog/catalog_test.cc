#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/rng.h"
#include "catalog/catalog.h"
#include "catalog/catalog_document.h"
#include "catalog/definitions.h"
#include "catalog/planner.h"
#include "catalog/window_text.h"

namespace ms::catalog {
namespace {

constexpr const char* kFlights = R"yaml(sources:
  arrivals:
    time: {field: landed_at, unit: ms}
    fields: {origin: string, destination: string, delay_min: int64, cancelled: bool}
    derived: {late: "delay_min > 15"}
    owner: ops
entities:
  airport: {key: [origin]}
---
views:
  airport_arrivals:
    entity: airport
    from: arrivals
    where: "not cancelled"
    features:
      arrivals: {count: {over: [10m, 24h]}}
      delay: {avg: {of: delay_min, over: [3h, "sliding(1h, hop: 1m)"], default: 0}, max: {of: delay_min, over: "tumbling(1h)"}}
      routes: {count_distinct: {of: destination, over: lifetime, cap: 50}}
      late: {count_if: {of: late, over: "sliding(1h, exact)", ttl: 2h}}
    owner: eta-team
services:
  eta: {features: [airport_arrivals.*]}
)yaml";

std::optional<TopicId> topics(std::string_view name) {
  if (name == "missing") return std::nullopt;
  TopicId id;
  id.uuid.bytes[0] = static_cast<uint8_t>(name.size());
  return id;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

struct CatalogTest : testing::Test {
  CatalogTest() : dir(std::filesystem::temp_directory_path() / ("millstream-catalog-" + random_uuid().to_string())) {
    std::filesystem::create_directories(dir);
    open();
  }
  ~CatalogTest() override { std::filesystem::remove_all(dir); }
  void open() {
    auto opened = Catalog::open(posix_file_system(), dir.string());
    ASSERT_TRUE(opened) << opened.error().message;
    catalog = std::move(*opened);
  }
  PlanReport apply(const std::string& text) {
    const DefinitionFile file{"f.yaml", text};
    auto report = catalog->apply({&file, 1}, topics);
    EXPECT_TRUE(report) << report.error().message;
    return *report;
  }
  std::string plan(const std::string& text) {
    const DefinitionFile file{"f.yaml", text};
    return catalog->plan({&file, 1}, topics).text();
  }
  std::filesystem::path dir;
  std::unique_ptr<Catalog> catalog;
};

TEST_F(CatalogTest, PlanSaysWhatApplyWouldDo) {
  EXPECT_EQ(plan(kFlights), R"(+ source arrivals  (new)
    reads topic arrivals
    its time is field 'landed_at', which is not among its fields
+ entity airport  (new)
    key origin
+ view airport_arrivals@1  (new)
    from arrivals (topic arrivals), by airport (origin string)
    + arrivals_count_10m              int64    sliding 10m, hop 1m   88 B
    + arrivals_count_24h              int64    sliding 1d, hop 1h   200 B
    + delay_avg_3h                    float64  sliding 3h, hop 5m   592 B
    + delay_avg_1h_hop_1m             float64  sliding 1h, hop 1m   976 B
    + delay_max_1h_tumbling           int64    tumbling 1h           40 B
    + routes_count_distinct_lifetime  int64    lifetime             804 B
    + late_count_if_1h_exact          int64    sliding 1h, exact    480 B
    state: about 3.1 KiB for an entity with an event a minute
    needs all history of topic arrivals
+ service eta@1  (new)
    7 features: arrivals_count_10m arrivals_count_24h delay_avg_3h delay_avg_1h_hop_1m delay_max_1h_tumbling routes_count_distinct_lifetime late_count_if_1h_exact
4 new, 0 changed, 0 unchanged
)");
  EXPECT_EQ(catalog->snapshot()->revision, 0u);
}

// Unchanged, computed differently, of another type, new, gone; and the same of a service's columns.
TEST_F(CatalogTest, PlanSaysWhatBecomesOfEachFeature) {
  const auto flights = [](const std::string& features, const std::string& columns) {
    const std::string text = kFlights;
    const size_t from = text.find("      arrivals: {count"), to = text.find("    owner: eta-team");
    return replaced(text.substr(0, from) + features + text.substr(to), "[airport_arrivals.*]", columns);
  };
  const std::string before = flights(R"(      n: {count: {over: [1h, 24h]}}
      delay: {max: {of: delay_min, over: [1h, 3h]}}
      late: {count_if: {of: late, over: [1h]}}
)", "[airport_arrivals.n_count_1h as n, airport_arrivals.delay_max_1h as delay, airport_arrivals.late_count_if_1h]");
  const std::string after = flights(R"(      n: {count: {over: [1h, 3h]}}
      delay: {max: {of: "delay_min * 1.5", over: [1h]}}
      late: {count_if: {of: "not late", over: [1h]}}
)", "[airport_arrivals.n_count_3h as n, airport_arrivals.delay_max_1h, airport_arrivals.late_count_if_1h, airport_arrivals.n_count_1h]");
  ASSERT_TRUE(apply(before).ok());
  EXPECT_EQ(plan(before).substr(plan(before).find("= service")), "= service eta@1  (unchanged)\n    3 features: n delay late_count_if_1h\nNothing changes.\n");
  EXPECT_EQ(plan(after).substr(plan(after).find("~ view")), R"(~ view airport_arrivals@2  (changed)
    from arrivals (topic arrivals), by airport (origin string)
    = n_count_1h        int64             sliding 1h, hop 5m  104 B
    + n_count_3h        int64             sliding 3h, hop 5m  296 B
    ~ delay_max_1h      int64 -> float64  sliding 1h, hop 5m  260 B
    ~ late_count_if_1h  int64             sliding 1h, hop 5m  104 B
    - n_count_24h       int64             sliding 1d, hop 1h
    - delay_max_3h      int64             sliding 3h, hop 5m
    state: about 764 B for an entity with an event a minute
    needs the last 3h5m of topic arrivals
~ service eta@2  (changed)
    4 features: n delay_max_1h late_count_if_1h n_count_1h
    + delay_max_1h n_count_1h
    ~ n late_count_if_1h
    - delay
0 new, 2 changed, 2 unchanged
)");
}

TEST_F(CatalogTest, AWarningWhenTheTopicKeepsLessThanAViewNeeds) {
  const auto warnings = [](const std::string& text, TopicKeeps keeps) {
    const DefinitionFile file{"flights.yaml", text};
    PlanReport report = plan_definitions({}, parse_definitions({&file, 1}), topics).report;
    warn_of_retention(report, [&](std::string_view topic) { return topic == "arrivals" ? std::optional(keeps) : std::nullopt; });
    std::string out;
    for (const PlanItem& item : report.items)
      for (const std::string& warning : item.warnings) out += item.name + ": " + warning + "\n";
    return out;
  };
  const std::string bounded = replaced(kFlights, "over: lifetime", "over: 24h");
  constexpr int64_t kDayMs = 86'400'000;
  EXPECT_EQ(warnings(kFlights, {-1, -1}), "");
  EXPECT_EQ(warnings(kFlights, {7 * kDayMs, -1}),
            "airport_arrivals: topic arrivals keeps 7d, the view needs all history: what is gone can be neither verified, trained on nor built again; "
            "to keep all: millstream topic alter arrivals --config retention.ms=-1\n");
  EXPECT_EQ(warnings(bounded, {7 * kDayMs, -1}), "");
  EXPECT_NE(warnings(bounded, {kDayMs / 2, -1}).find("keeps 12h, the view needs 1d"), std::string::npos) << warnings(bounded, {kDayMs / 2, -1});
  EXPECT_NE(warnings(bounded, {-1, 1'000}).find("keeps 1000 bytes of a partition"), std::string::npos);
}

// What is wrong is left out so that the rest can be looked at; that is no change of the view, nor of what reads it.
TEST_F(CatalogTest, WhatIsRefusedIsNotCalledAChange) {
  ASSERT_TRUE(apply(kFlights).ok());
  const auto changes = [&](std::string_view from, std::string_view to) {
    const DefinitionFile file{"flights.yaml", replaced(kFlights, from, to)};
    const PlanReport report = plan_definitions(*catalog->snapshot(), parse_definitions({&file, 1}), topics).report;
    std::string out = report.ok() ? "ok" : "refused";
    for (const PlanItem& item : report.items) out += " " + item.name + "=" + std::string(to_string(item.change));
    return out;
  };
  constexpr std::string_view kViewRefused = "refused arrivals=unchanged airport=unchanged airport_arrivals=refused eta=refused";
  EXPECT_EQ(changes("max: {of", "mxa: {of"), kViewRefused);
  EXPECT_EQ(changes("of: delay_min, over: [3h", "of: dealy_min, over: [3h"), kViewRefused);
  EXPECT_EQ(changes("delay_min: int64", "delay_min: int65"), "refused arrivals=refused airport=unchanged airport_arrivals=refused eta=refused");
  EXPECT_EQ(changes("24h]", "48h]"), "ok arrivals=unchanged airport=unchanged airport_arrivals=changed eta=changed");
}

TEST_F(CatalogTest, ATimeThatIsNoFieldIsPointedAt) {
  const std::string listed = replaced(kFlights, "fields: {", "fields: {landed_at: int64, ");
  EXPECT_EQ(plan(listed).find("its time is field"), std::string::npos);
  EXPECT_NE(plan(replaced(listed, "field: landed_at", "field: landed_att")).find("its time is field 'landed_att', which is not among its fields; did you mean 'landed_at'?"), std::string::npos);
}

TEST_F(CatalogTest, VersionsFollowTheComputationAlone) {
  ASSERT_TRUE(apply(kFlights).ok());
  const auto first = catalog->snapshot();
  EXPECT_EQ(first->revision, 1u);
  ASSERT_EQ(first->find_view("airport_arrivals")->version, 1u);

  EXPECT_FALSE(apply(kFlights).changes());
  EXPECT_EQ(catalog->snapshot(), first);

  // The owner and the style: stored, but the same version.
  apply(replaced(replaced(kFlights, "eta-team", "other-team"), "not cancelled", "not  (cancelled)"));
  EXPECT_EQ(catalog->snapshot()->revision, 2u);
  EXPECT_EQ(catalog->snapshot()->find_view("airport_arrivals")->version, 1u);
  EXPECT_EQ(catalog->snapshot()->find_view("airport_arrivals")->definition.owner, "other-team");

  // Another computation in the view alone: a new view version; the service keeps the one it was applied with.
  const std::string changed = replaced(kFlights, "[10m, 24h]", "[10m, 48h]");
  apply(changed.substr(0, changed.find("services:")));
  auto now = catalog->snapshot();
  EXPECT_EQ(now->find_view("airport_arrivals")->version, 2u);
  ASSERT_EQ(now->views.size(), 2u);
  EXPECT_EQ(now->find_service("eta")->views[0]->version, 1u);
  EXPECT_EQ(now->find_view("airport_arrivals", 1)->feature_hashes[0], now->find_view("airport_arrivals", 2)->feature_hashes[0]);
  EXPECT_NE(now->find_view("airport_arrivals", 1)->feature_hashes[1], now->find_view("airport_arrivals", 2)->feature_hashes[1]);

  // Applied again, the service moves on and nothing reads version 1 any more.
  open();
  apply(changed);
  now = catalog->snapshot();
  EXPECT_EQ(now->find_service("eta")->version, 2u);
  EXPECT_EQ(now->views.size(), 1u);
  EXPECT_EQ(now->retired_views.size(), 1u);
  // Going back is a new version: numbers are never given twice.
  apply(kFlights);
  EXPECT_EQ(catalog->snapshot()->find_view("airport_arrivals")->version, 3u);

  // A source that changes takes the views along that the files do not name.
  const std::string sources = replaced(kFlights, "delay_min > 15", "delay_min > 20");
  const auto report = apply(sources.substr(0, sources.find("---")));
  EXPECT_EQ(catalog->snapshot()->find_view("airport_arrivals")->version, 4u);
  EXPECT_EQ(catalog->snapshot()->find_service("eta")->views[0]->version, 3u);
  EXPECT_EQ(report.items.size(), 3u);
}

// Types with parameters survive the document, and the parameters are part of a computation.
TEST_F(CatalogTest, FieldsOfEveryType) {
  const std::string flights = replaced(
      replaced(
          kFlights, "cancelled: bool",
          "cancelled: bool, price: \"decimal(12, 2)\", tags: list<string>, emb: \"vector<double,8>\", attrs: \"map<string,decimal(5,1)>\""),
      "where: \"not cancelled\"", "where: \"price is not null and tags is not null\"");
  ASSERT_TRUE(apply(flights).ok()) << plan(flights);
  open();
  const auto first = catalog->snapshot();
  const auto& fields = first->sources[0]->definition.fields;
  std::string types;
  for (size_t i = 4; i < fields.size(); ++i) types += fields[i].name + " " + type_text(fields[i].type) + "; ";
  EXPECT_EQ(types, "price decimal(12,2); tags list<string>; emb vector<float64,8>; attrs map<string,decimal(5,1)>; ");
  EXPECT_FALSE(apply(flights).changes());
  apply(replaced(flights, "decimal(12, 2)", "decimal(12, 4)"));
  EXPECT_EQ(catalog->snapshot()->find_view("airport_arrivals")->version, 2u);
}

TEST_F(CatalogTest, ATopicThatASourceReadsStays) {
  ASSERT_TRUE(apply(kFlights).ok());
  size_t removed = 0;
  const auto remove = [&](std::string_view topic) { return catalog->remove_topic(*topics(topic), topic, [&] { return ++removed, Result<>(); }); };
  EXPECT_EQ(remove("arrivals").error().message, "source 'arrivals' reads topic 'arrivals': its features could never be built again, so it is not deleted");
  EXPECT_EQ(removed, 0u);
  EXPECT_TRUE(remove("other"));
  EXPECT_EQ(removed, 1u);
  EXPECT_EQ(catalog->remove_topic(*topics("other"), "other", [] { return Result<>(internal("no disk")); }).error().message, "no disk");
}

// An apply in another thread while a topic goes: it must not bind what it saw before.
TEST_F(CatalogTest, NothingIsBoundToATopicWhileItGoes) {
  const DefinitionFile file{"f.yaml", kFlights};
  std::atomic<bool> there = true, begun = false, looked = false;
  const auto lookup = [&](std::string_view name) { return looked = true, there ? topics(name) : std::nullopt; };
  std::thread applying;
  std::optional<PlanReport> report;
  ASSERT_TRUE(catalog->remove_topic(*topics("arrivals"), "arrivals", [&] {
    applying = std::thread([&] { begun = true, report = *catalog->apply({&file, 1}, lookup); });
    for (int turns = 0; !begun || (turns < 100'000 && !looked); ++turns) std::this_thread::yield();  // time enough to do it wrong
    there = false;
    return Result<>();
  }));
  applying.join();
  EXPECT_FALSE(report->ok());
  EXPECT_TRUE(catalog->snapshot()->sources.empty());
}

TEST_F(CatalogTest, SurvivesReopening) {
  apply(kFlights);
  apply(replaced(kFlights, "[10m, 24h]", "[10m, 48h]"));
  const auto before = catalog->snapshot();
  const std::string views = *catalog->list_json("views"), services = *catalog->describe_json("services", "eta");
  open();
  EXPECT_EQ(catalog->snapshot()->revision, before->revision);
  EXPECT_EQ(*catalog->list_json("views"), views);
  EXPECT_EQ(*catalog->describe_json("services", "eta"), services);
  EXPECT_EQ(catalog->snapshot()->retired_services.size(), 1u);
  EXPECT_EQ(catalog->describe_json("views", "airport_arivals").error().message, "there is no 'airport_arivals' among the views; did you mean 'airport_arrivals'?");
  EXPECT_FALSE(catalog->list_json("topics"));

  // A document whose computation is not what its hash says, a newer one and a torn one are refused.
  const std::string path = (dir / "catalog.json").string();
  const std::string text = *read_file(posix_file_system(), path);
  const std::pair<std::string, ErrorKind> broken[] = {{replaced(text, "not cancelled", "cancelled"), ErrorKind::kCorruption},
                                                      {replaced(text, "\"format\": 1", "\"format\": 2"), ErrorKind::kUnsupported},
                                                      {text.substr(0, text.size() / 2), ErrorKind::kCorruption}};
  for (const auto& [bytes, kind] : broken) {
    ASSERT_TRUE(write_file_atomically(posix_file_system(), path, bytes));
    const auto opened = Catalog::open(posix_file_system(), dir.string());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, kind) << opened.error().message;
  }
}

TEST_F(CatalogTest, MistakesAreRefusedWithTheirPlace) {
  const std::string f = kFlights;
  const std::pair<std::string, std::string> cases[] = {
      {replaced(f, "not cancelled", "not canceled"),
       "f.yaml:14:17: view 'airport_arrivals': where, column 5: there is no field 'canceled'; did you mean 'cancelled'?"},
      {replaced(f, "{of: delay_min, over: [3h", "{of: delay_mn, over: [3h"),
       "f.yaml:17:25: view 'airport_arrivals': delay_avg_3h.of, column 1: there is no field 'delay_mn'; did you mean 'delay_min'?"},
      {replaced(f, "delay_min > 15", "delay_min > 'x'"),
       "f.yaml:5:32: derived.late, column 11: '>' mixes int64 and string; convert one with cast(... as int64)"},
      {replaced(f, "{of: delay_min, over: [3h", "{of: origin, over: [3h"),
       "f.yaml:17:25: view 'airport_arrivals': feature 'delay_avg_3h': avg takes an int64 or a float64, not string"},
      {replaced(f, "from: arrivals", "from: arrival"), "f.yaml:13:11: there is no source 'arrival'; did you mean 'arrivals'?"},
      {replaced(f, "entity: airport", "entity: airprt"), "f.yaml:12:13: there is no entity 'airprt'; did you mean 'airport'?"},
      {replaced(f, "key: [origin]", "key: [orgin]"),
       "f.yaml:12:13: view 'airport_arrivals': source 'arrivals' has no field 'orgin', a key of entity 'airport'; did you mean 'origin'?"},
      {replaced(f, "hop: 1m", "hop: 7m"),
       "f.yaml:17:47: the hop 7m does not divide the window 1h; give one that does: sliding(1h, hop: 1m)"},
      {replaced(f, "[10m, 24h]", "[15s, 24h]"), "f.yaml:16:33: window 15s is not a positive multiple of 10s"},
      {replaced(f, "[10m, 24h]", "[10m, 10m]"), "f.yaml:16:38: view 'airport_arrivals' has two features named 'arrivals_count_10m'"},
      {replaced(f, "time: {field", "tme: {field"), "f.yaml:3:5: source 'arrivals' has no 'tme'; did you mean 'time'?"},
      {replaced(f, "owner: ops", "topic: missing"),
       "f.yaml:6:12: there is no topic 'missing'; create it first: millstream topic create missing"},
      {replaced(f, "airport_arrivals.*", "airport_arivals.*"),
       "f.yaml:22:20: service 'eta': there is no view 'airport_arivals'; did you mean 'airport_arrivals'?"},
      {replaced(f, "[airport_arrivals.*]", "[airport_arrivals.*, airport_arrivals.delay_avg_3h]"),
       "f.yaml:22:40: service 'eta': two features are named 'delay_avg_3h'"},
      {replaced(f, "avg: {of", "average: {of"), "f.yaml:17:15: feature 'delay' has no 'average'; it takes count"},
      {replaced(f, "default: 0", "default: \"x\""),
       "f.yaml:17:82: view 'airport_arrivals': feature 'delay_avg_3h' is float64, its default is a string"},
      {replaced(f, "unit: ms", "unit: min"), "f.yaml:3:36: there is no time unit 'min'; the units are s, ms, us and rfc3339"},
      {replaced(f, "origin: string", "origin: strin"), "f.yaml:4:22: there is no type 'strin'; did you mean 'string'?"},
      {replaced(f, "origin: string", "origin: list<strin>"),
       "f.yaml:4:22: there is no type 'list<strin>'; it is written list<T> with T one of bool, int64, float64, string, timestamp, "
       "decimal(P,S)"},
      {replaced(f, "origin: string", "origin: decimal(12,2)"),
       "f.yaml:4:22: there is no type 'decimal(12'; write types with a comma in quotes: \"decimal(12,2)\""},
      {replaced(f, "  airport: {key: [origin]}", "  airport: {key: [origin]}\n  airport: {key: [origin]}"),
       "f.yaml:9:3: 'airport' comes twice in entities"},
      {replaced(f, "---\nviews:", "---\nentities: {airport: {key: destination}}\n---\nviews:"),
       "f.yaml:10:12: entity 'airport' is defined twice; first at f.yaml:8"},
      {replaced(f, "owner: ops", "owner: [ops"), "f.yaml:7:9:"},
      {"a: b\nc: \xf5\n", "f.yaml:2:4: not UTF-8"},
      {", *a]\nb: *a\n", "f.yaml:1:1: this sign cannot begin a value"},  // without end for YAML::LoadAll
      {"- a\n", "f.yaml:1:1: a definition file must be a map (name: ...), not a list"},
  };
  for (const auto& [text, want] : cases) {
    const std::string got = plan(text);
    EXPECT_TRUE(got.starts_with(want)) << got << "want: " << want;
    EXPECT_FALSE(apply(text).ok());
  }
  EXPECT_EQ(catalog->snapshot()->revision, 0u);
}

// A kilobyte that names 200,000 windows.
TEST_F(CatalogTest, AliasesDoNotMultiplyWithoutEnd) {
  std::string windows = "&w 1h", features = "f: &f {count: {over: [", views = "v: &v {entity: e, from: s, features: {";
  for (int i = 0; i < 60; ++i) windows += ", *w";
  features += windows + "]}}";
  for (int i = 0; i < 60; ++i) features += fmt::format(", f{}: *f", i);
  views += features + "}}";
  for (int i = 0; i < 60; ++i) views += fmt::format(", v{}: *v", i);
  EXPECT_NE(plan("views: {" + views + "}\n").find("more than 100000 entries"), std::string::npos);
}

TEST_F(CatalogTest, ServicesRenameColumns) {
  apply(replaced(kFlights, "[airport_arrivals.*]", "[airport_arrivals.delay_avg_3h, 'airport_arrivals.* as ord_*', airport_arrivals.arrivals_count_10m as n]"));
  const auto s = catalog->snapshot()->find_service("eta");
  ASSERT_TRUE(s);
  ASSERT_EQ(s->columns.size(), 9u);
  EXPECT_EQ(s->columns[1].name, "ord_arrivals_count_10m");
  EXPECT_EQ(s->columns[8].name, "n");
  EXPECT_EQ(s->columns[8].feature, 0u);
}

TEST(Windows, ReadAndDescribe) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"10m", "10m", "sliding 10m, hop 1m"}, {"sliding(7d)", "7d", "sliding 7d, hop 1h"}, {"sliding(7d, exact)", "7d_exact", "sliding 7d, exact"},
      {"tumbling(90s)", "90s_tumbling", "tumbling 1m30s"}, {"lifetime", "lifetime", "lifetime"}, {" sliding( 1h , hop: 30s )", "1h_hop_30s", "sliding 1h, hop 30s"}};
  for (const auto& [text, suffix, shown] : cases) {
    const auto w = parse_window(text);
    ASSERT_TRUE(w) << w.error().message;
    EXPECT_EQ(w->suffix, suffix);
    EXPECT_EQ(describe(w->window), shown);
  }
  EXPECT_EQ(parse_window("sliding(1h").error().message, "'sliding(1h' has no closing ')'; in a list in brackets a window with a comma needs quotes");
  EXPECT_EQ(parse_window("slidin(1h)").error().message, "there is no window 'slidin'; did you mean 'sliding'?");
  EXPECT_FALSE(parse_window("tumbling(1h, exact)"));
  EXPECT_FALSE(parse_window("1w"));
  EXPECT_FALSE(parse_window(""));
}

}  // namespace
}  // namespace ms::catalog
