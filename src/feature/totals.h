// What a tile holds and what a window adds up to: the accumulators of a layout in one run of words.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "feature/distinct_set.h"
#include "feature/exact_sum.h"
#include "feature/state_layout.h"
#include "feature/value.h"
#include "feature/value_words.h"

namespace ms::feature {

// Free functions over the `words` of a set. Words may be moved with memcpy; an initialised run is destroyed exactly once.
// Everything commutes: any order of add_row and merge gives the same words up to where boxes lie.
void init_words(const SlotSet& set, uint64_t* words);
void destroy_words(const SlotSet& set, uint64_t* words);
void add_row(const RowLayout& layout, std::span<const Slot> slots, uint64_t* words, const uint64_t* row);
inline void add_row(const StateLayout& layout, uint64_t* words, const uint64_t* row) { add_row(layout.row, layout.slots, words, row); }
// Adds `count` runs that lie `stride` words apart; of the slots that some of these windows need (Slot::windows), the others stay.
inline constexpr uint64_t kAllWindows = ~uint64_t{0};
void merge_words(const SlotSet& set, uint64_t* to, const uint64_t* from, size_t stride, size_t count, uint64_t windows = kAllWindows);
// The same for some slots only.
void merge_words(std::span<const Slot> slots, uint64_t* to, const uint64_t* from);
// Sums only (is_sum): takes away what was added before.
bool is_sum(SlotKind kind);
void subtract_words(std::span<const Slot> sums, uint64_t* from, const uint64_t* what);
// to = all - left; the event time is that of `all` when it lies at or above `tail`. Slot i has its words in `left` at left_slots[i].at.
void copy_sums(std::span<const Slot> sums, uint64_t* to, const uint64_t* all, std::span<const Slot> left_slots, const uint64_t* left, int64_t tail);
void copy_last(const Slot& slot, uint64_t* to, const uint64_t* all, int64_t tail);
DistinctCode distinct_code_at(const Type& type, const uint64_t* value);
// A kDistinct word for finalize() that holds a count instead of a set.
inline uint64_t distinct_count_word(int64_t count) { return static_cast<uint64_t>(count) * 2 + 1; }
size_t box_bytes(const SlotSet& set, const uint64_t* words);

// The bytes depend on what was added alone, not on its order.
void save_words(const SlotSet& set, const uint64_t* words, ByteWriter& out);
// `words` must be initialised; they stay valid whatever the bytes are. False: not what save_words writes.
bool load_words(const RowLayout& layout, const SlotSet& set, uint64_t* words, ByteReader& in);

inline ExactSum& exact_at(uint64_t* words) { return *std::launder(reinterpret_cast<ExactSum*>(words)); }
inline const ExactSum& exact_at(const uint64_t* words) { return *std::launder(reinterpret_cast<const ExactSum*>(words)); }

// Totals that own their words.
class Totals {
 public:
  // `room` is used when the words fit into it, instead of memory of their own; it outlives the totals.
  explicit Totals(const SlotSet& set, std::span<uint64_t> room = {}) : set_(&set), owned_(set.words <= room.size() ? 0 : set.words) {
    words_ = owned_.empty() ? room.data() : owned_.data();
    init_words(set, words_);
  }
  ~Totals() { destroy_words(*set_, words_); }
  Totals(const Totals&) = delete;
  Totals& operator=(const Totals&) = delete;
  uint64_t* words() { return words_; }
  const uint64_t* words() const { return words_; }
  void reset() { destroy_words(*set_, words_), init_words(*set_, words_); }
  void assign(const uint64_t* from, uint64_t windows = kAllWindows) { reset(), merge_words(*set_, words_, from, 0, 1, windows); }

 private:
  const SlotSet* set_;
  std::vector<uint64_t> owned_;
  uint64_t* words_;
};
// The same for many of them in one run of words.
class TotalsRun {
 public:
  TotalsRun(const StateLayout& layout, size_t count) : layout_(layout), words_(layout.words * count) {
    for (size_t at = 0; at < words_.size(); at += layout_.words) init_words(layout_, &words_[at]);
  }
  ~TotalsRun() {
    for (size_t at = 0; at < words_.size(); at += layout_.words) destroy_words(layout_, &words_[at]);
  }
  TotalsRun(const TotalsRun&) = delete;
  TotalsRun& operator=(const TotalsRun&) = delete;
  uint64_t* at(size_t i) { return words_.data() + i * layout_.words; }
  void reset(size_t i) { destroy_words(layout_, at(i)), init_words(layout_, at(i)); }
  size_t bytes() const { return words_.size() * sizeof(uint64_t); }

 private:
  const StateLayout& layout_;
  std::vector<uint64_t> words_;
};
using TotalsRoom = std::array<uint64_t, 64>;  // of most layouts, on the stack

}  // namespace ms::feature
