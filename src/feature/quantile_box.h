// quantile: counts in buckets that are linear within each power of two (the DDSketch family: Masson et al. 2019), so that a bucket's
// middle is within the stated relative error of all it holds.
#pragma once

#include <utility>
#include <vector>

#include "feature/box.h"

namespace ms::feature {

class QuantileBox final : public Box {
 public:
  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override { return sizeof *this + buckets_.capacity() * sizeof(buckets_[0]); }

  // The middle of the bucket that holds the value of rank floor(q * (n - 1)) of n, from 0; q in [0, 1].
  double quantile(double q) const;

 private:
  void add(int64_t bucket, uint64_t count);
  int64_t bits_ = 0;  // of the slot
  std::vector<std::pair<int64_t, uint64_t>> buckets_;  // ascending, as the values in them
};

}  // namespace ms::feature
