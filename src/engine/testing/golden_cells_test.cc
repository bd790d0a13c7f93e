// The golden files are complete: every aggregate over every type it takes in every kind of window has the answers that its
// cell needs. The cells come from the code (feature_spec.h), so a new aggregate, type or window fails here until it is stated.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "engine/testing/golden.h"
#include "feature/every_cell.h"

namespace ms::engine::testing {
namespace {

using feature::AggregateKind;
using feature::testing::Cell;
using feature::testing::every_cell;
using feature::testing::takes_argument;

std::string name_of(const Cell& cell) {
  constexpr std::string_view kWindows[] = {"sliding", "sliding exact", "tumbling", "lifetime"};
  static_assert(std::size(kWindows) == feature::kWindowKindCount);
  return fmt::format("{}{} in {}", to_string(cell.aggregate), cell.type ? fmt::format(" of {}", to_string(*cell.type)) : "", kWindows[static_cast<size_t>(cell.window)]);
}

// The answers a cell needs, as "VALUE STATUS"; "*": any value.
std::vector<std::string> needed(const Cell& cell) {
  std::vector<std::string> out = {"* PRESENT", "* EMPTY_WINDOW"};
  const auto is = [&](std::initializer_list<AggregateKind> kinds) { return std::ranges::find(kinds, cell.aggregate) != kinds.end(); };
  using enum AggregateKind;
  if (cell.type) out.emplace_back(is({kCountIf, kCountDistinct}) ? "0 PRESENT" : "null NULL");  // nulls alone
  const bool real = cell.type == TypeKind::kFloat64;
  if (is({kSum, kCountDistinct}) || (real && is({kStddev}))) out.emplace_back("null OVERFLOW");
  if (real && !is({kCountDistinct})) out.emplace_back("NaN PRESENT");
  if (real && is({kSum, kAvg, kMax, kFirst})) out.emplace_back("Infinity PRESENT");
  if (real && is({kMin, kLast})) out.emplace_back("-Infinity PRESENT");
  if (real && is({kMin, kMax, kFirst, kLast})) out.emplace_back("-0.0 PRESENT");
  if (real && is({kSum, kAvg})) out.emplace_back("0.0 PRESENT");
  if (cell.type == TypeKind::kInt64 && is({kMax, kFirst})) out.emplace_back("9223372036854775807 PRESENT");
  if (cell.type == TypeKind::kInt64 && is({kMin, kLast})) out.emplace_back("-9223372036854775808 PRESENT");
  return out;
}

std::map<Cell, std::set<std::string>> stated(const std::vector<GoldenCase>& cases) {
  std::map<Cell, std::set<std::string>> out;
  for (const GoldenCase& c : cases) {
    const auto features = golden_features(c);
    EXPECT_TRUE(features) << c.name << ": " << features.error().message;
    if (!features) continue;
    std::map<std::string, Cell> cells;
    for (const auto& [name, spec] : *features)
      cells[name] = {spec.aggregate, takes_argument(spec.aggregate) ? std::optional(spec.argument_type) : std::nullopt, spec.window.kind};
    for (const GoldenQuestion& q : c.questions) {
      for (const GoldenAnswer& a : q.answers) {
        auto& texts = out[cells.at(a.feature)];
        texts.insert("* " + a.status), texts.insert(a.value + " " + a.status);
      }
    }
  }
  return out;
}

std::vector<std::string> missing(const std::vector<GoldenCase>& cases) {
  auto all = stated(cases);
  std::vector<std::string> out;
  for (const Cell& cell : every_cell()) {
    for (const std::string& text : needed(cell))
      if (!all[cell].contains(text)) out.push_back(fmt::format("{}: no answer '{}'", name_of(cell), text));
  }
  return out;
}

std::vector<GoldenCase> all_cases() {
  std::vector<GoldenCase> out;
  for (GoldenFile& file : golden_files()) std::ranges::move(file.cases, std::back_inserter(out));
  return out;
}

TEST(GoldenCells, EveryCellIsStated) {
  EXPECT_EQ(every_cell().size(), 32u * 4u);
  EXPECT_EQ(missing(all_cases()), std::vector<std::string>{});
}

TEST(GoldenCells, AMissingCellIsNamed) {
  std::vector<GoldenCase> cases = all_cases();
  const auto forget = [&](std::string_view feature, std::string_view status) {
    for (GoldenCase& c : cases)
      for (GoldenQuestion& q : c.questions) std::erase_if(q.answers, [&](const GoldenAnswer& a) { return a.feature == feature && a.status == status; });
  };
  forget("ts_last_1h_exact", "PRESENT");
  EXPECT_EQ(missing(cases), std::vector<std::string>{"last of timestamp in sliding exact: no answer '* PRESENT'"});
  forget("b_min_1h_tumbling", "NULL");
  EXPECT_EQ(missing(cases).size(), 2u);
  EXPECT_EQ(missing(cases)[0], "min of bool in tumbling: no answer 'null NULL'");
}

}  // namespace
}  // namespace ms::engine::testing
