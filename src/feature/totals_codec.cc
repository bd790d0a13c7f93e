// Accumulators as bytes: checkpoints and the canonical export (docs/formats/state.md).
#include <bit>

#include "feature/box.h"
#include "feature/totals.h"

namespace ms::feature {
namespace {

bool is_set(const uint64_t* w) { return static_cast<int64_t>(w[1]) >= 0; }
bool is_arg(const Slot& slot) { return slot.kind == SlotKind::kArgMin || slot.kind == SlotKind::kArgMax; }
const DistinctSet* set_at(const uint64_t* w) { return std::bit_cast<const DistinctSet*>(*w); }

// kFirst, kLast, kArgMin, kArgMax.
void save_placed(const Slot& slot, const uint64_t* w, ByteWriter& out) {
  out.u8(is_set(w) ? 1 : 0);
  if (!is_set(w)) return;
  out.i64(static_cast<int64_t>(w[0])), out.varint(w[1]), out.i64(static_cast<int64_t>(w[2]));
  save_value(slot.type, w + 3, out);
  if (is_arg(slot)) save_value(slot.by_type, w + 3 + argument_words(slot.type), out);
}

bool load_placed(const Slot& slot, uint64_t* w, ByteReader& in) {
  const uint8_t set = in.u8();
  if (set > 1) return false;
  if (set == 0) return in.ok();
  const uint64_t event_time = in.u64(), partition = in.varint(), offset = in.u64();
  uint64_t value[2] = {0, 0}, by[2] = {0, 0};
  if (!in.ok() || partition > INT32_MAX || !load_value(slot.type, value, in)) return false;
  if (is_arg(slot) && !load_value(slot.by_type, by, in)) return false;
  w[0] = event_time, w[1] = partition, w[2] = offset;
  copy_value(slot.type, w + 3, value);
  if (is_arg(slot)) copy_value(slot.by_type, w + 3 + argument_words(slot.type), by);
  return true;
}

void save_one(const Slot& slot, const uint64_t* w, ByteWriter& out) {
  switch (slot.kind) {
    case SlotKind::kRows:
      out.varint(w[0]);
      if (w[0] != 0) out.i64(static_cast<int64_t>(w[1]));
      break;
    case SlotKind::kCount:
    case SlotKind::kTrue: out.varint(*w); break;
    case SlotKind::kSumInt: out.u64(w[0]), out.u64(w[1]); break;
    case SlotKind::kSquaresInt: out.u64(w[0]), out.u64(w[1]), out.u64(w[2]); break;
    case SlotKind::kSumFloat:
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum: exact_at(w).save(out); break;
    case SlotKind::kMin:
    case SlotKind::kMax: out.u64(*w); break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: save_placed(slot, w, out); break;
    case SlotKind::kDistinct:
      if (const DistinctSet* set = set_at(w)) {
        set->save(out);
      } else {
        DistinctSet().save(out);
      }
      break;
    case SlotKind::kHistogram:
      for (size_t i = 0; i <= slot.extra->bounds.size(); ++i) out.varint(w[i]);
      break;
    case SlotKind::kBox:
      out.u8(*w == 0 ? 0 : 1);
      if (const Box* box = box_at(w)) box->save(slot, out);
      break;
  }
}

bool load_box(const Slot& slot, const RowLayout& layout, uint64_t* w, ByteReader& in) {
  const uint8_t there = in.u8();
  if (there == 0) return in.ok();
  auto box = make_box(slot);
  if (there != 1 || !box->load(slot, layout, in)) return false;
  *w = std::bit_cast<uint64_t>(box.release());
  return true;
}

bool load_one(const Slot& slot, const RowLayout& layout, uint64_t* w, ByteReader& in) {
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
    case SlotKind::kSquaresFloat:
    case SlotKind::kMoment:
    case SlotKind::kDecayCount:
    case SlotKind::kDecaySum: return exact_at(w).load(in);
    case SlotKind::kMin:
    case SlotKind::kMax: *w = in.u64(); break;
    case SlotKind::kFirst:
    case SlotKind::kLast:
    case SlotKind::kArgMin:
    case SlotKind::kArgMax: return load_placed(slot, w, in);
    case SlotKind::kDistinct: {
      DistinctSet set;
      if (!set.load(in, slot.cap)) return false;
      if (set.size() > 0 || set.over()) *w = std::bit_cast<uint64_t>(new DistinctSet(std::move(set)));
      break;
    }
    case SlotKind::kHistogram:
      for (size_t i = 0; i <= slot.extra->bounds.size(); ++i) w[i] = in.varint();
      break;
    case SlotKind::kBox: return load_box(slot, layout, w, in);
  }
  return in.ok();
}

}  // namespace

size_t box_bytes(const SlotSet& set, const uint64_t* words) {
  size_t bytes = 0;
  if (!set.has_boxes) return bytes;
  for (const Slot& slot : set.slots) {
    const uint64_t* w = words + slot.at;
    switch (slot.kind) {
      case SlotKind::kSumFloat:
      case SlotKind::kSquaresFloat:
      case SlotKind::kMoment:
      case SlotKind::kDecayCount:
      case SlotKind::kDecaySum: bytes += exact_at(w).heap_bytes(); break;
      case SlotKind::kDistinct: bytes += *w != 0 ? set_at(w)->heap_bytes() : 0; break;
      case SlotKind::kFirst:
      case SlotKind::kLast:
      case SlotKind::kArgMin:
      case SlotKind::kArgMax:
        bytes += is_bytes(slot.type) ? w[4] : 0;
        bytes += is_arg(slot) && is_bytes(slot.by_type) ? w[3 + argument_words(slot.type) + 1] : 0;
        break;
      case SlotKind::kBox: bytes += *w != 0 ? box_at(w)->bytes() : 0; break;
      default: break;
    }
  }
  return bytes;
}

void save_words(const SlotSet& set, const uint64_t* words, ByteWriter& out) {
  for (const Slot& slot : set.slots) save_one(slot, words + slot.at, out);
}

bool load_words(const RowLayout& layout, const SlotSet& set, uint64_t* words, ByteReader& in) {
  for (const Slot& slot : set.slots) {
    if (!load_one(slot, layout, words + slot.at, in)) return false;
  }
  return true;
}

}  // namespace ms::feature
