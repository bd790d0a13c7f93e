// Which rows of a batch belong to which shard.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "feature/view_program.h"

namespace ms::engine {

inline uint32_t shard_of(uint64_t shard_hash, uint32_t shards) { return static_cast<uint32_t>(shard_hash & (shards - 1)); }

// The row numbers of each shard, in row order. Keeps its buffers.
class RowSplit {
 public:
  void split(const feature::PreparedRows& rows, uint32_t shards) {
    by_shard_.resize(shards);
    for (auto& list : by_shard_) list.clear();
    for (uint32_t row = 0; row < rows.rows; ++row) by_shard_[shard_of(rows.shard_hashes[row], shards)].push_back(row);
  }
  std::span<const uint32_t> of(uint32_t shard) const { return by_shard_[shard]; }

 private:
  std::vector<std::vector<uint32_t>> by_shard_;
};

}  // namespace ms::engine
