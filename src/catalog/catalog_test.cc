#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "base/rng.h"
#include "catalog/catalog.h"
#include "catalog/catalog_document.h"
#include "catalog/definitions.h"
#include "catalog/planner.h"

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
    + arrivals_count_10m              int64    sliding 10m, hop 1m    264 B
    + arrivals_count_24h              int64    sliding 1d, hop 1h     600 B
    + delay_avg_3h                    float64  sliding 3h, hop 5m   1.7 KiB
    + delay_avg_1h_hop_1m             float64  sliding 1h, hop 1m   2.9 KiB
    + delay_max_1h_tumbling           int64    tumbling 1h             80 B
    + routes_count_distinct_lifetime  int64    lifetime               840 B
    + late_count_if_1h_exact          int64    sliding 1h, exact    2.8 KiB
    state: about 35.0 KiB for an entity with an event a minute
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
    = n_count_1h        int64             sliding 1h, hop 5m  312 B
    + n_count_3h        int64             sliding 3h, hop 5m  888 B
    ~ delay_max_1h      int64 -> float64  sliding 1h, hop 5m  520 B
    ~ late_count_if_1h  int64             sliding 1h, hop 5m  416 B
    - n_count_24h       int64             sliding 1d, hop 1h
    - delay_max_3h      int64             sliding 3h, hop 5m
    state: about 1.7 KiB for an entity with an event a minute
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

constexpr const char* kEverything = R"yaml(sources:
  events:
    time: {field: at}
    fields: {u: string, x: int64, y: float64, s: string, b: bool}
entities: {user: {key: u}}
views:
  all:
    entity: user
    from: events
    features:
      n: {count: {over: [1h, "sliding(1h, hop: 1m)", "sliding(1h, exact)", tumbling(1h), "hopping(1h, 5m)", "session(30m, 12h)", "session(30m, 12h, closed)", last(10), "last(10, 7d)", decay(1h), "series(1h, 24)", lifetime]}}
      seen: {time_since_last: {over: 1h}, count_if: {of: b, over: 1h}, count_distinct: {of: s, over: 1h, cap: 7}, approx_count_distinct: {of: s, over: 1h, precision: 10}}
      y: {sum: {of: y, over: decay(1h)}, avg: {of: y, over: 1h, default: 0.5}, min: {of: y, over: 1h}, max: {of: y, over: 1h}, first: {of: y, over: 1h}, last: {of: y, over: 1h, ttl: 10m}}
      m: {variance: {of: y, over: 1h}, stddev: {of: y, over: 1h}, skew: {of: y, over: 1h}, kurtosis: {of: y, over: 1h}}
      p: {covariance: {of: y, by: x, over: 1h}, correlation: {of: y, by: x, over: 1h}, slope: {of: y, by: x, over: 1h}, ratio: {of: y, by: x, over: 1h, where: b}}
      a: {arg_min: {of: s, by: y, over: 1h}, arg_max: {of: s, by: "y * 2", over: 1h}}
      l: {first_n: {of: s, n: 3, over: 1h, default: [none]}, last_n: {of: s, n: 3, distinct: true, over: 1h}}
      q: {quantile: {of: y, q: 0.5, over: 1h}, histogram: {of: y, bounds: [0, 10.5, 1e3], over: 1h}}
      qs: {quantile: {of: y, q: [0.5, 0.99], error: 0.02, over: 1h}}
      k: {top_k: {of: s, k: 3, cap: 50, over: 1h}, count_by: {of: s, over: 1h, cap: 60}, sum_by: {of: y, by: s, over: 1h}}
)yaml";

