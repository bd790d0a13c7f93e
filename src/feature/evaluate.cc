// evaluate(): one pass over an entity's tiles from the newest to the oldest; windows that end at t nest.
#include <algorithm>
#include <bit>

#include "base/check.h"
#include "feature/finalize.h"
#include "feature/answer_steps.h"
#include "feature/state_impl.h"

namespace ms::feature {

void StateImpl::finalize_window(size_t window, const uint64_t* words, int64_t t, FeatureRow& out) const {
  for (const size_t i : window_features_[window]) {
    AnswerCell cell(out.values[i]);
    finalize(layout_.features[i], {words, 0, &t, 1}, cell.column(), out.arena);
  }
}

void StateImpl::evaluate(std::string_view key, uint64_t table_hash, Instant t, bool after_event, FeatureRow& out) const {
  out.reset(layout_.features.size());
  if (const Entity* e = table_.find(table_hash, key)) return evaluate_entity(*e, rows_of(*e), t.us, after_event, out);
  static const Entity kNone{};
  answer_windows(kNone, {}, t.us, after_event, kAllWindows, out);
}

bool StateImpl::evaluate_without(std::string_view key, uint64_t table_hash, Instant t, RowPosition self, FeatureRow& out) const {
  const Entity* e = table_.find(table_hash, key);
  const EntityRows rows = e == nullptr ? EntityRows{} : rows_of(*e);
  const uint64_t* row = nullptr;
  for (size_t i = rows.first_loose(t.us); i < rows.size && rows.time(i) == t.us; ++i) {
    const uint64_t* at = rows.row(i);
    if (static_cast<int64_t>(at[1]) == self.offset && static_cast<int64_t>(at[2]) == self.partition) row = at;
  }
  if (row == nullptr) {
    evaluate(key, table_hash, t, true, out);
    return false;
  }
  out.reset(layout_.features.size());
  evaluate_entity(*e, rows, t.us, AtInstant(row), out);
  return true;
}

std::span<StateImpl::End> StateImpl::nested_ends(int64_t t, uint64_t wanted, std::span<End> ends) const {
  size_t count = 0;
  for (size_t w = 0; w < layout_.windows.size(); ++w) {
    if (!is_nested(w) || (window_bit(w) & wanted) == 0) continue;
    const End end{layout_.windows[w].tail(t), w, 0};
    size_t place = count++;
    for (; place > 0 && ends[place - 1].tail < end.tail; --place) ends[place] = ends[place - 1];
    ends[place] = end;
  }
  uint64_t needed = 0;
  for (size_t i = count; i-- > 0;) ends[i].needed = needed |= window_bit(ends[i].window);
  return ends.first(count);
}

template <class Visit>
void StateImpl::each_nested(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at, uint64_t wanted, Visit&& visit) const {
  std::array<End, 64> small;
  std::vector<End> large;
  std::span<End> room(small);
  if (layout_.windows.size() > small.size()) large.resize(layout_.windows.size()), room = large;
  const std::span<End> ends = nested_ends(t, wanted, room);
  if (ends.empty()) return;

  TotalsRoom totals_room;
  Totals totals(layout_, totals_room);
  size_t tile = e.tile_count;  // tiles from here on are in the totals
  size_t row = rows.size;
  while (row > rows.folded && (rows.time(row - 1) > t || (!at.after_event && rows.time(row - 1) == t))) --row;
  for (const End& end : ends) {
    size_t first = tile;
    const int64_t least = TileHeader::least_from(layout_, end.tail);
    while (first > 0 && tiles_.header(e, first - 1) >= least) --first;
    if (first < tile) merge_words(layout_, totals.words(), tiles_.tile(e, first) + 1, tiles_.stride(), tile - first, end.needed);
    tile = first;
    for (; row > rows.folded && rows.time(row - 1) >= end.tail; --row) {
      if (rows.row(row - 1) != at.without) add_row(layout_, totals.words(), rows.row(row - 1));
    }
    const bool cut = tile > 0 && layout_.windows[end.window].is_exact() && rows.size > 0;
    const int64_t tile_end = cut ? TileHeader::end(layout_, tiles_.header(e, tile - 1), rules_.horizon) : INT64_MIN;
    if (!cut || tile_end <= end.tail) {
      visit(end.window, totals.words());
      continue;
    }
    TotalsRoom edge_room;
    Totals edge(layout_, edge_room);
    edge.assign(totals.words(), end.needed);
    for (size_t i = rows.lower_bound(end.tail); i < rows.folded && rows.time(i) < tile_end; ++i) add_row(layout_, edge.words(), rows.row(i));
    visit(end.window, edge.words());
  }
}

void StateImpl::evaluate_entity(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at, FeatureRow& out) const {
  out.found = found(e, rows, t, at);
  answer_windows(e, rows, t, at, kAllWindows, out);
}

void StateImpl::answer_windows(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at, uint64_t wanted, FeatureRow& out) const {
  const auto place_of = [&](size_t i) { return AnswerCell(out.values[i]); };
  const Question question{e, rows, t, at, out.arena};
  each_nested(e, rows, t, at, wanted, [&](size_t window, const uint64_t* words) {
    if (step_of_window_[window].empty()) return finalize_window(window, words, t, out);
    for (const size_t step : step_of_window_[window]) answer_step(step, words, question, place_of);
  });
  for (size_t w = 0; w < layout_.windows.size(); ++w) {
    if (is_nested(w) || (window_bit(w) & wanted) == 0) continue;
    if (layout_.windows[w].window.kind == WindowKind::kDecay) {
      for (const size_t step : step_of_window_[w]) answer_decay(step, question, place_of);
    } else if (layout_.windows[w].window.kind == WindowKind::kSeries) {
      answer_series(w, question, place_of);
    } else {
      TotalsRoom room;
      Totals totals(layout_, room);
      add_closed(e, rows, w, t, totals.words());
      finalize_window(w, totals.words(), t, out);
    }
  }
}

bool StateImpl::found(const Entity& e, const EntityRows& rows, int64_t t, AtInstant at) const {
  const int64_t tail = layout_.longest_tail(t);
  if (e.tile_count > 0) {
    const int64_t newest = tiles_.header(e, e.tile_count - 1);
    if (TileHeader::start(layout_, newest) >= tail) return true;
    // only an exact window cuts a tile
    if (TileHeader::end(layout_, newest, tail) > tail && rows.lower_bound(tail) < rows.folded) return true;
  }
  size_t first = rows.first_loose(tail);
  if (first < rows.size && rows.row(first) == at.without) ++first;
  return first < rows.size && (rows.time(first) < t || (at.after_event && rows.time(first) == t));
}

void StateImpl::add_range(const Entity& e, const EntityRows& rows, int64_t tail, int64_t head, uint64_t windows, uint64_t* words) const {
  const size_t first = tiles_.lower_bound(e, tail), last = tiles_.lower_bound(e, head);
  if (first < last) merge_words(layout_, words, tiles_.tile(e, first) + 1, tiles_.stride(), last - first, windows);
  const size_t end = rows.lower_bound(head);
  for (size_t i = rows.first_loose(tail); i < end; ++i) add_row(layout_, words, rows.row(i));
}

void StateImpl::add_closed(const Entity& e, const EntityRows& rows, size_t window, int64_t t, uint64_t* words) const {
  const WindowPlan& plan = layout_.windows[window];
  add_range(e, rows, plan.tail(t), plan.head(t, false), window_bit(window), words);
}

bool StateImpl::build_forward(Entity& e, int64_t t, bool after_event) {
  if (e.forward == nullptr) ++forward_count_;
  delete e.forward;
  // A late row may have made the base tile before the tiles below the horizon went into it; queues need them in order.
  tiles_.compact(e, rules_);
  e.forward = new Forward(layout_, forward_plan_);
  const int64_t limit = after_event ? t + 1 : t;
  e.forward->build(e, tiles_, limit, raw_horizon_);
  if (forward_plan_.exact > 0) {
    each_nested(e, rows_of(e), t, after_event, forward_plan_.exact_bits,
                [&](size_t window, const uint64_t* words) { e.forward->set_exact(window, words); });
  }
  return e.forward->advance(e, t, limit);
}

Forward* StateImpl::forward_at(Entity* e, int64_t t, bool after_event) {
  if (e == nullptr || !forward_plan_.supported || t == INT64_MAX || (e->questions < 2 && ++e->questions < 2)) return nullptr;
  const int64_t limit = after_event ? t + 1 : t;
  if (e->rows != nullptr && e->rows->folded() < e->rows->size()) fold(*e);
  if (e->has_pack()) {
    // of few rows the answers are sooner added up than moved along
    if (pack_header(e->pack).rows <= kRowsInsteadOfTotals) return nullptr;
    unpack(*e);
  }
  if (e->forward != nullptr) {
    if (t < e->forward->time() || limit < e->forward->limit()) return nullptr;
    e->forward->prefetch(*e);
  }
  if (e->forward == nullptr || !e->forward->advance(*e, t, limit)) build_forward(*e, t, after_event);
  return e->forward;
}

ForwardBatch& StateImpl::forward_batch() {
  if (forward_batch_ == nullptr) forward_batch_ = std::make_unique<ForwardBatch>(layout_);
  return *forward_batch_;
}

void StateImpl::fill_batch(const Entity& e, const EntityRows& rows, const Forward& forward, int64_t t, size_t i) {
  ForwardBatch& batch = forward_batch();
  const size_t first = i * batch.windows;
  const uint64_t* last = nullptr;
  for (size_t w = 0; w < forward_plan_.windows.size(); ++w) {
    uint64_t* const words = batch.totals.at(first + forward_plan_.windows[w].window);
    if (!layout_.has_boxes && forward.is_like_last(w)) std::copy_n(last, layout_.words, words);
    else forward.totals(w, words);
    last = words;
  }
  for (const size_t w : forward_plan_.closed) {
    batch.totals.reset(first + w);
    add_closed(e, rows, w, t, batch.totals.at(first + w));
  }
}

// What the running totals do not hold, as evaluate() answers it, straight to its place.
void StateImpl::answer_others(const Entity& e, const EntityRows& rows, int64_t t, bool after_event, const AnswerColumns& out, size_t at) const {
  const auto place_of = [&](size_t i) { return ColumnPlace{out.features[i].bits == nullptr ? AnswerColumn{} : out.features[i].from(at)}; };
  const Question question{e, rows, t, after_event, *out.arena};
  each_nested(e, rows, t, after_event, forward_plan_.other_bits, [&](size_t window, const uint64_t* words) {
    for (const size_t step : step_of_window_[window]) answer_step(step, words, question, place_of);
    for (const size_t i : window_features_[window]) {
      if (out.features[i].bits != nullptr) finalize(layout_.features[i], {words, 0, &t, 1}, out.features[i].from(at), *out.arena);
    }
  });
  for (const size_t w : forward_plan_.others) {
    if (layout_.windows[w].window.kind == WindowKind::kSeries) answer_series(w, question, place_of);
    if (layout_.windows[w].window.kind != WindowKind::kDecay) continue;
    for (const size_t step : step_of_window_[w]) answer_decay(step, question, place_of);
  }
}

void StateImpl::evaluate_forward(std::string_view key, uint64_t table_hash, Instant t, bool after_event, const AnswerColumns& out, size_t at) {
  if (forward_batch_ != nullptr && (forward_batch_->count == forward_batch_->most || at != forward_batch_->first + forward_batch_->count))
    finish_forward(out);
  Entity* e = table_.find(table_hash, key);
  const Forward* forward = forward_at(e, t.us, after_event);
  if (forward == nullptr) {
    finish_forward(out);
    evaluate(key, table_hash, t, after_event, forward_row_);
    return put(forward_row_, out, at);
  }
  ForwardBatch& batch = forward_batch();
  if (batch.count == 0) batch.first = at;
  const EntityRows rows = rows_of(*e);
  out.found[at] = found(*e, rows, t.us, after_event);
  fill_batch(*e, rows, *forward, t.us, batch.count);
  batch.times[batch.count++] = t.us;
  if (!forward_plan_.others.empty()) answer_others(*e, rows, t.us, after_event, out, at);
}

void StateImpl::finish_forward(const AnswerColumns& out) {
  if (forward_batch_ == nullptr || forward_batch_->count == 0) return;
  ForwardBatch& batch = *forward_batch_;
  for (size_t w = 0; w < batch.windows; ++w) {
    if (forward_plan_.is_other(w)) continue;
    const TotalsOf totals{batch.totals.at(w), batch.windows * layout_.words, batch.times.data(), batch.count};
    for (const size_t i : window_features_[w]) {
      if (out.features[i].bits != nullptr) finalize(layout_.features[i], totals, out.features[i].from(batch.first), *out.arena);
    }
  }
  batch.count = 0;
}

void StateImpl::evaluate_forward(std::string_view key, uint64_t table_hash, Instant t, bool after_event, FeatureRow& out) {
  CHECK(forward_batch_ == nullptr || forward_batch_->count == 0);
  Entity* e = table_.find(table_hash, key);
  const Forward* forward = forward_at(e, t.us, after_event);
  if (forward == nullptr) return evaluate(key, table_hash, t, after_event, out);
  const EntityRows rows = rows_of(*e);
  fill_batch(*e, rows, *forward, t.us, 0);
  out.reset(layout_.features.size());
  out.found = found(*e, rows, t.us, after_event);
  for (size_t w = 0; w < layout_.windows.size(); ++w) {
    if (!forward_plan_.is_other(w)) finalize_window(w, forward_batch().totals.at(w), t.us, out);
  }
  for (const size_t w : forward_plan_.others) answer_windows(*e, rows, t.us, after_event, window_bit(w), out);
}

}  // namespace ms::feature
