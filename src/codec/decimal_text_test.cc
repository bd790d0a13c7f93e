#include "codec/decimal_text.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace ms {
namespace {

using enum DecimalFault;

TEST(DecimalText, ReadsExactly) {
  const Type money = Type::decimal(12, 2);
  const std::tuple<const char*, DecimalFault, int64_t> cases[] = {{"0", kNone, 0},
                                                                  {"-0", kNone, 0},
                                                                  {"12.5", kNone, 1250},
                                                                  {"-0.05", kNone, -5},
                                                                  {"7", kNone, 700},
                                                                  {"1e3", kNone, 100000},
                                                                  {"1.25E+1", kNone, 1250},
                                                                  {"1250e-2", kNone, 1250},
                                                                  {"0.10000", kNone, 10},
                                                                  {"0.001", kTooFine, 0},
                                                                  {"1.234", kTooFine, 0},
                                                                  {"1e-3", kTooFine, 0},
                                                                  {"9999999999.99", kNone, 999999999999},
                                                                  {"10000000000", kTooLarge, 0},
                                                                  {"1e10", kTooLarge, 0},
                                                                  {"0e999999999999999999999", kNone, 0},
                                                                  {"1e999999999999999999999", kTooLarge, 0},
                                                                  {"1e-999999999999999999999", kTooFine, 0},
                                                                  {"", kNotANumber, 0},
                                                                  {"-", kNotANumber, 0},
                                                                  {"01", kNotANumber, 0},
                                                                  {"1.", kNotANumber, 0},
                                                                  {"+1", kNotANumber, 0},
                                                                  {"1e", kNotANumber, 0},
                                                                  {"abc", kNotANumber, 0},
                                                                  {"NaN", kNotANumber, 0},
                                                                  {" 1", kNotANumber, 0}};
  for (const auto& [text, fault, want] : cases) {
    int128 units = 99;
    EXPECT_EQ(parse_decimal(text, money, units), fault) << text;
    if (fault == kNone) EXPECT_EQ(static_cast<int64_t>(units), want) << text;
  }
  int128 units = 0;
  EXPECT_EQ(parse_decimal("99999999999999999999999999999999999999", Type::decimal(38, 0), units), kNone);
  EXPECT_EQ(decimal_text(units, 0), "99999999999999999999999999999999999999");
  EXPECT_EQ(parse_decimal("-0.99999999999999999999999999999999999999", Type::decimal(38, 38), units), kNone);
  EXPECT_EQ(decimal_text(units, 38), "-0.99999999999999999999999999999999999999");
  EXPECT_EQ(parse_decimal("0.999999999999999999999999999999999999991", Type::decimal(38, 38), units), kTooFine);
  EXPECT_EQ(parse_decimal("1", Type::decimal(38, 38), units), kTooLarge);
  EXPECT_EQ(fault_text(kTooFine, money), "which has more than 2 digits behind the point (decimal(12,2))");
  EXPECT_EQ(fault_text(kTooLarge, money), "which has more than 10 digits before the point (decimal(12,2))");
}

TEST(DecimalText, WritesWhatItReads) {
  Rng rng(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto precision = static_cast<uint8_t>(1 + rng.below(38));
    const Type type = Type::decimal(precision, static_cast<uint8_t>(rng.below(precision + 1u)));
    const auto wild = static_cast<int128>(static_cast<uint128>(rng.next()) << 64 | rng.next());
    const int128 units = wild % power_of_ten(1 + static_cast<int>(rng.below(precision)));
    ASSERT_TRUE(fits_digits(units, type.precision));
    const std::string text = decimal_text(units, type.scale);
    int128 back = 0;
    ASSERT_EQ(parse_decimal(text, type, back), kNone) << text;
    ASSERT_TRUE(back == units) << text;
    ASSERT_EQ(text.size() - text.find('.') - 1, type.scale == 0 ? text.size() : type.scale) << text;
  }
  EXPECT_EQ(decimal_text(0, 2), "0.00");
  EXPECT_EQ(decimal_text(-5, 2), "-0.05");
  EXPECT_EQ(decimal_text(700, 0), "700");
}

}  // namespace
}  // namespace ms
