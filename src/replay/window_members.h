// Which rows a session or the last n means, when all rows in the window's reach are known. The plain reading of the definition: the state
// gets there by merging tiles.
#pragma once

#include <span>

#include "feature/definition.h"

namespace ms::replay {

// Whether the window picks among the rows in its reach.
inline bool picks_rows(const feature::Window& window) {
  return window.kind == feature::WindowKind::kSession || window.kind == feature::WindowKind::kLast;
}

// Places [first, last) of the rows that count at t; `event_times` (microseconds, all below t) are in canonical order.
struct Members {
  size_t first = 0, last = 0;
};
Members members_of(const feature::Window& window, std::span<const int64_t> event_times, int64_t t);

}  // namespace ms::replay
