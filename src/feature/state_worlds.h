// For tests only: random features, events and questions, as a state's laws need them.
#pragma once

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "codec/packed_value.h"
#include "feature/every_cell.h"
#include "feature/state_testing.h"

namespace ms::feature::testing {

inline constexpr int64_t kMinute = kMicrosPerMinute, kHour = kMicrosPerHour, kDay = kMicrosPerDay;

// The columns of every generated event: one of each type, twice. Two filters.
inline std::vector<Type> two_of_each() {
  std::vector<Type> out = every_type();
  out.insert(out.end(), every_type().begin(), every_type().end());
  return out;
}
inline const std::vector<Type> kTypes = two_of_each();

struct World {
  std::vector<FeatureSpec> specs;
  std::vector<Event> events;  // in log order: one partition after another is not implied
  std::vector<int64_t> times; // ascending questions
};

inline double some_double(Rng& rng) {
  switch (rng.below(16)) {
    case 0: return std::numeric_limits<double>::quiet_NaN();
    case 1: return HUGE_VAL;
    case 2: return -HUGE_VAL;
    case 3: return -0.0;
    case 4: return 0.0;
    case 5: return 1.7e308;
    case 6: return -1.7e308;
    case 7: return 5e-324;
    default: return (rng.unit() - 0.5) * std::pow(10.0, static_cast<double>(rng.below(12)));
  }
}

inline std::string some_packed(Rng& rng, const Type& type, bool wild) {
  std::string out;
  const size_t n = rng.below(4);
  if (type == TypeKind::kVector) {
    for (size_t i = 0; i < type.size; ++i) {
      const double x = wild ? some_double(rng) : static_cast<double>(rng.below(100)) / 8;
      out.append(reinterpret_cast<const char*>(&x), sizeof x);
    }
    return out;
  }
  PackedListWriter list(type == TypeKind::kMap ? TypeKind::kString : type.element), values(type.element);
  for (size_t i = 0; i < n; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    list.add({.is_null = false, .text = name});
    values.add({.is_null = rng.below(4) == 0});
  }
  list.write(out);
  if (type == TypeKind::kMap) values.write(out);
  return out;
}

inline ScalarValue some_value(Rng& rng, const Type& type, bool wild) {
  if (rng.below(8) == 0) return {};
  switch (type) {
    case TypeKind::kBool: return rng.below(2) == 1;
    case TypeKind::kInt64: return wild && rng.below(4) == 0 ? static_cast<int64_t>(rng.next()) : static_cast<int64_t>(rng.below(2000)) - 1000;
    case TypeKind::kTimestamp: return static_cast<int64_t>(rng.below(1'000'000));
    case TypeKind::kFloat64: return wild ? some_double(rng) : static_cast<double>(static_cast<int64_t>(rng.below(2000))) / 8.0 - 30;
    case TypeKind::kDecimal: return static_cast<int64_t>(rng.below(wild ? 1'000'000'000'000 : 2000)) - 1000;
    case TypeKind::kList:
    case TypeKind::kVector:
    case TypeKind::kMap: return some_packed(rng, type, wild);
    default: return std::string(rng.below(3) == 0 ? 20 : 3, static_cast<char>('a' + rng.below(12)));
  }
  return {};
}

inline Window some_window(Rng& rng, WindowKind kind) {
  switch (kind) {
    case WindowKind::kSlidingExact: return exact(rng.below(2) == 0 ? kHour : 3 * kDay);
    case WindowKind::kTumbling: return tumbling(rng.below(2) == 0 ? kHour : 7 * kMinute);
    case WindowKind::kLifetime: return lifetime();
    case WindowKind::kHopping: return rng.below(2) == 0 ? Window{kind, kHour, 5 * kMinute} : Window{kind, 7 * kMinute, 3 * kMinute};
    case WindowKind::kSession: {
      Window w = rng.below(2) == 0 ? Window{kind, 5 * kHour, 20 * kMinute} : Window{kind, 10 * kMinute, kMinute};
      w.closed = rng.below(2) == 0;
      return w;
    }
    case WindowKind::kLast: return {kind, rng.below(2) == 0 ? 0 : 3 * kHour, 0, static_cast<int64_t>(1 + rng.below(4))};
    case WindowKind::kDecay: return rng.below(2) == 0 ? Window{kind, kHour, kHour} : Window{kind, 70 * kMicrosPerSecond, kMinute};
    case WindowKind::kSeries: return rng.below(2) == 0 ? Window{kind, kHour, 0, 3} : Window{kind, 10 * kMicrosPerSecond, 0, 5};
    case WindowKind::kSliding: break;
  }
  const Window all[] = {sliding(10 * kMinute), sliding(kHour), sliding(kHour, kMinute), sliding(7 * kDay), sliding(50 * kMicrosPerSecond, 20 * kMicrosPerSecond)};
  return all[rng.below(std::size(all))];
}

inline FeatureSpec some_spec(Rng& rng, const Cell& cell) {
  const auto column = [](const std::optional<Type>& type) { return type ? static_cast<int>(std::ranges::find(kTypes, *type) - kTypes.begin()) : -1; };
  FeatureSpec s = *spec_of(cell);
  s.window = some_window(rng, cell.window);
  s.argument = column(cell.type), s.by = column(cell.by);
  if (s.by >= 0) s.by += static_cast<int>(every_type().size());
  s.filter = rng.below(2) == 0 ? -1 : static_cast<int>(rng.below(2));
  s.parameters.cap = rng.below(2) == 0 ? 4 : 1000;
  s.parameters.distinct = rng.below(2) == 0;
  if (cell.aggregate == AggregateKind::kApproxCountDistinct) s.parameters.precision = 4;
  if (rng.below(4) == 0) s.ttl_us = 20 * kMinute;
  if (rng.below(4) == 0) {
    if (s.result_type == TypeKind::kFloat64) s.default_value = -1.5;
    if (s.result_type == TypeKind::kInt64) s.default_value = int64_t{-7};
    if (s.result_type == TypeKind::kString) s.default_value = std::string("none");
  }
  return s;
}

// Events around `start` that come late, early, tied and out of order.
inline World some_world(uint64_t seed, std::optional<Cell> wanted = {}) {
  static const std::vector<Cell> cells = every_cell();
  Rng rng(seed);
  World w;
  for (uint64_t i = 0, n = 1 + rng.below(10); i < n; ++i) {
    w.specs.push_back(some_spec(rng, i == 0 && wanted ? *wanted : cells[rng.below(cells.size())]));
    if (i == 0 || rng.below(2) != 0) continue;
    FeatureSpec shared = w.specs[i];  // features mostly share windows
    shared.window = w.specs[rng.below(i)].window;
    const auto type = result_type(shared);
    if (!type || !(*type == w.specs[i].result_type)) continue;
    w.specs[i] = shared;
  }
  const int64_t start = rng.below(3) == 0 ? -5 * kHour : 1'700'000'000'000'000;
  const int64_t step = std::array<int64_t, 4>{kMicrosPerSecond, kMinute, 11 * kMinute, 5 * kHour}[rng.below(4)];
  const bool wild = rng.below(2) == 0;
  std::array<int64_t, 2> offsets{};
  int64_t at = start;
  for (uint64_t i = 0, n = 1 + rng.below(120); i < n; ++i) {
    at += static_cast<int64_t>(rng.below(static_cast<uint64_t>(step)));
    Event e{.key = std::string(1, static_cast<char>('a' + rng.below(3))), .at = at};
    e.et = at;
    if (rng.below(4) == 0) e.et -= static_cast<int64_t>(rng.below(static_cast<uint64_t>(step) * 10));
    if (rng.below(8) == 0) e.et += static_cast<int64_t>(rng.below(static_cast<uint64_t>(step) * 3));
    if (rng.below(3) == 0) e.et = e.et / kMinute * kMinute;  // ties and boundaries
    e.partition = static_cast<int32_t>(rng.below(2));
    e.offset = offsets[static_cast<size_t>(e.partition)]++;
    for (const Type& type : kTypes) e.arguments.push_back(some_value(rng, type, wild));
    e.filters = {static_cast<uint8_t>(rng.below(2)), static_cast<uint8_t>(rng.below(4) == 0)};
    w.events.push_back(std::move(e));
  }
  int64_t t = at;
  for (int i = 0; i < 6; ++i) {
    w.times.push_back(t);
    t += static_cast<int64_t>(rng.below(static_cast<uint64_t>(step) * 20));
    if (rng.below(3) == 0) t = std::max(w.times.back(), t / kMinute * kMinute);
  }
  return w;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& l : lines) out += l + "\n";
  return out;
}

inline std::string all_answers(const ViewState& state, const World& w, int64_t t) {
  std::string out;
  for (const char* key : {"a", "b", "c"}) {
    for (const bool after : {false, true}) out += joined(ask(state, w.specs, key, t, after));
  }
  return out;
}

inline std::string all_references(const World& w, int64_t t) {
  std::string out;
  for (const char* key : {"a", "b", "c"}) {
    for (const bool after : {false, true}) out += joined(reference(w.specs, w.events, key, t, after));
  }
  return out;
}

// Rows an entity packs at most before it has tiles: none, few, or as ever.
inline size_t some_limit(uint64_t seed) {
  constexpr size_t kLimits[] = {0, 3, RowPacker::kRowsMost};
  return kLimits[seed % std::size(kLimits)];
}
inline size_t some_limit(const World& w) { return some_limit(w.events.size()); }

}  // namespace ms::feature::testing
