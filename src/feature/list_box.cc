#include "feature/list_box.h"

#include <algorithm>

#include "feature/totals.h"

namespace ms::feature {

// The n latest distinct values of a union are among the n latest of each part (and so for the earliest): cutting commutes with merging.
void ListBox::add(const Slot& slot, Entry entry) {
  const bool latest = slot.extra->box == BoxKind::kLastN;
  const auto n = static_cast<size_t>(slot.extra->n);
  if (slot.extra->distinct) {
    const auto same = std::ranges::find_if(entries_, [&](const Entry& e) { return e.code == entry.code; });
    if (same != entries_.end()) {
      if (same->before(entry) != latest) return;
      entries_.erase(same);
    }
  }
  if (entries_.size() == n && (latest ? entry.before(entries_.front()) : entries_.back().before(entry))) return;
  const auto place = std::ranges::lower_bound(entries_, entry, [](const Entry& a, const Entry& b) { return a.before(b); });
  entries_.insert(place, std::move(entry));
  if (entries_.size() > n) entries_.erase(latest ? entries_.begin() : entries_.end() - 1);
}

void ListBox::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  const uint64_t* value = layout.value(row, slot.argument);
  Entry entry{.event_time = row_time(row), .offset = static_cast<int64_t>(row[1]), .partition = static_cast<int32_t>(row[2]), .value = OwnedValue(slot.type, value)};
  if (slot.extra->distinct) entry.code = distinct_code_at(slot.type, value);
  add(slot, std::move(entry));
}

void ListBox::merge(const Slot& slot, const Box& other) {
  for (const Entry& entry : static_cast<const ListBox&>(other).entries_) add(slot, entry);
}

void ListBox::save(const Slot& slot, ByteWriter& out) const {
  out.varint(entries_.size());
  for (const Entry& e : entries_) {
    out.i64(e.event_time), out.varint(static_cast<uint64_t>(e.partition)), out.i64(e.offset);
    uint64_t words[2];
    e.value.to_words(slot.type, words);
    save_value(slot.type, words, out);
  }
}

bool ListBox::load(const Slot& slot, const RowLayout&, ByteReader& in) {
  const uint64_t count = in.varint();
  if (count == 0 || count > static_cast<uint64_t>(slot.extra->n)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    Entry e{.event_time = in.i64()};
    const uint64_t partition = in.varint();
    e.partition = static_cast<int32_t>(partition), e.offset = in.i64();
    uint64_t words[2] = {0, 0};
    if (partition > INT32_MAX || !load_value(slot.type, words, in)) return false;
    e.value = OwnedValue(slot.type, words);
    if (slot.extra->distinct) e.code = distinct_code_at(slot.type, words);
    if (i > 0 && !entries_.back().before(e)) return false;
    entries_.push_back(std::move(e));
  }
  return in.ok();
}

size_t ListBox::bytes() const {
  size_t bytes = sizeof *this + entries_.capacity() * sizeof(Entry);
  for (const Entry& e : entries_) bytes += e.value.text.capacity() > 15 ? e.value.text.capacity() : 0;
  return bytes;
}

}  // namespace ms::feature
