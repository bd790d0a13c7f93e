// Accumulators with memory of their own: lists, maps, sketches, vectors, rows and sessions. A slot of kind kBox holds the address of
// one, or null while no row was added.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "feature/state_layout.h"

namespace ms::feature {

// Everything commutes: what a box holds is a function of the rows that were added to it and to what was merged into it.
class Box {
 public:
  virtual ~Box() = default;
  // The row passes the slot's filter and its arguments are not null.
  virtual void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) = 0;
  virtual void merge(const Slot& slot, const Box& other) = 0;  // of the same slot
  virtual void save(const Slot& slot, ByteWriter& out) const = 0;
  virtual bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) = 0;  // into a new box; false: not what save() writes
  virtual size_t bytes() const = 0;
};
std::unique_ptr<Box> make_box(const Slot& slot);

inline Box* box_at(const uint64_t* word) { return std::bit_cast<Box*>(*word); }

// A value that owns its bytes.
struct OwnedValue {
  uint64_t words[2] = {0, 0};
  std::string text;

  OwnedValue() = default;
  OwnedValue(const Type& type, const uint64_t* value);
  // As words, for the functions of value_words.h; bytes point into this value.
  void to_words(const Type& type, uint64_t* out) const;
};

}  // namespace ms::feature
