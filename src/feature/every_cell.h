// For tests only: every (aggregate, argument types, kind of window) there is, so that a test can go over all of them. Only the type of
// a second argument is one of three.
#pragma once

#include <compare>
#include <optional>
#include <vector>

#include "feature/feature_spec.h"

namespace ms::feature::testing {

struct Cell {
  AggregateKind aggregate = AggregateKind::kCount;
  std::optional<Type> type;  // of the argument, if it takes one
  std::optional<Type> by;    // of the second, if it takes one
  WindowKind window = WindowKind::kSliding;
  auto operator<=>(const Cell&) const = default;
};

// One type of each kind.
inline const std::vector<Type>& every_type() {
  static const std::vector<Type> kAll = {TypeKind::kBool,       TypeKind::kInt64,        TypeKind::kFloat64,
                                         TypeKind::kString,     TypeKind::kTimestamp,    Type::decimal(12, 2),
                                         Type::list(TypeKind::kString), Type::vector(3), Type::map(TypeKind::kInt64)};
  return kAll;
}

// The second argument stands for all its types in three of them: one word, bytes, two words.
inline const std::vector<Type>& some_by_types() {
  static const std::vector<Type> kSome = {TypeKind::kFloat64, TypeKind::kString, Type::decimal(12, 2)};
  return kSome;
}

// A small window of a kind, and what the aggregate needs beside its arguments.
inline Window some_window(WindowKind kind) {
  constexpr int64_t kHour = kMicrosPerHour;
  switch (kind) {
    case WindowKind::kSliding: return {kind, kHour, ladder_hop(kHour)};
    case WindowKind::kSlidingExact:
    case WindowKind::kTumbling: return {kind, kHour};
    case WindowKind::kLifetime: return {kind};
    case WindowKind::kHopping: return {kind, kHour, 5 * kMicrosPerMinute};
    case WindowKind::kSession: return {kind, 12 * kHour, kHour / 2};
    case WindowKind::kLast: return {kind, 0, 0, 3};
    case WindowKind::kDecay: return {kind, kHour, kHour};
    case WindowKind::kSeries: return {kind, kHour, 0, 3};
  }
  return {};
}
inline AggregateParameters some_parameters(AggregateKind aggregate) {
  AggregateParameters p;
  if (aggregate == AggregateKind::kQuantile) p.quantiles = {0.5};
  if (aggregate == AggregateKind::kHistogram) p.bounds = {0, 10.5, 100};
  if (aggregate == AggregateKind::kFirstN || aggregate == AggregateKind::kLastN || aggregate == AggregateKind::kTopK) p.n = 2;
  return p;
}

// The spec of a cell, with its result type; nullopt: the aggregate does not take it.
inline std::optional<FeatureSpec> spec_of(const Cell& cell) {
  FeatureSpec spec{.aggregate = cell.aggregate, .window = some_window(cell.window), .parameters = some_parameters(cell.aggregate)};
  if (cell.type) spec.argument = 0, spec.argument_type = *cell.type;
  if (cell.by) spec.by = 0, spec.by_type = *cell.by;
  const auto type = result_type(spec);
  if (!type) return std::nullopt;
  spec.result_type = *type;
  return spec;
}

inline std::vector<Cell> every_cell() {
  std::vector<Cell> out;
  for (size_t a = 0; a < kAggregateKindCount; ++a) {
    for (size_t w = 0; w < kWindowKindCount; ++w) {
      Cell cell{static_cast<AggregateKind>(a), std::nullopt, std::nullopt, static_cast<WindowKind>(w)};
      if (!takes_of(cell.aggregate)) {
        if (spec_of(cell)) out.push_back(cell);
        continue;
      }
      for (const Type& type : every_type()) {
        cell.type = type, cell.by.reset();
        if (!takes_by(cell.aggregate)) {
          if (spec_of(cell)) out.push_back(cell);
          continue;
        }
        for (const Type& by : some_by_types()) {
          cell.by = by;
          if (spec_of(cell)) out.push_back(cell);
        }
      }
    }
  }
  return out;
}

}  // namespace ms::feature::testing
