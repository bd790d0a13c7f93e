// What an answer is put together from: for people who ask why a value is what it is. Says nothing about the answer itself.
#pragma once

#include <cstdint>
#include <vector>

namespace ms::feature {

struct TilesRead {
  static constexpr int64_t kBase = 0;  // as a width: the one tile of all rows that no window but lifetime reaches
  int64_t width_us = 0;
  uint64_t tiles = 0;
};
// Of one feature's window at one instant.
struct WindowReads {
  std::vector<TilesRead> tiles;  // by width, ascending; only widths that are there
  uint64_t rows = 0;             // raw rows: those that waited for their event time, those at an edge that cuts a tile
};

}  // namespace ms::feature
