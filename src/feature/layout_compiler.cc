// StateLayout::compile(): features in, slots, windows, steps and the tile ladder out.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "feature/moments.h"
#include "feature/state_layout.h"

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
    case SlotKind::kDistinct:
    case SlotKind::kBox: return 1;
    case SlotKind::kSquaresInt: return 3;
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum: return 5;
    case SlotKind::kFirst:
    case SlotKind::kLast: return 3 + argument_words(slot.type);
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: return 3 + argument_words(slot.type) + argument_words(slot.by_type);
    case SlotKind::kHistogram: return slot.extra->bounds.size() + 1;
  }
  return 0;
}

bool has_memory(const Slot& slot) {
  switch (slot.kind) {
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum:
    case SlotKind::kDistinct:
    case SlotKind::kBox: return true;
    case SlotKind::kFirst:
    case SlotKind::kLast: return is_bytes(slot.type);
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: return is_bytes(slot.type) || is_bytes(slot.by_type);
    default: return false;
  }
}

// Word of the slot, which features share.
uint32_t place(SlotSet& set, Slot wanted, size_t window) {
  const int64_t cap = std::exchange(wanted.cap, 0);
  const std::string text = description(wanted);
  for (Slot& s : set.slots) {
    Slot plain = s;
    plain.cap = 0;
    if (s.kind != wanted.kind || description(plain) != text) continue;
    s.cap = std::max(s.cap, cap);
    s.windows |= window_bit(window);
    return s.at;
  }
  wanted.cap = cap;
  wanted.at = static_cast<uint32_t>(set.words);
  wanted.windows = window_bit(window);
  set.words += slot_words(wanted);
  set.has_boxes |= has_memory(wanted);
  set.slots.push_back(std::move(wanted));
  return set.slots.back().at;
}

// 2^bits buckets for each power of two have a middle within `error` of all they hold.
int64_t bucket_bits(double error) {
  int64_t bits = 0;
  while (1 / std::ldexp(2.0, static_cast<int>(bits)) > error) ++bits;
  return bits;
}

// The slots of one feature in a set.
class FeatureSlots {
 public:
  FeatureSlots(SlotSet& set, FeaturePlan& plan) : set_(set), plan_(plan), spec_(plan.spec) {}

  void add() {
    using enum AggregateKind;
    plan_.rows = place(set_, {.kind = SlotKind::kRows, .filter = spec_.filter}, plan_.window);
    if (takes_of(spec_.aggregate) && spec_.aggregate != kCountIf) plan_.count = slot(SlotKind::kCount);
    const Type& type = spec_.argument_type;
    switch (spec_.aggregate) {
      case kCount:
      case kTimeSinceLast: break;
      case kCountIf: plan_.count = slot(SlotKind::kTrue); break;
      case kSum:
      case kAvg: plan_.value = type == TypeKind::kVector ? box(BoxKind::kVectorSum) : sum(); break;
      case kStddev:
        plan_.value = sum();
        if (type == TypeKind::kInt64) plan_.moments[0] = slot(SlotKind::kSquaresInt);
        else plan_.moments[0] = type == TypeKind::kFloat64 ? slot(SlotKind::kSquaresFloat) : moment(2, 0);
        break;
      case kVariance: plan_.moments[0] = moment(1, 0), plan_.moments[1] = moment(2, 0); break;
      case kSkew:
      case kKurtosis:
        for (uint8_t i = 0; i < (spec_.aggregate == kSkew ? 3 : 4); ++i) plan_.moments[i] = moment(static_cast<uint8_t>(i + 1), 0);
        break;
      case kCovariance:
      case kSlope:
      case kCorrelation:
        plan_.value = moment(1, 0), plan_.moments[0] = moment(0, 1), plan_.moments[1] = moment(1, 1);
        if (spec_.aggregate != kCovariance) plan_.moments[2] = moment(0, 2);
        if (spec_.aggregate == kCorrelation) plan_.moments[3] = moment(2, 0);
        break;
      case kRatio: plan_.value = moment(1, 0), plan_.moments[0] = moment(0, 1); break;
      case kMin:
      case kMax: plan_.value = extreme(spec_.aggregate == kMin); break;
      case kArgMin: plan_.value = slot(SlotKind::kArgMin); break;
      case kArgMax: plan_.value = slot(SlotKind::kArgMax); break;
      case kFirst: plan_.value = slot(SlotKind::kFirst); break;
      case kLast: plan_.value = slot(SlotKind::kLast); break;
      case kFirstN:
      case kLastN: plan_.value = box(spec_.aggregate == kFirstN ? BoxKind::kFirstN : BoxKind::kLastN, spec_.parameters.n); break;
      case kCountDistinct: plan_.value = slot(SlotKind::kDistinct, nullptr, spec_.parameters.cap); break;
      case kApproxCountDistinct: plan_.value = box(BoxKind::kHyperLogLog, spec_.parameters.precision); break;
      case kQuantile: plan_.value = box(BoxKind::kBuckets, bucket_bits(spec_.parameters.error)); break;
      case kHistogram: {
        SlotExtra extra;
        extra.bounds = spec_.parameters.bounds;
        for (const double bound : extra.bounds) extra.edges.push_back(least_at_or_above(bound, type.scale));
        plan_.value = slot(SlotKind::kHistogram, std::make_shared<const SlotExtra>(std::move(extra)));
        break;
      }
      case kTopK: plan_.value = box(BoxKind::kTopK, 0, spec_.parameters.cap); break;
      case kCountBy: plan_.value = box(BoxKind::kCountBy, 0, spec_.parameters.cap); break;
      case kSumBy: plan_.value = box(BoxKind::kSumBy, 0, spec_.parameters.cap); break;
    }
  }

