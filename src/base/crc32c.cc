#include "base/crc32c.h"

#include <nmmintrin.h>

#include <array>

#include "base/bytes.h"

namespace ms {
namespace {

constexpr size_t kLane = 1024;  // bytes per stream in the interleaved loop
constexpr uint32_t kPolynomial = 0x82F63B78;

// Multiplies the register by x^(8 * kLane): four tables, one per register byte.
struct ShiftTables {
  std::array<std::array<uint32_t, 256>, 4> by_byte{};
  constexpr ShiftTables() {
    std::array<uint32_t, 32> column{};  // column[i] = the register 1 << i after kLane zero bytes
    for (unsigned bit = 0; bit < 32; ++bit) {
      uint32_t r = 1u << bit;
      for (size_t i = 0; i < kLane * 8; ++i) r = (r >> 1) ^ ((r & 1) ? kPolynomial : 0);
      column[bit] = r;
    }
    for (unsigned table = 0; table < 4; ++table)
      for (unsigned value = 0; value < 256; ++value) {
        uint32_t r = 0;
        for (unsigned bit = 0; bit < 8; ++bit)
          if (value >> bit & 1) r ^= column[table * 8 + bit];
        by_byte[table][value] = r;
      }
  }
};

uint32_t shift_lane(uint32_t r) {
  static const ShiftTables tables;
  return tables.by_byte[0][r & 0xFF] ^ tables.by_byte[1][r >> 8 & 0xFF] ^ tables.by_byte[2][r >> 16 & 0xFF] ^
         tables.by_byte[3][r >> 24];
}

}  // namespace

uint32_t crc32c(std::span<const uint8_t> bytes, uint32_t before) {
  const uint8_t* p = bytes.data();
  size_t n = bytes.size();
  uint64_t a = ~before;
  while (n >= 3 * kLane) {
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, load_le<uint64_t>(p + i));
      b = _mm_crc32_u64(b, load_le<uint64_t>(p + kLane + i));
      c = _mm_crc32_u64(c, load_le<uint64_t>(p + 2 * kLane + i));
    }
    a = shift_lane(shift_lane(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b)) ^ static_cast<uint32_t>(c);
    p += 3 * kLane, n -= 3 * kLane;
  }
  for (; n >= 8; p += 8, n -= 8) a = _mm_crc32_u64(a, load_le<uint64_t>(p));
  for (; n > 0; ++p, --n) a = _mm_crc32_u8(static_cast<uint32_t>(a), *p);
  return ~static_cast<uint32_t>(a);
}

}  // namespace ms
