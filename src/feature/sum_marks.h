// Sums up to marks in time: what a window holds is all that entered less what lies before the first mark inside it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "feature/state_layout.h"

namespace ms::feature {

// The sums of a layout (is_sum), where it has them and side by side.
struct SumPlan {
  std::vector<Slot> slots;        // as the layout has them
  SlotSet packed;                 // the same side by side
  std::vector<uint32_t> sources;  // by word of `packed`: its word in the layout

  void add(const Slot& slot, size_t words);
};

class SumMarks {
 public:
  explicit SumMarks(const SumPlan& plan) : plan_(plan), stride_(1 + plan.packed.words) {}
  ~SumMarks() { clear(); }
  SumMarks(const SumMarks&) = delete;
  SumMarks& operator=(const SumMarks&) = delete;

  size_t size() const { return size_; }
  int64_t time(size_t i) const { return static_cast<int64_t>(words_[i * stride_]); }
  // In the order of SumPlan::packed.
  const uint64_t* sums(size_t i) const { return words_.data() + i * stride_ + 1; }
  // What enters from now on lies at or after `time`, which never goes back; `all` are the layout's words without it. No new mark when
  // the newest one has that time.
  void add(int64_t time, const uint64_t* all);

  // A reader stands at the first mark inside its window (or at size()), and only ever goes to the first mark at or after a multiple of
  // its `step`.
  struct Reader {
    uint32_t at = 0;
    int64_t step = 0;
  };
  // Whether there are enough marks to look for some that no reader will stand at; thin() drops those.
  bool is_crowded() const { return size_ >= next_thin_; }
  void thin(std::span<Reader> readers) {
    if (is_crowded()) drop_unread(readers);
  }
  size_t bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  static constexpr size_t kThinLeast = 64;
  void drop_unread(std::span<Reader> readers);
  void clear();

  const SumPlan& plan_;
  size_t stride_;
  std::vector<uint64_t> words_;
  size_t size_ = 0, next_thin_ = kThinLeast;
};

}  // namespace ms::feature
