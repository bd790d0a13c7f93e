// A bound on memory that many hold together: admission before allocation.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace ms::io {

class MemoryBudget;

// A part of a budget, given back by the destructor.
class MemoryHold {
 public:
  MemoryHold() = default;
  MemoryHold(MemoryHold&& other) noexcept : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryHold& operator=(MemoryHold&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MemoryHold();
  size_t bytes() const { return bytes_; }
  // Gives back what is held beyond `bytes`.
  void shrink(size_t bytes);

 private:
  friend class MemoryBudget;
  MemoryHold(std::shared_ptr<MemoryBudget> budget, size_t bytes) : budget_(std::move(budget)), bytes_(bytes) {}
  std::shared_ptr<MemoryBudget> budget_;
  size_t bytes_ = 0;
};

// Thread-safe.
class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  explicit MemoryBudget(size_t bytes_max) : bytes_max_(bytes_max) {}
  // nullopt when it does not fit now. A request larger than the whole budget fits when nothing else is held.
  std::optional<MemoryHold> try_hold(size_t bytes) {
    size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (held != 0 && (bytes > bytes_max_ || held > bytes_max_ - bytes)) return std::nullopt;
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    return MemoryHold(shared_from_this(), bytes);
  }
  size_t held() const { return held_.load(std::memory_order_relaxed); }

 private:
  friend class MemoryHold;
  const size_t bytes_max_;
  std::atomic<size_t> held_{0};
};

inline void MemoryHold::shrink(size_t bytes) {
  if (!budget_ || bytes >= bytes_) return;
  budget_->held_.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
  bytes_ = bytes;
}
inline MemoryHold::~MemoryHold() {
  if (budget_) budget_->held_.fetch_sub(bytes_, std::memory_order_relaxed);
}

}  // namespace ms::io
