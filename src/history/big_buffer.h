// Zeroed memory for answers, straight from the kernel and back to it in one piece. Not in huge pages: it is written once
// and read once, and a virtual machine that gives free huge pages back to its host pays for each again (measured: twice
// the system time).
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>

#include "base/check.h"

namespace ms::history {

class BigBuffer {
 public:
  explicit BigBuffer(size_t bytes) : bytes_(std::max(bytes, size_t{1})) {
    memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory_ != MAP_FAILED);
  }
  BigBuffer(const BigBuffer&) = delete;
  BigBuffer& operator=(const BigBuffer&) = delete;
  ~BigBuffer() { ::munmap(memory_, bytes_); }

  // The next `count` Ts, on a cache line of their own; the constructor's bytes must have room (64 more for each).
  template <class T>
  T* take(size_t count) {
    used_ = (used_ + 63) / 64 * 64;
    auto* at = reinterpret_cast<T*>(static_cast<char*>(memory_) + used_);
    used_ += count * sizeof(T);
    CHECK(used_ <= bytes_);
    return at;
  }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0, used_ = 0;
};

}  // namespace ms::history
