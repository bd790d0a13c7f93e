// The keys of one shard: open addressing over indices, entities in chunks that never move.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "feature/pages.h"

namespace ms::feature {

class RowRun;
class Forward;

// One cache line. What the clock has passed lies in tiles, a block of 2^tile_class of them, sorted, newest last; or, while there is
// little, in a pack of rows (row_pack.h), and then there are no tiles.
struct alignas(64) Entity {
  static constexpr uint32_t kInlineKey = 16;
  static constexpr uint8_t kPacked = 0xFF;
  uint64_t hash = 0;
  uint32_t key_size = 0;
  uint32_t tile_count = 0;
  union {
    char near_key[kInlineKey];
    const char* far_key;
  };
  union {
    uint64_t* tiles = nullptr;
    uint8_t* pack;
  };
  RowRun* rows = nullptr;        // owned by the state
  Forward* forward = nullptr;    // owned by the state
  uint8_t tile_class = 0;
  uint8_t questions = 0;         // asked by evaluate_forward(), up to two
  uint32_t number = 0;           // in the table

  bool has_pack() const { return tile_class == kPacked; }
  std::string_view key() const { return {key_size <= kInlineKey ? near_key : far_key, key_size}; }
};
static_assert(sizeof(Entity) == 64);

class EntityTable {
 public:
  EntityTable();
  EntityTable(EntityTable&&) = default;
  EntityTable& operator=(EntityTable&&) = default;

  size_t size() const { return size_; }
  Entity& at(size_t index) const { return chunks_[index / kChunk][index % kChunk]; }
  Entity* find(uint64_t hash, std::string_view key) const;
  Entity& find_or_add(uint64_t hash, std::string_view key);
  // The first entity whose hash may be `hash`; null: none. Only to load it early.
  Entity* candidate(uint64_t hash) const;
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }
  size_t bytes() const;

 private:
  static constexpr size_t kChunk = 4096;
  static uint64_t tag(uint64_t hash) { return hash >> 32 << 32; }
  void grow();
  void add_chunks();
  std::string_view keep(std::string_view key);

  // High half: high half of the hash; low half: index + 1; 0: free.
  Pages<uint64_t> slots_;
  uint64_t mask_ = 0;
  size_t size_ = 0;
  std::vector<Pages<Entity>> owned_;
  std::vector<Entity*> chunks_;
  std::vector<std::unique_ptr<char[]>> key_blocks_;
  size_t key_room_ = 0, key_bytes_ = 0;
  char* key_next_ = nullptr;
};

}  // namespace ms::feature
