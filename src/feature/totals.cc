#include "feature/totals.h"

#include <bit>
#include <cstring>
#include <new>

#include "base/check.h"

namespace ms::feature {
namespace {

int64_t signed_at(const uint64_t* w) { return static_cast<int64_t>(*w); }

int128 wide_at(const uint64_t* w) { return static_cast<int128>(static_cast<uint128>(w[1]) << 64 | w[0]); }
void set_wide(uint64_t* w, int128 v) {
  w[0] = static_cast<uint64_t>(v);
  w[1] = static_cast<uint64_t>(static_cast<uint128>(v) >> 64);
}

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

int64_t ordered(TypeKind type, uint64_t bits) {
  return type == TypeKind::kFloat64 ? ordered_bits(bits) : static_cast<int64_t>(bits);
}

// kFirst and kLast: words are event time, partition, offset, value.
bool is_set(const uint64_t* w) { return signed_at(w + 1) >= 0; }

bool before(const uint64_t* a, const uint64_t* b) {
  for (int i = 0; i < 3; ++i) {
    if (a[i] != b[i]) return signed_at(a + i) < signed_at(b + i);
  }
  return false;
}

void set_text(uint64_t* value, const char* text, uint64_t size) {
  char* copy = nullptr;
  if (size > 0) {
    copy = new char[size];
    std::memcpy(copy, text, size);
  }
  delete[] std::bit_cast<char*>(value[0]);
  value[0] = std::bit_cast<uint64_t>(copy), value[1] = size;
}

// `candidate` has the words of the slot; its text stays its own.
void offer(const Slot& slot, uint64_t* w, const uint64_t* candidate) {
  if (is_set(w) && (slot.kind == SlotKind::kFirst ? !before(candidate, w) : !before(w, candidate))) return;
  std::copy_n(candidate, 3, w);
  if (slot.type == TypeKind::kString) return set_text(w + 3, std::bit_cast<const char*>(candidate[3]), candidate[4]);
  w[3] = candidate[3];
}

void add_value(const Slot& slot, uint64_t* w, const uint64_t* row, const uint64_t* value) {
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
    case SlotKind::kMin: *w = static_cast<uint64_t>(std::min(signed_at(w), ordered(slot.type, *value))); break;
    case SlotKind::kMax: *w = static_cast<uint64_t>(std::max(signed_at(w), ordered(slot.type, *value))); break;
    case SlotKind::kFirst:
    case SlotKind::kLast: {
      const bool text = slot.type == TypeKind::kString;
      const uint64_t candidate[] = {row[0], row[2], row[1], value[0], text ? value[1] : 0};
      offer(slot, w, candidate);
      break;
    }
    case SlotKind::kDistinct: make_set(w).add(distinct_code_at(slot.type, value), slot.cap); break;
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
    case SlotKind::kSquaresFloat: exact_at(w).add(exact_at(from)); break;
    case SlotKind::kMin: *w = static_cast<uint64_t>(std::min(signed_at(w), signed_at(from))); break;
    case SlotKind::kMax: *w = static_cast<uint64_t>(std::max(signed_at(w), signed_at(from))); break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
      if (is_set(from)) offer(slot, w, from);
      break;
    case SlotKind::kDistinct:
      if (const DistinctSet* set = set_at(from)) make_set(w).add(*set, slot.cap);
      break;
  }
}

void destroy_one(const Slot& slot, uint64_t* w) {
  switch (slot.kind) {
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat: exact_at(w).~ExactSum(); break;
    case SlotKind::kDistinct:
      if ((*w & 1) == 0) delete set_at(w);
      break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
      if (slot.type == TypeKind::kString) delete[] std::bit_cast<char*>(w[3]);
      break;
    default: break;
  }
}

}  // namespace

void init_words(const StateLayout& layout, uint64_t* words) {
  std::fill_n(words, layout.words, 0);
  for (const Slot& slot : layout.slots) {
    uint64_t* w = words + slot.at;
    switch (slot.kind) {
      case SlotKind::kRows: w[1] = static_cast<uint64_t>(kNoEventTime); break;
      case SlotKind::kSumFloat:
      case SlotKind::kSquaresFloat: new (w) ExactSum; break;
      case SlotKind::kMin: *w = static_cast<uint64_t>(INT64_MAX); break;
      case SlotKind::kMax: *w = static_cast<uint64_t>(INT64_MIN); break;
      case SlotKind::kFirst:
      case SlotKind::kLast: w[1] = static_cast<uint64_t>(-1); break;
      default: break;
    }
  }
}

void destroy_words(const StateLayout& layout, uint64_t* words) {
  if (!layout.has_boxes) return;
  for (const Slot& slot : layout.slots) destroy_one(slot, words + slot.at);
}

void add_row(const StateLayout& layout, std::span<const Slot> slots, uint64_t* words, const uint64_t* row) {
  for (const Slot& slot : slots) {
    if (!layout.row.passes(row, slot.filter)) continue;
    uint64_t* w = words + slot.at;
    if (slot.kind == SlotKind::kRows) {
      ++w[0];
      w[1] = static_cast<uint64_t>(std::max(signed_at(w + 1), row_time(row)));
    } else if (layout.row.valid(row, slot.argument)) {
      add_value(slot, w, row, row + layout.row.arguments[static_cast<size_t>(slot.argument)].at);
    }
  }
}

