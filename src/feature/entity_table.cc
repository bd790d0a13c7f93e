#include "feature/entity_table.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace ms::feature {

void EntityTable::Free::operator()(Entity* chunk) const { std::free(chunk); }

EntityTable::EntityTable() : slots_(64), mask_(63) {}

Entity* EntityTable::candidate(uint64_t hash) const {
  for (uint64_t i = hash & mask_;; i = (i + 1) & mask_) {
    const uint64_t slot = slots_[i];
    if (slot == 0) return nullptr;
    if (tag(slot) == tag(hash)) return &at(static_cast<uint32_t>(slot) - 1);
  }
}

Entity* EntityTable::find(uint64_t hash, std::string_view key) const {
  for (uint64_t i = hash & mask_;; i = (i + 1) & mask_) {
    const uint64_t slot = slots_[i];
    if (slot == 0) return nullptr;
    if (tag(slot) != tag(hash)) continue;
    Entity& e = at(static_cast<uint32_t>(slot) - 1);
    if (e.hash == hash && e.key() == key) return &e;
  }
}

std::string_view EntityTable::keep(std::string_view key) {
  if (key.size() > key_room_) {
    key_room_ = std::max<size_t>(key.size(), 65536);
    key_blocks_.push_back(std::make_unique_for_overwrite<char[]>(key_room_));
    key_next_ = key_blocks_.back().get();
    key_bytes_ += key_room_;
  }
  char* to = key_next_;
  std::memcpy(to, key.data(), key.size());
  key_next_ += key.size(), key_room_ -= key.size();
  return {to, key.size()};
}

void EntityTable::grow() {
  const uint64_t mask = mask_ * 2 + 1;
  std::vector<uint64_t> slots(mask + 1);
  for (size_t index = 0; index < size_; ++index) {
    const uint64_t hash = at(index).hash;
    uint64_t i = hash & mask;
    while (slots[i] != 0) i = (i + 1) & mask;
    slots[i] = tag(hash) | (index + 1);
  }
  slots_ = std::move(slots);
  mask_ = mask;
}

Entity& EntityTable::find_or_add(uint64_t hash, std::string_view key) {
  if (Entity* e = find(hash, key)) return *e;
  if ((size_ + 1) * 2 > slots_.size()) grow();
  CHECK(size_ < UINT32_MAX - 1);
  if (size_ == chunks_.size() * kChunk) {
    auto* chunk = static_cast<Entity*>(std::aligned_alloc(64, kChunk * sizeof(Entity)));
    CHECK(chunk != nullptr);
    owned_.emplace_back(chunk);
    chunks_.push_back(chunk);
  }
  Entity& e = *new (&at(size_)) Entity;
  e.hash = hash;
  e.key_size = static_cast<uint32_t>(key.size());
  if (key.size() <= Entity::kInlineKey) {
    key.copy(e.near_key, key.size());
  } else {
    e.far_key = keep(key).data();
  }
  uint64_t i = hash & mask_;
  while (slots_[i] != 0) i = (i + 1) & mask_;
  slots_[i] = tag(hash) | ++size_;
  return e;
}

size_t EntityTable::bytes() const {
  return slots_.capacity() * sizeof(uint64_t) + owned_.size() * kChunk * sizeof(Entity) + key_bytes_;
}

}  // namespace ms::feature
