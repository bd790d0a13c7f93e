#include "feature/forward.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/check.h"

namespace ms::feature {

namespace {

// Whether a slot's totals can follow a window: what is left out is subtracted or falls off a queue.
bool moves(const Slot& slot) {
  switch (slot.kind) {
    case SlotKind::kMin:
    case SlotKind::kMax:
    case SlotKind::kLast:
    case SlotKind::kDistinct: return true;
    case SlotKind::kFirst: return argument_words(slot.type) == 1;
    default: return is_sum(slot.kind);
  }
}

}  // namespace

int64_t HopClock::holds_until(int64_t t) const {
  // far from where anything saturates, so from all instants that people have
  if (t < INT64_MIN / 2 || t > INT64_MAX / 2) return t + 1;
  return floor(t) + hop_us + shift_us;
}

ForwardPlan::ForwardPlan(const StateLayout& layout) : other_windows(layout.windows.size()) {
  uint64_t others_at = 0;
  for (const Slot& slot : layout.slots) others_at |= moves(slot) ? 0 : slot.windows;
  const auto length = [&](const MovingWindow& w) { return layout.windows[w.window].window.length_us; };
  const auto rank = [&](size_t w) { return layout.windows[w].is_forever() ? 2 : layout.windows[w].is_exact() ? 1 : 0; };
  for (size_t w = 0; w < layout.windows.size(); ++w) {
    const WindowPlan& window = layout.windows[w];
    const bool range = window.window.kind == WindowKind::kTumbling || window.window.kind == WindowKind::kHopping;
    const bool other = window.window.kind == WindowKind::kSeries || (!range && (others_at & window_bit(w)) != 0);
    other_windows[w] = other;
    (other ? other_bits : window_bits) |= window_bit(w);
    if (other) others.push_back(w);
    else if (range) closed.push_back(w);
    else windows.push_back({w});
  }
  std::ranges::sort(windows, [&](const MovingWindow& a, const MovingWindow& b) {
    return std::tuple(rank(a.window), length(a), a.window) < std::tuple(rank(b.window), length(b), b.window);
  });
  for (MovingWindow& w : windows) {
    if (rank(w.window) == 1) ++exact, exact_bits |= window_bit(w.window);
    if (rank(w.window) != 0) continue;
    ++sliding;
    const int64_t hop = layout.windows[w.window].window.hop_us, shift = length(w) % hop;
    const auto same = std::ranges::find_if(clocks, [&](const HopClock& c) { return c.hop_us == hop && c.shift_us == shift; });
    w.clock = static_cast<size_t>(same - clocks.begin()), w.behind_us = length(w) - shift;
    if (same == clocks.end()) clocks.push_back({hop, shift});
  }
  supported = layout.windows.size() <= 64 && !windows.empty();
  for (size_t i = 0; i < layout.slots.size(); ++i) {
    const Slot& slot = layout.slots[i];
    if ((slot.windows & window_bits) == 0 || !moves(slot)) continue;
    switch (slot.kind) {
      case SlotKind::kMin:
      case SlotKind::kMax: extremes.push_back(slot); break;
      case SlotKind::kFirst: firsts.push_back(slot); break;
      case SlotKind::kLast: lasts.push_back(slot); break;
      case SlotKind::kDistinct: distincts.push_back(slot); break;
      default: sums.add(slot, (i + 1 < layout.slots.size() ? layout.slots[i + 1].at : layout.words) - slot.at);
    }
  }
}

Forward::Forward(const StateLayout& layout, const ForwardPlan& plan)
    : layout_(layout), plan_(plan), all_(layout), marks_(plan.sums), readers_(plan.sliding), clocks_(plan.clocks.size()),
      tails_(plan.windows.size(), kForever), first_rows_(plan.exact), left_((plan.windows.size() - plan.sliding) * layout.words), extremes_(plan.extremes.size()),
      firsts_(plan.firsts.size()), distincts_(plan.distincts.size()) {
  const size_t windows = plan.windows.size();
  for (size_t w = 0; w < plan.sliding; ++w) readers_[w].step = plan.clocks[plan.windows[w].clock].hop_us;
  for (size_t w = plan.sliding; w < windows; ++w) init_words(layout, left(w - plan.sliding));
  for (auto& q : extremes_) q.cursors.resize(windows);
  for (auto& q : firsts_) q.cursors.resize(windows);
  for (auto& d : distincts_) d.log.cursors.resize(windows), d.counts.resize(windows);
}

Forward::~Forward() {
  for (size_t w = plan_.sliding; w < plan_.windows.size(); ++w) destroy_words(layout_, left(w - plan_.sliding));
}

template <class T>
void Forward::Queue<T>::trim() {
  if (cursors.empty() || entries.size() < 64) return;
  const uint64_t least = *std::min_element(cursors.begin(), cursors.end());
  const auto dead = static_cast<size_t>(least - dropped);
  if (dead * 2 < entries.size()) return;
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(dead));
  dropped = least;
}

