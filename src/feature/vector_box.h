// sum, avg, min and max of vectors, dimension by dimension.
#pragma once

#include <vector>

#include "feature/box.h"
#include "feature/exact_sum.h"

namespace ms::feature {

class VectorSums final : public Box {
 public:
  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override;
  const std::vector<ExactSum>& sums() const { return sums_; }

 private:
  std::vector<ExactSum> sums_;
};

class VectorExtremes final : public Box {
 public:
  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override { return sizeof *this + values_.capacity() * sizeof(int64_t); }
  const std::vector<int64_t>& values() const { return values_; }  // as ordered_bits()

 private:
  void offer(const Slot& slot, size_t i, int64_t value);
  std::vector<int64_t> values_;
};

}  // namespace ms::feature
