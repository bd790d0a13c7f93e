// What evaluate() reads for a window, and the event times that describe a view: const questions to the state.
#include "feature/explain.h"

#include <algorithm>

#include "feature/state_impl.h"

namespace ms::feature {
namespace {

void count_tile(std::vector<TilesRead>& tiles, int64_t width_us) {
  const auto at = std::ranges::lower_bound(tiles, width_us, {}, &TilesRead::width_us);
  if (at != tiles.end() && at->width_us == width_us) ++at->tiles;
  else tiles.insert(at, {width_us, 1});
}

// Rows [from, to) of the run with tail <= et < head.
uint64_t rows_within(const EntityRows& rows, size_t from, size_t to, int64_t tail, int64_t head) {
  const size_t first = std::max(from, rows.lower_bound(tail)), last = std::min(to, rows.lower_bound(head));
  return first < last ? last - first : 0;
}

bool some_feature_takes(const StateLayout& layout, const uint64_t* row) {
  return std::ranges::any_of(layout.slots, [&](const Slot& slot) { return layout.row.passes(row, slot.filter); });
}

}  // namespace

WindowReads StateImpl::window_reads(const Entity& e, const EntityRows& rows, int64_t tail, int64_t head) const {
  WindowReads reads;
  for (size_t i = 0; i < e.tile_count; ++i) {
    const int64_t header = tiles_.header(e, i), start = TileHeader::start(layout_, header);
    if (start >= head) continue;
    if (start >= tail) {
      count_tile(reads.tiles, header == TileHeader::kBase ? TilesRead::kBase : layout_.widths_us[TileHeader::level(header)]);
    } else {
      // The tail cuts the tile: raw rows stand in for it.
      reads.rows += rows_within(rows, 0, rows.folded, tail, std::min(head, TileHeader::end(layout_, header, rules_.horizon)));
    }
  }
  reads.rows += rows_within(rows, rows.folded, rows.size, tail, head);
  return reads;
}

bool StateImpl::explain(std::string_view key, uint64_t table_hash, Instant t, bool after_event,
                        std::vector<WindowReads>& by_feature) const {
  by_feature.assign(layout_.features.size(), {});
  const Entity* e = table_.find(table_hash, key);
  if (e == nullptr) return false;
  const EntityRows rows = rows_of(*e);
  std::vector<WindowReads> by_window;
  for (const WindowPlan& window : layout_.windows) by_window.push_back(window_reads(*e, rows, window.tail(t.us), window.head(t.us, after_event)));
  for (size_t i = 0; i < by_feature.size(); ++i) by_feature[i] = by_window[layout_.features[i].window];
  return true;
}

int64_t StateImpl::newest_event_time(const Entity& e, int64_t now) const {
  int64_t newest = kNoEventTime;
  if (e.tile_count > 0)
    for (const Slot& slot : layout_.slots)
      if (slot.kind == SlotKind::kRows) newest = std::max(newest, static_cast<int64_t>(tiles_.tile(e, e.tile_count - 1)[1 + slot.at + 1]));
  // Rows that the clock has passed but nobody has folded yet.
  if (!e.has_pack() && e.rows == nullptr) return newest;
  const EntityRows rows = rows_of(e);
  for (size_t i = rows.lower_bound(now); i-- > rows.folded;) {
    if (some_feature_takes(layout_, rows.row(i))) return std::max(newest, rows.time(i));
  }
  return newest;
}

size_t StateImpl::newest_event_times(size_t first, size_t count, size_t step, int64_t now, std::vector<int64_t>& out) const {
  size_t i = first;
  for (size_t n = 0; n < count && i < table_.size(); ++n, i += step) out.push_back(newest_event_time(table_.at(i), now));
  return i;
}

}  // namespace ms::feature
