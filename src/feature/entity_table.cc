#include "feature/entity_table.h"

#include <cstring>
#include <new>

#include "base/check.h"

namespace ms::feature {

namespace {

Pages<uint64_t> free_slots(size_t count) {
  Pages<uint64_t> slots(static_cast<uint64_t*>(allocate_pages(count * sizeof(uint64_t))));
  std::memset(slots.get(), 0, count * sizeof(uint64_t));
  return slots;
}

}  // namespace

EntityTable::EntityTable() : slots_(free_slots(64)), mask_(63) {}

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
  Pages<uint64_t> slots = free_slots(mask + 1);
  for (size_t index = 0; index < size_; ++index) {
    const uint64_t hash = at(index).hash;
    uint64_t i = hash & mask;
    while (slots[i] != 0) i = (i + 1) & mask;
    slots[i] = tag(hash) | (index + 1);
  }
  slots_ = std::move(slots);
  mask_ = mask;
}

// One chunk at a time while there are few, then as many as fill a huge page.
void EntityTable::add_chunks() {
  constexpr size_t kInPage = kHugePage / (kChunk * sizeof(Entity));
  const size_t count = chunks_.size() < kInPage ? 1 : kInPage;
  auto* memory = static_cast<Entity*>(allocate_pages(count * kChunk * sizeof(Entity)));
  owned_.emplace_back(memory);
  for (size_t i = 0; i < count; ++i) chunks_.push_back(memory + i * kChunk);
}

Entity& EntityTable::find_or_add(uint64_t hash, std::string_view key) {
  if (Entity* e = find(hash, key)) return *e;
  if ((size_ + 1) * 2 > mask_ + 1) grow();
  CHECK(size_ < UINT32_MAX - 1);
  if (size_ == chunks_.size() * kChunk) add_chunks();
  Entity& e = *new (&at(size_)) Entity;
  e.hash = hash;
  e.number = static_cast<uint32_t>(size_);
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
  return (mask_ + 1) * sizeof(uint64_t) + chunks_.size() * kChunk * sizeof(Entity) + key_bytes_;
}

}  // namespace ms::feature
