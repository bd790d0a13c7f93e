// What people define, as plain data: sources, entities, views, services. catalog/ reads it from YAML and versions it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/types.h"
#include "codec/column_batch.h"

namespace ms::feature {

struct Field {
  std::string name;
  Type type;
  auto operator<=>(const Field&) const = default;
};

enum class TimeUnit : uint8_t { kSeconds, kMillis, kMicros, kRfc3339 };  // kRfc3339: the field is a JSON string

// How a source takes events back: a record for which `when` is true is no event, but takes back the record of its own partition at the
// offset that `offset` (int64) says. It has the event time and the entity key of what it takes back.
struct RetractRule {
  std::string when, offset;  // expressions
  auto operator<=>(const RetractRule&) const = default;
};

// A topic of JSON events and the contract of its rows.
struct SourceDefinition {
  std::string name;
  std::string topic;
  std::vector<Field> fields;     // declared fields of the event; nested ones are written a.b.c
  std::string time_field;        // event time: a field of its own, not necessarily in `fields`
  TimeUnit time_unit = TimeUnit::kMillis;
  std::vector<std::pair<std::string, std::string>> derived;  // name -> expression over fields and earlier derived ones
  int64_t max_ahead_us = 5 * kMicrosPerMinute;               // et > at + this: quarantined to the dead-letter topic
  std::optional<RetractRule> retract = {};                   // none: events stay
  std::string owner;
};

struct EntityDefinition {
  std::string name;
  std::vector<std::string> key;  // fields (or derived fields) of the source, in order
};

enum class WindowKind : uint8_t { kSliding, kSlidingExact, kTumbling, kLifetime, kHopping, kSession, kLast, kDecay, kSeries };
inline constexpr size_t kWindowKindCount = static_cast<size_t>(WindowKind::kSeries) + 1;

// Membership is tail(t) <= et < head(t), head(t) = t where nothing else is said. A feature's own `where` decides which rows there are
// for it, before the window looks at them.
//   kSliding       tail = floor((t - length) / hop) * hop
//   kSlidingExact  tail = t - length
//   kTumbling      head = floor(t / length) * length, tail = head - length
//   kLifetime      tail = -infinity
//   kHopping       head = floor(t / hop) * hop, tail = head - length: the last closed one of those that begin every hop
//   kSession       the run of rows with et < t, each at most `hop` (the gap) after the one before, that holds the last of them; empty
//                  when t - its last et > gap. `closed`: the last run with t - its last et > gap. A run longer than `length` is OVERFLOW.
//   kLast          the last `count` rows in canonical order with et < t; with a length only those with et >= t - length
//   kDecay         every row counts 2^-((t - et) / half-life); length is the half-life, hop the tile width (ladder_width()):
//                  tail = floor((t - 64 half-lives) / width) * width
//   kSeries        `count` tumbling windows of `length`, the newest first: an answer for each
struct Window {
  WindowKind kind = WindowKind::kSliding;
  int64_t length_us = 0;  // multiple of 10 s; 0 for kLifetime and for kLast without an age
  int64_t hop_us = 0;     // multiple of 10 s where the kind has one
  int64_t count = 0;      // kLast: 1 .. 1,000; kSeries: 2 .. 1,000
  bool closed = false;    // kSession
  auto operator<=>(const Window&) const = default;
};
inline constexpr int64_t kWindowCountMax = 1'000;

// The default hop of sliding(length): < 10 min: 10 s; < 1 h: 1 min; < 12 h: 5 min; < 12 d: 1 h; else 1 d.
int64_t ladder_hop(int64_t length_us);

// The largest ladder hop that is not longer than the half-life; nullopt: shorter than any (10 s).
std::optional<int64_t> ladder_width(int64_t half_life_us);

enum class AggregateKind : uint8_t {
  kCount, kCountIf, kSum, kAvg, kMin, kMax, kStddev, kFirst, kLast, kTimeSinceLast, kCountDistinct,
  kVariance, kSkew, kKurtosis, kCovariance, kCorrelation, kSlope, kRatio, kArgMin, kArgMax, kFirstN, kLastN,
  kApproxCountDistinct, kQuantile, kHistogram, kTopK, kCountBy, kSumBy,
};
inline constexpr size_t kAggregateKindCount = static_cast<size_t>(AggregateKind::kSumBy) + 1;
std::string_view to_string(AggregateKind kind);  // "count", "count_if", ...

using ScalarValue = std::variant<std::monostate, bool, int64_t, double, std::string>;  // monostate: null

// What some aggregates take beside their arguments; feature_spec.h says which.
struct AggregateParameters {
  int64_t cap = 1'000;               // count_distinct, top_k, count_by, sum_by: OVERFLOW when the window holds more keys
  int64_t n = 1;                     // first_n, last_n, top_k: how many values
  bool distinct = false;             // first_n, last_n: each value once
  int64_t precision = 12;            // approx_count_distinct: 2^precision registers, standard error 1.04 / sqrt of that
  std::vector<double> quantiles;     // quantile: each in [0, 1]
  bool one = true;                   // quantile: one number, not a list
  double error = 0.01;               // quantile: relative
  std::vector<double> bounds;        // histogram: ascending, finite
  bool operator==(const AggregateParameters&) const = default;
};

inline constexpr size_t kDefaultDigitsExact = 15;  // a decimal number of so many digits comes back from a float64 as it was written

struct FeatureDefinition {
  std::string name;                  // <feature>_<aggregate>_<window>, or <feature>_<window> for count; stable
  AggregateKind aggregate = AggregateKind::kCount;
  std::string of;                    // expression; empty for count and time_since_last; a bool for count_if
  std::string by;                    // second expression: what arg_min and arg_max order by, the other of a pair, the key of sum_by
  std::string where;                 // further filter of this feature alone; empty: none
  Window window;
  ScalarValue default_value;         // shown instead of null in an EMPTY_WINDOW or NULL answer; monostate: none
  std::string default_json;          // what default_value cannot hold of it: an array, an object, or more digits than kDefaultDigitsExact
  std::optional<int64_t> ttl_us;     // EXPIRED when t - event_time > ttl
  AggregateParameters parameters;
  // A label: its window (kSlidingExact) ends at t + this, so it counts the rows with t + ahead - length <= et < t + ahead. 0: a feature.
  int64_t ahead_us = 0;
};

struct ViewDefinition {
  std::string name;
  std::string entity;
  std::string source;
  std::string where;                 // empty: every row
  std::vector<FeatureDefinition> features;
  std::string owner;
};

// What a training set shall predict, of rows that a view takes: its entity, source and `where` are the view's.
struct LabelsDefinition {
  std::string view;
  std::vector<FeatureDefinition> labels;  // with ahead_us
};

struct ServiceDefinition {
  std::string name;
  std::vector<std::string> features;  // "view.feature" or "view.*" (expanded when applied)
  std::vector<LabelsDefinition> labels = {};  // in training sets only, never in replies
  std::vector<Field> request = {};            // what a caller tells beside the keys
  // Name -> expression over the features by their names in the service, `request.FIELD` and what stands before. In order.
  std::vector<std::pair<std::string, std::string>> derived = {};
};

}  // namespace ms::feature
