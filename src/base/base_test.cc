#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/float_text.h"
#include "base/log_limit.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "base/types.h"

namespace ms {
namespace {

TEST(Types, TimesReadBackWhatTheyPrint) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_time(-1), "1969-12-31T23:59:59.999999Z");
  for (const int64_t us : {int64_t{0}, int64_t{-1}, int64_t{1767225600123456}, int64_t{-62167219200000000}})
    EXPECT_EQ(parse_time(format_time(us)).value(), us);
  EXPECT_EQ(parse_time("2026-01-01 00:00:00+01:00").value(), 1767225600000000 - kMicrosPerHour);
  EXPECT_EQ(parse_time("2026-01-01").value(), 1767225600000000);
  for (const char* bad : {"", "2026", "2026-02-30", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00X"})
    EXPECT_FALSE(parse_time(bad)) << bad;
}

TEST(Types, Durations) {
  EXPECT_EQ(parse_duration("1h30m").value(), 90 * kMicrosPerMinute);
  EXPECT_EQ(parse_duration("7d").value(), 7 * kMicrosPerDay);
  EXPECT_EQ(format_duration(90 * kMicrosPerMinute), "1h30m");
  for (const char* bad : {"", "5", "-1h", "h", "1w", "9223372036854775807d"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Types, Uuids) {
  const Uuid id = random_uuid();
  EXPECT_EQ(Uuid::parse(id.to_string()).value(), id);
  EXPECT_FALSE(Uuid::parse("00000000-0000-0000-0000-00000000000"));
  EXPECT_FALSE(Uuid::parse("00000000x0000-0000-0000-000000000000"));
}

TEST(FloatText, KeepsTypeAndBits) {
  const std::pair<double, std::string_view> texts[] = {
      {156, "156.0"}, {0, "0.0"}, {-0.0, "-0.0"}, {-3, "-3.0"}, {0.1, "0.1"}, {0.1 + 0.2, "0.30000000000000004"}, {1e22, "1e+22"},
      {9007199254740993, "9007199254740992.0"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"}, {-1.7976931348623157e308, "-1.7976931348623157e+308"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"}, {HUGE_VAL, "Infinity"}, {-HUGE_VAL, "-Infinity"}, {std::nan(""), "NaN"}};
  for (const auto& [value, text] : texts) EXPECT_EQ(float_text(value), text);
  Rng rng(3);
  for (int i = 0; i < 100'000; ++i) {
    const double value = i % 2 == 0 ? std::bit_cast<double>(rng.next()) : std::round((rng.unit() - 0.5) * std::pow(10.0, static_cast<double>(rng.below(25))));
    if (!std::isfinite(value)) continue;
    const std::string text = float_text(value);
    double back = 0;
    ASSERT_EQ(std::from_chars(text.data(), text.data() + text.size(), back).ptr, text.data() + text.size()) << text;
    ASSERT_EQ(std::bit_cast<uint64_t>(back), std::bit_cast<uint64_t>(value)) << text;
    ASSERT_NE(text.find_first_of(".e"), std::string::npos) << text;
  }
}

TEST(Crc32c, KnownAnswersAndLongInputs) {
  const std::string_view digits = "123456789";
  const auto bytes = [](std::string_view s) { return std::span(reinterpret_cast<const uint8_t*>(s.data()), s.size()); };
  EXPECT_EQ(crc32c(bytes(digits)), 0xE3069283u);
  EXPECT_EQ(crc32c(bytes(std::string(32, '\0'))), 0x8A9136AAu);
  Rng rng(1);
  std::string text(100'000, '\0');
  for (char& c : text) c = static_cast<char>(rng.next());
  // Long inputs take the interleaved path; cutting them anywhere must not matter.
  for (const size_t cut : {0, 1, 7, 3071, 3072, 3073, 99999}) {
    const auto whole = bytes(text);
    EXPECT_EQ(crc32c(whole.subspan(cut), crc32c(whole.first(cut))), crc32c(whole));
  }
  uint32_t slow = ~0u;
  for (const char c : text) {
    slow ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) slow = (slow >> 1) ^ ((slow & 1) ? 0x82F63B78u : 0u);
  }
  EXPECT_EQ(crc32c(bytes(text)), ~slow);
}

TEST(Bytes, ReaderNeverRunsPastItsEnd) {
  ByteWriter out;
  out.varint(300), out.zigzag(-5), out.sized("abc"), out.i64(-1);
  ByteReader in(out.str());
  EXPECT_EQ(in.varint(), 300u);
  EXPECT_EQ(in.zigzag(), -5);
  EXPECT_EQ(in.sized(), "abc");
  EXPECT_EQ(in.i64(), -1);
  EXPECT_TRUE(in.ok() && in.at_end());
  EXPECT_EQ(in.u8(), 0);
  EXPECT_FALSE(in.ok());
  ByteReader endless(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
  EXPECT_EQ(endless.varint(), 0u);
  EXPECT_FALSE(endless.ok());
}

TEST(Metrics, HistogramsPrintCumulativeBuckets) {
  Histogram& h = histogram("millstream_test_seconds", "a=\"b\"");
  EXPECT_EQ(metrics_text().find("millstream_test_seconds"), std::string::npos);  // before its first value
  for (const int64_t us : {0, 100, 101, 1'000'000, 99'000'000}) h.observe_us(us);
  const std::string text = metrics_text();
  EXPECT_NE(text.find("# TYPE millstream_test_seconds histogram\n"
                      "millstream_test_seconds_bucket{a=\"b\",le=\"0.0001\"} 2\n"
                      "millstream_test_seconds_bucket{a=\"b\",le=\"0.00025\"} 3\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("millstream_test_seconds_bucket{a=\"b\",le=\"1\"} 4\n"), std::string::npos);
  EXPECT_NE(text.find("millstream_test_seconds_bucket{a=\"b\",le=\"+Inf\"} 5\n"
                      "millstream_test_seconds_sum{a=\"b\"} 100.000201\n"
                      "millstream_test_seconds_count{a=\"b\"} 5\n"),
            std::string::npos)
      << text;
}

TEST(LogLimits, EachHasItsOwnLinesAndLearnsWhatWasLeftOut) {
  LogLimits limits;
  for (int64_t i = 0; i < LogLimits::kLinesPerMinute; ++i) EXPECT_EQ(limits.admit("mallory", i), 0);
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(limits.admit("mallory", i), std::nullopt);
  EXPECT_EQ(limits.admit("alice", 1000), 0);
  EXPECT_EQ(limits.admit("mallory", kMicrosPerMinute - 1), std::nullopt);
  EXPECT_EQ(limits.admit("mallory", kMicrosPerMinute), 1001);
  EXPECT_EQ(limits.admit("mallory", kMicrosPerMinute), 0);
}

// Strangers cost a bounded amount of memory, and none of their lines is forgotten.
TEST(LogLimits, TooManyShareOneAllowance) {
  LogLimits limits;
  int64_t written = 0, left_out = 0, told = 0;
  const auto ask = [&](const std::string& who, int64_t now) {
    const auto before = limits.admit(who, now);
    before ? ++written : ++left_out;
    told += before.value_or(0);
  };
  constexpr auto kKnown = static_cast<int64_t>(LogLimits::kKnownMax);
  for (int64_t i = 0; i < 3 * kKnown; ++i) ask(std::to_string(i), 0);
  EXPECT_EQ(written, kKnown + LogLimits::kLinesPerMinute);
  for (int i = 0; i < 100; ++i) ask("0", 0);
  for (int64_t i = 0; i < kKnown; ++i) ask("later " + std::to_string(i), kMicrosPerMinute);  // takes the places of the old ones
  ask("one more", kMicrosPerMinute);
  EXPECT_EQ(told, left_out);
}

}  // namespace
}  // namespace ms