void add_row(const StateLayout& layout, uint64_t* words, const uint64_t* row) { add_row(layout, layout.slots, words, row); }

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

void merge_words(const StateLayout& layout, uint64_t* to, const uint64_t* from, size_t stride, size_t count) {
  for (const Slot& slot : layout.slots) merge_slot(slot, to + slot.at, from + slot.at, stride, count);
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
      case SlotKind::kSquaresFloat: exact_at(w).subtract(exact_at(x)); break;
      default: CHECK(false);
    }
  }
}

void copy_sums(std::span<const Slot> sums, uint64_t* to, const uint64_t* all, const uint64_t* left, int64_t tail) {
  for (const Slot& slot : sums) {
    uint64_t* w = to + slot.at;
    const uint64_t* a = all + slot.at;
    const uint64_t* l = left + slot.at;
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
      case SlotKind::kSumFloat:
      case SlotKind::kSquaresFloat:
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

DistinctCode distinct_code_at(TypeKind type, const uint64_t* value) {
  if (type == TypeKind::kString) return distinct_code(std::string_view(std::bit_cast<const char*>(value[0]), value[1]));
  return distinct_code(type, *value);
}

size_t box_bytes(const StateLayout& layout, const uint64_t* words) {
  size_t bytes = 0;
  if (!layout.has_boxes) return bytes;
  for (const Slot& slot : layout.slots) {
    const uint64_t* w = words + slot.at;
    if (slot.kind == SlotKind::kSumFloat || slot.kind == SlotKind::kSquaresFloat) bytes += exact_at(w).heap_bytes();
    if (slot.kind == SlotKind::kDistinct && *w != 0) bytes += set_at(w)->heap_bytes();
    if ((slot.kind == SlotKind::kFirst || slot.kind == SlotKind::kLast) && slot.type == TypeKind::kString) bytes += w[4];
  }
  return bytes;
}

namespace {

void save_one(const Slot& slot, const uint64_t* w, ByteWriter& out) {
  switch (slot.kind) {
    case SlotKind::kRows:
      out.varint(w[0]);
      if (w[0] != 0) out.i64(signed_at(w + 1));
      break;
    case SlotKind::kCount:
    case SlotKind::kTrue: out.varint(*w); break;
    case SlotKind::kSumInt: out.u64(w[0]), out.u64(w[1]); break;
    case SlotKind::kSquaresInt: out.u64(w[0]), out.u64(w[1]), out.u64(w[2]); break;
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat: exact_at(w).save(out); break;
    case SlotKind::kMin:
    case SlotKind::kMax: out.u64(*w); break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
      out.u8(is_set(w) ? 1 : 0);
      if (!is_set(w)) break;
      out.i64(signed_at(w)), out.varint(w[1]), out.i64(signed_at(w + 2));
      if (slot.type == TypeKind::kString) {
        out.sized({std::bit_cast<const char*>(w[3]), w[4]});
      } else {
        out.u64(w[3]);
      }
      break;
    case SlotKind::kDistinct:
      if (const DistinctSet* set = set_at(w)) {
        set->save(out);
      } else {
        DistinctSet().save(out);
      }
      break;
  }
}

bool load_first_last(const Slot& slot, uint64_t* w, ByteReader& in) {
  const uint8_t set = in.u8();
  if (set > 1) return false;
  if (set == 0) return in.ok();
  w[0] = in.u64();
  const uint64_t partition = in.varint();
  w[2] = in.u64();
  if (!in.ok() || partition > INT32_MAX) return false;
  w[1] = partition;
  if (slot.type == TypeKind::kString) {
    const std::string_view text = in.sized();
    set_text(w + 3, text.data(), text.size());
  } else {
    w[3] = in.u64();
    if (slot.type == TypeKind::kBool && w[3] > 1) return false;
  }
  return in.ok();
}

bool load_one(const Slot& slot, uint64_t* w, ByteReader& in) {
  switch (slot.kind) {
    case SlotKind::kRows:
      w[0] = in.varint();
      if (w[0] != 0) w[1] = in.u64();
      break;
    case SlotKind::kCount:
    case SlotKind::kTrue: *w = in.varint(); break;
    case SlotKind::kSumInt: w[0] = in.u64(), w[1] = in.u64(); break;
    case SlotKind::kSquaresInt: w[0] = in.u64(), w[1] = in.u64(), w[2] = in.u64(); break;
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat: return exact_at(w).load(in);
    case SlotKind::kMin:
    case SlotKind::kMax: *w = in.u64(); break;
    case SlotKind::kFirst:
    case SlotKind::kLast: return load_first_last(slot, w, in);
    case SlotKind::kDistinct: {
      DistinctSet set;
      if (!set.load(in, slot.cap)) return false;
      if (set.size() > 0 || set.over()) make_set(w) = std::move(set);
      break;
    }
  }
  return in.ok();
}

}  // namespace

void save_words(const StateLayout& layout, const uint64_t* words, ByteWriter& out) {
  for (const Slot& slot : layout.slots) save_one(slot, words + slot.at, out);
}

bool load_words(const StateLayout& layout, uint64_t* words, ByteReader& in) {
  for (const Slot& slot : layout.slots) {
    if (!load_one(slot, words + slot.at, in)) return false;
  }
  return true;
}

}  // namespace ms::feature