bool Forward::is_ahead(const uint64_t* row) const {
  if (row_time(row) < newest_tail_) return false;
  if (!has_head_) return true;
  if (row_before(row, head_)) return false;
  const int64_t key[] = {row_time(row), static_cast<int64_t>(row[2]), static_cast<int64_t>(row[1])};
  for (const auto& q : firsts_) {
    if (q.entries.empty()) continue;
    const uint64_t* last = q.entries.back().words;
    for (int i = 0; i < 3; ++i) {
      const auto theirs = static_cast<int64_t>(last[i]);
      if (key[i] < theirs) return false;
      if (key[i] > theirs) break;
    }
  }
  return true;
}

void Forward::push_extreme(size_t i, int64_t time, int64_t value) {
  auto& q = extremes_[i];
  const bool is_min = plan_.extremes[i].kind == SlotKind::kMin;
  const uint64_t end = q.end();
  while (!q.entries.empty() && (is_min ? q.entries.back().value >= value : q.entries.back().value <= value)) q.entries.pop_back();
  const uint64_t number = q.end();
  q.entries.push_back({time, value});
  if (number == end) return;
  for (uint64_t& cursor : q.cursors) cursor = std::min(cursor, number);
}

void Forward::push_distinct(size_t i, int64_t time, DistinctCode code) {
  Distinct& d = distincts_[i];
  const uint64_t number = d.log.end();
  const auto [entry, is_new] = d.latest.try_emplace(code, number);
  for (size_t w = 0; w < d.counts.size(); ++w) d.counts[w] += is_new || entry->second < d.log.cursors[w] ? 1 : 0;
  entry->second = number;
  d.log.entries.push_back({time, code});
}

void Forward::push_tile(const uint64_t* words, int64_t start) {
  for (size_t i = 0; i < extremes_.size(); ++i) {
    const auto value = static_cast<int64_t>(words[plan_.extremes[i].at]);
    if (value != (plan_.extremes[i].kind == SlotKind::kMin ? INT64_MAX : INT64_MIN)) push_extreme(i, start, value);
  }
  for (size_t i = 0; i < firsts_.size(); ++i) {
    const uint64_t* w = words + plan_.firsts[i].at;
    if (static_cast<int64_t>(w[1]) >= 0) firsts_[i].entries.push_back({start, {w[0], w[1], w[2], w[3]}});
  }
  for (size_t i = 0; i < distincts_.size(); ++i) {
    const auto* set = std::bit_cast<const DistinctSet*>(words[plan_.distincts[i].at]);
    if (set == nullptr) continue;
    if (set->over()) distincts_[i].has_forgot = true, distincts_[i].forgot = start;
    for (const DistinctCode& code : set->codes()) push_distinct(i, start, code);
  }
}

void Forward::push_row(const uint64_t* row) {
  const RowLayout& layout = layout_.row;
  const auto value_of = [&](const Slot& slot) -> const uint64_t* {
    if (!layout.passes(row, slot.filter) || !layout.valid(row, slot.argument)) return nullptr;
    return row + layout.arguments[static_cast<size_t>(slot.argument)].at;
  };
  for (size_t i = 0; i < extremes_.size(); ++i) {
    const Slot& slot = plan_.extremes[i];
    if (const uint64_t* v = value_of(slot)) push_extreme(i, row_time(row), slot.type == TypeKind::kFloat64 ? ordered_bits(*v) : static_cast<int64_t>(*v));
  }
  for (size_t i = 0; i < firsts_.size(); ++i) {
    if (const uint64_t* v = value_of(plan_.firsts[i])) firsts_[i].entries.push_back({row_time(row), {row[0], row[2], row[1], *v}});
  }
  for (size_t i = 0; i < distincts_.size(); ++i) {
    if (const uint64_t* v = value_of(plan_.distincts[i])) push_distinct(i, row_time(row), distinct_code_at(plan_.distincts[i].type, v));
  }
}

void Forward::mark(int64_t time) {
  if (plan_.sliding > 0) marks_.add(time == kForever ? time : floor_to(time, layout_.unit()), all_.words());
}

