// first_n and last_n: up to n values with their places in canonical order.
#pragma once

#include <vector>

#include "feature/box.h"
#include "feature/distinct_set.h"

namespace ms::feature {

class ListBox final : public Box {
 public:
  struct Entry {
    int64_t event_time = 0, offset = 0;
    int32_t partition = 0;
    OwnedValue value;
    DistinctCode code;  // of distinct lists
    bool before(const Entry& o) const {
      return std::tie(event_time, partition, offset) < std::tie(o.event_time, o.partition, o.offset);
    }
  };

  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override;

  const std::vector<Entry>& entries() const { return entries_; }  // in canonical order

 private:
  void add(const Slot& slot, Entry entry);
  std::vector<Entry> entries_;
};

}  // namespace ms::feature
