// The golden files are complete: every aggregate over every type it takes in every kind of window has the answers that its
// cell needs. The cells come from the code (feature_spec.h), so a new aggregate, type or window fails here until it is stated.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "engine/testing/golden.h"
#include "engine/testing/golden_parse.h"
#include "feature/every_cell.h"

namespace ms::engine::testing {
namespace {

using feature::AggregateKind;
using feature::WindowKind;
using feature::testing::Cell;
using feature::testing::every_cell;

std::string name_of(const Cell& cell) {
  constexpr std::string_view kWindows[] = {"sliding", "sliding exact", "tumbling", "lifetime", "hopping",
                                           "session", "last",          "decay",    "series"};
  static_assert(std::size(kWindows) == feature::kWindowKindCount);
  const auto argument = [](std::string_view word, const std::optional<Type>& type) {
    return type ? fmt::format(" {} {}", word, type_text(*type)) : "";
  };
  return fmt::format("{}{}{} in {}", to_string(cell.aggregate), argument("of", cell.type), argument("by", cell.by),
                     kWindows[static_cast<size_t>(cell.window)]);
}

class Needed {
 public:
  explicit Needed(const Cell& cell) : cell_(cell) {}

  // The answers a cell needs, as "VALUE STATUS"; "*": any value.
  std::vector<std::string> all() {
    needs("*", "PRESENT"), needs("*", "EMPTY_WINDOW");
    if (cell_.type) nulls_alone();
    if (can_overflow() || cell_.window == WindowKind::kSession) needs("null", "OVERFLOW");
    if (cell_.window != WindowKind::kSeries) values();
    return std::move(out_);
  }

 private:
  using enum AggregateKind;
  bool is(std::initializer_list<AggregateKind> kinds) const { return std::ranges::find(kinds, cell_.aggregate) != kinds.end(); }
  void needs(std::string_view value, std::string_view status) { out_.push_back(fmt::format("{} {}", value, status)); }

  void nulls_alone() {
    const bool zero = is({kCountIf, kCountDistinct, kApproxCountDistinct});
    if (cell_.window == WindowKind::kSeries) return needs(zero ? "[0,0,0]" : "[null,null,null]", "PRESENT");
    if (zero) return needs(cell_.window == WindowKind::kDecay ? "0.0" : "0", "PRESENT");
    if (is({kCountBy})) return needs("{}", "PRESENT");
    if (is({kHistogram})) return needs("[0,0,0,0]", "PRESENT");
    needs("null", "NULL");
  }

  bool can_overflow() const {
    const bool real = cell_.type == TypeKind::kFloat64;
    if (is({kCountDistinct, kTopK, kCountBy, kSumBy})) return true;
    if (cell_.window == WindowKind::kDecay) return false;
    if (is({kVariance, kStddev})) return real;
    return is({kSum}) && (real || cell_.type == TypeKind::kInt64 || cell_.type == TypeKind::kVector);
  }

  // The edges of its type.
  void values() {
    const bool real = cell_.type == TypeKind::kFloat64, whole = cell_.type == TypeKind::kInt64;
    const bool pair = is({kCovariance, kCorrelation, kSlope, kRatio});
    if (real && is({kSum, kAvg, kMin, kMax, kVariance, kStddev, kSkew, kKurtosis, kFirst, kLast, kQuantile})) needs("NaN", "PRESENT");
    if (pair && (real || cell_.by == TypeKind::kFloat64)) needs("NaN", "PRESENT");
    if (pair) needs("null", "NULL");
    if (real && is({kSum, kAvg, kMax})) needs("Infinity", "PRESENT");
    if (real && is({kMin, kLast})) needs("-Infinity", "PRESENT");
    if (real && is({kMin, kMax, kFirst, kLast})) needs("-0.0", "PRESENT");
    if (real && is({kSum, kAvg, kQuantile})) needs("0.0", "PRESENT");
    if (cell_.window == WindowKind::kDecay) return;
    if (whole && is({kMax, kFirst})) needs("9223372036854775807", "PRESENT");
    if (whole && is({kMin, kLast})) needs("-9223372036854775808", "PRESENT");
  }

