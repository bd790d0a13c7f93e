#include "feature/session_box.h"

#include <algorithm>

#include "feature/totals.h"

namespace ms::feature {
namespace {

// b - a > gap for a <= b, without overflow
bool apart(int64_t a, int64_t b, int64_t gap) { return static_cast<int128>(b) - a > gap; }

}  // namespace

void SessionBox::drop(const Run& run) {
  destroy_words(*inner_, run.words);
  delete[] run.words;
}

SessionBox::~SessionBox() {
  for (const Run& run : runs_) drop(run);
}

SessionBox::Run& SessionBox::run_for(const SlotExtra& extra, int64_t first, int64_t last) {
  inner_ = extra.inner;
  // the first run that does not end more than a gap before
  auto at = std::ranges::partition_point(runs_, [&](const Run& r) { return r.last < first && apart(r.last, first, extra.gap_us); });
  if (at == runs_.end() || (at->first > last && apart(last, at->first, extra.gap_us))) {
    Run run{first, last, new uint64_t[inner_->words]};
    init_words(*inner_, run.words);
    return *runs_.insert(at, run);
  }
  at->first = std::min(at->first, first), at->last = std::max(at->last, last);
  auto next = at + 1;
  for (; next != runs_.end() && !(next->first > at->last && apart(at->last, next->first, extra.gap_us)); ++next) {
    merge_words(*inner_, at->words, next->words, 0, 1);
    at->last = std::max(at->last, next->last);
    drop(*next);
  }
  const auto place = at - runs_.begin();
  runs_.erase(at + 1, next);
  return runs_[static_cast<size_t>(place)];
}

void SessionBox::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  const Run& run = run_for(*slot.extra, row_time(row), row_time(row));
  feature::add_row(layout, inner_->slots, run.words, row);
}

void SessionBox::merge(const Slot& slot, const Box& other) {
  for (const Run& from : static_cast<const SessionBox&>(other).runs_) {
    const Run& to = run_for(*slot.extra, from.first, from.last);
    merge_words(*inner_, to.words, from.words, 0, 1);
  }
}

void SessionBox::save(const Slot&, ByteWriter& out) const {
  out.varint(runs_.size());
  for (const Run& run : runs_) {
    out.i64(run.first), out.i64(run.last);
    save_words(*inner_, run.words, out);
  }
}

bool SessionBox::load(const Slot& slot, const RowLayout& layout, ByteReader& in) {
  const uint64_t count = in.varint();
  if (count == 0 || count > in.remaining()) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t first = in.i64(), last = in.i64();
    if (!in.ok() || last < first || (i > 0 && (first <= runs_.back().last || !apart(runs_.back().last, first, slot.extra->gap_us)))) return false;
    if (!load_words(layout, *slot.extra->inner, run_for(*slot.extra, first, last).words, in)) return false;
  }
  return true;
}

size_t SessionBox::bytes() const {
  size_t bytes = sizeof *this + runs_.capacity() * sizeof(Run);
  for (const Run& run : runs_) bytes += inner_->words * sizeof(uint64_t) + box_bytes(*inner_, run.words);
  return bytes;
}

const SessionBox::Run* session_at(std::span<const SessionBox::Run> runs, const Window& window, int64_t t) {
  const auto is_closed = [&](const SessionBox::Run& run) { return static_cast<int128>(t) - run.last > window.hop_us; };
  if (runs.empty()) return nullptr;
  if (!window.closed) return is_closed(runs.back()) ? nullptr : &runs.back();
  if (is_closed(runs.back())) return &runs.back();
  return runs.size() < 2 ? nullptr : &runs[runs.size() - 2];
}

}  // namespace ms::feature
