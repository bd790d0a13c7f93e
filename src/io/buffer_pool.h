// Blocks for incoming frames, reused: on many machines a fresh page costs more than copying it, so blocks that come back
// (from the log's tail cache, mostly) are handed out again before the system is asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace ms::io {

struct Block {
  std::shared_ptr<void> owner;
  uint8_t* data = nullptr;
};

// Thread-safe. Blocks may outlive the caller's reference to the pool.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  static std::shared_ptr<BufferPool> create(size_t idle_bytes_max) {
    return std::shared_ptr<BufferPool>(new BufferPool(idle_bytes_max));
  }
  ~BufferPool();
  // At least `size` bytes, uninitialised; at most an eighth more (small ones exactly). Returned when the owner goes.
  Block allocate(size_t size);
  size_t idle_bytes() const;

 private:
  explicit BufferPool(size_t idle_bytes_max) : idle_bytes_max_(idle_bytes_max) {}
  void give_back(uint8_t* data, size_t cls);

  const size_t idle_bytes_max_;
  mutable std::mutex mutex_;
  size_t idle_bytes_ = 0;
  std::vector<std::vector<uint8_t*>> idle_;  // by size class
};

// Size classes: eight per doubling, so that at most an eighth of a block is waste.
size_t size_class(size_t size);
size_t class_bytes(size_t cls);

}  // namespace ms::io
