#include "feature/answer_steps.h"

namespace ms::feature {

namespace {

// Adds what one decay tile holds, weighted relative to its start, as it weighs at t.
void add_decayed_tile(const WindowStep& step, const uint64_t* tile, int64_t start, int64_t t, uint64_t* words) {
  std::optional<DecayFactor> factor;
  for (size_t i = 0; i < step.from.size(); ++i) {
    const Slot& slot = step.slots->slots[i];
    const uint64_t* w = tile + step.from[i];
    if (slot.kind != SlotKind::kDecayCount && slot.kind != SlotKind::kDecaySum) {
      merge_words(std::span(&slot, 1), words, w - slot.at);
      continue;
    }
    if (exact_at(w).is_zero()) continue;
    if (!factor) factor = decay_factor(t - start, slot.extra->half_life_us);
    add_decayed(exact_at(words + slot.at), exact_at(w), *factor);
  }
}

}  // namespace

void StateImpl::add_decaying(const WindowStep& step, const Question& q, uint64_t* words) const {
  const WindowPlan& window = layout_.windows[step.window];
  const int64_t width = window.window.hop_us, tail = window.tail(q.t);
  TotalsRoom room;
  Totals part(layout_, room);
  std::optional<int64_t> start;
  const auto flush = [&] {
    if (start) add_decayed_tile(step, part.words(), *start, q.t, words), part.reset();
  };
  const auto enter = [&](int64_t et) {
    const int64_t of = floor_to(et, width);
    if (start != of) flush(), start = of;
  };
  // Tiles and pending rows ascend, each by itself; both may lie in the newest decay tile.
  size_t row = q.rows.first_loose(tail);
  const auto pending_before = [&](int64_t limit) {
    for (; row < q.rows.size && q.rows.time(row) < limit; ++row) {
      if (q.rows.row(row) == q.at.without) continue;
      enter(q.rows.time(row));
      add_row(layout_, part.words(), q.rows.row(row));
    }
  };
  for (size_t i = tiles_.lower_bound(q.entity, tail); i < q.entity.tile_count; ++i) {
    const int64_t at = tiles_.start(q.entity, i);
    if (at >= q.t) break;  // only in a damaged state
    pending_before(floor_to(at, width));
    enter(at);
    merge_words(layout_, part.words(), tiles_.tile(q.entity, i) + 1, 0, 1, window_bit(step.window));
  }
  pending_before(window.head(q.t, q.at.after_event));
  flush();
}

}  // namespace ms::feature
