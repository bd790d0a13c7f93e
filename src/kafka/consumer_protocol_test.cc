#include "kafka/consumer_protocol.h"

#include <gtest/gtest.h>

namespace ms::kafka {
namespace {

TEST(ConsumerProtocol, RoundTripInEveryVersion) {
  for (int16_t version = 0; version <= 3; ++version) {
    const Subscription said{version, {"a", "b"}, {{"a", {0, 2}}, {"b", {1}}}, 7, "rack"};
    const auto read = decode_subscription(encode_subscription(said));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->topics, said.topics);
    EXPECT_EQ(read->owned, version >= 1 ? said.owned : PartitionsByName{});
    EXPECT_EQ(read->generation, version >= 2 ? 7 : -1);
    EXPECT_EQ(read->rack_id, version >= 3 ? said.rack_id : std::nullopt);
    EXPECT_EQ(decode_assignment(encode_assignment(version, said.owned)), said.owned);
  }
}

// As the protocol's description has it; the assignor's bytes may be null or anything.
TEST(ConsumerProtocol, GoldenBytes) {
  const std::string v1("\0\1\0\0\0\1\0\1t\0\0\0\2??\0\0\0\1\0\1t\0\0\0\1\0\0\0\5", 30);
  const auto read = decode_subscription(v1);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->topics, std::vector<std::string>{"t"});
  EXPECT_EQ(read->owned, (PartitionsByName{{"t", {5}}}));
  EXPECT_EQ(encode_assignment(0, {{"t", {1}}}), std::string("\0\0\0\0\0\1\0\1t\0\0\0\1\0\0\0\1\xff\xff\xff\xff", 21));
}

TEST(ConsumerProtocol, NewerVersionsAreReadAndBadOnesAreNot) {
  std::string newer = encode_subscription({3, {"t"}, {}, 1, {}}) + "what comes later";
  newer[1] = 9;
  ASSERT_TRUE(decode_subscription(newer));
  EXPECT_EQ(decode_subscription(newer)->version, 3);
  EXPECT_FALSE(decode_subscription(""));
  EXPECT_FALSE(decode_subscription(std::string("\xff\xff\0\0\0\0", 6)));
  EXPECT_FALSE(decode_subscription(std::string("\0\0\x7f\xff\xff\xff", 6)));
  const std::string whole = encode_subscription({3, {"topic"}, {{"topic", {1}}}, 1, "r"});
  for (size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(decode_subscription(whole.substr(0, cut))) << cut;
}

}  // namespace
}  // namespace ms::kafka