void Forward::add(const uint64_t* row) {
  mark(row_time(row));
  add_row(layout_.row, plan_.sums.slots, all_.words(), row);
  if (!plan_.lasts.empty()) add_row(layout_.row, plan_.lasts, all_.words(), row);
  push_row(row);
  std::copy_n(row, 3, head_);
  has_head_ = true;
  limit_ = std::max(limit_, row_time(row) + 1);
}

void Forward::add_pending(const uint64_t* row) {
  if (is_ahead(row) && !(has_head_ && std::equal(head_, head_ + 3, row))) add(row);
}

void Forward::build(const Entity& e, const TileStore& tiles, int64_t limit, int64_t raw_horizon) {
  // Tiles first, then raw rows: those that an exact window may still cut, and pending ones, which no tile holds.
  for (size_t i = 0; i < e.tile_count; ++i) {
    const uint64_t* words = tiles.tile(e, i) + 1;
    const int64_t start = tiles.start(e, i);
    mark(start);
    merge_words(plan_.sums.slots, all_.words(), words);
    merge_words(plan_.lasts, all_.words(), words);
    if (start >= raw_horizon) continue;
    push_tile(words, start);
    head_[0] = static_cast<uint64_t>(start), head_[1] = head_[2] = 0;
    has_head_ = true;
  }
  limit_ = limit;
  if (e.rows == nullptr) return;
  const RowRun& rows = *e.rows;
  for (size_t i = std::min(rows.folded(), rows.lower_bound(raw_horizon)); i < rows.size() && row_time(rows.row(i)) < limit; ++i) {
    const uint64_t* row = rows.row(i);
    if (i >= rows.folded()) {
      add(row);
      continue;
    }
    push_row(row);
    std::copy_n(row, 3, head_);
    has_head_ = true;
  }
  first_row_ = rows.dropped();
}

void Forward::set_exact(size_t window_of_layout, const uint64_t* totals) {
  for (size_t i = 0; i < plan_.exact; ++i) {
    if (plan_.windows[plan_.sliding + i].window != window_of_layout) continue;
    merge_words(plan_.sums.slots, left(i), all_.words());
    subtract_words(plan_.sums.slots, left(i), totals);
  }
}

void Forward::move_sliding(int64_t t) {
  for (size_t c = 0; c < clocks_.size(); ++c) {
    if (t < clocks_[c].until) continue;
    clocks_[c] = {plan_.clocks[c].floor(t), plan_.clocks[c].holds_until(t)};
  }
  for (size_t w = 0; w < plan_.sliding; ++w) {
    const ForwardPlan::MovingWindow& window = plan_.windows[w];
    const int64_t tail = saturating_sub(clocks_[window.clock].floor, window.behind_us);
    if (tail == tails_[w]) continue;
    uint32_t& at = readers_[w].at;
    while (at < marks_.size() && marks_.time(at) < tail) ++at;
    move_cursors(w, tail);
    tails_[w] = tail;
    newest_tail_ = std::max(newest_tail_, tail);
  }
}

void Forward::move_exact(const RowRun* rows, int64_t t, bool is_new) {
  first_row_ = UINT64_MAX;
  for (size_t i = 0; i < plan_.exact; ++i) {
    const size_t w = plan_.sliding + i;
    const int64_t tail = layout_.windows[plan_.windows[w].window].tail(t);
    uint64_t& number = first_rows_[i];
    if (rows != nullptr && is_new) number = rows->dropped() + rows->lower_bound(tail);
    if (rows != nullptr && !is_new) {
      for (number = std::max(number, rows->dropped()); number < rows->dropped() + rows->size(); ++number) {
        const uint64_t* row = rows->row(static_cast<size_t>(number - rows->dropped()));
        if (row_time(row) >= tail) break;
        add_row(layout_.row, plan_.sums.slots, left(i), row);
      }
    }
    move_cursors(w, tail);
    first_row_ = std::min(first_row_, number);
    tails_[w] = tail;
    newest_tail_ = std::max(newest_tail_, tail);
  }
}

void Forward::move_cursors(size_t w, int64_t tail) {
  for (auto& q : extremes_) {
    for (uint64_t& c = q.cursors[w]; c < q.end() && q.at(c).time < tail; ++c) {}
  }
  for (auto& q : firsts_) {
    for (uint64_t& c = q.cursors[w]; c < q.end() && q.at(c).time < tail; ++c) {}
  }
  for (Distinct& d : distincts_) {
    for (uint64_t& c = d.log.cursors[w]; c < d.log.end() && d.log.at(c).time < tail; ++c) {
      if (d.latest.find(d.log.at(c).code)->second == c) --d.counts[w];
    }
  }
}

