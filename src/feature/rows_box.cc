#include "feature/rows_box.h"

namespace ms::feature {

void RowsBox::add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) {
  if (!rows_) rows_.emplace(layout), layout_ = &layout;
  const auto n = static_cast<size_t>(slot.extra->n);
  if (rows_->size() == n && row_before(row, rows_->row(0))) return;
  rows_->insert(row);
  if (rows_->size() > n) rows_->drop_front(1);
}

void RowsBox::merge(const Slot& slot, const Box& other) {
  const auto& from = static_cast<const RowsBox&>(other);
  for (size_t i = from.size(); i-- > 0;) add_row(slot, *from.layout_, from.row(i));
}

void RowsBox::save(const Slot&, ByteWriter& out) const {
  out.varint(size());
  for (size_t i = 0; i < size(); ++i) save_row(*layout_, row(i), out);
}

bool RowsBox::load(const Slot& slot, const RowLayout& layout, ByteReader& in) {
  const uint64_t count = in.varint();
  if (count == 0 || count > static_cast<uint64_t>(slot.extra->n)) return false;
  std::vector<uint64_t> row(layout.stride);
  for (uint64_t i = 0; i < count; ++i) {
    if (!load_row(layout, row.data(), in)) return false;
    if (i > 0 && !row_before(rows_->row(i - 1), row.data())) return false;
    add_row(slot, layout, row.data());
  }
  return true;
}

}  // namespace ms::feature
