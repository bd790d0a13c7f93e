#include "feature/exact_sum.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/rng.h"

namespace ms::feature {
namespace {

std::string hex_of(Rounded r) {
  if (r.overflow) return "overflow";
  char text[64];
  std::snprintf(text, sizeof text, "%a", r.value);
  return text;
}

// The same float64, or both "overflow".
::testing::AssertionResult same(const std::string& want, Rounded got) {
  if (want == "overflow" ? got.overflow : !got.overflow && std::bit_cast<uint64_t>(std::strtod(want.c_str(), nullptr)) == std::bit_cast<uint64_t>(got.value)) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "want " << want << ", got " << hex_of(got);
}

std::string saved(const ExactSum& sum) {
  ByteWriter out;
  sum.save(out);
  return out.take();
}

// tests/oracle/test_float_sums.py makes and checks the vectors with Python's fractions.
TEST(ExactSum, IsTheCorrectlyRoundedFraction) {
  std::ifstream in(MS_SOURCE_DIR "/tests/oracle/float_sums.txt");
  std::string line;
  size_t lines = 0;
  Rng rng(1);
  while (std::getline(in, line)) {
    ++lines;
    std::istringstream words(line);
    std::vector<double> values;
    std::string word;
    while (words >> word && word != "->") values.push_back(std::strtod(word.c_str(), nullptr));
    std::string sum_text, avg_text, stddev_text, first;
    words >> sum_text >> avg_text >> stddev_text;
    for (int round = 0; round < 4; ++round) {  // any order, the same bytes
      ExactSum sum, squares;
      for (const double v : values) sum.add(v), squares.add_square(v);
      EXPECT_TRUE(same(sum_text, sum_of(sum))) << line;
      EXPECT_TRUE(same(avg_text, average_of(sum, values.size()))) << line;
      if (values.size() > 1) EXPECT_TRUE(same(stddev_text, stddev_of(values.size(), sum, squares))) << line;
      if (round == 0) first = saved(sum) + saved(squares);
      EXPECT_EQ(saved(sum) + saved(squares), first);
      ExactSum back;
      ByteReader reader(std::string_view(first).substr(0, saved(sum).size()));
      EXPECT_TRUE(back.load(reader));
      EXPECT_EQ(saved(back), saved(sum));
      for (const double v : values) sum.subtract(v), squares.subtract_square(v);
      EXPECT_TRUE(sum.is_zero() && squares.is_zero());
      for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng.below(i)]);
    }
    bool whole = true;
    for (const double v : values) whole &= v == std::floor(v) && std::fabs(v) < 1e15;
    if (!whole || values.size() < 2) continue;
    int128 total = 0;
    Uint192 squares;
    for (const double v : values) {
      const auto i = static_cast<int128>(v);
      total += i;
      squares.add(static_cast<uint128>(i * i));
    }
    EXPECT_TRUE(same(avg_text, {average_of(total, values.size()), false})) << line;
    EXPECT_TRUE(same(stddev_text, {stddev_of(values.size(), total, squares), false})) << line;
  }
  EXPECT_GT(lines, 300u);
}

TEST(ExactSum, NanAndInfinitiesAreCounted) {
  ExactSum sum;
  sum.add(1.5), sum.add(HUGE_VAL);
  EXPECT_EQ(sum_of(sum).value, HUGE_VAL);
  sum.add(-HUGE_VAL);
  EXPECT_EQ(std::bit_cast<uint64_t>(sum_of(sum).value), kQuietNan);
  sum.subtract(HUGE_VAL), sum.subtract(-HUGE_VAL);
  EXPECT_EQ(sum_of(sum).value, 1.5);
  sum.subtract(1.5);
  EXPECT_TRUE(sum.is_zero());
}

}  // namespace
}  // namespace ms::feature
