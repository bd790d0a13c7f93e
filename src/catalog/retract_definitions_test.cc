// Sources that take events back, as definitions.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/catalog_document.h"
#include "catalog/planner.h"

namespace ms::catalog {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view kRule = "    retract: {when: \"kind = 'reversal'\", offset: original}\n";

std::string definitions(std::string_view rule, std::string_view windows = "[1h, \"last(3, 1d)\", \"session(10m, 1h)\"]") {
  return fmt::format(R"yaml(sources:
  payments:
    time: {{field: at, unit: ms}}
    fields: {{user: string, amount: int64, kind: string, original: int64}}
{}entities:
  user: {{key: [user]}}
views:
  spending:
    entity: user
    from: payments
    features:
      amount: {{sum: {{of: amount, over: {}}}}}
services:
  model: {{features: [spending.*]}}
)yaml", rule, windows);
}

Planned plan(const std::string& text, const CatalogSnapshot& now = {}) {
  const DefinitionFile file{"f.yaml", text};
  return plan_definitions(now, parse_definitions({&file, 1}), nullptr);
}

TEST(RetractDefinitions, PlanSaysWhatIsTakenBackAndWhatIsKept) {
  const Planned with = plan(definitions(kRule)), without = plan(definitions(""));
  ASSERT_TRUE(with.report.ok()) << with.report.text();
  EXPECT_THAT(with.report.text(), HasSubstr("    takes events back where kind = 'reversal', at offset original\n"));
  EXPECT_THAT(with.report.text(), HasSubstr("    keeps its rows so that they can be taken back: "));
  EXPECT_THAT(without.report.text(), Not(HasSubstr("back")));
  // An event a minute for a day and what comes to a whole hour, of 40 bytes each at least.
  const auto bytes = [](const Planned& p) { return p.report.items[2].state_bytes_per_entity; };
  EXPECT_GE(bytes(with), bytes(without) + 24 * 60 * 40);
  EXPECT_LE(bytes(with), bytes(without) + 25 * 60 * 64);
}

TEST(RetractDefinitions, TheRuleIsPartOfTheIdentity) {
  const auto hash = [](const std::string& text) { return plan(text).next->views[0]->feature_hashes[0]; };
  EXPECT_NE(hash(definitions(kRule)), hash(definitions("")));
  EXPECT_EQ(hash(definitions(kRule)), hash(definitions("    retract: {offset: original, when: \"(kind) = 'reversal'\"}\n")));
  EXPECT_NE(hash(definitions(kRule)), hash(definitions("    retract: {when: \"kind = 'undo'\", offset: original}\n")));
  EXPECT_NE(hash(definitions(kRule)), hash(definitions("    retract: {when: \"kind = 'reversal'\", offset: original + 1}\n")));
}

TEST(RetractDefinitions, SurvivesTheDocument) {
  const Planned planned = plan(definitions(kRule));
  const std::string document = write_document(*planned.next);
  const auto again = read_document(document);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(write_document(**again), document);
  EXPECT_FALSE(plan(definitions(kRule), **again).report.changes());
  EXPECT_THAT(plan(definitions(""), **again).report.text(), HasSubstr("~ source payments  (changed)"));
}

TEST(RetractDefinitions, WindowsWithoutABoundAreRefused) {
  for (const char* window : {"lifetime", "\"last(3)\"", "\"session(10m, 1h, closed)\""}) {
    const std::string said = plan(definitions(kRule, fmt::format("[1h, {}]", window))).report.text();
    EXPECT_THAT(said, StartsWith("f.yaml:13:")) << window;
    EXPECT_THAT(said, HasSubstr("source 'payments' takes events back, so every row that its window can reach is kept, and this window reaches back for ever"));
    EXPECT_TRUE(plan(definitions("", fmt::format("[1h, {}]", window))).report.ok());
  }
  // A view that was applied earlier refuses the rule too.
  const Planned before = plan(definitions("", "lifetime"));
  const std::string text = definitions(kRule);
  EXPECT_THAT(plan(text.substr(0, text.find("entities:")), *before.next).report.text(), HasSubstr("view 'spending', applied earlier, would not compile any more"));
}

TEST(RetractDefinitions, KeptRowsCountForTheBudget) {
  EXPECT_TRUE(plan(definitions("", "\"sliding(1500d, hop: 1d)\"")).report.ok());
  EXPECT_THAT(plan(definitions(kRule, "\"sliding(1500d, hop: 1d)\"")).report.text(), HasSubstr("give it a shorter window, whose rows are all kept"));
}

TEST(RetractDefinitions, MistakesHaveTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"    retract: {when: \"kind = 'reversal'\"}\n", "f.yaml:5:14: retract of source 'payments' needs both: {when: CONDITION, offset: FIELD}"},
      {"    retract: {when: kind, offset: original}\n", "f.yaml:5:21: retract.when, column 1: the expression is string, not bool"},
      {"    retract: {when: \"kind = 'x'\", offset: kind}\n", "f.yaml:5:43: retract.offset, column 1: the expression is string, not int64"},
      {"    retract: {when: \"kind = 'x'\", offset: orignal}\n", "f.yaml:5:43: retract.offset, column 1: there is no field 'orignal'; did you mean 'original'?"},
      {"    retract: {when: \"kind = 'x'\", ofset: original}\n", "f.yaml:5:35: retract has no 'ofset'; did you mean 'offset'?"},
      {"    retract: original\n", "f.yaml:5:14: retract of source 'payments' must be a map"}};
  for (const auto& [rule, want] : cases) EXPECT_THAT(plan(definitions(rule)).report.text(), StartsWith(want)) << rule;
}

}  // namespace
}  // namespace ms::catalog
