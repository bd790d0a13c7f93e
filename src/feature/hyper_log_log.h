// approx_count_distinct: HyperLogLog (Flajolet et al. 2007) with the estimator of Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (2017, section 4), which reads nothing but the registers.
#pragma once

#include <vector>

#include "feature/box.h"

namespace ms::feature {

// 2^precision registers. Few of them that are not zero lie in a sorted list, more in an array: which one follows from their number.
class HyperLogLog final : public Box {
 public:
  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override { return sizeof *this + few_.capacity() * sizeof(uint32_t) + all_.capacity(); }

  int64_t estimate(int64_t precision) const;

 private:
  void raise(int64_t precision, uint32_t index, uint8_t rank);
  template <class Visit>
  void each(Visit&& visit) const;  // visit(index, rank) of those that are not zero, ascending

  std::vector<uint32_t> few_;  // index * 64 + rank, ascending
  std::vector<uint8_t> all_;
};

}  // namespace ms::feature
