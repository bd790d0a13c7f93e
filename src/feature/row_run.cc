#include "feature/row_run.h"

#include "feature/value_words.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ms::feature {

void RowRun::copy_texts(uint64_t* row) {
  for (const auto& a : layout_->arguments) {
    if (!a.used || !is_bytes(a.type)) continue;
    const auto* from = std::bit_cast<const char*>(row[a.at]);
    const size_t size = row[a.at + 1];
    char* copy = nullptr;
    if (size > 0) {
      copy = new char[size];
      std::memcpy(copy, from, size);
    }
    row[a.at] = std::bit_cast<uint64_t>(copy);
    text_bytes_ += size;
  }
}

void RowRun::free_texts(const uint64_t* row) {
  for (const auto& a : layout_->arguments) {
    if (!a.used || !is_bytes(a.type)) continue;
    delete[] std::bit_cast<char*>(row[a.at]);
    text_bytes_ -= row[a.at + 1];
  }
}

void RowRun::clear() {
  for (size_t i = 0; i < size(); ++i) free_texts(row(i));
  words_.clear();
  first_ = size_ = folded_ = 0;
}

size_t RowRun::insert(const uint64_t* row_words) {
  const size_t stride = layout_->stride;
  if (first_ > 0 && words_.size() + stride > words_.capacity() && first_ * 2 >= words_.size() / stride) {
    words_.erase(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(first_ * stride));
    first_ = 0;
  }
  const size_t low = size() > 0 && row_before(row(size() - 1), row_words) ? size() : place_of(row_words);
  const size_t place = (first_ + low) * stride;
  words_.insert(words_.begin() + static_cast<std::ptrdiff_t>(place), row_words, row_words + stride);
  copy_texts(words_.data() + place);
  ++size_;
  return low;
}

void RowRun::drop_front(size_t rows) {
  for (size_t i = 0; i < rows; ++i) free_texts(row(i));
  first_ += rows;
  size_ -= rows;
  dropped_ += rows;
  folded_ -= std::min(folded_, rows);
  if (size() > 0) return;
  words_.clear();
  first_ = 0;
}

void RowRun::erase(size_t i) {
  free_texts(row(i));
  const auto at = words_.begin() + static_cast<std::ptrdiff_t>((first_ + i) * layout_->stride);
  words_.erase(at, at + static_cast<std::ptrdiff_t>(layout_->stride));
  --size_;
  if (i < folded_) --folded_;
}

size_t RowRun::find(int64_t time, int32_t partition, int64_t offset) const {
  const uint64_t wanted[] = {static_cast<uint64_t>(time), static_cast<uint64_t>(offset), static_cast<uint64_t>(partition)};
  const size_t place = place_of(wanted);
  return place < size() && std::equal(wanted, wanted + 3, row(place)) ? place : size();
}

size_t RowRun::place_of(const uint64_t* position) const {
  size_t low = 0, high = size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (row_before(row(middle), position)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

size_t RowRun::lower_bound(int64_t time) const {
  size_t low = 0, high = size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (row_time(row(middle)) < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void save_row(const RowLayout& layout, const uint64_t* row, ByteWriter& out) {
  out.i64(static_cast<int64_t>(row[0])), out.i64(static_cast<int64_t>(row[1])), out.varint(row[2]);
  for (size_t i = 0; i < layout.bit_words; ++i) out.varint(row[3 + i]);
  for (size_t i = 0; i < layout.arguments.size(); ++i) {
    const auto& a = layout.arguments[i];
    if (!a.used || !layout.valid(row, static_cast<int>(i))) continue;
    save_value(a.type, row + a.at, out);
  }
}

bool load_row(const RowLayout& layout, uint64_t* row, ByteReader& in) {
  std::fill_n(row, layout.stride, 0);
  row[0] = in.u64(), row[1] = in.u64(), row[2] = in.varint();
  if (row[2] > INT32_MAX) return false;
  for (size_t i = 0; i < layout.bit_words; ++i) row[3 + i] = in.varint();
  for (size_t i = 0; i < layout.bit_words * 64; ++i) {
    if (!RowLayout::bit(row, i) || i < layout.filters) continue;
    const size_t argument = i - layout.filters;
    if (argument >= layout.arguments.size() || !layout.arguments[argument].used) return false;
  }
  for (size_t i = 0; i < layout.arguments.size(); ++i) {
    const auto& a = layout.arguments[i];
    if (!a.used || !layout.valid(row, static_cast<int>(i))) continue;
    if (!load_value(a.type, row + a.at, in)) return false;
  }
  return in.ok();
}

}  // namespace ms::feature
