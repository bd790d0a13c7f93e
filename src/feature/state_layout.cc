#include "feature/state_layout.h"

#include <numeric>

#include "base/bytes.h"
#include "base/check.h"

namespace ms::feature {
namespace {

// How far back the rows lie that may belong to the session of a row: an open one needs a row beyond `length` to know that it is longer.
int64_t session_reach(const Window& w) { return w.length_us + 2 * w.hop_us; }

}  // namespace

int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return a % b < 0 ? q - 1 : q;
}

int64_t saturating_sub(int64_t a, int64_t b) { return a < INT64_MIN + b ? INT64_MIN : a - b; }

int64_t floor_to(int64_t a, int64_t b) {
  const int64_t down = a % b < 0 ? a % b + b : a % b;
  return saturating_sub(a, down);
}

int64_t WindowPlan::step() const {
  switch (window.kind) {
    case WindowKind::kSliding:
    case WindowKind::kDecay: return window.hop_us;
    case WindowKind::kTumbling:
    case WindowKind::kSeries: return window.length_us;
    case WindowKind::kHopping: return std::gcd(window.length_us, window.hop_us);
    case WindowKind::kSession: return window.closed ? 0 : ladder_hop(session_reach(window));
    case WindowKind::kLast: return window.length_us == 0 ? 0 : ladder_hop(window.length_us);
    case WindowKind::kSlidingExact:
    case WindowKind::kLifetime: return 0;
  }
  return 0;
}

int64_t WindowPlan::tail(int64_t t) const {
  switch (window.kind) {
    case WindowKind::kSliding: return floor_to(saturating_sub(t, window.length_us), window.hop_us);
    case WindowKind::kSlidingExact: return saturating_sub(t, window.length_us);
    case WindowKind::kTumbling: return saturating_sub(floor_to(t, window.length_us), window.length_us);
    case WindowKind::kHopping: return saturating_sub(floor_to(t, window.hop_us), window.length_us);
    case WindowKind::kSeries: return saturating_sub(floor_to(t, window.length_us), window.count * window.length_us);
    case WindowKind::kDecay: return floor_to(saturating_sub(t, 64 * window.length_us), window.hop_us);
    case WindowKind::kSession: return window.closed ? kForever : floor_to(saturating_sub(t, session_reach(window)), step());
    case WindowKind::kLast: return window.length_us == 0 ? kForever : floor_to(saturating_sub(t, window.length_us), step());
    case WindowKind::kLifetime: return kForever;
  }
  return kForever;
}

int64_t WindowPlan::head(int64_t t, bool after_event) const {
  switch (window.kind) {
    case WindowKind::kTumbling:
    case WindowKind::kSeries: return floor_to(t, window.length_us);
    case WindowKind::kHopping: return floor_to(t, window.hop_us);
    default: return after_event && t < INT64_MAX ? t + 1 : t;
  }
}

int64_t StateLayout::longest_tail(int64_t t) const {
  int64_t tail = INT64_MAX;
  for (const WindowPlan& w : windows) tail = std::min(tail, w.tail(t));
  return tail;
}

int64_t StateLayout::horizon(int64_t t) const {
  if (widths_us.empty()) return INT64_MAX;
  int64_t tail = INT64_MAX;
  for (const WindowPlan& w : windows) {
    if (!w.is_forever()) tail = std::min(tail, w.tail(t));
  }
  return floor_to(tail, widths_us.back());
}

int64_t StateLayout::raw_horizon(int64_t t) const {
  if (retracts) return horizon(t);  // a multiple of every tile's width: a tile that is kept has all its rows
  int64_t tail = INT64_MAX;
  for (const WindowPlan& w : windows) {
    if (w.is_exact()) tail = std::min(tail, w.tail(t));
  }
  return tail;
}

std::vector<int64_t> StateLayout::level_limits(int64_t t) const {
  std::vector<int64_t> limits;
  for (const int64_t width : widths_us) {
    int64_t limit = INT64_MAX;
    for (const WindowPlan& w : windows) {
      const int64_t step = w.step();  // raw rows serve an exact edge
      if (step != 0 && step % width != 0) limit = std::min(limit, w.tail(t));
    }
    limits.push_back(limit);
  }
  return limits;
}

std::string description(const Slot& slot) {
  ByteWriter text;
  text.u8(static_cast<uint8_t>(slot.kind)), text.sized(type_text(slot.type));
  text.zigzag(slot.filter), text.zigzag(slot.argument), text.zigzag(slot.by), text.zigzag(slot.cap);
  if (slot.by >= 0) text.sized(type_text(slot.by_type));
  text.u8(slot.extra != nullptr ? 1 : 0);
  if (slot.extra == nullptr) return text.take();
  const SlotExtra& e = *slot.extra;
  text.u8(static_cast<uint8_t>(e.box)), text.u8(e.power), text.u8(e.by_power), text.u8(e.distinct ? 1 : 0);
  for (const int64_t v : {e.half_life_us, e.width_us, e.n, e.gap_us, e.max_us}) text.zigzag(v);
  text.varint(e.bounds.size());
  for (const double b : e.bounds) text.f64(b);
  text.varint(e.inner == nullptr ? 0 : e.inner->slots.size());
  for (size_t i = 0; e.inner != nullptr && i < e.inner->slots.size(); ++i) text.sized(ms::feature::description(e.inner->slots[i]));
  return text.take();
}

std::string StateLayout::description() const {
  ByteWriter text;
  text.varint(slots.size());
  for (const Slot& s : slots) text.sized(ms::feature::description(s));
  text.varint(windows.size());
  for (const WindowPlan& w : windows) {
    text.u8(static_cast<uint8_t>(w.window.kind)), text.zigzag(w.window.length_us), text.zigzag(w.window.hop_us);
    text.zigzag(w.window.count), text.u8(w.window.closed ? 1 : 0);
  }
  if (retracts) text.u8(1);
  return text.take();
}

}  // namespace ms::feature
