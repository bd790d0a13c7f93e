#include "feature/block_pool.h"

#include <algorithm>

#include "base/check.h"

namespace ms::feature {
namespace {
constexpr size_t kSmall = 4096;  // the first chunk of a small state
}  // namespace

uint64_t* BlockPool::allocate(size_t size_class) {
  CHECK(size_class < kClasses);
  auto& list = free_[size_class];
  if (!list.empty()) {
    uint64_t* block = list.back();
    list.pop_back();
    return block;
  }
  const size_t words = tile_words_ << size_class;
  if (words > room_) {
    const size_t wanted = round_up(words * sizeof(uint64_t), 64);
    const size_t chunk = bytes_ < kHugePage ? round_up(std::max(wanted, std::max(kSmall, bytes_)), 64) : round_up(wanted, kHugePage);
    auto* memory = static_cast<uint64_t*>(allocate_pages(chunk));
    chunks_.emplace_back(memory);
    bytes_ += chunk;
    next_ = memory, room_ = chunk / sizeof(uint64_t);
  }
  uint64_t* block = next_;
  next_ += words, room_ -= words;
  return block;
}

void BlockPool::release(uint64_t* block, size_t size_class) { free_[size_class].push_back(block); }

}  // namespace ms::feature
