// The tiles of an entity: found, made, rolled up and dropped. Addresses are absolute: floor(et / width).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "feature/block_pool.h"
#include "feature/entity_table.h"
#include "feature/state_layout.h"
#include "feature/totals.h"

namespace ms::feature {

// What a tile's first word says: its start in units of the finest width, and its level. Headers sort by start.
class TileHeader {
 public:
  static constexpr int64_t kBase = INT64_MIN;  // the one tile of all rows below the horizon, for lifetime

  static int64_t of(const StateLayout& layout, int64_t event_time_us, size_t level);
  static size_t level(int64_t header) { return static_cast<size_t>(header & 31); }
  static int64_t start(const StateLayout& layout, int64_t header);
  // The least header that a tile with start >= time can have.
  static int64_t least_from(const StateLayout& layout, int64_t time_us);
  static int64_t end(const StateLayout& layout, int64_t header, int64_t horizon);  // of kBase: the horizon
};

// Everything about an instant that deciding on tiles needs.
struct TileRules {
  int64_t now = INT64_MIN;
  int64_t horizon = INT64_MIN;       // StateLayout::horizon
  int64_t longest_tail = INT64_MIN;
  std::vector<int64_t> limits;       // StateLayout::level_limits

  static TileRules at(const StateLayout& layout, int64_t t);
  // Where a row belongs at that instant: the coarsest tile that holds it.
  int64_t header_for(const StateLayout& layout, int64_t event_time_us) const;
};

class TileStore {
 public:
  explicit TileStore(const StateLayout& layout) : layout_(&layout), stride_(layout.words + 1), pool_(layout.words + 1) {}

  size_t stride() const { return stride_; }
  uint64_t* tile(const Entity& e, size_t i) const { return e.tiles + i * stride_; }
  int64_t header(const Entity& e, size_t i) const { return static_cast<int64_t>(*tile(e, i)); }
  int64_t start(const Entity& e, size_t i) const { return TileHeader::start(*layout_, header(e, i)); }
  // The newest tile, and the place of the next one. The entity has tiles.
  void prefetch_newest(const Entity& e) const {
    const uint64_t* newest = tile(e, e.tile_count - 1);
    __builtin_prefetch(newest, 1);
    __builtin_prefetch(newest + stride_, 1);
  }
  // Of the first tiles, as many as most entities have.
  void prefetch_headers(const Entity& e) const {
    for (size_t i = 0; i < std::min<size_t>(e.tile_count, 8); ++i) __builtin_prefetch(tile(e, i));
  }

  // The words of the tile that owns the event time, made when there is none.
  uint64_t* words_for(Entity& e, int64_t event_time_us, const TileRules& rules);
  // The tile that holds rows of that event time, which is not below the horizon; tile_count: there is none.
  size_t owner_of(const Entity& e, int64_t event_time_us) const;
  void remove(Entity& e, size_t i);
  // Rolls up and drops what it can. True: something changed.
  bool compact(Entity& e, const TileRules& rules);
  void clear(Entity& e);
  // Appends a tile with a header above all others; its words are initialised.
  uint64_t* append(Entity& e, int64_t header);
  // Index of the first tile with start >= time.
  size_t lower_bound(const Entity& e, int64_t time_us) const { return first_from(e, TileHeader::least_from(*layout_, time_us)); }
  size_t bytes() const { return pool_.bytes(); }

 private:
  // Index of the first tile with a header of at least `least`.
  size_t first_from(const Entity& e, int64_t least) const;
  uint64_t* insert(Entity& e, size_t place, int64_t header);
  void grow(Entity& e);

  const StateLayout* layout_;
  size_t stride_;
  BlockPool pool_;
};

}  // namespace ms::feature
