// Bytes that several owners share without copying: a slice keeps its whole block alive.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ms {

// A view of bytes plus the owner of the block they lie in. Cheap to copy; thread-safe as shared_ptr is.
// Bytes behind a published Slice never change.
class Slice {
 public:
  Slice() = default;
  Slice(std::shared_ptr<const void> owner, const uint8_t* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}
  // Copies `bytes` into a block of its own.
  static Slice copy(std::span<const uint8_t> bytes) {
    auto block = std::make_shared_for_overwrite<uint8_t[]>(bytes.size());
    if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
    const uint8_t* data = block.get();
    return Slice(std::move(block), data, bytes.size());
  }
  static Slice copy(std::string_view text) {
    return copy(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  }

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const uint8_t> span() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  // The part [from, from + count) with the same owner; the caller keeps it in range.
  Slice part(size_t from, size_t count) const { return Slice(owner_, data_ + from, count); }

 private:
  std::shared_ptr<const void> owner_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ms
