#include "catalog/feature_parser.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "catalog/parameters.h"
#include "catalog/window_text.h"
#include "codec/json_walk.h"
#include "feature/expr.h"
#include "feature/feature_spec.h"

namespace ms::catalog {

using namespace feature;

namespace {

constexpr size_t kFeaturesMax = 1'000;

std::optional<AggregateKind> aggregate_named(std::string_view name, std::vector<std::string>& all) {
  std::optional<AggregateKind> found;
  for (size_t i = 0; i < kAggregateKindCount; ++i) {
    all.emplace_back(to_string(static_cast<AggregateKind>(i)));
    if (all.back() == name) found = static_cast<AggregateKind>(i);
  }
  return found;
}

// Every key that an aggregate takes.
std::vector<std::string> keys_of(AggregateKind aggregate) {
  std::vector<std::string> out;
  if (takes_of(aggregate)) out.emplace_back("of");
  if (takes_by(aggregate)) out.emplace_back("by");
  out.insert(out.end(), {"over", "where", "default", "ttl"});
  for (const Parameter& p : parameters_of(aggregate)) out.emplace_back(p.name);
  return out;
}

// The aggregates that take a key which not all take, in words; empty: it is no such key.
std::string takers(const std::string& key) {
  if (key == "of") return "every aggregate but count and time_since_last";
  if (key == "by") return "arg_min, arg_max, covariance, correlation, slope, ratio and sum_by";
  return takers_of(key);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : ", ") + w;
  return out;
}

}  // namespace

// One aggregate of a feature while it is read.
struct FeatureParser::Aggregate {
  std::string what;  // "avg of feature 'delay'"
  FeatureDefinition base;
  std::map<std::string, Place> places;
  std::vector<std::pair<NamedWindow, Place>> windows;
};

void FeatureParser::read(const YAML::Node& node, const std::string& what) {
  yaml_.entries(node, fmt::format("{} of {}", labels_ ? "labels" : "features", what),
                [&](const std::string& k, const YAML::Node& v, const Place& place) {
                  if (!is_name(k) || k.find('-') != std::string::npos)
                    return yaml_.refuse(place,
                                        fmt::format("'{}' cannot name a feature: letters, digits and _, not starting with a digit", k));
                  yaml_.entries(v, fmt::format("feature '{}'", k),
                                [&](const std::string& name, const YAML::Node& spec, const Place& p) { aggregate(k, name, spec, p); });
                });
  std::set<std::string> seen;
  const auto& features = out_.definition.features;
  for (size_t i = 0; i < features.size(); ++i) {
    if (!seen.insert(features[i].name).second) yaml_.refuse(out_.place(fmt::format("features[{}].over", i)), fmt::format("{} has two features named '{}'", what, features[i].name));
  }
  if (features.size() > kFeaturesMax) yaml_.refuse(yaml_.at(node.Mark()), fmt::format("{} has more than 1,000 features", what));
}

void FeatureParser::aggregate(const std::string& feature, const std::string& name, const YAML::Node& spec, const Place& where) {
  std::vector<std::string> all;
  const auto found = aggregate_named(name, all);
  if (!found) return yaml_.unknown(where, name, fmt::format("feature '{}'", feature), all);
  Aggregate a{.what = fmt::format("{} of feature '{}'", name, feature), .base = {.aggregate = *found}, .places = {{"", where}}};
  const size_t before = yaml_.refusals();
  yaml_.entries(spec, a.what, [&](const std::string& k, const YAML::Node& v, const Place& place) { entry(a, k, v, place); });
  if (spec.IsMap()) missing(a, spec, where);
  if (yaml_.refusals() > before) return;
  for (const auto& [named, place] : a.windows) {
    if (!yaml_.room()) return;
    FeatureDefinition f = a.base;
    f.name = fmt::format("{}_{}_{}", feature, name, named.suffix);
    f.window = named.window, f.ahead_us = named.ahead_us;
    const std::string part = fmt::format("features[{}]", out_.definition.features.size());
    for (const auto& [k, p] : a.places) out_.places[part + k] = p;
    out_.places[part + ".over"] = place;
    out_.definition.features.push_back(std::move(f));
  }
}

void FeatureParser::entry(Aggregate& a, const std::string& k, const YAML::Node& v, const Place& place) {
  a.places["." + k] = yaml_.text_at(v);
  FeatureDefinition& base = a.base;
  if (k == "of" && takes_of(base.aggregate)) base.of = yaml_.text(v, "of");
  else if (k == "by" && takes_by(base.aggregate)) base.by = yaml_.text(v, "by");
  else if (k == "where") base.where = yaml_.text(v, "where");
  else if (k == "default" && v.IsSequence()) base.default_json = array(v);
  else if (k == "default" && v.IsMap()) base.default_json = object(v);
  else if (k == "default") base.default_value = scalar(v), base.default_json = long_number(base.default_value, v);
  else if (k == "ttl" && labels_)
    yaml_.refuse(place, fmt::format("{}: a label has no ttl, which says when an answer is too old to be served", a.what));
  else if (k == "ttl") base.ttl_us = yaml_.duration(v, "ttl");
  else if (k == "over") windows(a, v);
  else parameter(a, k, v, place);
}

