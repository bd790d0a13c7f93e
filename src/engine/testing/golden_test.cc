// Every case of tests/golden in every mode, and the runner's own test: what it must notice.
#include "engine/testing/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/testing/golden_parse.h"

namespace ms::engine::testing {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

size_t expect_every_mode(const std::vector<GoldenFile>& files) {
  size_t cases = 0;
  for (const GoldenFile& file : files) {
    for (const GoldenCase& c : file.cases) {
      ++cases;
      for (const GoldenMode mode : kGoldenModes) {
        const auto failures = run_golden(c, mode);
        EXPECT_TRUE(failures.empty()) << file.name << ", case '" << c.name << "', mode " << to_string(mode) << ":\n" << joined(failures);
      }
    }
  }
  return cases;
}

TEST(Golden, EveryCaseInEveryMode) {
  const auto files = golden_files();
  EXPECT_GE(files.size(), 12u);
  EXPECT_GE(expect_every_mode(files), 70u);
}

// tests/oracle/test_random_definitions.py writes such a directory.
TEST(Golden, EveryCaseOfTheDirectoryInMsGolden) {
  const char* directory = std::getenv("MS_GOLDEN");
  if (directory == nullptr) GTEST_SKIP() << "MS_GOLDEN names no directory";
  EXPECT_GT(expect_every_mode(golden_files(directory)), 0u);
}

constexpr std::string_view kGood = R"golden(definitions
  sources:
    events: {topic: events, format: json, time: {field: at, unit: rfc3339}, fields: {user: string, x: int64}, owner: tests}
  entities:
    user: {key: [user]}
  views:
    v: {entity: user, from: events, features: {x: {sum: {of: x, over: [1h, "sliding(1h, exact)"]}, last: {of: x, over: [1h]}}}, owner: tests}
day 2026-01-01
case a sum
events
  10:00:00 0/1 {"user": "u", "at": "@10:00:00", "x": 3}
  10:00:00 0/2 {"user": "u", "at": "@10:00:00", "x": 4}
  10:00:01 0/3 {"user": "u", "at": "@23:00:00", "x": 4}
dead
  0/3 too_far_ahead
questions
  u 10:30:00
    found = true
    x_sum_1h = 7 @10:00:00
    x_sum_1h_exact = 7
    x_last_1h = 4
  v 10:30:00
    found = false
    x_sum_1h = null EMPTY_WINDOW @none
)golden";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kGood);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::vector<std::string> failures_of(std::string_view text, GoldenMode mode) {
  const auto golden = parse_golden(text);
  if (!golden) return {golden.error().message};
  return run_golden(golden->front(), mode);
}

TEST(GoldenRunner, TakesWhatIsRight) {
  for (const GoldenMode mode : kGoldenModes) EXPECT_EQ(failures_of(kGood, mode), std::vector<std::string>{}) << to_string(mode);
}

TEST(GoldenRunner, NoticesEveryPlantedMistakeInEveryMode) {
  const std::pair<std::string_view, std::string_view> mistakes[] = {
      {"x_sum_1h = 7 @", "x_sum_1h = 8 @"},                          // a value
      {"x_sum_1h_exact = 7", "x_sum_1h_exact = 7 NULL"},             // a status
      {"7 @10:00:00", "7 @10:00:01"},                                // an event time
      {"null EMPTY_WINDOW @none", "null EMPTY_WINDOW @10:00:00"},    // an event time that there is not
      {"null EMPTY_WINDOW", "0 EMPTY_WINDOW"},                       // a value that there is not
      {"x_last_1h = 4", "x_last_2h = 4"},                            // a feature that there is not
      {"found = true", "found = false"},
      {"0/3 too_far_ahead", "0/3 json"},                             // another reason
      {"dead\n  0/3 too_far_ahead\n", ""},                           // a dead letter nobody expects
      {"0/3 too_far_ahead", "0/2 too_far_ahead"},
      {"u 10:30:00", "u 10:30:00 without 0/2"},                      // another question
      {"u 10:30:00", "u 10:30:00 pin 0/2"},
      {"u 10:30:00", "u 10:00:00"},
      {"of: x, over: [1h,", "of: y, over: [1h,"},                    // definitions that do not compile
  };
  for (const auto& [from, to] : mistakes) {
    for (const GoldenMode mode : kGoldenModes) EXPECT_FALSE(failures_of(with(from, to), mode).empty()) << to << " in " << to_string(mode);
  }
}