  const Cell& cell_;
  std::vector<std::string> out_;
};

std::vector<std::string> needed(const Cell& cell) { return Needed(cell).all(); }

using FeaturesOf = Result<std::vector<GoldenFeature>> (*)(const GoldenCase&);

// What the cases state of features, or of labels.
std::map<Cell, std::set<std::string>> stated(const std::vector<GoldenCase>& cases, FeaturesOf features_of) {
  std::map<Cell, std::set<std::string>> out;
  for (const GoldenCase& c : cases) {
    const auto features = features_of(c);
    EXPECT_TRUE(features) << c.name << ": " << features.error().message;
    if (!features) continue;
    std::map<std::string, Cell> cells;
    for (const auto& [name, spec] : *features) {
      cells[name] = {spec.aggregate, std::nullopt, std::nullopt, spec.window.kind};
      if (feature::takes_of(spec.aggregate)) cells[name].type = spec.argument_type;
      if (feature::takes_by(spec.aggregate)) cells[name].by = spec.by_type;
    }
    for (const GoldenQuestion& q : c.questions) {
      for (const GoldenAnswer& a : q.answers) {
        const auto cell = cells.find(a.feature);
        if (cell == cells.end()) continue;  // of the others
        auto& texts = out[cell->second];
        texts.insert("* " + a.status), texts.insert(a.value + " " + a.status);
      }
    }
  }
  return out;
}

std::vector<std::string> missing(const std::vector<GoldenCase>& cases, const std::vector<Cell>& every, FeaturesOf features_of) {
  auto all = stated(cases, features_of);
  std::vector<std::string> out;
  for (const Cell& cell : every) {
    for (const std::string& text : needed(cell))
      if (!all[cell].contains(text)) out.push_back(fmt::format("{}: no answer '{}'", name_of(cell), text));
  }
  return out;
}

std::vector<std::string> missing(const std::vector<GoldenCase>& cases) { return missing(cases, every_cell(), golden_features); }

// A label's window is an exact one.
std::vector<std::string> missing_labels(const std::vector<GoldenCase>& cases) {
  std::vector<Cell> exact = every_cell();
  std::erase_if(exact, [](const Cell& cell) { return cell.window != WindowKind::kSlidingExact; });
  return missing(cases, exact, golden_labels);
}

std::vector<GoldenCase> all_cases() {
  std::vector<GoldenCase> out;
  for (GoldenFile& file : golden_files()) std::ranges::move(file.cases, std::back_inserter(out));
  return out;
}

TEST(GoldenCells, EveryCellIsStated) {
  EXPECT_GT(every_cell().size(), 1000u);
  EXPECT_EQ(missing(all_cases()), std::vector<std::string>{});
}

TEST(GoldenCells, EveryCellIsStatedAsALabel) { EXPECT_EQ(missing_labels(all_cases()), std::vector<std::string>{}); }

TEST(GoldenCells, AMissingCellIsNamed) {
  std::vector<GoldenCase> cases = all_cases();
  const auto forget = [&](std::string_view feature, std::string_view status) {
    for (GoldenCase& c : cases)
      for (GoldenQuestion& q : c.questions) std::erase_if(q.answers, [&](const GoldenAnswer& a) { return a.feature == feature && a.status == status; });
  };
  forget("m_last_1h_hopping_5m", "PRESENT");
  EXPECT_EQ(missing(cases), std::vector<std::string>{"last of map<string,int64> in hopping: no answer '* PRESENT'"});
  forget("d_s2_arg_min_last_5", "NULL");
  EXPECT_EQ(missing(cases).size(), 2u);
  EXPECT_EQ(missing(cases)[1], "arg_min of decimal(12,2) by string in last: no answer 'null NULL'");
  forget("d_sum_next_1h", "NULL"), forget("d_sum_next_10m_to_1h", "NULL"), forget("fee_sum_next_1h", "NULL");
  EXPECT_EQ(missing_labels(cases), std::vector<std::string>{"sum of decimal(12,2) in sliding exact: no answer 'null NULL'"});
}

}  // namespace
}  // namespace ms::engine::testing