void Forward::trim() {
  marks_.thin(readers_);
  for (auto& q : extremes_) q.trim();
  for (auto& q : firsts_) q.trim();
  for (Distinct& d : distincts_) {
    if (d.log.entries.size() < 64) continue;
    const uint64_t least = *std::min_element(d.log.cursors.begin(), d.log.cursors.end());
    if ((least - d.log.dropped) * 2 < d.log.entries.size()) continue;
    for (uint64_t number = d.log.dropped; number < least; ++number) {
      const auto entry = d.latest.find(d.log.at(number).code);
      if (entry != d.latest.end() && entry->second == number) d.latest.erase(entry);
    }
    d.log.trim();
  }
}

void Forward::prefetch(const Entity& e) const {
  if (e.rows == nullptr) return;
  for (const uint64_t number : first_rows_) {
    if (number - e.rows->dropped() < e.rows->size()) __builtin_prefetch(e.rows->row(static_cast<size_t>(number - e.rows->dropped())));
  }
}

void Forward::prefetch_totals() const {
  __builtin_prefetch(all_.words(), 1);
  for (size_t i = 0; i < left_.size() && i < 64; i += 8) __builtin_prefetch(&left_[i], 1);
  for (size_t w = 0; w < readers_.size(); w += 4) __builtin_prefetch(&readers_[w], 1);
  __builtin_prefetch(tails_.data(), 1);
  for (const auto& q : extremes_) __builtin_prefetch(&q, 1);
  for (const auto& q : firsts_) __builtin_prefetch(&q, 1);
}

bool Forward::advance(const Entity& e, int64_t t, int64_t limit) {
  if (t < time_ || limit < limit_) return false;
  const bool is_new = time_ == INT64_MIN;
  if (e.rows != nullptr && !is_new) {
    for (size_t i = e.rows->folded(); i < e.rows->size() && row_time(e.rows->row(i)) < limit; ++i) {
      add_pending(e.rows->row(i));
    }
  }
  move_sliding(t);
  move_exact(e.rows, t, is_new);
  time_ = t, limit_ = limit;
  trim();
  return true;
}

void Forward::totals(size_t w, uint64_t* words) const {
  const std::vector<Slot>& sums = plan_.sums.slots;
  if (w >= plan_.sliding) {
    copy_sums(sums, words, all_.words(), sums, left(w - plan_.sliding), tails_[w]);
  } else if (const size_t at = readers_[w].at; at < marks_.size()) {
    copy_sums(sums, words, all_.words(), plan_.sums.packed.slots, marks_.sums(at), tails_[w]);
  } else {
    copy_sums(sums, words, all_.words(), sums, all_.words(), tails_[w]);
  }
  for (size_t i = 0; i < extremes_.size(); ++i) {
    const auto& q = extremes_[i];
    const int64_t none = plan_.extremes[i].kind == SlotKind::kMin ? INT64_MAX : INT64_MIN;
    words[plan_.extremes[i].at] = static_cast<uint64_t>(q.cursors[w] < q.end() ? q.at(q.cursors[w]).value : none);
  }
  for (size_t i = 0; i < firsts_.size(); ++i) {
    const auto& q = firsts_[i];
    uint64_t* to = words + plan_.firsts[i].at;
    to[1] = static_cast<uint64_t>(-1);
    if (q.cursors[w] < q.end()) std::copy_n(q.at(q.cursors[w]).words, 4, to);
  }
  for (const Slot& slot : plan_.lasts) copy_last(slot, words, all_.words(), tails_[w]);
  for (size_t i = 0; i < distincts_.size(); ++i) {
    const Distinct& d = distincts_[i];
    const bool over = d.has_forgot && d.forgot >= tails_[w];
    words[plan_.distincts[i].at] = distinct_count_word(over ? INT64_MAX / 2 : d.counts[w]);
  }
}

size_t Forward::bytes() const {
  size_t bytes = sizeof *this + (left_.capacity() + layout_.words) * sizeof(uint64_t) + marks_.bytes() +
                 plan_.windows.size() * (sizeof(SumMarks::Reader) + sizeof(int64_t));
  for (const auto& q : extremes_) bytes += q.entries.capacity() * sizeof(Extreme);
  for (const auto& q : firsts_) bytes += q.entries.capacity() * sizeof(First);
  for (const Distinct& d : distincts_) bytes += d.log.entries.capacity() * sizeof(Seen) + d.latest.size() * 48;
  return bytes;
}

}  // namespace ms::feature
