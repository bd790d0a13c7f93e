#include "feature/tiles.h"

#include <algorithm>
#include <cstring>

namespace ms::feature {
namespace {

int64_t clamp(int128 v) {
  if (v < INT64_MIN) return INT64_MIN;
  return v > INT64_MAX ? INT64_MAX : static_cast<int64_t>(v);
}

}  // namespace

int64_t TileHeader::of(const StateLayout& layout, int64_t event_time_us, size_t level) {
  const int64_t width = layout.widths_us[level];
  const int64_t units = width / layout.unit();
  return floor_div(event_time_us, width) * units * 32 + static_cast<int64_t>(level);
}

int64_t TileHeader::start(const StateLayout& layout, int64_t header) {
  if (header == kBase) return kForever;
  return clamp(static_cast<int128>(header >> 5) * layout.unit());
}

int64_t TileHeader::least_from(const StateLayout& layout, int64_t time_us) {
  if (time_us == kForever || layout.widths_us.empty()) return time_us == kForever ? kBase : kBase + 1;
  const int64_t unit = layout.unit();
  return (floor_div(time_us, unit) + (time_us % unit != 0 ? 1 : 0)) * 32;
}

int64_t TileHeader::end(const StateLayout& layout, int64_t header, int64_t horizon) {
  if (header == kBase) return horizon;
  return clamp(static_cast<int128>(header >> 5) * layout.unit() + layout.widths_us[level(header)]);
}

TileRules TileRules::at(const StateLayout& layout, int64_t t) {
  return {t, layout.horizon(t), layout.longest_tail(t), layout.level_limits(t)};
}

int64_t TileRules::header_for(const StateLayout& layout, int64_t event_time_us) const {
  if (layout.has_lifetime && event_time_us < horizon) return TileHeader::kBase;
  for (size_t level = layout.widths_us.size() - 1; level > 0; --level) {
    if (event_time_us >= limits[level]) continue;  // the tile ends later still
    const int64_t header = TileHeader::of(layout, event_time_us, level);
    if (TileHeader::end(layout, header, horizon) <= limits[level]) return header;
  }
  return TileHeader::of(layout, event_time_us, 0);
}

size_t TileStore::first_from(const Entity& e, int64_t least) const {
  size_t low = 0, high = e.tile_count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (header(e, middle) < least) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint64_t* TileStore::words_for(Entity& e, int64_t event_time_us, const TileRules& rules) {
  const bool base = layout_->has_lifetime && event_time_us < rules.horizon;
  const int64_t wanted = base ? TileHeader::kBase : TileHeader::of(*layout_, event_time_us, 0);
  const auto place_of = [&] {
    size_t place = e.tile_count;  // one behind the last tile that starts at or before the row
    for (int steps = 0; place > 0 && header(e, place - 1) > (wanted | (base ? 0 : 31)); --place) {
      if (++steps < 8) continue;
      size_t low = 0;
      while (low < place) {
        const size_t middle = (low + place) / 2;
        if (header(e, middle) > (wanted | (base ? 0 : 31))) {
          place = middle;
        } else {
          low = middle + 1;
        }
      }
      break;
    }
    return place;
  };
  size_t place = place_of();
  const auto owner = [&]() -> uint64_t* {
    if (place == 0) return nullptr;
    const int64_t h = header(e, place - 1);
    if (base ? h == TileHeader::kBase : h != TileHeader::kBase && event_time_us < TileHeader::end(*layout_, h, 0)) return tile(e, place - 1) + 1;
    return nullptr;
  };
  if (uint64_t* words = owner()) return words;
  if (e.tiles == nullptr || e.tile_count == uint32_t{1} << e.tile_class) {
    // A late row may find its coarse tile after the others were rolled up.
    if (e.tile_count >= 4 && compact(e, rules)) {
      place = place_of();
      if (uint64_t* words = owner()) return words;
    }
    if (e.tiles == nullptr || e.tile_count > (uint32_t{1} << e.tile_class) * 3 / 4) grow(e);
  }
  return insert(e, place, wanted);
}

size_t TileStore::owner_of(const Entity& e, int64_t event_time_us) const {
  const size_t behind = first_from(e, TileHeader::of(*layout_, event_time_us, 0) | 31);
  if (behind == 0) return e.tile_count;
  const int64_t h = header(e, behind - 1);
  return h != TileHeader::kBase && event_time_us < TileHeader::end(*layout_, h, 0) ? behind - 1 : e.tile_count;
}

void TileStore::remove(Entity& e, size_t i) {
  destroy_words(*layout_, tile(e, i) + 1);
  --e.tile_count;
  std::memmove(tile(e, i), tile(e, i + 1), (e.tile_count - i) * stride_ * sizeof(uint64_t));
  if (e.tile_count == 0) clear(e);
}

uint64_t* TileStore::insert(Entity& e, size_t place, int64_t header) {
  uint64_t* at = tile(e, place);
  std::memmove(at + stride_, at, (e.tile_count - place) * stride_ * sizeof(uint64_t));
  *at = static_cast<uint64_t>(header);
  init_words(*layout_, at + 1);
  ++e.tile_count;
  return at + 1;
}

uint64_t* TileStore::append(Entity& e, int64_t header) {
  if (e.tiles == nullptr || e.tile_count == uint32_t{1} << e.tile_class) grow(e);
  return insert(e, e.tile_count, header);
}

void TileStore::grow(Entity& e) {
  if (e.tiles == nullptr) {
    e.tiles = pool_.allocate(e.tile_class = 0);
    return;
  }
  uint64_t* block = pool_.allocate(e.tile_class + 1u);
  std::memcpy(block, e.tiles, e.tile_count * stride_ * sizeof(uint64_t));
  pool_.release(e.tiles, e.tile_class);
  e.tiles = block;
  ++e.tile_class;
}

bool TileStore::compact(Entity& e, const TileRules& rules) {
  size_t kept = 0;
  bool changed = false;
  for (size_t i = 0; i < e.tile_count; ++i) {
    uint64_t* from = tile(e, i);
    const int64_t h = header(e, i);
    const int64_t target = h == TileHeader::kBase ? h : rules.header_for(*layout_, TileHeader::start(*layout_, h));
    // judged by the tile it becomes: the edge of an exact window may cut that one
    if (!layout_->has_lifetime && TileHeader::end(*layout_, target, rules.horizon) <= rules.longest_tail) {
      destroy_words(*layout_, from + 1);
      changed = true;
      continue;
    }
    if (kept > 0 && header(e, kept - 1) == target) {
      merge_words(*layout_, tile(e, kept - 1) + 1, from + 1, 0, 1);
      destroy_words(*layout_, from + 1);
      changed = true;
      continue;
    }
    changed |= target != h;
    uint64_t* to = tile(e, kept++);
    if (to != from) std::memcpy(to, from, stride_ * sizeof(uint64_t));
    *to = static_cast<uint64_t>(target);
  }
  e.tile_count = static_cast<uint32_t>(kept);
  return changed;
}

void TileStore::clear(Entity& e) {
  for (size_t i = 0; i < e.tile_count; ++i) destroy_words(*layout_, tile(e, i) + 1);
  if (e.tiles != nullptr) pool_.release(e.tiles, e.tile_class);
  e.tiles = nullptr;
  e.tile_count = 0, e.tile_class = 0;
}

}  // namespace ms::feature
