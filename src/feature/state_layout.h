// The pure compilation of a view's features: which accumulators a tile holds, how wide tiles are, where windows end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "feature/feature_spec.h"

namespace ms::feature {

// One accumulator at a fixed place in every tile (and in every running total).
enum class SlotKind : uint8_t {
  kRows,          // rows that pass the filter, the largest event time among them
  kCount,         // rows whose argument (and `by`, if there is one) is not null
  kTrue,          // true arguments
  kSumInt,        // 128 bits
  kSquaresInt,    // 192 bits
  kSumFloat,      // ExactSum
  kSquaresFloat,  // ExactSum
  kMoment,        // ExactSum of argument^power * by^by_power
  kMin, kMax,     // a value of one word, as an ordered integer
  kFirst, kLast,  // event time, partition (-1: none), offset, value
  kArgMin, kArgMax,  // the same with the value of `by` behind the value
  kDistinct,      // DistinctSet*, null when empty
  kHistogram,     // a count for each bin
  kDecayCount,    // ExactSum of weights
  kDecaySum,      // ExactSum of argument * weight
  kBox,           // Box*, null when empty (box.h)
};

// Accumulators that need memory of their own in forms that most views do not have.
enum class BoxKind : uint8_t { kNone, kFirstN, kLastN, kHyperLogLog, kBuckets, kTopK, kCountBy, kSumBy, kVectorSum, kVectorMin, kVectorMax, kRows, kSessions };

struct SlotSet;

// What only some slots have.
struct SlotExtra {
  BoxKind box = BoxKind::kNone;
  uint8_t power = 1, by_power = 0;           // kMoment
  int64_t half_life_us = 0, width_us = 0;    // kDecay*
  int64_t n = 0;                             // kFirstN, kLastN; rows of kRows; precision of kHyperLogLog; bits of kBuckets
  bool distinct = false;                     // kFirstN, kLastN
  std::vector<double> bounds;                // kHistogram
  std::vector<int128> edges;                 // the same in whole numbers of the argument, unless it is float64
  int64_t gap_us = 0, max_us = 0;            // kSessions
  std::shared_ptr<const SlotSet> inner;      // kSessions: what a run adds up
};

struct Slot {
  SlotKind kind = SlotKind::kRows;
  int filter = -1;
  int argument = -1, by = -1;
  Type type, by_type;   // of the arguments
  uint32_t at = 0;      // first word
  int64_t cap = 0;      // distinct keys: the largest cap that any feature asks for
  uint64_t windows = 0; // bit min(i, 63): window i needs it
  std::shared_ptr<const SlotExtra> extra;  // null: none of it
};

// Accumulators side by side in a run of words: those of a tile, or those of what a window makes of its rows in a second step.
struct SlotSet {
  std::vector<Slot> slots;
  size_t words = 0;
  bool has_boxes = false;  // accumulators with memory of their own
};
// The computation of a slot in bytes.
std::string description(const Slot& slot);

// A packed row: event time, offset, partition, bit words (filters, then validity of arguments), argument words (two for
// is_bytes() kinds: address, size). floats are bits (every NaN the same), bools 0 or 1, decimals two words (low, high).
constexpr uint32_t argument_words(TypeKind kind) { return is_bytes(kind) || kind == TypeKind::kDecimal ? 2 : 1; }
struct RowLayout {
  size_t filters = 0;
  size_t stride = 0;
  size_t bit_words = 1;
  struct Argument {
    Type type;
    bool used = false;
    uint32_t at = 0;
  };
  std::vector<Argument> arguments;

