#include "base/decimal.h"

#include <gtest/gtest.h>

namespace ms {
namespace {

std::string read(std::string_view text, int precision, int scale) {
  const auto units = decimal_of_text(text, precision, scale);
  return units ? decimal_text(*units, scale) : "none";
}

TEST(Decimal, TextsAreReadAndWritten) {
  EXPECT_EQ(read("12.5", 4, 2), "12.50");
  EXPECT_EQ(read("-0.05", 3, 2), "-0.05");
  EXPECT_EQ(read("-.5", 1, 0), "-1");  // half away from zero
  EXPECT_EQ(read("0.49", 1, 0), "0");
  EXPECT_EQ(read("99.995", 4, 2), "none");
  EXPECT_EQ(read("007", 1, 0), "7");
  for (const char* text : {"", "-", ".", "1e3", "+1", " 1", "1 ", "1.2.3", "0x1"}) EXPECT_EQ(read(text, 10, 2), "none") << text;
}

TEST(Decimal, NothingWrapsAround) {
  EXPECT_EQ(read(std::string(38, '9'), 38, 0), std::string(38, '9'));
  EXPECT_EQ(read("-" + std::string(38, '9'), 38, 0), "-" + std::string(38, '9'));
  EXPECT_EQ(read("1" + std::string(38, '0'), 38, 0), "none");
  EXPECT_EQ(read("340282366920938463463374607431768211457", 38, 0), "none");  // 2^128 + 1
  EXPECT_EQ(read("3402823669209384634633746074317682114560", 38, 0), "none");
  EXPECT_EQ(read("17", 38, 38), "none");
  EXPECT_EQ(read(std::string(10'000, '9'), 38, 10), "none");
}

}  // namespace
}  // namespace ms
