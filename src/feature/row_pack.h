// Few rows of an entity in as few bytes as they need. Rows that the clock has passed stay rows while they are smaller than the tiles
// that would hold them. A pack is a header (where an accumulator knows positions: then the offset of the last row, 8 bytes) and the rows
// in canonical order, each told from the one before:
//
//   varint   (event time - the one before, in units) << flag bits | flags     the first row: 0 for the time
//   zigzag   offset - the one before, then varint partition                   with positions; the first row: 0 for the offset
//   values   of the arguments that are not null: integers zigzag, float64 as a varint of its bytes from the last one on (short for
//            round numbers), decimals zigzag of 128 bits, others varint size and bytes
//
// Flags are the row's bits (filters, then validity), turned over where they mostly are set. More than 8 have varints of their own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "feature/state_layout.h"

namespace ms::feature {

struct [[gnu::packed, gnu::aligned(4)]] PackHeader {
  int64_t newest_us = 0;   // event time of the last row
  uint32_t owner = 0;      // number of the entity
  uint32_t span_s = 0;     // the first row lies at most so many seconds before the last one; all bits: more
  uint16_t bytes = 0;      // all of the pack
  uint8_t rows = 0;
  uint8_t unit = 0;        // of times: 0 a second, 1 a millisecond, 2 a microsecond

  // No row lies before it.
  int64_t oldest_us() const { return span_s == UINT32_MAX ? INT64_MIN : saturating_sub(newest_us, span_s * int64_t{1'000'000}); }
};
static_assert(sizeof(PackHeader) == 20);

inline const PackHeader& pack_header(const uint8_t* pack) { return *reinterpret_cast<const PackHeader*>(pack); }
inline PackHeader& pack_header(uint8_t* pack) { return *reinterpret_cast<PackHeader*>(pack); }

// Packs and unpacks the rows of one layout. Immutable; any number of threads.
class RowPacker {
 public:
  static constexpr size_t kBytesMost = 1024, kRowsMost = 128;

  explicit RowPacker(const StateLayout& layout);
  // For tests, which meet tiles with few rows so: packers made from now on pack at most so many. Gives what it was.
  static size_t limit_rows(size_t rows_most);

  // Whether an entity of this layout may hold packed rows: others keep their rows anyway.
  bool possible() const { return rows_most_ > 0; }
  // Whether `row` may stand behind the row of `header`, by its place and its time.
  bool follows(const PackHeader& header, const uint64_t* row) const;
  // Adds the bytes of one row behind the last one of `pack` (all but its bytes are brought up to date) to `out`. False: it cannot be
  // written, the pack is as it was; what `out` has got is no row then.
  bool append(uint8_t* pack, const uint64_t* row, std::vector<uint8_t>& out) const;
  // All rows anew: a pack, the owner's number left out. `rows` are in canonical order. False: too many, too large.
  bool pack(std::span<const uint64_t* const> rows, std::vector<uint8_t>& out) const;
  // Appends the rows of a pack; bytes stay where the pack has them. Without positions, offsets count from 0 in partition 0.
  void unpack(const uint8_t* pack, std::vector<uint64_t>& rows) const;

 private:
  struct Value {
    TypeKind type;
    uint32_t at;
    uint32_t bit;  // of validity
  };
  static void note(PackHeader& header, const uint64_t* row);
  size_t head_bytes() const { return sizeof(PackHeader) + (positions_ ? sizeof(int64_t) : 0); }
  const uint8_t* read_row(const uint8_t* at, uint64_t unit_us, uint64_t* row) const;

  const RowLayout* layout_;
  size_t rows_most_ = 0;
  bool positions_ = false;
  uint32_t flag_bits_ = 0;             // beside the time; 0: words of their own
  std::vector<uint64_t> usual_;        // bit words of a row with everything
  std::vector<Value> values_;
};

}  // namespace ms::feature
