// Running totals of one entity for questions with non-decreasing t: rows enter at the head, leave at each window's tail.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "feature/row_run.h"
#include "feature/sum_marks.h"
#include "feature/tiles.h"
#include "feature/totals.h"

namespace ms::feature {

// floor((t - shift) / hop) * hop: the tails of all sliding windows with that hop, and that rest of their lengths, lie so far before it.
struct HopClock {
  int64_t hop_us = 1, shift_us = 0;
  int64_t floor(int64_t t) const { return floor_to(saturating_sub(t, shift_us), hop_us); }
  // floor(t') is floor(t) for all t' from t to before it; at least t + 1. t < INT64_MAX.
  int64_t holds_until(int64_t t) const;
};

// The slots of a layout by how they move: sums are marked, extremes and firsts queue, the last one stays.
struct ForwardPlan {
  explicit ForwardPlan(const StateLayout& layout);
  bool is_other(size_t window) const { return (other_windows[window]); }
  SumPlan sums;
  std::vector<Slot> extremes, firsts, lasts, distincts;
  struct MovingWindow {
    size_t window = 0;        // in the layout
    size_t clock = 0;         // sliding: the tail lies `behind_us` before it
    int64_t behind_us = 0;
  };
  std::vector<HopClock> clocks;
  std::vector<MovingWindow> windows;  // that end at t: sliding ones, short to long; then exact ones, then lifetime. "Window w" is a place in this list
  size_t sliding = 0, exact = 0;      // how many of them
  std::vector<size_t> closed;         // that ended before t: added up anew for each question
  std::vector<size_t> others;         // with a slot that does not move, or a second step: as evaluate() answers
  std::vector<bool> other_windows;
  uint64_t window_bits = 0, exact_bits = 0, other_bits = 0;
  bool supported = true;  // false: nothing moves, or there are too many windows for that; evaluate() answers all
};

// A window's sums are what entered less what left, both exact, so the bits are those of evaluate(). After build() only rows are looked at,
// never tiles: these may be rolled up at any time.
class Forward {
 public:
  Forward(const StateLayout& layout, const ForwardPlan& plan);
  ~Forward();
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;

  // Starts from the tiles and raw rows of `e`; then set_exact() for each exact window, then advance().
  void build(const Entity& e, const TileStore& tiles, int64_t limit, int64_t raw_horizon);
  void set_exact(size_t window_of_layout, const uint64_t* totals);

  // Whether `row` comes after everything that entered and lies in every window yet; others need a new build.
  bool is_ahead(const uint64_t* row) const;
  void add(const uint64_t* row);
  // A pending row that may have entered already, when a question passed it.
  void add_pending(const uint64_t* row);
  // Starts loading the rows that advance() looks at: they lie far apart.
  void prefetch(const Entity& e) const;
  // The same for the object itself, then for its sums and queues.
  static void prefetch_object(const Forward* forward) {
    for (size_t at = 0; at < sizeof(Forward); at += 64) __builtin_prefetch(reinterpret_cast<const char*>(forward) + at, 1);
  }
  void prefetch_totals() const;
  // Adds the pending rows of `e` below `limit` and moves the tails to t. False: t or the limit lies before the last ones, build anew.
  bool advance(const Entity& e, int64_t t, int64_t limit);
  int64_t time() const { return time_; }    // of the last advance
  int64_t limit() const { return limit_; }  // rows with et below it may be in the totals

  // The totals of window w as finalize() reads them; `words` are initialised words.
  void totals(size_t w, uint64_t* words) const;
  // No row lies between the tails of window w and of the one before it: their totals are the same.
  bool is_like_last(size_t w) const { return w > 0 && w < plan_.sliding && readers_[w].at == readers_[w - 1].at; }

  bool is_crowded() const { return marks_.is_crowded(); }  // an advance() would free memory
  uint64_t first_row_needed() const { return first_row_; }  // number of a raw row (RowRun::dropped)
  size_t bytes() const;

 private:
  struct Extreme {
    int64_t time, value;
  };
  struct First {
    int64_t time;
    uint64_t words[4];
  };
  struct Seen {
    int64_t time;
    DistinctCode code;
  };
  struct CodeHash {
    size_t operator()(const DistinctCode& c) const { return ((c.low ^ (c.high * 0x9E3779B97F4A7C15ull)) * 0xD6E8FEB86659FD93ull) >> 3; }
  };
  // Entries keep their numbers when the front is cut off; a window holds those from its cursor on.
  template <class T>
  struct Queue {
    std::vector<T> entries;
    uint64_t dropped = 0;  // the number of entries[0]
    std::vector<uint64_t> cursors;
    uint64_t end() const { return dropped + entries.size(); }
    const T& at(uint64_t number) const { return entries[number - dropped]; }
    void trim();
  };
  struct Distinct {
    Queue<Seen> log;
    std::unordered_map<DistinctCode, uint64_t, CodeHash> latest;  // code -> number of its newest entry
    std::vector<int64_t> counts;
    bool has_forgot = false;
    int64_t forgot = INT64_MIN;  // start of the newest tile that only knows it is over the cap
  };

  struct Clock {
    int64_t floor = INT64_MIN, until = INT64_MIN;
  };

  // Sums that left exact window number i of them; the lifetime windows behind these: none.
  uint64_t* left(size_t i) { return left_.data() + i * layout_.words; }
  const uint64_t* left(size_t i) const { return left_.data() + i * layout_.words; }
  void mark(int64_t time);
  void push_tile(const uint64_t* words, int64_t start);
  void push_row(const uint64_t* row);
  void push_extreme(size_t i, int64_t time, int64_t value);
  void push_distinct(size_t i, int64_t time, DistinctCode code);
  void move_sliding(int64_t t);
  void move_exact(const RowRun* rows, int64_t t, bool is_new);
  void move_cursors(size_t w, int64_t tail);
  void trim();

  const StateLayout& layout_;
  const ForwardPlan& plan_;
  uint64_t head_[3] = {0, 0, 0};  // event time, offset, partition of the last row
  bool has_head_ = false;
  int64_t time_ = INT64_MIN, limit_ = INT64_MIN;
  uint64_t first_row_ = 0;
  Totals all_;  // sums and lasts of everything that entered
  SumMarks marks_;
  std::vector<SumMarks::Reader> readers_;  // by sliding window
  std::vector<Clock> clocks_;
  std::vector<int64_t> tails_;             // by window
  std::vector<uint64_t> first_rows_;       // by exact window: number of the first raw row inside
  std::vector<uint64_t> left_;
  int64_t newest_tail_ = INT64_MIN;
  std::vector<Queue<Extreme>> extremes_;
  std::vector<Queue<First>> firsts_;
  std::vector<Distinct> distincts_;
};

}  // namespace ms::feature
