#include "log/key_map.h"

#include <algorithm>
#include <cstring>

#include "base/sha256.h"

namespace ms::log {
namespace {

std::array<uint64_t, 2> name_of(std::string_view key) {
  const auto digest = sha256(key);
  std::array<uint64_t, 2> out{};
  std::memcpy(out.data(), digest.data(), sizeof out);
  return out;
}

// A quarter stays free, so that looking for a key that is not there ends soon.
uint64_t slots_for(uint64_t keys) { return keys + keys / 3 + 1; }

}  // namespace

KeyMap::KeyMap(uint64_t keys, size_t bytes_max) {
  const uint64_t most = std::max<uint64_t>(bytes_max / sizeof(Slot), 2);
  slots_.resize(std::min(slots_for(std::max<uint64_t>(std::min(keys, most), 1)), most));
  size_max_ = std::max<size_t>(slots_.size() - slots_.size() / 4 - 1, 1);
}

size_t KeyMap::slot_of(const std::array<uint64_t, 2>& key) const {
  size_t at = key[0] % slots_.size();
  while (slots_[at].offset >= 0 && slots_[at].key != key) at = at + 1 == slots_.size() ? 0 : at + 1;
  return at;
}

bool KeyMap::put(std::string_view key, int64_t offset) {
  const auto name = name_of(key);
  Slot& slot = slots_[slot_of(name)];
  if (slot.offset < 0 && size_ == size_max_) return false;
  size_ += slot.offset < 0;
  slot = {name, offset};
  return true;
}

std::optional<int64_t> KeyMap::find(std::string_view key) const {
  const Slot& slot = slots_[slot_of(name_of(key))];
  return slot.offset < 0 ? std::nullopt : std::optional(slot.offset);
}

}  // namespace ms::log
