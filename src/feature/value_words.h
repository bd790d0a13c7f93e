// One value as words: how rows and accumulators hold it. One word, or two: bytes are an address and a size, decimals their low and
// high half (argument_words()).
#pragma once

#include <bit>
#include <string_view>

#include "base/bytes.h"
#include "feature/state_layout.h"

namespace ms::feature {

inline std::string_view bytes_at(const uint64_t* words) { return {std::bit_cast<const char*>(words[0]), words[1]}; }
inline int128 decimal_at(const uint64_t* words) { return static_cast<int128>(static_cast<uint128>(words[1]) << 64 | words[0]); }
inline void set_decimal(uint64_t* words, int128 value) {
  words[0] = static_cast<uint64_t>(value), words[1] = static_cast<uint64_t>(static_cast<uint128>(value) >> 64);
}

// Replaces bytes that `words` owns by a copy of `text`; no text: null address.
void own_bytes(uint64_t* words, std::string_view text);
// Copies a value, bytes too: `to` owns a value of the same type already (or zeros).
void copy_value(const Type& type, uint64_t* to, const uint64_t* from);
void free_value(const Type& type, const uint64_t* words);

// Orders values as min and max do: false before true; numbers by size, -0 before 0, NaN last; texts by bytes. Scalars only.
int compare_values(const Type& type, const uint64_t* a, const uint64_t* b);

void save_value(const Type& type, const uint64_t* words, ByteWriter& out);
// Bytes become a view into the reader's. False: no value of that type.
bool load_value(const Type& type, uint64_t* words, ByteReader& in);

// int64 order of float64: -NaN never occurs (rows hold one NaN, above infinity), -0 is below 0. Its own inverse.
inline int64_t ordered_bits(uint64_t bits) {
  const auto s = static_cast<int64_t>(bits);
  return s ^ static_cast<int64_t>(static_cast<uint64_t>(s >> 63) >> 1);
}

}  // namespace ms::feature
