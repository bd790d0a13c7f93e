// Memory for tiles: blocks of 2^k tiles out of large chunks, in huge pages where the kernel gives them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "feature/pages.h"

namespace ms::feature {

// Free blocks are kept by size and given again; memory goes back only with the pool. One thread at a time.
class BlockPool {
 public:
  static constexpr size_t kClasses = 32;

  explicit BlockPool(size_t tile_words) : tile_words_(tile_words) {}
  uint64_t* allocate(size_t size_class);  // 2^size_class tiles, not initialised
  void release(uint64_t* block, size_t size_class);
  size_t bytes() const { return bytes_; }

 private:
  size_t tile_words_;
  std::array<std::vector<uint64_t*>, kClasses> free_;
  std::vector<Pages<uint64_t>> chunks_;
  uint64_t* next_ = nullptr;
  size_t room_ = 0;  // words
  size_t bytes_ = 0;
};

}  // namespace ms::feature
