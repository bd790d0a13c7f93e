#include "feature/totals.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <new>

#include "base/check.h"
#include "feature/box.h"
#include "feature/decay.h"
#include "feature/moments.h"

namespace ms::feature {
namespace {

int64_t signed_at(const uint64_t* w) { return static_cast<int64_t>(*w); }

int128 wide_at(const uint64_t* w) { return decimal_at(w); }
void set_wide(uint64_t* w, int128 v) { set_decimal(w, v); }

// Real sums never come near the ends (2^64 rows of int64); nonsense from a damaged checkpoint wraps.
int128 add_wide(int128 a, int128 b) { return static_cast<int128>(static_cast<uint128>(a) + static_cast<uint128>(b)); }

Uint192 squares_at(const uint64_t* w) { return {{w[0], w[1], w[2]}}; }
void set_squares(uint64_t* w, const Uint192& v) { std::copy_n(v.words, 3, w); }

DistinctSet* set_at(const uint64_t* w) { return std::bit_cast<DistinctSet*>(*w); }
DistinctSet& make_set(uint64_t* w) {
  if (*w == 0) *w = std::bit_cast<uint64_t>(new DistinctSet);
  return *set_at(w);
}

uint128 square(uint64_t bits) {
  const auto v = static_cast<int128>(static_cast<int64_t>(bits));
  return static_cast<uint128>(v * v);
}

Box& make_box_at(const Slot& slot, uint64_t* w) {
  if (*w == 0) *w = std::bit_cast<uint64_t>(make_box(slot).release());
  return *box_at(w);
}

int64_t ordered(TypeKind type, uint64_t bits) {
  return type == TypeKind::kFloat64 ? ordered_bits(bits) : static_cast<int64_t>(bits);
}

// kFirst and kLast: words are event time, partition, offset, value; kArgMin and kArgMax: then what orders.
bool is_set(const uint64_t* w) { return signed_at(w + 1) >= 0; }

bool before(const uint64_t* a, const uint64_t* b) {
  for (int i = 0; i < 3; ++i) {
    if (a[i] != b[i]) return signed_at(a + i) < signed_at(b + i);
  }
  return false;
}

bool is_arg(const Slot& slot) { return slot.kind == SlotKind::kArgMin || slot.kind == SlotKind::kArgMax; }
const uint64_t* by_at(const Slot& slot, const uint64_t* w) { return w + 3 + argument_words(slot.type); }

// Whether the candidate takes the place of what the slot has. Of equals in arg_min and arg_max the canonically first stays.
bool wins(const Slot& slot, const uint64_t* candidate, const uint64_t* w) {
  if (!is_set(w)) return true;
  if (slot.kind == SlotKind::kFirst) return before(candidate, w);
  if (slot.kind == SlotKind::kLast) return before(w, candidate);
  const int order = compare_values(slot.by_type, by_at(slot, candidate), by_at(slot, w));
  if (order != 0) return (slot.kind == SlotKind::kArgMin) == (order < 0);
  return before(candidate, w);
}

// `candidate` has the words of the slot; its bytes stay its own.
void offer(const Slot& slot, uint64_t* w, const uint64_t* candidate) {
  if (!wins(slot, candidate, w)) return;
  std::copy_n(candidate, 3, w);
  copy_value(slot.type, w + 3, candidate + 3);
  if (is_arg(slot)) copy_value(slot.by_type, w + 3 + argument_words(slot.type), by_at(slot, candidate));
}

void offer_row(const Slot& slot, const RowLayout& layout, uint64_t* w, const uint64_t* row) {
  uint64_t candidate[7] = {row[0], row[2], row[1]};
  const uint32_t size = argument_words(slot.type);
  std::copy_n(layout.value(row, slot.argument), size, candidate + 3);
  if (is_arg(slot)) std::copy_n(layout.value(row, slot.by), argument_words(slot.by_type), candidate + 3 + size);
  offer(slot, w, candidate);
}

size_t bin_of(const SlotExtra& extra, const Type& type, const uint64_t* value) {
  if (type == TypeKind::kFloat64) {
    const auto x = std::bit_cast<double>(*value);
    if (std::isnan(x)) return extra.bounds.size();
    return static_cast<size_t>(std::ranges::upper_bound(extra.bounds, x) - extra.bounds.begin());
  }
  const int128 x = type == TypeKind::kDecimal ? decimal_at(value) : static_cast<int64_t>(*value);
  return static_cast<size_t>(std::ranges::upper_bound(extra.edges, x) - extra.edges.begin());
}

void add_decay(const Slot& slot, const RowLayout& layout, uint64_t* w, const uint64_t* row) {
  const uint64_t* value = slot.argument < 0 ? nullptr : layout.value(row, slot.argument);
  if (slot.type == TypeKind::kBool && value != nullptr && *value == 0) return;  // count_if
  const int64_t et = row_time(row);
  const uint128 weight = decay_weight(et - floor_to(et, slot.extra->width_us), slot.extra->half_life_us);
  if (slot.kind == SlotKind::kDecayCount) return add_weight(exact_at(w), weight);
  add_weighted(exact_at(w), weight, slot.type, value);
}

bool has_arguments(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  return (slot.argument < 0 || layout.valid(row, slot.argument)) && (slot.by < 0 || layout.valid(row, slot.by));
}

void add_value(const Slot& slot, const RowLayout& layout, uint64_t* w, const uint64_t* row) {
  const uint64_t* value = slot.argument < 0 ? nullptr : layout.value(row, slot.argument);
  switch (slot.kind) {
    case SlotKind::kRows: break;
    case SlotKind::kCount: ++*w; break;
    case SlotKind::kTrue: *w += *value; break;
    case SlotKind::kSumInt: set_wide(w, add_wide(wide_at(w), static_cast<int64_t>(*value))); break;
    case SlotKind::kSquaresInt: {
      Uint192 s = squares_at(w);
      s.add(square(*value));
      set_squares(w, s);
      break;
    }
    case SlotKind::kSumFloat: exact_at(w).add(std::bit_cast<double>(*value)); break;
    case SlotKind::kSquaresFloat: exact_at(w).add_square(std::bit_cast<double>(*value)); break;
    case SlotKind::kMoment: {
      const uint64_t* by = slot.by < 0 ? value : layout.value(row, slot.by);
      add_product(exact_at(w), slot.type, value, slot.extra->power, slot.by_type, by, slot.extra->by_power);
      break;
    }
    case SlotKind::kMin: *w = static_cast<uint64_t>(std::min(signed_at(w), ordered(slot.type, *value))); break;
    case SlotKind::kMax: *w = static_cast<uint64_t>(std::max(signed_at(w), ordered(slot.type, *value))); break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: offer_row(slot, layout, w, row); break;
    case SlotKind::kDistinct: make_set(w).add(distinct_code_at(slot.type, value), slot.cap); break;
    case SlotKind::kHistogram: ++w[bin_of(*slot.extra, slot.type, value)]; break;
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum: add_decay(slot, layout, w, row); break;
    case SlotKind::kBox: make_box_at(slot, w).add_row(slot, layout, row); break;
  }
}

void merge_one(const Slot& slot, uint64_t* w, const uint64_t* from) {
  switch (slot.kind) {
    case SlotKind::kRows:
      w[0] += from[0];
      w[1] = static_cast<uint64_t>(std::max(signed_at(w + 1), signed_at(from + 1)));
      break;
    case SlotKind::kCount:
    case SlotKind::kTrue: *w += *from; break;
    case SlotKind::kSumInt: set_wide(w, add_wide(wide_at(w), wide_at(from))); break;
    case SlotKind::kSquaresInt: {
      Uint192 s = squares_at(w);
      s.add(squares_at(from));
      set_squares(w, s);
      break;
    }
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum: exact_at(w).add(exact_at(from)); break;
    case SlotKind::kMin: *w = static_cast<uint64_t>(std::min(signed_at(w), signed_at(from))); break;
    case SlotKind::kMax: *w = static_cast<uint64_t>(std::max(signed_at(w), signed_at(from))); break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
    case SlotKind::kArgMin:
    case SlotKind::kArgMax:
      if (is_set(from)) offer(slot, w, from);
      break;
    case SlotKind::kDistinct:
      if (const DistinctSet* set = set_at(from)) make_set(w).add(*set, slot.cap);
      break;
    case SlotKind::kHistogram:
      for (size_t i = 0; i <= slot.extra->bounds.size(); ++i) w[i] += from[i];
      break;
    case SlotKind::kBox:
      if (const Box* box = box_at(from)) make_box_at(slot, w).merge(slot, *box);
      break;
  }
}

void destroy_one(const Slot& slot, uint64_t* w) {
  switch (slot.kind) {
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum: exact_at(w).~ExactSum(); break;
    case SlotKind::kDistinct:
      if ((*w & 1) == 0) delete set_at(w);
      break;
    case SlotKind::kFirst:
    case SlotKind::kLast: free_value(slot.type, w + 3); break;
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: free_value(slot.type, w + 3), free_value(slot.by_type, by_at(slot, w)); break;
    case SlotKind::kBox: delete box_at(w); break;
    default: break;
  }
}

}  // namespace

void init_words(const SlotSet& set, uint64_t* words) {
  std::fill_n(words, set.words, 0);
  for (const Slot& slot : set.slots) {
    uint64_t* w = words + slot.at;
    switch (slot.kind) {
      case SlotKind::kRows: w[1] = static_cast<uint64_t>(kNoEventTime); break;
      case SlotKind::kSumFloat:
      case SlotKind::kSquaresFloat:
      case SlotKind::kMoment:
      case SlotKind::kDecayCount:
      case SlotKind::kDecaySum: new (w) ExactSum; break;
      case SlotKind::kMin: *w = static_cast<uint64_t>(INT64_MAX); break;
      case SlotKind::kMax: *w = static_cast<uint64_t>(INT64_MIN); break;
      case SlotKind::kFirst:
      case SlotKind::kLast:
      case SlotKind::kArgMin:
      case SlotKind::kArgMax: w[1] = static_cast<uint64_t>(-1); break;
      default: break;
    }
  }
}

void destroy_words(const SlotSet& set, uint64_t* words) {
  if (!set.has_boxes) return;
  for (const Slot& slot : set.slots) destroy_one(slot, words + slot.at);
}

void add_row(const RowLayout& layout, std::span<const Slot> slots, uint64_t* words, const uint64_t* row) {
  for (const Slot& slot : slots) {
    if (!layout.passes(row, slot.filter)) continue;
    uint64_t* w = words + slot.at;
    if (slot.kind == SlotKind::kRows) {
      ++w[0];
      w[1] = static_cast<uint64_t>(std::max(signed_at(w + 1), row_time(row)));
    } else if (has_arguments(slot, layout, row)) {
      add_value(slot, layout, w, row);
    }
  }
}

namespace {

// One switch for a slot of many runs: evaluating a long window is this loop.
void merge_slot(const Slot& slot, uint64_t* w, const uint64_t* from, size_t stride, size_t count) {
  switch (slot.kind) {
    case SlotKind::kRows: {
      uint64_t rows = w[0];
      int64_t latest = signed_at(w + 1);
      for (size_t i = 0; i < count; ++i, from += stride) rows += from[0], latest = std::max(latest, signed_at(from + 1));
      w[0] = rows, w[1] = static_cast<uint64_t>(latest);
      return;
    }
    case SlotKind::kCount:
    case SlotKind::kTrue: {
      uint64_t sum = *w;
      for (size_t i = 0; i < count; ++i, from += stride) sum += *from;
      *w = sum;
      return;
    }
    case SlotKind::kSumInt: {
      int128 sum = wide_at(w);
      for (size_t i = 0; i < count; ++i, from += stride) sum = add_wide(sum, wide_at(from));
      return set_wide(w, sum);
    }
    case SlotKind::kMin: {
      int64_t least = signed_at(w);
      for (size_t i = 0; i < count; ++i, from += stride) least = std::min(least, signed_at(from));
      *w = static_cast<uint64_t>(least);
      return;
    }
    case SlotKind::kMax: {
      int64_t most = signed_at(w);
      for (size_t i = 0; i < count; ++i, from += stride) most = std::max(most, signed_at(from));
      *w = static_cast<uint64_t>(most);
      return;
    }
    default:
      for (size_t i = 0; i < count; ++i, from += stride) merge_one(slot, w, from);
  }
}

}  // namespace

void merge_words(const SlotSet& set, uint64_t* to, const uint64_t* from, size_t stride, size_t count, uint64_t windows) {
  for (const Slot& slot : set.slots) {
    if ((slot.windows & windows) != 0) merge_slot(slot, to + slot.at, from + slot.at, stride, count);
  }
}

bool is_sum(SlotKind kind) {
  switch (kind) {
    case SlotKind::kRows:
    case SlotKind::kCount:
    case SlotKind::kTrue:
    case SlotKind::kSumInt:
    case SlotKind::kSquaresInt:
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kHistogram: return true;
    default: return false;
  }
}

void merge_words(std::span<const Slot> slots, uint64_t* to, const uint64_t* from) {
  for (const Slot& slot : slots) merge_one(slot, to + slot.at, from + slot.at);
}

void subtract_words(std::span<const Slot> sums, uint64_t* from, const uint64_t* what) {
  for (const Slot& slot : sums) {
    uint64_t* w = from + slot.at;
    const uint64_t* x = what + slot.at;
    switch (slot.kind) {
      case SlotKind::kRows:
      case SlotKind::kCount:
      case SlotKind::kTrue: *w -= *x; break;
      case SlotKind::kSumInt: set_wide(w, static_cast<int128>(static_cast<uint128>(wide_at(w)) - static_cast<uint128>(wide_at(x)))); break;
      case SlotKind::kSquaresInt: {
        Uint192 s = squares_at(w);
        s.subtract(squares_at(x));
        set_squares(w, s);
        break;
      }
      case SlotKind::kSumFloat:
      case SlotKind::kSquaresFloat:
      case SlotKind::kMoment: exact_at(w).subtract(exact_at(x)); break;
      case SlotKind::kHistogram:
        for (size_t i = 0; i <= slot.extra->bounds.size(); ++i) w[i] -= x[i];
        break;
      default: CHECK(false);
    }
  }
}

void copy_sums(std::span<const Slot> sums, uint64_t* to, const uint64_t* all, std::span<const Slot> left_slots, const uint64_t* left, int64_t tail) {
  for (size_t i = 0; i < sums.size(); ++i) {
    const Slot& slot = sums[i];
    uint64_t* w = to + slot.at;
    const uint64_t* a = all + slot.at;
    const uint64_t* l = left + left_slots[i].at;
    switch (slot.kind) {
      case SlotKind::kRows:
        w[0] = a[0] - l[0];
        w[1] = signed_at(a + 1) >= tail ? a[1] : static_cast<uint64_t>(kNoEventTime);
        break;
      case SlotKind::kCount:
      case SlotKind::kTrue: *w = *a - *l; break;
      case SlotKind::kSumInt: set_wide(w, static_cast<int128>(static_cast<uint128>(wide_at(a)) - static_cast<uint128>(wide_at(l)))); break;
      case SlotKind::kSquaresInt: {
        Uint192 s = squares_at(a);
        s.subtract(squares_at(l));
        set_squares(w, s);
        break;
      }
      case SlotKind::kHistogram:
        for (size_t bin = 0; bin <= slot.extra->bounds.size(); ++bin) w[bin] = a[bin] - l[bin];
        break;
      case SlotKind::kSumFloat:
      case SlotKind::kSquaresFloat:
      case SlotKind::kMoment:
        exact_at(w) = exact_at(a);
        exact_at(w).subtract(exact_at(l));
        break;
      default: CHECK(false);
    }
  }
}

void copy_last(const Slot& slot, uint64_t* to, const uint64_t* all, int64_t tail) {
  uint64_t* w = to + slot.at;
  const uint64_t* a = all + slot.at;
  w[1] = static_cast<uint64_t>(-1);
  if (is_set(a) && signed_at(a) >= tail) offer(slot, w, a);
}

DistinctCode distinct_code_at(const Type& type, const uint64_t* value) {
  if (is_bytes(type)) return distinct_code(bytes_at(value));
  if (type != TypeKind::kDecimal) return distinct_code(type.kind, *value);
  // as few bytes as hold it, so that nearly all are whole
  const int128 v = decimal_at(value);
  char bytes[16];
  std::memcpy(bytes, value, sizeof bytes);
  size_t size = sizeof bytes;
  while (size > 1 && bytes[size - 1] == (v < 0 ? -1 : 0) && (bytes[size - 2] < 0) == (v < 0)) --size;
  return distinct_code(std::string_view(bytes, size));
}

}  // namespace ms::feature
