#include "io/buffer_pool.h"

#include <bit>

namespace ms::io {

namespace {
constexpr size_t kPooledFrom = 16u << 10;
}

size_t class_bytes(size_t cls) {
  const size_t power = cls / 8;
  return (size_t{8} + cls % 8) << power;
}

size_t size_class(size_t size) {
  if (size <= 8) return 0;
  const size_t power = std::bit_width(size) - 4;  // 8 << power <= size < 16 << power
  const size_t eighths = size >> power;
  const size_t cls = power * 8 + (eighths - 8);
  return class_bytes(cls) >= size ? cls : cls + 1;
}

BufferPool::~BufferPool() {
  for (auto& blocks : idle_)
    for (uint8_t* data : blocks) delete[] data;
}

Block BufferPool::allocate(size_t size) {
  if (size < kPooledFrom) {
    auto bytes = std::make_shared_for_overwrite<uint8_t[]>(size);
    uint8_t* data = bytes.get();
    return {std::move(bytes), data};
  }
  const size_t cls = size_class(size);
  uint8_t* data = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (cls < idle_.size() && !idle_[cls].empty()) {
      data = idle_[cls].back();
      idle_[cls].pop_back();
      idle_bytes_ -= class_bytes(cls);
    }
  }
  if (!data) data = new uint8_t[class_bytes(cls)];
  return {std::shared_ptr<void>(data, [pool = shared_from_this(), cls](void* p) {
            pool->give_back(static_cast<uint8_t*>(p), cls);
          }),
          data};
}

size_t BufferPool::idle_bytes() const {
  const std::lock_guard lock(mutex_);
  return idle_bytes_;
}

void BufferPool::give_back(uint8_t* data, size_t cls) {
  {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ + class_bytes(cls) <= idle_bytes_max_) {
      if (idle_.size() <= cls) idle_.resize(cls + 1);
      idle_[cls].push_back(data);
      idle_bytes_ += class_bytes(cls);
      return;
    }
  }
  delete[] data;
}

}  // namespace ms::io