  static bool bit(const uint64_t* row, size_t i) { return row[3 + i / 64] >> (i % 64) & 1; }
  bool passes(const uint64_t* row, int filter) const { return filter < 0 || bit(row, static_cast<size_t>(filter)); }
  bool valid(const uint64_t* row, int argument) const { return bit(row, filters + static_cast<size_t>(argument)); }
  const uint64_t* value(const uint64_t* row, int argument) const { return row + arguments[static_cast<size_t>(argument)].at; }
};
inline int64_t row_time(const uint64_t* row) { return static_cast<int64_t>(row[0]); }
// Canonical order within a source.
inline bool row_before(const uint64_t* a, const uint64_t* b) {
  if (a[0] != b[0]) return static_cast<int64_t>(a[0]) < static_cast<int64_t>(b[0]);
  if (a[2] != b[2]) return static_cast<int64_t>(a[2]) < static_cast<int64_t>(b[2]);
  return static_cast<int64_t>(a[1]) < static_cast<int64_t>(b[1]);
}

struct FeaturePlan {
  FeatureSpec spec;
  size_t window = 0;       // index into StateLayout::windows
  int step = -1;           // index into StateLayout::steps: the words below are those of its slots; -1: those of the layout
  uint32_t rows = 0;       // word of the kRows slot
  uint32_t count = 0;      // word of kCount, kTrue
  uint32_t value = 0;      // word of the sum, min, max, first, last, distinct, box
  bool is_box = false;     // `value` is a kBox
  uint32_t moments[4] = {};  // words of further sums, in the order that finalize.cc says
};

inline constexpr int64_t kForever = INT64_MIN;  // a tail of -infinity, in any unit
int64_t floor_div(int64_t a, int64_t b);        // b > 0
int64_t floor_to(int64_t a, int64_t b);         // the multiple of b at or below a; saturates
int64_t saturating_sub(int64_t a, int64_t b);   // b >= 0

struct WindowPlan {
  Window window;
  // Half-open [tail, head) in microseconds; tail kForever: no end. `after_event` moves head = t to t + 1. The rows of a session or of the
  // last n lie in it, and more.
  int64_t tail(int64_t t) const;
  int64_t head(int64_t t, bool after_event) const;
  // Tail and head are multiples of it; 0: of nothing.
  int64_t step() const;
  bool ends_at_now() const { return window.kind != WindowKind::kTumbling && window.kind != WindowKind::kHopping && window.kind != WindowKind::kSeries; }
  bool is_exact() const { return window.kind == WindowKind::kSlidingExact; }
  bool is_forever() const { return tail(0) == kForever; }
  auto operator<=>(const WindowPlan&) const = default;
};

// A window whose answers need a second step: from what its tiles hold to the rows or the run or the weights it means.
struct WindowStep {
  size_t window = 0;
  int filter = -1;                         // kSession, kLast: a step for each filter
  uint32_t at = 0;                         // kSession, kLast: word of the box in the layout
  std::vector<uint32_t> from;              // kDecay: for each slot of the step the word of its like in the layout
  std::shared_ptr<const SlotSet> slots;    // what the step fills and finalize() reads
};

struct StateLayout : SlotSet {
  std::vector<FeaturePlan> features;
  std::vector<WindowPlan> windows;
  std::vector<WindowStep> steps;
  RowLayout row;
  std::vector<int64_t> widths_us;   // the tile ladder, fine to coarse, each a divisor of the next; empty: lifetime only
  bool has_lifetime = false;        // some window goes back for ever
  bool has_exact = false;
  bool retracts = false;            // the source takes events back: every row in reach is kept

  // `retracts`: no window goes back for ever (a CHECK).
  static StateLayout compile(std::vector<FeatureSpec> specs, bool retracts = false);

  // Whether rows that are in the tiles too stay: for the edges of exact windows, or to make a tile without one of them.
  bool keeps_rows() const { return has_exact || retracts; }

  int64_t unit() const { return widths_us.front(); }
  // Rows with et below it can be reached by no window but those that go back for ever, at any t' >= t; a multiple of the coarsest width.
  int64_t horizon(int64_t t) const;
  // Raw rows below it lie in no exact window's edge at any t' >= t, and, where events are taken back, in no tile that is kept.
  int64_t raw_horizon(int64_t t) const;
  int64_t longest_tail(int64_t t) const;
  // Per level of the ladder: a tile that ends by then is cut by no window at any t' >= t.
  std::vector<int64_t> level_limits(int64_t t) const;
  // The computation in bytes: a checkpoint of another layout is refused.
  std::string description() const;
};
inline uint64_t window_bit(size_t window) { return uint64_t{1} << std::min<size_t>(window, 63); }

}  // namespace ms::feature