// Every window, aggregate and parameter comes back from the document as it was; each parameter is part of the computation.
TEST_F(CatalogTest, EverythingSurvivesTheDocument) {
  ASSERT_TRUE(apply(kEverything).ok()) << plan(kEverything);
  const auto before = catalog->snapshot();
  std::set<feature::AggregateKind> aggregates;
  std::set<feature::WindowKind> windows;
  for (const auto& f : before->views[0]->definition.features) aggregates.insert(f.aggregate), windows.insert(f.window.kind);
  EXPECT_EQ(aggregates.size(), feature::kAggregateKindCount);
  EXPECT_EQ(windows.size(), feature::kWindowKindCount);
  open();
  const auto after = catalog->snapshot();
  ASSERT_EQ(after->views[0]->definition.features.size(), before->views[0]->definition.features.size());
  for (size_t i = 0; i < before->views[0]->definition.features.size(); ++i) {
    const auto &a = before->views[0]->definition.features[i], &b = after->views[0]->definition.features[i];
    EXPECT_TRUE(a.parameters == b.parameters && a.window == b.window && a.of == b.of && a.by == b.by && a.where == b.where && a.ttl_us == b.ttl_us) << a.name;
    EXPECT_TRUE(a.default_value == b.default_value && a.default_json == b.default_json) << a.name;
    EXPECT_EQ(a.name, b.name);
  }
  EXPECT_EQ(write_document(*after), write_document(*before));
  EXPECT_FALSE(apply(kEverything).changes());

  const std::pair<const char*, const char*> changes[] = {
      {"cap: 7", "cap: 8"}, {"precision: 10", "precision: 11"}, {"q: 0.5", "q: 0.6"}, {"q: 0.5", "q: [0.5]"}, {"error: 0.02", "error: 0.03"}, {"10.5", "10.6"}, {"k: 3", "k: 4"},
      {"cap: 50", "cap: 51"}, {"cap: 60", "cap: 61"}, {"n: 3, distinct", "n: 4, distinct"}, {"distinct: true", "distinct: false"}, {"by: s", "by: u"}};
  for (const auto& [from, to] : changes) {
    const std::string shown = plan(replaced(kEverything, from, to));
    EXPECT_EQ(std::count(shown.begin(), shown.end(), '~'), 2) << from << " -> " << to << "\n" << shown;  // the view and its feature
  }
}

TEST_F(CatalogTest, WhatAnAggregateTakesAndNeeds) {
  const std::string e = kEverything;
  const auto on = [&](std::string_view text) { return fmt::format("f.yaml:{}:", 1 + std::count(e.begin(), e.begin() + static_cast<int64_t>(e.find(text)), '\n')); };
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"min: {of: y,", "min: {of: y, cap: 3,", "min of feature 'y' takes no 'cap' (count_distinct, top_k, count_by and sum_by do); it takes of, over, where, default, ttl"},
      {"min: {of: y,", "min: {of: y, by: x,", "takes no 'by' (arg_min, arg_max, covariance, correlation, slope, ratio and sum_by do); it takes of, over,"},
      {"time_since_last: {over", "time_since_last: {of: x, over", "time_since_last of feature 'seen' takes no 'of' (every aggregate but count and time_since_last does); it takes over, where, default, ttl"},
      {"precision: 10", "precison: 10", "approx_count_distinct of feature 'seen' has no 'precison'; did you mean 'precision'?"},
      {"precision: 10", "precision: 17", "approx_count_distinct of feature 'seen': precision 17 is outside 4..16"},
      {"precision: 10", "precision: ten", "precision is a whole number from 4 to 16, not 'ten'"},
      {"precision: 10", "precision: [10]", "precision is a whole number from 4 to 16, not a list"},
      {"cap: 50", "cap: 100001", "top_k of feature 'k': cap 100001 is outside 1..100000"},
      {"k: 3, ", "", "top_k of feature 'k' needs 'k'; add k: 10"},
      {"n: 3, over", "over", "first_n of feature 'l' needs 'n'; add n: 10"},
      {"q: 0.5, ", "", "quantile of feature 'q' needs 'q'; add q: 0.5"},
      {"q: 0.5", "q: 1.5", "quantile of feature 'q': q 1.5 is outside 0..1"},
      {"q: 0.5", "q: half", "q is a number from 0 to 1, or a list of them, not 'half'"},
      {"error: 0.02", "error: 0", "error 0 is outside 0.0001..0.1"},
      {"bounds: [0, 10.5, 1e3], ", "", "histogram of feature 'q' needs 'bounds'; add bounds: [0, 10, 100]"},
      {"[0, 10.5, 1e3]", "[0, 10.5, 10.5]", "histogram of feature 'q': bounds must ascend; 10.5 comes behind 10.5"},
      {"[0, 10.5, 1e3]", "[0, inf]", "bounds is a list of ascending numbers, not 'inf'"},
      {"[0, 10.5, 1e3]", "[]", "bounds has 0 numbers; 1 to 100 can be"},
      {"distinct: true", "distinct: yes", "last_n of feature 'l': distinct is true or false, not 'yes'"},
      {"{of: y, by: x, over: 1h}, corr", "{of: y, over: 1h}, corr", "covariance of feature 'p' needs a second expression; add by: EXPRESSION"},
      {"{of: y, over: 1h}, stddev", "{over: 1h}, stddev", "variance of feature 'm' aggregates nothing; add of: EXPRESSION"},
      {"{of: y, over: 1h}, stddev", "{of: y}, stddev", "variance of feature 'm' has no window; add over: [1h]"},
      {"sum: {of: y, over: decay(1h)}", "sum: {of: s, over: 1h}", "view 'all': feature 'y_sum_1h': sum takes a number or a vector, not string"},
      {"by: \"y * 2\"", "by: \"y * z\"", "there is no field 'z'"},
  };
  for (const auto& [from, to, want] : cases) {
    const std::string got = plan(replaced(e, from, to));
    EXPECT_TRUE(got.starts_with(on(from))) << got << "want at: " << on(from);
    EXPECT_NE(got.substr(0, got.find('\n')).find(want), std::string::npos) << got << "want: " << want;
    EXPECT_NE(got.find("Refused: 1 mistake."), std::string::npos) << got;
  }
}

