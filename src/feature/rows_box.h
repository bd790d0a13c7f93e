// The last n rows: what last(n) windows keep in a tile.
#pragma once

#include <optional>

#include "feature/box.h"
#include "feature/row_run.h"

namespace ms::feature {

class RowsBox final : public Box {
 public:
  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override { return sizeof *this + (rows_ ? rows_->bytes() : 0); }

  size_t size() const { return rows_ ? rows_->size() : 0; }
  const uint64_t* row(size_t i) const { return rows_->row(i); }  // in canonical order

 private:
  const RowLayout* layout_ = nullptr;
  std::optional<RowRun> rows_;
};

}  // namespace ms::feature
