#include "kafka/admin/key_partitioner.h"

#include <cstring>

namespace ms::kafka {

uint32_t murmur2(std::string_view bytes) {
  constexpr uint32_t kSeed = 0x9747'B28C, kMultiplier = 0x5BD1'E995;
  uint32_t hash = kSeed ^ static_cast<uint32_t>(bytes.size());
  for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
    uint32_t word;
    std::memcpy(&word, bytes.data(), 4);  // little-endian, as every machine that we build for
    word *= kMultiplier;
    word ^= word >> 24;
    hash = hash * kMultiplier ^ word * kMultiplier;
  }
  if (!bytes.empty()) {
    uint32_t tail = 0;
    std::memcpy(&tail, bytes.data(), bytes.size());
    hash = (hash ^ tail) * kMultiplier;
  }
  hash = (hash ^ hash >> 13) * kMultiplier;
  return hash ^ hash >> 15;
}

}  // namespace ms::kafka
