// What the tests of this folder share: a directory of its own, a view over flights, files as text.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/check.h"
#include "base/rng.h"
#include "feature/definition.h"
#include "feature/every_cell.h"
#include "feature/view_program.h"
#include "history/train.h"

namespace ms::history {

class Directory {
 public:
  Directory() : path_(std::filesystem::temp_directory_path() / ("history_test_" + random_uuid().to_string())) {
    std::filesystem::create_directories(path_);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this / name;
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline const feature::SourceDefinition kFlights{
    .name = "flights", .topic = "flights",
    .fields = {{"origin", TypeKind::kString}, {"delay", TypeKind::kInt64}, {"carrier", TypeKind::kString}, {"price", TypeKind::kFloat64},
               {"cancelled", TypeKind::kBool}, {"booked", TypeKind::kTimestamp}, {"fare", Type::decimal(12, 2)}, {"stops", Type::list(TypeKind::kString)},
               {"position", Type::vector(3)}, {"seats", Type::map(TypeKind::kInt64)}},
    .time_field = "date", .time_unit = feature::TimeUnit::kMicros};
// The same, where a record with `takes_back` takes back the one at that offset.
inline const feature::SourceDefinition kTakenBack = [] {
  feature::SourceDefinition out = kFlights;
  out.fields.push_back({"takes_back", TypeKind::kInt64});
  out.retract = {.when = "takes_back is not null", .offset = "takes_back"};
  return out;
}();
inline const feature::EntityDefinition kOrigin{"origin", {"origin"}};

// One feature per aggregate and kind of window, over minutes and hours.
inline feature::ViewDefinition flights_view() {
  using feature::AggregateKind;
  using feature::WindowKind;
  const feature::Window exact{WindowKind::kSlidingExact, kMicrosPerHour, 0};
  const feature::Window sawtooth{WindowKind::kSliding, kMicrosPerHour, 5 * kMicrosPerMinute};
  const feature::Window tumbling{WindowKind::kTumbling, 30 * kMicrosPerMinute, 0};
  const feature::Window lifetime{WindowKind::kLifetime, 0, 0};
  return {.name = "delays", .entity = "origin", .source = "flights",
          .features = {{.name = "n_count_1h", .aggregate = AggregateKind::kCount, .window = exact},
                       {.name = "delay_sum_1h", .aggregate = AggregateKind::kSum, .of = "delay", .window = sawtooth},
                       {.name = "delay_avg_30m", .aggregate = AggregateKind::kAvg, .of = "delay", .window = tumbling},
                       {.name = "delay_stddev_1h", .aggregate = AggregateKind::kStddev, .of = "delay", .window = exact},
                       {.name = "delay_max_1h", .aggregate = AggregateKind::kMax, .of = "delay", .window = exact},
                       {.name = "carrier_last", .aggregate = AggregateKind::kLast, .of = "carrier", .window = lifetime},
                       {.name = "late_count_if_1h", .aggregate = AggregateKind::kCountIf, .of = "delay > 15", .window = sawtooth}}};
}

// Of minutes and hours.
inline feature::Window random_window(feature::WindowKind kind, Rng& rng) {
  using feature::WindowKind;
  const int64_t length = (rng.below(2) == 0 ? 10 : 60) * kMicrosPerMinute, few = static_cast<int64_t>(rng.below(3));
  switch (kind) {
    case WindowKind::kSliding: return {kind, length, rng.below(2) == 0 ? kMicrosPerMinute : feature::ladder_hop(length)};
    case WindowKind::kSlidingExact:
    case WindowKind::kTumbling: return {kind, length};
    case WindowKind::kLifetime: return {kind};
    case WindowKind::kHopping: return {kind, length, (2 + 2 * few) * kMicrosPerMinute};
    case WindowKind::kSession: return {kind, length, (1 + 4 * few) * kMicrosPerMinute, 0, rng.below(2) == 0};
    case WindowKind::kLast: return {kind, rng.below(2) == 0 ? length : 0, 0, 1 + 2 * few};
    case WindowKind::kDecay: return {kind, length, *feature::ladder_width(length)};
    case WindowKind::kSeries: return {kind, length, 0, 2 + few};
  }
  return {};
}

// Cells with filters, parameters and ages.
inline feature::ViewDefinition view_of(const std::vector<feature::testing::Cell>& cells, Rng& rng) {
  using feature::AggregateKind;
  constexpr std::string_view kFieldOfType[] = {"cancelled", "delay", "price", "carrier", "booked", "fare", "stops", "position", "seats"};  // by TypeKind
  static_assert(std::size(kFieldOfType) == static_cast<size_t>(TypeKind::kMap) + 1);
  feature::ViewDefinition view{.name = "some", .entity = "origin", .source = "flights", .where = rng.below(4) == 0 ? "not cancelled" : ""};
  for (size_t i = 0; i < cells.size(); ++i) {
    const feature::testing::Cell& cell = cells[i];
    feature::FeatureDefinition feature{.name = "f" + std::to_string(i), .aggregate = cell.aggregate, .window = random_window(cell.window, rng),
                                       .parameters = feature::testing::some_parameters(cell.aggregate)};
    if (cell.type) feature.of = kFieldOfType[static_cast<size_t>(cell.type->kind)];
    if (cell.by) feature.by = kFieldOfType[static_cast<size_t>(cell.by->kind)];
    if (rng.below(4) == 0) feature.where = "delay > 15";
    if (rng.below(4) == 0) feature.ttl_us = 20 * kMicrosPerMinute;
    if (rng.below(2) == 0) feature.parameters.cap = 2;
    if (rng.below(2) == 0) feature.parameters.distinct = true;
    const bool listable = cell.aggregate == AggregateKind::kQuantile && cell.window != feature::WindowKind::kSeries;
    if (listable && rng.below(2) == 0) feature.parameters.quantiles = {0, 0.9}, feature.parameters.one = false;
    view.features.push_back(std::move(feature));
  }
  return view;
}

// Some of every_cell.h; now and then many.
inline feature::ViewDefinition random_view(Rng& rng) {
  static const std::vector<feature::testing::Cell> all = feature::testing::every_cell();
  std::vector<feature::testing::Cell> some;
  for (uint64_t n = rng.below(8) == 0 ? 100 : 1 + rng.below(12); n > 0; --n) some.push_back(all[rng.below(all.size())]);
  return view_of(some, rng);
}

// Windows that reach back for ever become the bounded ones that are most like them.
inline feature::ViewDefinition bounded(feature::ViewDefinition view) {
  for (feature::FeatureDefinition& f : view.features) {
    f.window.closed = false;
    if (f.window.kind == feature::WindowKind::kLifetime) f.window = {feature::WindowKind::kSliding, kMicrosPerHour, 5 * kMicrosPerMinute};
    if (f.window.kind == feature::WindowKind::kLast && f.window.length_us == 0) f.window.length_us = kMicrosPerHour;
  }
  return view;
}

inline TrainService service_of(const feature::ViewDefinition& view, const feature::EntityDefinition& entity = kOrigin,
                               const feature::SourceDefinition& source = kFlights) {
  auto program = feature::ViewProgram::compile(source, entity, view);
  CHECK(program);
  TrainService service{.name = "eta", .version = 3};
  service.views.push_back({.name = "delays", .version = 2, .source = source, .program = *program});
  for (uint32_t f = 0; f < (*program)->features().size(); ++f) {
    service.columns.push_back({(*program)->features()[f].name, 0, f});
    service.views[0].feature_hashes.push_back("hash" + std::to_string(f));
  }
  return service;
}

inline TrainService flights_service() { return service_of(flights_view()); }

}  // namespace ms::history
