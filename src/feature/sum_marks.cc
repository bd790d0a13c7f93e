#include "feature/sum_marks.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"
#include "feature/totals.h"

namespace ms::feature {
namespace {

bool is_exact_sum(SlotKind kind) { return kind == SlotKind::kSumFloat || kind == SlotKind::kSquaresFloat || kind == SlotKind::kMoment; }

}  // namespace

void SumPlan::add(const Slot& slot, size_t words) {
  slots.push_back(slot);
  packed.slots.push_back(slot);
  packed.slots.back().at = static_cast<uint32_t>(packed.words);
  packed.words += words;
  packed.has_boxes |= is_exact_sum(slot.kind);
  for (uint32_t i = 0; i < words; ++i) sources.push_back(slot.at + i);
}

void SumMarks::add(int64_t time, const uint64_t* all) {
  CHECK(size_ == 0 || this->time(size_ - 1) <= time);
  if (size_ > 0 && this->time(size_ - 1) == time) return;
  words_.resize(words_.size() + stride_);
  uint64_t* to = words_.data() + size_++ * stride_;
  *to++ = static_cast<uint64_t>(time);
  for (size_t i = 0; i < plan_.sources.size(); ++i) to[i] = all[plan_.sources[i]];
  if (!plan_.packed.has_boxes) return;
  for (size_t i = 0; i < plan_.slots.size(); ++i) {
    if (is_exact_sum(plan_.slots[i].kind)) new (to + plan_.packed.slots[i].at) ExactSum(exact_at(all + plan_.slots[i].at));
  }
}

void SumMarks::drop_unread(std::span<Reader> readers) {
  // By step: from which mark on somebody still reads.
  std::vector<Reader> first;
  uint32_t least = static_cast<uint32_t>(size_);
  for (const Reader& r : readers) {
    least = std::min(least, r.at);
    const auto same = std::ranges::find(first, r.step, &Reader::step);
    if (same == first.end()) first.push_back(r);
    else same->at = std::min(same->at, r.at);
  }
  const auto is_read = [&](uint32_t i) {
    if (i == least || i + 1 == size_) return true;
    return std::ranges::any_of(first, [&](const Reader& r) { return i >= r.at && floor_div(time(i), r.step) != floor_div(time(i - 1), r.step); });
  };
  std::vector<uint32_t> kept_before(size_ + 1);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < size_; ++i) {
    kept_before[i] = kept;
    uint64_t* mark = words_.data() + i * stride_;
    if (i < least || !is_read(i)) destroy_words(plan_.packed, mark + 1);
    else std::memmove(words_.data() + kept++ * stride_, mark, stride_ * sizeof(uint64_t));
  }
  kept_before[size_] = kept;
  for (Reader& r : readers) r.at = kept_before[r.at];
  words_.resize(kept * stride_);
  size_ = kept;
  next_thin_ = std::max(kThinLeast, 2 * size_);
}

void SumMarks::clear() {
  for (size_t i = 0; i < size_; ++i) destroy_words(plan_.packed, words_.data() + i * stride_ + 1);
}

}  // namespace ms::feature
