// The rows of an entity as answers read them: packed ones, then those of its run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "feature/state_layout.h"

namespace ms::feature {

// Valid until the thread asks for another entity's rows, or the entity changes.
struct EntityRows {
  const uint64_t* words = nullptr;
  size_t stride = 0;
  size_t size = 0;
  size_t folded = 0;  // rows [0, folded) are in the tiles too

  const uint64_t* row(size_t i) const { return words + i * stride; }
  int64_t time(size_t i) const { return row_time(row(i)); }
  // The first row with et >= time.
  size_t lower_bound(int64_t time_us) const {
    size_t low = 0, high = size;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (time(middle) < time_us) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  // The first one that is in no tile and has et >= time.
  size_t first_loose(int64_t time_us) const {
    const size_t first = lower_bound(time_us);
    return first < folded ? folded : first;
  }
};

}  // namespace ms::feature
