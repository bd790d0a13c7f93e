// The newest offset of each key, in a bounded block of memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ms::log {

// Keys are known by 128 bits of their SHA-256: nobody finds two that are taken for one, not even on purpose.
class KeyMap {
 public:
  // Room for `keys` keys, or for as many as fit `bytes_max`; at least one.
  KeyMap(uint64_t keys, size_t bytes_max);
  // False when the key is new and there is no room for it. Later calls come with higher offsets.
  bool put(std::string_view key, int64_t offset);
  std::optional<int64_t> find(std::string_view key) const;
  size_t size() const { return size_; }
  size_t bytes() const { return slots_.size() * sizeof(Slot); }

 private:
  struct Slot {
    std::array<uint64_t, 2> key{};
    int64_t offset = -1;  // free
  };
  size_t slot_of(const std::array<uint64_t, 2>& key) const;
  std::vector<Slot> slots_;
  size_t size_ = 0, size_max_ = 0;
};

}  // namespace ms::log
