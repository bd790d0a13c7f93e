#include "catalog/parameters.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

namespace ms::catalog {
namespace {

using feature::AggregateKind;
using P = feature::AggregateParameters;

constexpr double kMostRows = feature::kWindowCountMax;
constexpr size_t kListMax = 100;

constexpr Parameter kDistinctCap[] = {{"cap", &P::cap, 1, 1'000'000}};
constexpr Parameter kKeyedCap[] = {{"cap", &P::cap, 1, 100'000}};
constexpr Parameter kTopK[] = {{"k", &P::n, 1, kMostRows, true}, {"cap", &P::cap, 1, 100'000}};
constexpr Parameter kRows[] = {{"n", &P::n, 1, kMostRows, true}, {"distinct", &P::distinct}};
constexpr Parameter kPrecision[] = {{"precision", &P::precision, 4, 16}};
constexpr Parameter kQuantile[] = {{"q", &P::quantiles, 0, 1, true}, {"error", &P::error, 0.0001, 0.1}};
constexpr Parameter kHistogram[] = {{"bounds", &P::bounds, -HUGE_VAL, HUGE_VAL, true}};

template <class Number>
std::optional<Number> number(const std::string& text) {
  Number out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

struct Setter {
  P& out;
  const Parameter& p;
  std::span<const std::string> words;
  bool one;

  Unexpected bad(std::string_view wanted) const {
    const std::string got = one ? fmt::format("'{}'", words[0]) : "a list";
    return invalid(fmt::format("{} is {}, not {}", p.name, wanted, got));
  }
  Result<double> real(const std::string& word, std::string_view wanted) const {
    const auto v = number<double>(word);
    if (!v || !std::isfinite(*v)) return invalid(fmt::format("{} is {}, not '{}'", p.name, wanted, word));
    if (*v < p.least || *v > p.most) return invalid(fmt::format("{} {} is outside {}..{}", p.name, word, p.least, p.most));
    return *v;
  }

  Result<> operator()(bool P::*member) const {
    if (!one || (words[0] != "true" && words[0] != "false")) return bad("true or false");
    out.*member = words[0] == "true";
    return {};
  }
  Result<> operator()(int64_t P::*member) const {
    const auto v = one ? number<int64_t>(words[0]) : std::nullopt;
    if (!v) return bad(fmt::format("a whole number from {} to {}", p.least, p.most));
    if (static_cast<double>(*v) < p.least || static_cast<double>(*v) > p.most) return invalid(fmt::format("{} {} is outside {}..{}", p.name, *v, p.least, p.most));
    out.*member = *v;
    return {};
  }
  Result<> operator()(double P::*member) const {
    const std::string wanted = fmt::format("a number from {} to {}", p.least, p.most);
    if (!one) return bad(wanted);
    TRY_ASSIGN(out.*member, real(words[0], wanted));
    return {};
  }
  Result<> operator()(std::vector<double> P::*member) const {
    const bool ordered = member == &P::bounds;
    const std::string wanted = ordered ? "a list of ascending numbers" : fmt::format("a number from {} to {}, or a list of them", p.least, p.most);
    if (words.empty() || words.size() > kListMax) return invalid(fmt::format("{} has {} numbers; 1 to {} can be", p.name, words.size(), kListMax));
    std::vector<double> all;
    for (const std::string& word : words) {
      TRY_ASSIGN(const double v, real(word, wanted));
      if (ordered && !all.empty() && v <= all.back()) return invalid(fmt::format("{} must ascend; {} comes behind {}", p.name, word, all.back()));
      all.push_back(v);
    }
    out.*member = std::move(all);
    if (member == &P::quantiles) out.one = one;
    return {};
  }
};

}  // namespace

std::span<const Parameter> parameters_of(AggregateKind aggregate) {
  switch (aggregate) {
    case AggregateKind::kCountDistinct: return kDistinctCap;
    case AggregateKind::kCountBy:
    case AggregateKind::kSumBy: return kKeyedCap;
    case AggregateKind::kTopK: return kTopK;
    case AggregateKind::kFirstN:
    case AggregateKind::kLastN: return kRows;
    case AggregateKind::kApproxCountDistinct: return kPrecision;
    case AggregateKind::kQuantile: return kQuantile;
    case AggregateKind::kHistogram: return kHistogram;
    default: return {};
  }
}

std::string takers_of(std::string_view parameter) {
  std::vector<std::string_view> all;
  for (size_t i = 0; i < feature::kAggregateKindCount; ++i) {
    const auto aggregate = static_cast<AggregateKind>(i);
    for (const Parameter& p : parameters_of(aggregate))
      if (p.name == parameter) all.push_back(to_string(aggregate));
  }
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) out += fmt::format("{}{}", i == 0 ? "" : i + 1 < all.size() ? ", " : " and ", all[i]);
  return out;
}

Result<> set_parameter(P& out, const Parameter& parameter, std::span<const std::string> words, bool one) {
  return std::visit(Setter{out, parameter, words, one}, parameter.member);
}

}  // namespace ms::catalog