TEST_F(CatalogTest, MoreStateThanAnEntityMayHaveIsRefused) {
  const auto with = [](std::string_view feature) {
    const std::string e = kEverything;
    return e.substr(0, e.find("      n: {count")) + "      f: {" + std::string(feature) + "}\n";
  };
  const std::pair<const char*, const char*> refused[] = {
      {"count_by: {of: s, over: 7d, cap: 100000}", "; give it a smaller cap, a wider hop, as in sliding(7d, hop: 7d), a shorter window"},
      {"count_distinct: {of: s, over: 24h, cap: 1000000}", "; give it a smaller cap, a wider hop, as in sliding(1d, hop: 1d), a shorter window"},
      {"sum: {of: x, over: \"hopping(365d, 10s)\"}", "; give it a wider hop that divides the window, a shorter window"},
      {"quantile: {of: y, q: 0.5, error: 0.0001, over: 7d}", "; give it a larger error, a wider hop"},
      {"top_k: {of: s, k: 3, over: \"session(10s, 1d)\"}", "; give it a smaller cap, a longer gap, a shorter longest session"}};
  for (const auto& [feature, way] : refused) {
    const std::string got = plan(with(feature));
    EXPECT_TRUE(got.starts_with("f.yaml:11:")) << got;
    EXPECT_NE(got.find("for one entity, more than the 64.0 MiB that a feature may"), std::string::npos) << got;
    EXPECT_NE(got.find(way), std::string::npos) << got;
  }
  for (const char* feature : {"count_by: {of: s, over: 7d}", "count_distinct: {of: s, over: lifetime, cap: 1000000}", "quantile: {of: y, q: 0.5, over: 7d}", "first_n: {of: s, n: 1000, over: 7d}",
                              "sum: {of: x, over: [365d, \"sliding(30d, exact)\", \"hopping(30d, 1h)\"]}", "last_n: {of: s, n: 10, over: \"last(1000, 7d)\"}", "sum_by: {of: y, by: s, over: \"session(30m, 12h)\"}"})
    EXPECT_NE(plan(with(feature)).find("3 new"), std::string::npos) << plan(with(feature));
}

TEST_F(CatalogTest, PlanSaysWhatWindowsKeep) {
  const std::string shown = plan(kEverything);
  for (const char* line : {"session, gap 30m, at most 12h, reach 13h ", "decay, half-life 1h, tiles of 1h ", "hopping 1h, one every 5m ", "series of 24 times 1h ",
                           "closed sessions keep all runs: the estimate counts one a day for a year\n", "needs all history of topic events\n"})
    EXPECT_NE(shown.find(line), std::string::npos) << shown;
  std::string open = replaced(kEverything, "\"session(30m, 12h, closed)\", last(10), ", "");
  open = replaced(open, ", lifetime]", "]");
  EXPECT_EQ(plan(open).find("closed sessions"), std::string::npos);
  EXPECT_NE(plan(open).find("needs the last 7d1h of topic events"), std::string::npos) << plan(open);
}

TEST_F(CatalogTest, ATopicThatASourceReadsStays) {
  ASSERT_TRUE(apply(kFlights).ok());
  size_t removed = 0;
  const auto remove = [&](std::string_view topic) { return catalog->remove_topic(*topics(topic), topic, [&] { return ++removed, Result<>(); }); };
  EXPECT_EQ(remove("arrivals").error().message, "source 'arrivals' reads topic 'arrivals': its features could never be built again, so it is not deleted");
  EXPECT_EQ(catalog->compact_topic(*topics("arrivals"), "arrivals", [] { return Result<>(); }).error().message,
            "source 'arrivals' reads topic 'arrivals': its features could never be built again, so it is not compacted");
  EXPECT_EQ(removed, 0u);
  EXPECT_TRUE(remove("other"));
  EXPECT_EQ(removed, 1u);
  EXPECT_EQ(catalog->remove_topic(*topics("other"), "other", [] { return Result<>(internal("no disk")); }).error().message, "no disk");
}

