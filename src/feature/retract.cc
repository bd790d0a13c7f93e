// Law L5: a row that is taken back leaves the state as if it had never come.
#include "feature/state_impl.h"

namespace ms::feature {

void StateImpl::retract(const PreparedRows& rows, size_t i, AppliedRows& out) {
  Entity* e = table_.find(rows.table_hashes[i], rows.keys[i]);
  if (e == nullptr || e->rows == nullptr) {
    ++out.retracted_unknown;
    return;
  }
  fold(*e);
  const size_t at = e->rows == nullptr ? 0 : e->rows->find(rows.event_times_us[i], rows.partition, rows.retracts[i]);
  if (e->rows == nullptr || at == e->rows->size()) {
    ++out.retracted_unknown;
    return;
  }
  take_back(*e, at);
  ++out.retracted;
}

void StateImpl::take_back(Entity& e, size_t i) {
  // Queues and lasts do not know what came before the row.
  drop_forward(e);
  const int64_t et = row_time(e.rows->row(i));
  const bool in_tile = i < e.rows->folded();
  e.rows->erase(i);
  if (in_tile) remake_tile(e, et);
  if (e.rows->size() == 0) drop_run(e);
}

void StateImpl::remake_tile(Entity& e, int64_t event_time_us) {
  const size_t i = tiles_.owner_of(e, event_time_us);
  if (i == e.tile_count) return;  // between the horizon and the longest tail: no window reaches it any more
  const int64_t header = tiles_.header(e, i);
  const RowRun& run = *e.rows;
  const size_t first = run.lower_bound(TileHeader::start(layout_, header));
  const size_t last = std::min(run.folded(), run.lower_bound(TileHeader::end(layout_, header, rules_.horizon)));
  if (first >= last) return tiles_.remove(e, i);
  uint64_t* words = tiles_.tile(e, i) + 1;
  destroy_words(layout_, words);
  init_words(layout_, words);
  for (size_t r = first; r < last; ++r) add_row(layout_, words, run.row(r));
}

}  // namespace ms::feature