 private:
  Slot wanted(SlotKind kind) const {
    return {.kind = kind, .filter = spec_.filter, .argument = spec_.argument, .by = spec_.by, .type = spec_.argument_type, .by_type = spec_.by_type};
  }

  uint32_t slot(SlotKind kind, std::shared_ptr<const SlotExtra> extra = nullptr, int64_t cap = 0) {
    Slot s = wanted(kind);
    s.extra = std::move(extra), s.cap = cap;
    return place(set_, std::move(s), plan_.window);
  }

  uint32_t sum() {
    if (spec_.argument_type == TypeKind::kDecimal) return moment(1, 0);
    return slot(spec_.argument_type == TypeKind::kFloat64 ? SlotKind::kSumFloat : SlotKind::kSumInt);
  }

  uint32_t moment(uint8_t power, uint8_t by_power) {
    SlotExtra extra;
    extra.power = power, extra.by_power = by_power;
    return slot(SlotKind::kMoment, std::make_shared<const SlotExtra>(std::move(extra)));
  }

  uint32_t box(BoxKind kind, int64_t n = 0, int64_t cap = 0) {
    SlotExtra extra;
    plan_.is_box = true;
    extra.box = kind, extra.n = n;
    extra.distinct = (kind == BoxKind::kFirstN || kind == BoxKind::kLastN) && spec_.parameters.distinct;
    return slot(SlotKind::kBox, std::make_shared<const SlotExtra>(std::move(extra)), cap);
  }

  uint32_t extreme(bool least) {
    const Type& type = spec_.argument_type;
    if (type == TypeKind::kVector) return box(least ? BoxKind::kVectorMin : BoxKind::kVectorMax);
    if (argument_words(type) == 1) return slot(least ? SlotKind::kMin : SlotKind::kMax);
    Slot s = wanted(least ? SlotKind::kArgMin : SlotKind::kArgMax);  // ordered by itself
    s.by = s.argument, s.by_type = s.type;
    return place(set_, std::move(s), plan_.window);
  }

  SlotSet& set_;
  FeaturePlan& plan_;
  const FeatureSpec& spec_;
};

class Compiler {
 public:
  explicit Compiler(StateLayout& out) : out_(out) {}

  void feature(FeatureSpec spec) {
    const auto type = result_type(spec);
    CHECK(type && *type == spec.result_type);
    CHECK(check_window(spec.window));
    FeaturePlan plan{.spec = std::move(spec)};
    plan.window = window(plan.spec.window);
    if (plan.spec.filter >= 0) out_.row.filters = std::max(out_.row.filters, static_cast<size_t>(plan.spec.filter) + 1);
    argument(plan.spec.argument, plan.spec.argument_type);
    argument(plan.spec.by, plan.spec.by_type);
    switch (plan.spec.window.kind) {
      case WindowKind::kSession:
      case WindowKind::kLast: in_step(plan, plan.spec.filter); break;
      case WindowKind::kDecay: decayed(plan); break;
      default: FeatureSlots(out_, plan).add();
    }
    out_.features.push_back(std::move(plan));
  }

