#include "catalog/window_text.h"

#include <gtest/gtest.h>

#include <tuple>

#include "feature/feature_spec.h"

namespace ms::catalog {
namespace {

TEST(Windows, ReadAndDescribe) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"10m", "10m", "sliding 10m, hop 1m"}, {"sliding(7d)", "7d", "sliding 7d, hop 1h"}, {"sliding(7d, exact)", "7d_exact", "sliding 7d, exact"},
      {"tumbling(90s)", "90s_tumbling", "tumbling 1m30s"}, {"lifetime", "lifetime", "lifetime"}, {" sliding( 1h , hop: 30s )", "1h_hop_30s", "sliding 1h, hop 30s"},
      {"hopping(1h, 5m)", "1h_hopping_5m", "hopping 1h, one every 5m"}, {"hopping(1h,7m)", "1h_hopping_7m", "hopping 1h, one every 7m"},
      {"session(30m, 12h)", "30m_session_12h", "session, gap 30m, at most 12h, reach 13h"},
      {"session(30m, 12h, closed)", "30m_session_12h_closed", "session, gap 30m, at most 12h, the last closed"},
      {"last(10)", "last_10", "last 10 rows"}, {"last( 1000 , 7d )", "last_1000_7d", "last 1000 rows of 7d"},
      {"decay(1h)", "1h_decay", "decay, half-life 1h, tiles of 1h"}, {"decay(50m)", "50m_decay", "decay, half-life 50m, tiles of 5m"},
      {"series(1h, 24)", "1h_series_24", "series of 24 times 1h"}};
  for (const auto& [text, suffix, shown] : cases) {
    const auto w = parse_window(text);
    ASSERT_TRUE(w) << text << ": " << w.error().message;
    EXPECT_EQ(w->suffix, suffix);
    EXPECT_EQ(describe(w->window), shown);
    EXPECT_TRUE(check_window(w->window)) << text;
  }
}

TEST(Windows, OfLabelsLieAhead) {
  const auto next = parse_window("next(7d)");
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(next->suffix, "next_7d");
  EXPECT_EQ(next->ahead_us, 7 * kMicrosPerDay);
  EXPECT_EQ(next->window, (feature::Window{feature::WindowKind::kSlidingExact, 7 * kMicrosPerDay}));
  const auto later = parse_window("next(1h, 4h)");
  ASSERT_TRUE(later) << later.error().message;
  EXPECT_EQ(later->suffix, "next_1h_to_4h");
  EXPECT_EQ(later->ahead_us, 4 * kMicrosPerHour);
  EXPECT_EQ(later->window.length_us, 3 * kMicrosPerHour);
  EXPECT_EQ(describe_label({.window = later->window, .ahead_us = later->ahead_us}), "next 1h to 4h");
}

TEST(Windows, RefusedWithWhatToWrite) {
  const std::pair<const char*, const char*> cases[] = {
      {"sliding(1h", "'sliding(1h' has no closing ')'; in a list in brackets a window with a comma needs quotes"},
      {"slidin(1h)", "there is no window 'slidin'; did you mean 'sliding'?"},
      {"window(1h)",
       "there is no window 'window'; write 1h, sliding(1h, hop: 1m), sliding(7d, exact), tumbling(1h), hopping(1h, 5m), session(30m, 12h), "
       "last(10), decay(1h), series(1h, 24) or lifetime"},
      {"lifetme", "'lifetme' is not a window; did you mean 'lifetime'?"},
      {"session", "'session' does not say how long; write session(30m, 12h)"},
      {"tumbling(1h, exact)", "tumbling takes no option, not 'exact'"},
      {"sliding(1h, exact, 1m)", "sliding takes one option, 'hop: 1m' or 'exact', not '1m' too"},
      {"sliding(1h, 5m)", "'5m' is no option of sliding; there are 'hop: 1m' and 'exact'"},
      {"sliding(1h,)", "'sliding(1h,)' has nothing where something belongs; write sliding(1h, hop: 1m), sliding(7d, exact)"},
      {"hopping(1h)", "hopping takes a length and how often one begins: hopping(1h, 5m)"},
      {"hopping(5m, 1h)",
       "a hop of 1h is longer than the window 5m, so some rows would lie in no window; the length comes first: hopping(1h, 5m)"},
      {"hopping(1h, 5s)", "hop 5s is not a positive multiple of 10s"},
      {"session(30m)",
       "session takes a gap and the longest session there can be: session(30m, 12h), or session(30m, 12h, closed) for the last one that "
       "ended"},
      {"session(12h, 30m)", "a gap of 12h is longer than the longest session 30m; the gap comes first: session(30m, 12h)"},
      {"session(30m, 12h, open)", "'open' is no option of session; there is 'closed'"},
      {"last(0)", "0 rows are outside 1..1000"},
      {"last(1001)", "1001 rows are outside 1..1000"},
      {"last(7d)", "'7d' is not a number of rows: a whole number from 1 to 1000"},
      {"last(10, 15s)", "age 15s is not a positive multiple of 10s"},
      {"last(10, 7d, 1)", "last takes a number of rows and at most an age: last(10, 7d), not '1' too"},
      {"decay(5s)", "half-life 5s is not a positive multiple of 10s"},
      {"decay(1h, 5m)", "decay takes a half-life alone, as in decay(1h), not '5m' too"},
      {"series(1h)", "series takes a step and how many there are: series(1h, 24)"},
      {"series(1h, 1)", "1 steps are outside 2..1000"},
      {"series(24, 1h)", "step '24' is not a duration like 10m, 1h or 7d"},
      {"next", "'next' does not say how long; write next(7d)"},
      {"next(4h, 1h)", "a label window must end after it begins; the beginning comes first: next(1h, 4h)"},
      {"next(1h, 2h, 3h)", "next takes an end, or a beginning and an end: next(7d), next(1h, 4h), not '3h' too"},
      {"next(5s)", "label window 5s is not a positive multiple of 10s"},
      {"1w", "window '1w' is not a duration like 10m, 1h or 7d"},
      {"", "'' is not a window; write 1h, "}};
  for (const auto& [text, message] : cases) {
    const auto w = parse_window(text);
    ASSERT_FALSE(w) << text;
    EXPECT_TRUE(w.error().message.starts_with(message)) << w.error().message << "\nwant: " << message;
  }
}

}  // namespace
}  // namespace ms::catalog
