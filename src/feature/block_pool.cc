#include "feature/block_pool.h"

#include <sys/mman.h>

#include <cstdlib>

#include "base/check.h"

namespace ms::feature {
namespace {
constexpr size_t kPage = size_t{2} << 20;
constexpr size_t kSmall = 4096;  // the first chunk of a small state

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
}  // namespace

void BlockPool::Free::operator()(uint64_t* p) const { std::free(p); }

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
    const size_t chunk = bytes_ < kPage ? round_up(std::max(wanted, std::max(kSmall, bytes_)), 64) : round_up(wanted, kPage);
    auto* memory = static_cast<uint64_t*>(std::aligned_alloc(chunk >= kPage ? kPage : 64, chunk));
    CHECK(memory != nullptr);
    if (chunk >= kPage) madvise(memory, chunk, MADV_HUGEPAGE);
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
