// The small types that carry meaning: instants, offsets, partitions, 128-bit ids.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ms {

// Microseconds since 1970-01-01T00:00:00Z, any int64. Three kinds that never mix by accident:
// when a fact happened, when the log appended it, and an instant of the process clock (reads, publishes).
struct EventTime {
  int64_t us = 0;
  auto operator<=>(const EventTime&) const = default;
};
struct AppendTime {
  int64_t us = 0;
  auto operator<=>(const AppendTime&) const = default;
};
struct Instant {
  int64_t us = 0;
  auto operator<=>(const Instant&) const = default;
};

inline constexpr int64_t kMicrosPerMilli = 1'000;
inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
inline constexpr int64_t kMicrosPerHour = 60 * kMicrosPerMinute;
inline constexpr int64_t kMicrosPerDay = 24 * kMicrosPerHour;

// RFC 3339, UTC, microseconds: 2026-01-01T00:00:00.000000Z. Years outside 0000..9999 print as "@<us>us".
std::string format_time(int64_t us);
// Accepts RFC 3339 with 'T' or a space, an optional fraction of 1..9 digits (cut to microseconds) and an optional
// offset (none means UTC), also a bare date. Errors: InvalidArgument.
Result<int64_t> parse_time(std::string_view text);
// "10s", "5m", "1h", "7d", "1h30m". Errors: InvalidArgument (also for overflow, negative or empty text).
Result<int64_t> parse_duration(std::string_view text);
std::string format_duration(int64_t us);  // the shortest such text: 3600000000 -> "1h"

// Position of a record in its partition, from 0.
struct Offset {
  int64_t value = 0;
  auto operator<=>(const Offset&) const = default;
};
struct PartitionId {
  int32_t value = 0;
  auto operator<=>(const PartitionId&) const = default;
};

struct Uuid {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
  std::string to_string() const;  // 8-4-4-4-12, lower case
  static Result<Uuid> parse(std::string_view text);
};
struct TopicId {
  Uuid uuid;
  auto operator<=>(const TopicId&) const = default;
};
struct TopicPartition {
  TopicId topic;
  PartitionId partition;
  auto operator<=>(const TopicPartition&) const = default;
};

}  // namespace ms

template <>
struct std::hash<ms::TopicId> {
  size_t operator()(const ms::TopicId& id) const noexcept {
    size_t value;
    static_assert(sizeof value == 8);
    __builtin_memcpy(&value, id.uuid.bytes.data(), 8);
    return value;
  }
};
template <>
struct std::hash<ms::TopicPartition> {
  size_t operator()(const ms::TopicPartition& p) const noexcept {
    return std::hash<ms::TopicId>{}(p.topic) ^ (static_cast<size_t>(p.partition.value) * 0x9E3779B97F4A7C15ull);
  }
};
