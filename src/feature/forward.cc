#include "feature/forward.h"

#include <algorithm>
#include <bit>

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

ForwardPlan::ForwardPlan(const StateLayout& layout) : other_windows(layout.windows.size()) {
  uint64_t others_at = 0;
  for (const Slot& slot : layout.slots) others_at |= moves(slot) ? 0 : slot.windows;
  for (size_t w = 0; w < layout.windows.size(); ++w) {
    const WindowPlan& window = layout.windows[w];
    const bool range = window.window.kind == WindowKind::kTumbling || window.window.kind == WindowKind::kHopping;
    const bool other = window.window.kind == WindowKind::kSeries || (!range && (others_at & window_bit(w)) != 0);
    other_windows[w] = other;
    (other ? others : range ? closed : windows).push_back(w);
    (other ? other_bits : window_bits) |= window_bit(w);
  }
  supported = layout.windows.size() <= 64 && !windows.empty();
  for (const Slot& slot : layout.slots) {
    if ((slot.windows & window_bits) == 0 || !moves(slot)) continue;
    switch (slot.kind) {
      case SlotKind::kMin:
      case SlotKind::kMax: extremes.push_back(slot); break;
      case SlotKind::kFirst: firsts.push_back(slot); break;
      case SlotKind::kLast: lasts.push_back(slot); break;
      case SlotKind::kDistinct: distincts.push_back(slot); break;
      default: sums.push_back(slot);
    }
  }
}

Forward::Forward(const StateLayout& layout, const ForwardPlan& plan)
    : layout_(layout), plan_(plan), all_(layout), evicted_(plan.windows.size() * layout.words), tails_(plan.windows.size()),
      extremes_(plan.extremes.size()), firsts_(plan.firsts.size()), distincts_(plan.distincts.size()) {
  const size_t windows = plan.windows.size();
  for (size_t w = 0; w < windows; ++w) init_words(layout, evicted(w));
  for (auto& q : extremes_) q.cursors.resize(windows);
  for (auto& q : firsts_) q.cursors.resize(windows);
  for (auto& d : distincts_) d.log.cursors.resize(windows), d.counts.resize(windows);
}

