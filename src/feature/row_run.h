// Raw rows of one entity in canonical order: pending ones, and those an exact window's edge may still need.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "feature/state_layout.h"

namespace ms::feature {

class RowRun {
 public:
  explicit RowRun(const RowLayout& layout) : layout_(&layout) {}
  ~RowRun() { clear(); }
  RowRun(const RowRun&) = delete;
  RowRun& operator=(const RowRun&) = delete;

  size_t size() const { return size_; }
  const uint64_t* row(size_t i) const { return words_.data() + (first_ + i) * layout_->stride; }
  // Rows [0, folded) are in the tiles too, the others are pending.
  size_t folded() const { return folded_; }
  void set_folded(size_t n) { folded_ = n; }

  // Starts loading the newest row.
  void prefetch_newest() const { __builtin_prefetch(words_.data() + (first_ + (size_ == 0 ? 0 : size_ - 1)) * layout_->stride, 1); }
  // Copies the row (and its texts) to its canonical place and returns that.
  size_t insert(const uint64_t* row);
  void drop_front(size_t rows);
  // Takes one row out, from wherever it lies.
  void erase(size_t i);
  // The first row with et >= time.
  size_t lower_bound(int64_t time) const;
  // The row at that event time, partition and offset; size(): there is none.
  size_t find(int64_t time, int32_t partition, int64_t offset) const;
  // Rows ever dropped from the front: row(i) keeps the number dropped() + i until something is inserted before it.
  uint64_t dropped() const { return dropped_; }
  size_t bytes() const { return sizeof *this + words_.capacity() * sizeof(uint64_t) + text_bytes_; }

 private:
  // The first row at or behind `position`: event time, offset, partition, as a row begins.
  size_t place_of(const uint64_t* position) const;
  void clear();
  void copy_texts(uint64_t* row);
  void free_texts(const uint64_t* row);

  const RowLayout* layout_;
  std::vector<uint64_t> words_;
  size_t first_ = 0, size_ = 0, folded_ = 0;
  uint64_t dropped_ = 0;
  size_t text_bytes_ = 0;
};

void save_row(const RowLayout& layout, const uint64_t* row, ByteWriter& out);
// `row` gets addresses into the reader's bytes. False: not what save_row writes.
bool load_row(const RowLayout& layout, uint64_t* row, ByteReader& in);

}  // namespace ms::feature
