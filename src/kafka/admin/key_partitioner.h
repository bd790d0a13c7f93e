// Which partition a record with a key belongs to, as the producers of Apache Kafka choose it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ms::kafka {

// MurmurHash2 of 32 bits, with Kafka's seed.
uint32_t murmur2(std::string_view bytes);

// `partitions` is at least 1.
inline int32_t partition_of_key(std::string_view key, int32_t partitions) {
  return static_cast<int32_t>(murmur2(key) & 0x7FFF'FFFF) % partitions;
}

}  // namespace ms::kafka