TEST_F(CatalogTest, ACompactedTopicIsNoSource) {
  const DefinitionFile file{"flights.yaml", kFlights};
  const auto compacted = [](std::string_view name) -> std::optional<KnownTopic> { return KnownTopic(*topics(name), true); };
  const auto report = catalog->apply({&file, 1}, compacted);
  ASSERT_TRUE(report && !report->ok());
  EXPECT_NE(report->text().find("topic 'arrivals' is compacted"), std::string::npos) << report->text();
  EXPECT_NE(report->text().find("cleanup.policy=delete"), std::string::npos);
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
                                                      {replaced(text, "\"format\": 2", "\"format\": 3"), ErrorKind::kUnsupported},
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
       "f.yaml:17:25: view 'airport_arrivals': feature 'delay_avg_3h': avg takes a number or a vector, not string"},
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
      {replaced(f, "default: 0", "default: [0]"), "f.yaml:17:81: view 'airport_arrivals': feature 'delay_avg_3h' is float64, its default is a list"},
      {replaced(f, "default: 0", "default: [[0]]"), "f.yaml:17:82: a value inside a default must be a text, not a list"},
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

const std::string kWithLabels = replaced(kFlights, "eta: {features: [airport_arrivals.*]}", R"yaml(eta:
    features: [airport_arrivals.*]
    labels:
      airport_arrivals:
        delay: {sum: {of: delay_min, where: late, over: ["next(3h)", "next(1h, 1d)"]}}
        arrivals: {count: {over: "next(3h)"}})yaml");

TEST_F(CatalogTest, LabelsAreOfTheServiceAlone) {
  apply(kFlights);
  const auto view = catalog->snapshot()->find_view("airport_arrivals");
  const PlanReport report = apply(kWithLabels);
  ASSERT_TRUE(report.ok()) << report.text();
  EXPECT_NE(report.text().find("label delay_sum_next_1h_to_1d (int64), next 1h to 1d of airport_arrivals: in training sets only"),
            std::string::npos)
      << report.text();
  // No view is built anew, and no reply gets another column.
  EXPECT_EQ(catalog->snapshot()->find_view("airport_arrivals")->version, view->version);
  for (const bool reopened : {false, true}) {
    if (reopened) open();
    const auto service = catalog->snapshot()->find_service("eta");
    EXPECT_EQ(service->version, 2u);
    EXPECT_EQ(service->columns.size(), view->definition.features.size());
    ASSERT_EQ(service->labels.size(), 1u);
    const auto& labels = service->labels[0]->definition;
    EXPECT_EQ(labels.where, "not cancelled");
    ASSERT_EQ(labels.features.size(), 3u);
    EXPECT_EQ(labels.features[1].name, "delay_sum_next_1h_to_1d");
    EXPECT_EQ(labels.features[1].ahead_us, kMicrosPerDay);
    EXPECT_EQ(labels.features[1].window.length_us, 23 * kMicrosPerHour);
    EXPECT_FALSE(apply(kWithLabels).changes());
  }
  // Another offset of a window of the same length is another computation.
  const auto before = catalog->snapshot()->find_service("eta")->labels[0]->feature_hashes;
  EXPECT_TRUE(apply(replaced(kWithLabels, "next(1h, 1d)", "next(2h, 25h)")).ok());
  const auto after = catalog->snapshot()->find_service("eta");
  EXPECT_EQ(after->version, 3u);
  EXPECT_NE(after->labels[0]->feature_hashes[1], before[1]);
  EXPECT_EQ(after->labels[0]->feature_hashes[0], before[0]);
}

TEST_F(CatalogTest, MistakesInLabelsAreRefusedWithTheirPlace) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"\"next(3h)\", \"next(1h, 1d)\"", "3h", "'3h' lies before t; a label's window lies ahead of it: next(7d), or next(1h, 4h)"},
      {"where: late", "ttl: 1h", "delay': a label has no ttl"},
      {"of: delay_min, where", "of: delay_mn, where", "did you mean 'delay_min'?"},
      {"      airport_arrivals:\n        delay", "      airport_arivals:\n        delay",
       "service 'eta': there is no view 'airport_arivals'; did you mean 'airport_arrivals'?"},
      {"over: lifetime, cap", "over: \"next(1h)\", cap",
       "'next(1h)' lies ahead of t, where no feature may look; it is for the labels of a service"},
      {"features: [airport_arrivals.*]", "features: [airport_arrivals.*, airport_arrivals.arrivals_count_10m as arrivals_count_next_3h]",
       "two columns are named 'arrivals_count_next_3h'"},
  };
  for (const auto& [from, to, message] : cases) {
    const DefinitionFile file{"f.yaml", replaced(kWithLabels, from, to)};
    const PlanReport report = catalog->plan({&file, 1}, topics);
    EXPECT_FALSE(report.ok()) << to;
    EXPECT_NE(report.text().find(message), std::string::npos) << report.text() << "\nwant: " << message;
  }
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

}  // namespace
}  // namespace ms::catalog
