// top_k, count_by and sum_by: exact counts or sums for each key, up to the slot's cap.
#pragma once

#include <map>
#include <string>

#include "feature/box.h"
#include "feature/exact_sum.h"

namespace ms::feature {

inline constexpr size_t kKeyBytesMax = 1024;  // a longer key counts as more keys than the cap

class KeyedBox final : public Box {
 public:
  struct Cell {
    uint64_t count = 0;
    ExactSum sum;  // kSumBy
  };

  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override;

  bool over() const { return over_; }
  // By bytes that order as the keys do: see key_value().
  const std::map<std::string, Cell, std::less<>>& cells() const { return cells_; }

 private:
  void add(const Slot& slot, std::string_view key, uint64_t count, const ExactSum* sum);
  void set_over() { over_ = true, cells_.clear(); }
  std::map<std::string, Cell, std::less<>> cells_;
  bool over_ = false;
};

// The type whose values are the keys of a slot.
const Type& key_type(const Slot& slot);
// The value of a key, as words; bytes point into `key`.
void key_value(const Type& type, std::string_view key, uint64_t* words);

}  // namespace ms::feature
