// What people define, as plain data: sources, entities, views, services. catalog/ reads it from YAML and versions it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
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

// A topic of JSON events and the contract of its rows.
struct SourceDefinition {
  std::string name;
  std::string topic;
  std::vector<Field> fields;     // declared fields of the event; nested ones are written a.b.c
  std::string time_field;        // event time: a field of its own, not necessarily in `fields`
  TimeUnit time_unit = TimeUnit::kMillis;
  std::vector<std::pair<std::string, std::string>> derived;  // name -> expression over fields and earlier derived ones
  int64_t max_ahead_us = 5 * kMicrosPerMinute;               // et > at + this: quarantined to the dead-letter topic
  std::string owner;
};

struct EntityDefinition {
  std::string name;
  std::vector<std::string> key;  // fields (or derived fields) of the source, in order
};

enum class WindowKind : uint8_t { kSliding, kSlidingExact, kTumbling, kLifetime };
inline constexpr size_t kWindowKindCount = static_cast<size_t>(WindowKind::kLifetime) + 1;

// Membership is tail(t) <= et < head(t):
//   kSliding       tail = floor((t - length) / hop) * hop, head = t     kSlidingExact  tail = t - length, head = t
//   kTumbling      head = floor(t / length) * length, tail = head - length
//   kLifetime      tail = -infinity, head = t
struct Window {
  WindowKind kind = WindowKind::kSliding;
  int64_t length_us = 0;  // multiple of 10 s; 0 for kLifetime
  int64_t hop_us = 0;     // kSliding only; a ladder hop unless the definition overrides it
  auto operator<=>(const Window&) const = default;
};

// The default hop of sliding(length): < 10 min: 10 s; < 1 h: 1 min; < 12 h: 5 min; < 12 d: 1 h; else 1 d.
int64_t ladder_hop(int64_t length_us);

enum class AggregateKind : uint8_t {
  kCount, kCountIf, kSum, kAvg, kMin, kMax, kStddev, kFirst, kLast, kTimeSinceLast, kCountDistinct,
};
inline constexpr size_t kAggregateKindCount = static_cast<size_t>(AggregateKind::kCountDistinct) + 1;
std::string_view to_string(AggregateKind kind);  // "count", "count_if", ...

using ScalarValue = std::variant<std::monostate, bool, int64_t, double, std::string>;  // monostate: null

struct FeatureDefinition {
  std::string name;                  // <feature>_<aggregate>_<window>, or <feature>_<window> for count; stable
  AggregateKind aggregate = AggregateKind::kCount;
  std::string of;                    // expression; empty for count and time_since_last; a bool for count_if
  std::string where;                 // further filter of this feature alone; empty: none
  Window window;
  ScalarValue default_value;         // shown instead of null in an EMPTY_WINDOW or NULL answer; monostate: none
  std::optional<int64_t> ttl_us;     // EXPIRED when t - event_time > ttl
  int64_t distinct_cap = 1'000;      // count_distinct: OVERFLOW above it
};

struct ViewDefinition {
  std::string name;
  std::string entity;
  std::string source;
  std::string where;                 // empty: every row
  std::vector<FeatureDefinition> features;
  std::string owner;
};

struct ServiceDefinition {
  std::string name;
  std::vector<std::string> features;  // "view.feature" or "view.*" (expanded when applied)
};

}  // namespace ms::feature
