#include "feature/state_layout.h"

#include <numeric>

#include "base/bytes.h"
#include "base/check.h"

namespace ms::feature {
namespace {

size_t slot_words(const Slot& slot) {
  switch (slot.kind) {
    case SlotKind::kRows:
    case SlotKind::kSumInt: return 2;
    case SlotKind::kCount:
    case SlotKind::kTrue:
    case SlotKind::kMin:
    case SlotKind::kMax:
    case SlotKind::kDistinct: return 1;
    case SlotKind::kSquaresInt: return 3;
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat: return 5;
    case SlotKind::kFirst:
    case SlotKind::kLast: return 3 + argument_words(slot.type);
  }
  return 0;
}

bool is_boxed(const Slot& slot) {
  switch (slot.kind) {
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kDistinct: return true;
    case SlotKind::kFirst:
    case SlotKind::kLast: return is_bytes(slot.type);
    default: return false;
  }
}

class Compiler {
 public:
  explicit Compiler(StateLayout& out) : out_(out) {}

  void feature(FeatureSpec spec) {
    const auto type = result_type(spec.aggregate, spec.argument_type);
    CHECK(type && *type == spec.result_type);
    CHECK(check_window(spec.window));
    FeaturePlan plan{.spec = std::move(spec)};
    const FeatureSpec& s = plan.spec;
    plan.window = window(s.window);
    plan.rows = slot(SlotKind::kRows, s);
    const bool is_float = s.argument_type == TypeKind::kFloat64;
    const SlotKind sum = is_float ? SlotKind::kSumFloat : SlotKind::kSumInt;
    switch (s.aggregate) {
      case AggregateKind::kCount:
      case AggregateKind::kTimeSinceLast: break;
      case AggregateKind::kCountIf: plan.count = slot(SlotKind::kTrue, s); break;
      case AggregateKind::kSum:
      case AggregateKind::kAvg:
        plan.count = slot(SlotKind::kCount, s), plan.value = slot(sum, s);
        break;
      case AggregateKind::kStddev:
        plan.count = slot(SlotKind::kCount, s), plan.value = slot(sum, s);
        plan.squares = slot(is_float ? SlotKind::kSquaresFloat : SlotKind::kSquaresInt, s);
        break;
      case AggregateKind::kMin: plan.count = slot(SlotKind::kCount, s), plan.value = slot(SlotKind::kMin, s); break;
      case AggregateKind::kMax: plan.count = slot(SlotKind::kCount, s), plan.value = slot(SlotKind::kMax, s); break;
      case AggregateKind::kFirst: plan.value = slot(SlotKind::kFirst, s); break;
      case AggregateKind::kLast: plan.value = slot(SlotKind::kLast, s); break;
      case AggregateKind::kCountDistinct: plan.value = slot(SlotKind::kDistinct, s); break;
    }
    out_.features.push_back(std::move(plan));
  }

 private:
  size_t window(const Window& w) {
    const WindowPlan plan{w};
    const auto found = std::find(out_.windows.begin(), out_.windows.end(), plan);
    if (found != out_.windows.end()) return static_cast<size_t>(found - out_.windows.begin());
    out_.windows.push_back(plan);
    out_.has_lifetime |= w.kind == WindowKind::kLifetime;
    out_.has_exact |= w.kind == WindowKind::kSlidingExact;
    return out_.windows.size() - 1;
  }

  // Word of the slot; features share slots.
  uint32_t slot(SlotKind kind, const FeatureSpec& spec) {
    Slot wanted{.kind = kind, .filter = spec.filter};
    if (kind != SlotKind::kRows) {
      CHECK(spec.argument >= 0);
      wanted.argument = spec.argument, wanted.type = spec.argument_type;
      argument(spec);
    }
    if (spec.filter >= 0) out_.row.filters = std::max(out_.row.filters, static_cast<size_t>(spec.filter) + 1);
    if (kind == SlotKind::kDistinct) wanted.cap = spec.distinct_cap;
    for (Slot& s : out_.slots) {
      if (s.kind != wanted.kind || s.filter != wanted.filter || s.argument != wanted.argument) continue;
      s.cap = std::max(s.cap, wanted.cap);
      return s.at;
    }
    wanted.at = static_cast<uint32_t>(out_.words);
    out_.words += slot_words(wanted);
    out_.has_boxes |= is_boxed(wanted);
    out_.slots.push_back(wanted);
    return wanted.at;
  }

