#include "catalog/state_estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "feature/state_layout.h"

namespace ms::catalog {
namespace {

using namespace feature;

constexpr double kMany = std::numeric_limits<double>::infinity();
constexpr double kTextBytes = 32;    // of a text, with what the allocator adds
constexpr double kNodeBytes = 128;   // of a key in a map, with its count and sum
constexpr double kEntryBytes = 104;  // of a value in a list, with its place
constexpr double kLargeSumBytes = 1'200;
constexpr double kRunsKept = 365;    // of closed sessions, which keep all: one a day for a year
constexpr double kPowersOfTwo = 64;  // that the values of a quantile spread over

double value_bytes(const Type& type) {
  switch (type.kind) {
    case TypeKind::kString: return kTextBytes;
    case TypeKind::kVector: return 16.0 + 8.0 * type.size;
    case TypeKind::kList:
    case TypeKind::kMap: return 4 * kTextBytes;
    default: return 0;
  }
}

double row_bytes(const RowLayout& row) {
  double out = 8.0 * static_cast<double>(row.stride);
  for (const RowLayout::Argument& a : row.arguments) out += a.used ? value_bytes(a.type) : 0;
  return out;
}

// A stretch of time that one tile holds.
struct Span {
  double minutes = 0;  // infinite: the tile of all that is older
  double rows = 0;     // in it
};

double heap_bytes(const SlotSet& set, const RowLayout& row, const Span& span);

double runs_of(const SlotExtra& extra, const Span& span) {
  if (!std::isfinite(span.minutes)) return kRunsKept;
  const double gap = static_cast<double>(extra.gap_us) / kMicrosPerMinute;
  if (!std::isfinite(span.rows)) return std::floor(span.minutes / gap) + 1;
  return span.rows * gap < span.minutes ? span.rows : 1;  // rows that come regularly make one run or none
}

double box_bytes(const Slot& slot, const RowLayout& row, const Span& span) {
  const SlotExtra& e = *slot.extra;
  const auto n = static_cast<double>(e.n), keys = std::min(static_cast<double>(slot.cap), span.rows);
  switch (e.box) {
    case BoxKind::kFirstN:
    case BoxKind::kLastN: return std::min(n, span.rows) * (kEntryBytes + value_bytes(slot.type));
    case BoxKind::kHyperLogLog: return std::min(std::exp2(n), 4 * span.rows);
    case BoxKind::kBuckets: return 16 * std::min(kPowersOfTwo * std::exp2(n), span.rows);
    case BoxKind::kTopK:
    case BoxKind::kCountBy: return keys * (kNodeBytes + value_bytes(slot.type));
    case BoxKind::kSumBy: return keys * (kNodeBytes + value_bytes(slot.by_type));
    case BoxKind::kVectorSum: return 40.0 * slot.type.size;
    case BoxKind::kVectorMin:
    case BoxKind::kVectorMax: return 8.0 * slot.type.size;
    case BoxKind::kRows: return std::min(n, span.rows) * row_bytes(row);
    case BoxKind::kSessions: {
      const double runs = runs_of(e, span);
      const Span each{span.minutes / runs, span.rows / runs};
      return runs * (24.0 + 8.0 * static_cast<double>(e.inner->words) + heap_bytes(*e.inner, row, each));
    }
    case BoxKind::kNone: return 0;
  }
  return 0;
}

// What the accumulators of a tile hold beside their words.
double heap_bytes(const SlotSet& set, const RowLayout& row, const Span& span) {
  double out = 0;
  for (const Slot& slot : set.slots) {
    switch (slot.kind) {
      case SlotKind::kFirst:
      case SlotKind::kLast: out += value_bytes(slot.type); break;
      case SlotKind::kArgMin:
      case SlotKind::kArgMax: out += value_bytes(slot.type) + value_bytes(slot.by_type); break;
      case SlotKind::kMoment: out += slot.extra->power + slot.extra->by_power > 2 ? kLargeSumBytes : 0; break;
      case SlotKind::kDistinct: out += 16 * std::min(static_cast<double>(slot.cap), span.rows); break;
      case SlotKind::kBox: out += 48 + box_bytes(slot, row, span); break;
      default: break;
    }
  }
  return out;
}

constexpr int64_t kNow = 20'000 * kMicrosPerDay + 45'296 * kMicrosPerSecond;  // at no boundary: 12:34:56

// All tiles of an entity that is never quiet.
double tile_bytes(const StateLayout& layout, double rows_a_minute) {
  const double words = 8.0 * static_cast<double>(layout.words + 1);
  const auto one = [&](double minutes) { return words + heap_bytes(layout, layout.row, {minutes, std::max(1.0, minutes * rows_a_minute)}); };
  double out = layout.has_lifetime ? one(kMany) : 0;
  if (layout.widths_us.empty()) return out;
  const std::vector<int64_t> limits = layout.level_limits(kNow);
  const int64_t horizon = layout.horizon(kNow);
  int64_t newest = kNow;
  for (size_t level = 0; level < layout.widths_us.size(); ++level) {
    const int64_t width = layout.widths_us[level];
    const int64_t oldest = level + 1 < limits.size() ? std::max(horizon, std::min(newest, limits[level + 1])) : horizon;
    const int64_t tiles = (newest - oldest + width - 1) / width;
    out += static_cast<double>(tiles) * one(static_cast<double>(width) / kMicrosPerMinute);
    newest = oldest;
  }
  return out;
}

// Raw rows that exact windows keep, or all in reach where they may be taken back, with an event a minute.
double kept_rows(const StateLayout& layout) {
  if (layout.retracts) return static_cast<double>(kNow - layout.horizon(kNow)) / kMicrosPerMinute;
  double minutes = 0;
  for (const WindowPlan& w : layout.windows)
    if (w.is_exact()) minutes = std::max(minutes, static_cast<double>(w.window.length_us) / kMicrosPerMinute);
  return minutes;
}

uint64_t whole(double bytes) { return bytes < 1e18 ? static_cast<uint64_t>(bytes) : uint64_t{1} << 60; }

}  // namespace

StateEstimate estimate_state(std::span<const FeatureSpec> specs, bool retracts) {
  if (specs.empty()) return {};
  const StateLayout layout = StateLayout::compile({specs.begin(), specs.end()}, retracts);
  const double rows = kept_rows(layout) * row_bytes(layout.row);
  return {whole(tile_bytes(layout, 1) + rows), whole(rows), whole(tile_bytes(layout, kMany) + rows)};
}

}  // namespace ms::catalog
