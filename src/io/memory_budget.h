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

// Thread-safe. What is held of a budget with a `parent` is held of the parent, too.
class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  explicit MemoryBudget(size_t bytes_max, std::shared_ptr<MemoryBudget> parent = nullptr)
      : bytes_max_(bytes_max), parent_(std::move(parent)) {}
  // nullopt when it does not fit now. A request larger than the whole budget fits when nothing else is held.
  std::optional<MemoryHold> try_hold(size_t bytes) {
    if (!take(bytes)) return std::nullopt;
    return MemoryHold(shared_from_this(), bytes);
  }
  // Whether it fits here; the parent may still refuse.
  bool fits(size_t bytes) const { return fits_beside(held(), bytes); }
  size_t held() const { return held_.load(std::memory_order_relaxed); }

 private:
  friend class MemoryHold;
  bool fits_beside(size_t held, size_t bytes) const { return held == 0 || (bytes <= bytes_max_ && held <= bytes_max_ - bytes); }
  bool take(size_t bytes) {
    size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (!fits_beside(held, bytes)) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    if (!parent_ || parent_->take(bytes)) return true;
    held_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void give_back(size_t bytes) {
    held_.fetch_sub(bytes, std::memory_order_relaxed);
    if (parent_) parent_->give_back(bytes);
  }

  const size_t bytes_max_;
  const std::shared_ptr<MemoryBudget> parent_;
  std::atomic<size_t> held_{0};
};

inline void MemoryHold::shrink(size_t bytes) {
  if (!budget_ || bytes >= bytes_) return;
  budget_->give_back(bytes_ - bytes);
  bytes_ = bytes;
}
inline MemoryHold::~MemoryHold() {
  if (budget_) budget_->give_back(bytes_);
}

}  // namespace ms::io
