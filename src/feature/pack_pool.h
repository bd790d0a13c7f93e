// Memory for packs of rows (row_pack.h): blocks of a few sizes, each size dense in small slabs. Entities grow alike, so a freed block of a
// small size would rarely be asked for again: the last block of its size takes its place instead.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "feature/block_pool.h"
#include "feature/row_pack.h"

namespace ms::feature {

// One thread at a time.
class PackPool {
 public:
  PackPool() : slabs_(kSlab / sizeof(uint64_t)) {}

  // A block for a pack of `bytes` (at most RowPacker::kBytesMost), not initialised.
  uint8_t* allocate(size_t bytes);
  // Whether a pack of `to` bytes has room where one of `from` lies.
  static bool same_block(size_t from, size_t to) { return class_of(from) == class_of(to); }
  // Whether a pack of `bytes` lies in a block of 128, 256 or 512: when it outgrows that, there is reason to look at all its rows.
  static bool is_milestone(size_t bytes) {
    const size_t size = kSizes[class_of(bytes)];
    return size >= 128 && std::has_single_bit(size);
  }
  // `bytes`: of the pack that lies there. Another pack may move to `block`: moved(its owner).
  template <class Moved>
  void release(uint8_t* block, size_t bytes, Moved&& moved) {
    const size_t size_class = class_of(bytes);
    const uint8_t* last = take_last(size_class);
    if (last == block) return;
    move(block, last, size_class);
    moved(pack_header(block).owner);
  }
  size_t bytes() const { return slabs_.bytes(); }

 private:
  static constexpr size_t kSlab = 4096;
  static constexpr std::array<uint16_t, 20> kSizes = {32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 672, 768, 896, RowPacker::kBytesMost};
  struct Blocks {
    std::vector<uint8_t*> slabs;
    size_t count = 0;
  };

  static size_t class_of(size_t bytes);
  static size_t in_slab(size_t size_class) { return kSlab / kSizes[size_class]; }
  // The last block of the size, which is no block any more.
  const uint8_t* take_last(size_t size_class);
  static void move(uint8_t* to, const uint8_t* from, size_t size_class);

  BlockPool slabs_;
  std::array<Blocks, kSizes.size()> blocks_;
};

}  // namespace ms::feature
