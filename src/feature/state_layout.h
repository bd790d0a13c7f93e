// The pure compilation of a view's features: which accumulators a tile holds, how wide tiles are, where windows end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "feature/feature_spec.h"

namespace ms::feature {

// One accumulator at a fixed place in every tile (and in every running total).
enum class SlotKind : uint8_t {
  kRows,          // rows that pass the filter, the largest event time among them
  kCount,         // not-null arguments
  kTrue,          // true arguments
  kSumInt,        // 128 bits
  kSquaresInt,    // 192 bits
  kSumFloat,      // ExactSum
  kSquaresFloat,  // ExactSum
  kMin, kMax,     // the value as an ordered integer
  kFirst, kLast,  // event time, partition (-1: none), offset, value (two words for text)
  kDistinct,      // DistinctSet*, null when empty
};

struct Slot {
  SlotKind kind = SlotKind::kRows;
  int filter = -1;
  int argument = -1;
  Type type;  // of the argument
  int64_t cap = 0;                   // kDistinct: the largest cap that any feature asks for
  uint32_t at = 0;                   // first word
};

// A packed row: event time, offset, partition, bit words (filters, then validity of arguments), argument words (two for
// is_bytes() kinds: address, size). floats are bits (every NaN the same), bools 0 or 1, decimals
// two words (low, high).
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
  uint32_t rows = 0;       // word of the kRows slot
  uint32_t count = 0;      // word of kCount, kTrue
  uint32_t value = 0;      // word of the sum, min, max, first, last, distinct
  uint32_t squares = 0;    // stddev
};

inline constexpr int64_t kForever = INT64_MIN;  // a tail of -infinity, in any unit
int64_t floor_div(int64_t a, int64_t b);        // b > 0
int64_t saturating_sub(int64_t a, int64_t b);   // b >= 0

struct WindowPlan {
  Window window;
  // Half-open [tail, head) in microseconds; tail kForever: no end. `after_event` moves head = t to t + 1.
  int64_t tail(int64_t t) const;
  int64_t head(int64_t t, bool after_event) const;
  bool ends_at_now() const { return window.kind != WindowKind::kTumbling; }
  bool is_exact() const { return window.kind == WindowKind::kSlidingExact; }
  auto operator<=>(const WindowPlan&) const = default;
};

struct StateLayout {
  std::vector<Slot> slots;
  size_t words = 0;                 // of a tile's accumulators
  std::vector<FeaturePlan> features;
  std::vector<WindowPlan> windows;
  RowLayout row;
  std::vector<int64_t> widths_us;   // the tile ladder, fine to coarse, each a divisor of the next; empty: lifetime only
  bool has_lifetime = false, has_exact = false, has_boxes = false;  // boxes: accumulators with memory of their own

  static StateLayout compile(std::vector<FeatureSpec> specs);

  int64_t unit() const { return widths_us.front(); }
  size_t base_level() const { return widths_us.size(); }
  // Rows with et below it can be reached by no window but lifetime at any t' >= t; a multiple of the coarsest width.
  int64_t horizon(int64_t t) const;
  // Raw rows below it lie in no exact window's edge at any t' >= t.
  int64_t raw_horizon(int64_t t) const;
  int64_t longest_tail(int64_t t) const;
  // Per level of the ladder: a tile that ends by then is cut by no window at any t' >= t.
  std::vector<int64_t> level_limits(int64_t t) const;
  // The computation in bytes: a checkpoint of another layout is refused.
  std::string description() const;
};

}  // namespace ms::feature
