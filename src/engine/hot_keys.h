// The most frequent keys of a stream in fixed memory (Space-Saving): every key with more than 1/kKeysKept of the rows is there,
// and each count says how far it may be off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ms::engine {

struct HotKey {
  std::string key;  // canonical bytes
  // Of the rows that were looked at, each standing for as many as were passed over: rows_max - error <= true count <= rows_max.
  uint64_t rows_max = 0, error = 0;
};

class HotKeys {
 public:
  static constexpr size_t kKeysKept = 128;
  static constexpr uint64_t kRowsRemembered = 1u << 22;  // beyond it every count is halved: what was hot long ago fades

  void add(std::string_view key, uint64_t hash, uint64_t rows);
  std::vector<HotKey> hottest(size_t most) const;  // most frequent first
  uint64_t rows() const { return rows_; }          // that the counts are about

 private:
  void fade();

  std::vector<uint64_t> hashes_;  // looked through first, so that a row costs no pointer
  std::vector<HotKey> keys_;      // in the same order
  uint64_t rows_ = 0;
};

}  // namespace ms::engine