// What the aggregate cannot do without. An entry that is there and broken has been refused already.
void FeatureParser::missing(const Aggregate& a, const YAML::Node& spec, const Place& where) {
  const AggregateKind aggregate = a.base.aggregate;
  const auto has = [&](const char* key) { return static_cast<bool>(spec[key]); };
  if (takes_of(aggregate) && !has("of")) yaml_.refuse(where, fmt::format("{} aggregates nothing; add of: EXPRESSION", a.what));
  if (takes_by(aggregate) && !has("by")) yaml_.refuse(where, fmt::format("{} needs a second expression; add by: EXPRESSION", a.what));
  if (!has("over")) yaml_.refuse(where, fmt::format("{} has no window; add over: [1h]", a.what));
  for (const Parameter& p : parameters_of(aggregate)) {
    const std::string name(p.name);
    if (p.required && !has(name.c_str())) yaml_.refuse(where, fmt::format("{} needs '{}'; add {}: {}", a.what, name, name, name == "bounds" ? "[0, 10, 100]" : name == "q" ? "0.5" : "10"));
  }
}

void FeatureParser::parameter(Aggregate& a, const std::string& k, const YAML::Node& v, const Place& place) {
  const AggregateKind aggregate = a.base.aggregate;
  for (const Parameter& p : parameters_of(aggregate)) {
    if (p.name != k) continue;
    std::vector<std::string> words;
    for (const YAML::Node& item : yaml_.items(v)) {
      if (!item.IsScalar()) return yaml_.refuse(yaml_.at(item.Mark()), fmt::format("{} of {} must be a value or a list of values", k, a.what));
      words.push_back(item.Scalar());
    }
    const auto set = set_parameter(a.base.parameters, p, words, !v.IsSequence());
    if (!set) yaml_.refuse(a.places["." + k], fmt::format("{}: {}", a.what, set.error().message));
    return;
  }
  const std::vector<std::string> known = keys_of(aggregate);
  const std::string others = takers(k);
  if (others.empty()) return yaml_.unknown(place, k, a.what, known);
  yaml_.refuse(place, fmt::format("{} takes no '{}' ({} {}); it takes {}", a.what, k, others, others.find(' ') == std::string::npos || k == "of" ? "does" : "do", joined(known)));
}

void FeatureParser::windows(Aggregate& a, const YAML::Node& node) {
  for (const YAML::Node& item : yaml_.items(node)) {
    if (!yaml_.room()) return;
    // `sliding(1h, hop: 1m)` without quotes in a list in brackets arrives here in pieces.
    const std::string written = yaml_.text(item, "a window (in quotes if it has a comma)");
    if (!item.IsScalar()) continue;
    const auto parsed = parse_window(written);
    if (parsed && labels_ != (parsed->ahead_us != 0)) {
      yaml_.refuse(yaml_.at(item.Mark()),
                   labels_ ? fmt::format("'{}' lies before t; a label's window lies ahead of it: next(7d), or next(1h, 4h)", written)
                           : fmt::format("'{}' lies ahead of t, where no feature may look; it is for the labels of a service", written));
      continue;
    }
    if (parsed) a.windows.emplace_back(*parsed, yaml_.at(item.Mark()));
    else yaml_.refuse(yaml_.at(item.Mark()), parsed.error().message);
  }
}

// A default as YAML types it: quoted is text; true, numbers and null are what they look like.
ScalarValue FeatureParser::scalar(const YAML::Node& node) {
  if (node.IsNull()) return std::monostate{};
  const std::string written = yaml_.text(node, "default");
  if (node.Tag() == "!") return written;
  if (written == "true" || written == "false") return written == "true";
  const char* const end = written.data() + written.size();
  int64_t i = 0;
  if (const auto [stop, error] = std::from_chars(written.data(), end, i); error == std::errc{} && stop == end) return i;
  double f = 0;
  if (const auto [stop, error] = std::from_chars(written.data(), end, f); error == std::errc{} && stop == end) return f;
  return written;
}

// The digits of a number that a float64 may not hold, for decimals.
std::string FeatureParser::long_number(const ScalarValue& value, const YAML::Node& node) {
  const bool is_long = std::holds_alternative<double>(value) && node.Scalar().size() > feature::kDefaultDigitsExact && is_json_number(node.Scalar());
  return is_long ? node.Scalar() : "";
}

// An element of a default that is a list or a map, as JSON: numbers keep their digits.
std::string FeatureParser::element(const YAML::Node& node) {
  if (node.IsNull()) return "null";
  const std::string written = yaml_.text(node, "a value inside a default");
  const bool plain = node.Tag() != "!" && (written == "true" || written == "false" || is_json_number(written));
  return plain ? written : feature::canonical_string(written);
}

std::string FeatureParser::array(const YAML::Node& node) {
  std::string out;
  for (const YAML::Node& item : yaml_.items(node)) out += (out.empty() ? "[" : ",") + element(item);
  return out.empty() ? "[]" : out + "]";
}

std::string FeatureParser::object(const YAML::Node& node) {
  std::string out;
  yaml_.entries(node, "a default", [&](const std::string& name, const YAML::Node& value, const Place&) {
    out += (out.empty() ? "{" : ",") + feature::canonical_string(name) + ":" + element(value);
  });
  return out.empty() ? "{}" : out + "}";
}

}  // namespace ms::catalog