TEST(GoldenRunner, DerivesFromTheRequest) {
  const auto with_service = [](std::string_view from, std::string_view to) {
    std::string text = with("day 2026-01-01", "  services:\n    s: {features: [v.*], request: {y: int64}, derived: {z: \"x_sum_1h + request.y\"}}\nday 2026-01-01");
    constexpr std::string_view kQuestion = "u 10:30:00";
    text.replace(text.find(kQuestion), kQuestion.size(), "u 10:30:00 request {\"y\": 5}\n    z = 12 @none");
    return text.replace(text.find(from), from.size(), to);
  };
  const std::pair<std::string_view, std::string_view> mistakes[] = {
      {"z = 12", "z = 13"}, {"z = 12 @none", "z = 12 @10:00:00"}, {"\"y\": 5", "\"y\": 6"}, {"\"y\": 5", "\"y\": \"5\""}, {" + request.y", " - request.y"}};
  for (const GoldenMode mode : kGoldenModes) {
    EXPECT_EQ(failures_of(with_service("z = 12", "z = 12"), mode), std::vector<std::string>{}) << to_string(mode);
    for (const auto& [from, to] : mistakes) EXPECT_FALSE(failures_of(with_service(from, to), mode).empty()) << to << " in " << to_string(mode);
  }
  EXPECT_FALSE(failures_of(with("u 10:30:00", "u 10:30:00 request {\"y\": 5}"), GoldenMode::kWhole).empty());
}

TEST(GoldenRunner, ReadsTables) {
  const std::string table = with("    x_sum_1h = 7 @10:00:00\n    x_sum_1h_exact = 7\n    x_last_1h = 4\n", "          | 1h, 1h_exact\n    x_sum | 7 @10:00:00\n          | 1h\n    x_last | 4\n");
  for (const GoldenMode mode : kGoldenModes) EXPECT_EQ(failures_of(table, mode), std::vector<std::string>{}) << to_string(mode);
  const auto planted = [&](std::string_view from, std::string_view to) {
    std::string text = table;
    return failures_of(text.replace(text.find(from), from.size(), to), GoldenMode::kWhole);
  };
  EXPECT_EQ(planted("x_sum | 7", "x_sum | 8").size(), 2u);
  EXPECT_EQ(planted("x_last | 4", "x_last | 5").size(), 1u);
  EXPECT_EQ(planted("x_last | 4", "x_last | 4 | 4"), std::vector<std::string>{"line 22: 2 cells in a table of 1 columns"});
  EXPECT_EQ(planted("x_last | 4", "x_last |"), std::vector<std::string>{"line 22: a value is missing"});
  EXPECT_EQ(planted("1h, 1h_exact", "1h, 1h_exakt").size(), 1u);
}

TEST(GoldenRunner, AsServedKnowsWhatWasAppended) {
  const std::string late = with("10:00:01 0/3", "11:00:00 0/3");
  EXPECT_EQ(failures_of(late, GoldenMode::kWhole), std::vector<std::string>{});
  std::string text = with("  10:00:00 0/2", "  10:40:00 0/2");
  text.replace(text.find("10:00:01 0/3"), 12, "10:40:00 0/3");
  EXPECT_EQ(failures_of(text, GoldenMode::kWhole), std::vector<std::string>{});
  text.replace(text.find("u 10:30:00"), 10, "u 10:30:00 as_served");
  EXPECT_EQ(failures_of(text, GoldenMode::kWhole).size(), 3u);
}

TEST(GoldenRunner, RefusesWhatItCannotRead) {
  const std::pair<std::string_view, std::string_view> mistakes[] = {
      {"x_sum_1h = 7", "x_sum_1h 7"}, {"null EMPTY_WINDOW", "null"},  {"u 10:30:00", "u 10:30:00 as_seved"}, {"0/1 {", "0-1 {"},
      {"0/2 {", "0/1 {"},             {"questions", "question"},      {"u 10:30:00", "u 25:30:00"},          {"  u 10:30:00", "  u"},
      {"found = true", "found = yes"}, {"10:00:00 0/1", "11:00:00 0/1"}, {"day 2026-01-01\n", ""},
  };
  for (const auto& [from, to] : mistakes) {
    const auto golden = parse_golden(with(from, to));
    ASSERT_FALSE(golden) << to;
    EXPECT_TRUE(golden.error().message.starts_with("line ")) << golden.error().message;
  }
  EXPECT_FALSE(parse_golden(""));
  EXPECT_FALSE(parse_golden("case nothing is asked\n"));
}

}  // namespace
}  // namespace ms::engine::testing