  void argument(const FeatureSpec& spec) {
    auto& all = out_.row.arguments;
    const auto index = static_cast<size_t>(spec.argument);
    if (index >= all.size()) all.resize(index + 1);
    CHECK(!all[index].used || all[index].type == spec.argument_type);
    all[index].type = spec.argument_type, all[index].used = true;
  }

  StateLayout& out_;
};

// c_i = gcd(h_i .. h_n) of the sorted hops: each divides the next, and a tile of width c_i is never cut by hops i and up.
std::vector<int64_t> ladder(const std::vector<WindowPlan>& windows) {
  std::vector<int64_t> hops;
  for (const WindowPlan& w : windows) {
    switch (w.window.kind) {
      case WindowKind::kSliding: hops.push_back(w.window.hop_us); break;
      case WindowKind::kSlidingExact: hops.push_back(ladder_hop(w.window.length_us)); break;
      case WindowKind::kTumbling: hops.push_back(w.window.length_us); break;
      case WindowKind::kLifetime: break;
    }
  }
  std::sort(hops.begin(), hops.end());
  for (size_t i = hops.size(); i-- > 1;) hops[i - 1] = std::gcd(hops[i - 1], hops[i]);
  hops.erase(std::unique(hops.begin(), hops.end()), hops.end());
  return hops;
}

void place_arguments(RowLayout& row) {
  row.bit_words = std::max<size_t>(1, (row.filters + row.arguments.size() + 63) / 64);
  row.stride = 3 + row.bit_words;
  for (RowLayout::Argument& a : row.arguments) {
    if (!a.used) continue;
    a.at = static_cast<uint32_t>(row.stride);
    row.stride += argument_words(a.type);
  }
}

}  // namespace

int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return a % b < 0 ? q - 1 : q;
}

int64_t saturating_sub(int64_t a, int64_t b) { return a < INT64_MIN + b ? INT64_MIN : a - b; }

int64_t WindowPlan::tail(int64_t t) const {
  const auto floor_to = [](int64_t us, int64_t step) {
    const int64_t down = us % step < 0 ? us % step + step : us % step;
    return saturating_sub(us, down);
  };
  switch (window.kind) {
    case WindowKind::kSliding: return floor_to(saturating_sub(t, window.length_us), window.hop_us);
    case WindowKind::kSlidingExact: return saturating_sub(t, window.length_us);
    case WindowKind::kTumbling: return saturating_sub(floor_to(t, window.length_us), window.length_us);
    case WindowKind::kLifetime: return kForever;
  }
  return kForever;
}

int64_t WindowPlan::head(int64_t t, bool after_event) const {
  if (window.kind == WindowKind::kTumbling) return floor_div(t, window.length_us) * window.length_us;
  return after_event && t < INT64_MAX ? t + 1 : t;
}

StateLayout StateLayout::compile(std::vector<FeatureSpec> specs) {
  StateLayout out;
  Compiler compiler(out);
  for (FeatureSpec& spec : specs) compiler.feature(std::move(spec));
  out.widths_us = ladder(out.windows);
  place_arguments(out.row);
  return out;
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
    if (w.window.kind != WindowKind::kLifetime) tail = std::min(tail, w.tail(t));
  }
  const int64_t width = widths_us.back();
  const int64_t down = tail % width < 0 ? tail % width + width : tail % width;
  return saturating_sub(tail, down);
}

int64_t StateLayout::raw_horizon(int64_t t) const {
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
      if (w.is_exact() || w.window.kind == WindowKind::kLifetime) continue;  // raw rows serve an exact edge
      const int64_t step = w.window.kind == WindowKind::kTumbling ? w.window.length_us : w.window.hop_us;
      if (step % width != 0) limit = std::min(limit, w.tail(t));
    }
    limits.push_back(limit);
  }
  return limits;
}

std::string StateLayout::description() const {
  ByteWriter text;
  text.varint(slots.size());
  for (const Slot& s : slots) {
    text.u8(static_cast<uint8_t>(s.kind)), text.u8(static_cast<uint8_t>(s.type.kind));
    text.zigzag(s.filter), text.zigzag(s.argument), text.zigzag(s.cap);
  }
  text.varint(windows.size());
  for (const WindowPlan& w : windows) {
    text.u8(static_cast<uint8_t>(w.window.kind)), text.zigzag(w.window.length_us), text.zigzag(w.window.hop_us);
  }
  return text.take();
}

}  // namespace ms::feature
