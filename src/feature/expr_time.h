// Times of the language: microseconds since 1970 UTC, proleptic Gregorian calendar, no leap seconds, no time zones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ms::feature {

struct CivilTime {
  int64_t year = 1970;
  int64_t month = 1, day = 1, hour = 0, minute = 0, second = 0;
  int64_t day_of_week = 4;  // Monday 1 .. Sunday 7
  int64_t day_of_year = 1;  // from 1
  int64_t iso_year = 1970, iso_week = 1;  // the week's Thursday decides
};
CivilTime civil_time(int64_t us);  // floor division before 1970

enum class DateUnit : uint8_t { kMicrosecond, kMillisecond, kSecond, kMinute, kHour, kDay, kWeek, kMonth, kQuarter, kYear };
std::optional<DateUnit> date_unit(std::string_view name);  // "microsecond", ... "year"
std::string fault_of_date_unit(const std::string& name);   // empty: there is that unit

// The start of the unit that holds `us` (weeks begin on Monday); nullopt: before the first instant.
std::optional<int64_t> date_trunc(DateUnit unit, int64_t us);
// How many starts of the unit lie in (from, to]; negative when to < from. nullopt: int64 overflow.
std::optional<int64_t> date_diff(DateUnit unit, int64_t from, int64_t to);
// A day that the month does not have becomes its last. nullopt: outside the representable instants.
std::optional<int64_t> date_add(DateUnit unit, int64_t count, int64_t us);
// nullopt: no such date or time, or outside the representable instants.
std::optional<int64_t> time_of_civil(const CivilTime& civil);

}  // namespace ms::feature
