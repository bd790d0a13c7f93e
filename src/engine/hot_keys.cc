#include "engine/hot_keys.h"

#include <algorithm>

namespace ms::engine {

void HotKeys::add(std::string_view key, uint64_t hash, uint64_t rows) {
  rows_ += rows;
  size_t at = 0;
  while (at < hashes_.size() && (hashes_[at] != hash || keys_[at].key != key)) ++at;
  if (at == hashes_.size() && at < kKeysKept) {
    hashes_.push_back(hash);
    keys_.push_back({.key = std::string(key)});
  } else if (at == hashes_.size()) {
    // A key that is not kept takes the place of the rarest one and may have had as many rows as that.
    at = static_cast<size_t>(std::ranges::min_element(keys_, {}, &HotKey::rows_max) - keys_.begin());
    hashes_[at] = hash;
    keys_[at] = {.key = std::string(key), .rows_max = keys_[at].rows_max, .error = keys_[at].rows_max};
  }
  keys_[at].rows_max += rows;
  if (rows_ > kRowsRemembered) fade();
}

void HotKeys::fade() {
  rows_ /= 2;
  for (HotKey& k : keys_) {
    const uint64_t least = (k.rows_max - k.error) / 2;
    k.rows_max -= k.rows_max / 2;  // rounded up: still a bound
    k.error = k.rows_max - least;
  }
}

std::vector<HotKey> HotKeys::hottest(size_t most) const {
  std::vector<HotKey> out = keys_;
  std::ranges::sort(out,
                    [](const HotKey& a, const HotKey& b) { return a.rows_max != b.rows_max ? a.rows_max > b.rows_max : a.key < b.key; });
  out.resize(std::min(most, out.size()));
  return out;
}

}  // namespace ms::engine
