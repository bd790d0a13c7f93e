// For tests only: every (aggregate, argument type, kind of window) there is, so that a test can go over all of them.
#pragma once

#include <compare>
#include <optional>
#include <vector>

#include "feature/feature_spec.h"

namespace ms::feature::testing {

struct Cell {
  AggregateKind aggregate = AggregateKind::kCount;
  std::optional<TypeKind> type;  // of the argument, if it takes one
  WindowKind window = WindowKind::kSliding;
  auto operator<=>(const Cell&) const = default;
};

inline bool takes_argument(AggregateKind a) { return a != AggregateKind::kCount && a != AggregateKind::kTimeSinceLast; }

inline std::vector<Cell> every_cell() {
  std::vector<Cell> out;
  for (size_t a = 0; a < kAggregateKindCount; ++a) {
    for (size_t w = 0; w < kWindowKindCount; ++w) {
      Cell cell{static_cast<AggregateKind>(a), std::nullopt, static_cast<WindowKind>(w)};
      if (!takes_argument(cell.aggregate)) out.push_back(cell);
      for (size_t t = 0; takes_argument(cell.aggregate) && t < kTypeKindCount; ++t) {
        cell.type = static_cast<TypeKind>(t);
        if (result_type(cell.aggregate, *cell.type)) out.push_back(cell);
      }
    }
  }
  return out;
}

}  // namespace ms::feature::testing
