// The second step of windows that are more than a range of tiles: from what the tiles hold to the rows, the run or the weights that the
// window means. Included by evaluate.cc alone: where the answers go is a template argument.
#pragma once

#include "feature/decay.h"
#include "feature/finalize.h"
#include "feature/rows_box.h"
#include "feature/session_box.h"
#include "feature/state_impl.h"

namespace ms::feature {

// A place among columns; a column that nobody wants has no bits.
struct ColumnPlace {
  AnswerColumn place;
  AnswerColumn column() const { return place; }
};

template <class PlaceOf>
void StateImpl::finalize_step(size_t step, const uint64_t* words, bool overflow, const Question& q, const PlaceOf& place_of) const {
  for (const size_t i : step_features_[step]) {
    auto place = place_of(i);
    const AnswerColumn column = place.column();
    if (column.bits != nullptr) finalize(layout_.features[i], {words, 0, &q.t, 1, overflow}, column, q.arena);
  }
}

template <class PlaceOf>
void StateImpl::answer_step(size_t step, const uint64_t* words, const Question& q, const PlaceOf& place_of) const {
  const WindowStep& plan = layout_.steps[step];
  const Window& window = layout_.windows[plan.window].window;
  const Box* box = box_at(words + plan.at);
  if (window.kind == WindowKind::kSession) {
    const auto* run = box == nullptr ? nullptr : session_at(static_cast<const SessionBox&>(*box).runs(), window, q.t);
    if (run != nullptr) return finalize_step(step, run->words, static_cast<int128>(run->last) - run->first > window.length_us, q, place_of);
  }
  TotalsRoom room;
  Totals totals(*plan.slots, room);
  if (window.kind == WindowKind::kLast && box != nullptr) {
    const auto& rows = static_cast<const RowsBox&>(*box);
    const int64_t oldest = window.length_us == 0 ? INT64_MIN : saturating_sub(q.t, window.length_us);
    for (size_t i = rows.size(); i-- > 0 && row_time(rows.row(i)) >= oldest;) add_row(layout_.row, plan.slots->slots, totals.words(), rows.row(i));
  }
  finalize_step(step, totals.words(), false, q, place_of);
}

template <class PlaceOf>
void StateImpl::answer_decay(size_t step, const Question& q, const PlaceOf& place_of) const {
  const WindowStep& plan = layout_.steps[step];
  TotalsRoom room;
  Totals totals(*plan.slots, room);
  add_decaying(plan, q, totals.words());
  finalize_step(step, totals.words(), false, q, place_of);
}

template <class PlaceOf>
void StateImpl::answer_series(size_t w, const Question& q, const PlaceOf& place_of) const {
  const Window& window = layout_.windows[w].window;
  TotalsRun runs(layout_, static_cast<size_t>(window.count));
  int64_t head = layout_.windows[w].head(q.t, false);
  for (size_t i = 0; i < static_cast<size_t>(window.count); ++i) {
    const int64_t tail = saturating_sub(head, window.length_us);
    if (tail < head) add_range(q.entity, q.rows, tail, head, window_bit(w), runs.at(i));
    head = tail;
  }
  for (const size_t i : window_features_[w]) {
    auto place = place_of(i);
    const AnswerColumn column = place.column();
    if (column.bits == nullptr) continue;
    finalize_series(layout_.features[i], {runs.at(0), layout_.words, nullptr, static_cast<size_t>(window.count)}, q.t, column, q.arena);
  }
}

}  // namespace ms::feature