Forward::~Forward() {
  for (size_t w = 0; w < plan_.windows.size(); ++w) destroy_words(layout_, evicted(w));
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

void Forward::add(const uint64_t* row) {
  add_row(layout_.row, plan_.sums, all_.words(), row);
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
    merge_words(plan_.sums, all_.words(), words);
    merge_words(plan_.lasts, all_.words(), words);
    const int64_t start = tiles.start(e, i);
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

void Forward::set_window(size_t w, const uint64_t* totals) {
  destroy_words(layout_, evicted(w));
  init_words(layout_, evicted(w));
  merge_words(plan_.sums, evicted(w), all_.words());
  subtract_words(plan_.sums, evicted(w), totals);
}

void Forward::evict_rows(size_t w, int64_t tail, const RowRun& rows) {
  uint64_t number = std::max(tails_[w].first_row, rows.dropped());
  for (; number < rows.dropped() + rows.size(); ++number) {
    const uint64_t* row = rows.row(static_cast<size_t>(number - rows.dropped()));
    if (row_time(row) >= tail) break;
    add_row(layout_.row, plan_.sums, evicted(w), row);
  }
  tails_[w].first_row = number;
}

// The tile that takes such a row later lies below the tail then.
void Forward::evict_pending(size_t w, int64_t tail, const RowRun& rows) {
  for (size_t i = rows.folded(); i < rows.size() && row_time(rows.row(i)) < tail; ++i) {
    if (row_time(rows.row(i)) >= tails_[w].time) add_row(layout_.row, plan_.sums, evicted(w), rows.row(i));
  }
}

void Forward::evict(size_t w, int64_t tail, const Entity& e, const TileStore& tiles) {
  if (layout_.windows[plan_.windows[w]].is_exact()) {
    if (e.rows != nullptr) evict_rows(w, tail, *e.rows);
    return;
  }
  const int64_t least = TileHeader::least_from(layout_, tail);
  size_t i = tiles.first_from(e, tails_[w].least, tails_[w].first_tile);
  for (; i < e.tile_count && tiles.header(e, i) < least; ++i) merge_words(plan_.sums, evicted(w), tiles.tile(e, i) + 1);
  tails_[w].first_tile = i, tails_[w].least = least;
  if (e.rows != nullptr) evict_pending(w, tail, *e.rows);
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
  if (!layout_.has_exact || e.rows == nullptr) return;
  for (const Tail& tail : tails_) {
    const uint64_t number = tail.first_row;
    if (number - e.rows->dropped() < e.rows->size()) __builtin_prefetch(e.rows->row(static_cast<size_t>(number - e.rows->dropped())));
  }
}

void Forward::prefetch_totals() const {
  __builtin_prefetch(all_.words(), 1);
  for (size_t at = 0; at < std::min<size_t>(evicted_.size(), 64); at += 8) __builtin_prefetch(evicted_.data() + at, 1);
  __builtin_prefetch(tails_.data(), 1);
  for (const auto& q : extremes_) __builtin_prefetch(&q, 1);
  for (const auto& q : firsts_) __builtin_prefetch(&q, 1);
}

bool Forward::advance(const Entity& e, const TileStore& tiles, int64_t t, int64_t limit) {
  if (t < time_ || limit < limit_) return false;
  const bool is_new = time_ == INT64_MIN;
  if (e.rows != nullptr && !is_new) {
    for (size_t i = e.rows->folded(); i < e.rows->size() && row_time(e.rows->row(i)) < limit; ++i) {
      add_pending(e.rows->row(i));
    }
  }
  first_row_ = UINT64_MAX;
  for (size_t w = 0; w < tails_.size(); ++w) {
    if (t < tails_[w].until) continue;
    const WindowPlan& window = layout_.windows[plan_.windows[w]];
    const int64_t tail = window.tail(t);
    if (is_new) {
      tails_[w].least = TileHeader::least_from(layout_, tail);
      if (window.is_exact() && e.rows != nullptr) tails_[w].first_row = e.rows->dropped() + e.rows->lower_bound(tail);
      move_cursors(w, tail);
    } else if (tail != tails_[w].time) {
      evict(w, tail, e, tiles);
      move_cursors(w, tail);
    }
    if (window.is_exact()) first_row_ = std::min(first_row_, tails_[w].first_row);
    tails_[w].time = tail;
    if (!window.is_exact()) tails_[w].until = window.tail_holds_until(t);
    newest_tail_ = std::max(newest_tail_, tail);
  }
  time_ = t, limit_ = limit;
  trim();
  return true;
}

void Forward::totals(size_t w, uint64_t* words) const {
  copy_sums(plan_.sums, words, all_.words(), evicted(w), tails_[w].time);
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
  for (const Slot& slot : plan_.lasts) copy_last(slot, words, all_.words(), tails_[w].time);
  for (size_t i = 0; i < distincts_.size(); ++i) {
    const Distinct& d = distincts_[i];
    const bool over = d.has_forgot && d.forgot >= tails_[w].time;
    words[plan_.distincts[i].at] = distinct_count_word(over ? INT64_MAX / 2 : d.counts[w]);
  }
}

size_t Forward::bytes() const {
  size_t bytes = sizeof *this + (evicted_.capacity() + layout_.words) * sizeof(uint64_t);
  for (const auto& q : extremes_) bytes += q.entries.capacity() * sizeof(Extreme);
  for (const auto& q : firsts_) bytes += q.entries.capacity() * sizeof(First);
  for (const Distinct& d : distincts_) bytes += d.log.entries.capacity() * sizeof(Seen) + d.latest.size() * 48;
  return bytes;
}

}  // namespace ms::feature
