// Rows grouped by key, so that one task owns everything about its keys: the state, the events and the questions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ms::history {

// The group of a key. By the low bits of the shard hash, as shards are: with at least as many groups as shards, the keys
// of one group lie on one shard at every instant.
inline uint32_t group_of(uint64_t shard_hash, uint32_t groups) { return static_cast<uint32_t>(shard_hash & (groups - 1)); }

// The row numbers of one chunk, group by group, in ascending order within each.
struct Grouping {
  std::vector<uint32_t> order;
  std::vector<uint32_t> begin;  // of each group in `order`; one more at the end

  std::span<const uint32_t> group(uint32_t g) const { return std::span(order).subspan(begin[g], begin[g + 1] - begin[g]); }

  // hash_of(i): the shard hash of row i.
  template <class HashOf>
  static Grouping make(size_t rows, uint32_t groups, const HashOf& hash_of) {
    Grouping out;
    out.begin.assign(groups + 1, 0);
    for (size_t i = 0; i < rows; ++i) ++out.begin[group_of(hash_of(i), groups) + 1];
    for (uint32_t g = 0; g < groups; ++g) out.begin[g + 1] += out.begin[g];
    out.order.resize(rows);
    std::vector<uint32_t> at(out.begin.begin(), out.begin.end() - 1);
    for (size_t i = 0; i < rows; ++i) out.order[at[group_of(hash_of(i), groups)]++] = static_cast<uint32_t>(i);
    return out;
  }
};

}  // namespace ms::history