  // Steps share their sets with the boxes that fill them, so those come last.
  void finish() {
    for (size_t i = 0; i < out_.steps.size(); ++i) {
      WindowStep& step = out_.steps[i];
      step.slots = std::make_shared<const SlotSet>(std::move(sets_[i]));
      const Window& w = out_.windows[step.window].window;
      if (w.kind == WindowKind::kDecay) continue;
      SlotExtra extra;
      if (w.kind == WindowKind::kLast) {
        extra.box = BoxKind::kRows, extra.n = w.count;
      } else {
        extra.box = BoxKind::kSessions, extra.gap_us = w.hop_us, extra.max_us = w.length_us, extra.inner = step.slots;
      }
      step.at = place(out_, {.kind = SlotKind::kBox, .filter = step.filter, .extra = std::make_shared<const SlotExtra>(std::move(extra))}, step.window);
    }
  }

 private:
  size_t window(const Window& w) {
    const WindowPlan plan{w};
    const auto found = std::find(out_.windows.begin(), out_.windows.end(), plan);
    if (found != out_.windows.end()) return static_cast<size_t>(found - out_.windows.begin());
    out_.windows.push_back(plan);
    out_.has_lifetime |= plan.is_forever();
    out_.has_exact |= plan.is_exact();
    return out_.windows.size() - 1;
  }

  size_t step(size_t window, int filter) {
    for (size_t i = 0; i < out_.steps.size(); ++i) {
      if (out_.steps[i].window == window && out_.steps[i].filter == filter) return i;
    }
    out_.steps.push_back({.window = window, .filter = filter});
    sets_.emplace_back();
    return out_.steps.size() - 1;
  }

  void in_step(FeaturePlan& plan, int filter) {
    const size_t at = step(plan.window, filter);
    plan.step = static_cast<int>(at);
    FeatureSlots(sets_[at], plan).add();
  }

  // In tiles weights relative to the tile's start; in the step the same relative to the question.
  void decayed(FeaturePlan& plan) {
    const size_t at = step(plan.window, -1);
    plan.step = static_cast<int>(at);
    const FeatureSpec& s = plan.spec;
    SlotExtra extra;
    extra.half_life_us = s.window.length_us, extra.width_us = s.window.hop_us;
    const auto shared = std::make_shared<const SlotExtra>(std::move(extra));
    const auto both = [&](Slot slot) {
      const uint32_t from = place(out_, slot, plan.window), to = place(sets_[at], std::move(slot), plan.window);
      if (out_.steps[at].from.size() < sets_[at].slots.size()) out_.steps[at].from.push_back(from);
      return to;
    };
    plan.rows = both({.kind = SlotKind::kRows, .filter = s.filter});
    const Slot weights{.kind = SlotKind::kDecayCount, .filter = s.filter, .argument = s.argument, .type = s.argument_type, .extra = shared};
    plan.value = both(weights);
    if (s.argument < 0) return;
    plan.count = both({.kind = s.aggregate == AggregateKind::kCountIf ? SlotKind::kTrue : SlotKind::kCount, .filter = s.filter, .argument = s.argument, .type = s.argument_type});
    if (s.aggregate == AggregateKind::kCountIf) return;
    Slot sum = weights;
    sum.kind = SlotKind::kDecaySum;
    plan.moments[0] = both(sum);
  }

  void argument(int number, const Type& type) {
    if (number < 0) return;
    auto& all = out_.row.arguments;
    const auto index = static_cast<size_t>(number);
    if (index >= all.size()) all.resize(index + 1);
    CHECK(!all[index].used || all[index].type == type);
    all[index].type = type, all[index].used = true;
  }

  StateLayout& out_;
  std::vector<SlotSet> sets_;  // of the steps
};

// c_i = gcd(h_i .. h_n) of the sorted steps: each divides the next, and a tile of width c_i is never cut by steps i and up.
std::vector<int64_t> ladder(const std::vector<WindowPlan>& windows) {
  std::vector<int64_t> hops;
  for (const WindowPlan& w : windows) {
    const int64_t step = w.is_exact() ? ladder_hop(w.window.length_us) : w.step();
    if (step != 0) hops.push_back(step);
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

StateLayout StateLayout::compile(std::vector<FeatureSpec> specs, bool retracts) {
  StateLayout out;
  out.retracts = retracts;
  Compiler compiler(out);
  for (FeatureSpec& spec : specs) compiler.feature(std::move(spec));
  compiler.finish();
  CHECK(!retracts || !out.has_lifetime);
  out.widths_us = ladder(out.windows);
  place_arguments(out.row);
  return out;
}

}  // namespace ms::feature
