// Lists, vectors and maps as bytes: how they travel in columns, rows, state and answers. Equal values have equal bytes (but -0 is not
// 0, as in a float64 column). Little-endian, no padding:
//   list<T>            u32 n; ceil(n / 8) bytes of validity (bit i: element i is not null); n elements: bool 1 byte, int64, float64
//                      and timestamp 8, decimal 16, string u32 end of each, then all texts. A null's slot is zero or empty.
//   vector<float64,n>  8 n bytes
//   map<string,T>      list<string> of the names (none null, ascending by bytes, each once), then list<T> of the values
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/column_batch.h"

namespace ms {

// One scalar, the slot by kind: `i` for bool (0 or 1), int64 and timestamp.
struct PackedElement {
  bool is_null = true;
  int64_t i = 0;
  double f = 0;
  int128 d = 0;
  std::string_view text;
};

// Reads a list in place; `bytes` must outlive it.
class PackedList {
 public:
  PackedList() = default;
  // CHECKs only what keeps reads inside `bytes`; use valid_packed() on bytes from outside.
  PackedList(TypeKind element, std::string_view bytes);
  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }  // that the list takes of what it was given
  bool is_null(size_t i) const { return (valid_[i / 8] >> (i % 8) & 1) == 0; }
  PackedElement at(size_t i) const;

 private:
  TypeKind element_ = TypeKind::kInt64;
  size_t size_ = 0, bytes_ = 0;
  const uint8_t* valid_ = nullptr;
  const char* values_ = nullptr;
};

// Both lists of a map.
struct PackedMap {
  PackedMap(TypeKind element, std::string_view bytes) : names(TypeKind::kString, bytes), values(element, bytes.substr(names.bytes())) {}
  PackedList names, values;
};

inline double packed_vector_at(std::string_view bytes, size_t i) {
  double v;
  __builtin_memcpy(&v, bytes.data() + 8 * i, 8);
  return v;
}

// Appends to `out`, which may be reused: clear() it before.
class PackedListWriter {
 public:
  explicit PackedListWriter(TypeKind element) : element_(element) {}
  void add(const PackedElement& value);
  void add_null() { add({}); }
  size_t size() const { return count_; }
  void clear() { count_ = 0, valid_.clear(), values_.clear(), texts_.clear(); }
  void write(std::string& out) const;

 private:
  TypeKind element_;
  size_t count_ = 0;
  std::string valid_, values_, texts_;
};

// The bytes are those of a value of this (nested) type.
bool valid_packed(const Type& type, std::string_view bytes);

}  // namespace ms
