#include "kafka/admin/key_partitioner.h"

#include <gtest/gtest.h>

namespace ms::kafka {
namespace {

// The values that Apache Kafka's producers have.
TEST(KeyPartitioner, IsKafkasHash) {
  const std::pair<std::string_view, int32_t> known[] = {
      {"21", -973932308}, {"foobar", -790332482}, {"a-little-bit-long-string", -985981536}, {"a-little-bit-longer-string", -1486304829}, {"abc", 479470107}};
  for (const auto& [key, hash] : known) EXPECT_EQ(static_cast<int32_t>(murmur2(key)), hash) << key;
  EXPECT_EQ(partition_of_key("21", 7), static_cast<int32_t>((-973932308 & 0x7FFF'FFFF) % 7));
  EXPECT_EQ(partition_of_key("", 1), 0);
}

}  // namespace
}  // namespace ms::kafka
