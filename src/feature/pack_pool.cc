#include "feature/pack_pool.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ms::feature {

size_t PackPool::class_of(size_t bytes) {
  return static_cast<size_t>(std::ranges::lower_bound(kSizes, bytes) - kSizes.begin());
}

uint8_t* PackPool::allocate(size_t bytes) {
  CHECK(bytes <= RowPacker::kBytesMost);
  const size_t size_class = class_of(bytes), each = in_slab(size_class);
  Blocks& blocks = blocks_[size_class];
  if (blocks.count == blocks.slabs.size() * each) blocks.slabs.push_back(reinterpret_cast<uint8_t*>(slabs_.allocate(0)));
  const size_t i = blocks.count++;
  return blocks.slabs[i / each] + i % each * kSizes[size_class];
}

const uint8_t* PackPool::take_last(size_t size_class) {
  Blocks& blocks = blocks_[size_class];
  const size_t each = in_slab(size_class), i = --blocks.count;
  const uint8_t* last = blocks.slabs[i / each] + i % each * kSizes[size_class];
  // What lies there is read before anything is allocated again.
  if (i % each == 0) slabs_.release(reinterpret_cast<uint64_t*>(blocks.slabs.back()), 0), blocks.slabs.pop_back();
  return last;
}

void PackPool::move(uint8_t* to, const uint8_t* from, size_t size_class) { std::memcpy(to, from, kSizes[size_class]); }

}  // namespace ms::feature
