#include "feature/vector_box.h"

#include <algorithm>
#include <cmath>

#include "codec/packed_value.h"
#include "feature/value_words.h"

namespace ms::feature {

void VectorSums::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  const std::string_view vector = bytes_at(layout.value(row, slot.argument));
  sums_.resize(slot.type.size);
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i].add(packed_vector_at(vector, i));
}

void VectorSums::merge(const Slot& slot, const Box& other) {
  sums_.resize(slot.type.size);
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i].add(static_cast<const VectorSums&>(other).sums_[i]);
}

void VectorSums::save(const Slot&, ByteWriter& out) const {
  for (const ExactSum& sum : sums_) sum.save(out);
}

bool VectorSums::load(const Slot& slot, const RowLayout&, ByteReader& in) {
  sums_.resize(slot.type.size);
  return std::ranges::all_of(sums_, [&](ExactSum& sum) { return sum.load(in); });
}

size_t VectorSums::bytes() const {
  size_t bytes = sizeof *this + sums_.capacity() * sizeof(ExactSum);
  for (const ExactSum& sum : sums_) bytes += sum.heap_bytes();
  return bytes;
}

void VectorExtremes::offer(const Slot& slot, size_t i, int64_t value) {
  values_[i] = slot.extra->box == BoxKind::kVectorMin ? std::min(values_[i], value) : std::max(values_[i], value);
}

void VectorExtremes::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  const std::string_view vector = bytes_at(layout.value(row, slot.argument));
  const bool first = values_.empty();
  values_.resize(slot.type.size);
  for (size_t i = 0; i < values_.size(); ++i) {
    const double x = packed_vector_at(vector, i);
    const int64_t value = ordered_bits(std::isnan(x) ? 0x7FF8000000000000ull : std::bit_cast<uint64_t>(x));
    if (first) values_[i] = value;
    else offer(slot, i, value);
  }
}

void VectorExtremes::merge(const Slot& slot, const Box& other) {
  const auto& from = static_cast<const VectorExtremes&>(other).values_;
  if (values_.empty()) values_ = from;
  for (size_t i = 0; i < values_.size(); ++i) offer(slot, i, from[i]);
}

void VectorExtremes::save(const Slot&, ByteWriter& out) const {
  for (const int64_t value : values_) out.i64(value);
}

bool VectorExtremes::load(const Slot& slot, const RowLayout&, ByteReader& in) {
  values_.resize(slot.type.size);
  for (int64_t& value : values_) value = in.i64();
  return in.ok();
}

}  // namespace ms::feature
