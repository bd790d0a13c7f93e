#include "feature/expr_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/nearest.h"
#include "base/types.h"

namespace ms::feature {
namespace {

constexpr std::string_view kUnitNames[] = {"microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"};

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Days since 1970-01-01 -> civil date, and back (proleptic Gregorian; Howard Hinnant's well-known identities).
void civil_of_days(int64_t days, int64_t& year, int64_t& month, int64_t& day) {
  const int64_t z = days + 719468;
  const int64_t era = floor_div(z, 146097);
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  day = doy - (153 * mp + 2) / 5 + 1;
  month = mp < 10 ? mp + 3 : mp - 9;
  year = yoe + era * 400 + (month <= 2 ? 1 : 0);
}

int64_t days_of_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = floor_div(year, 400);
  const int64_t yoe = year - era * 400;
  const int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int64_t days_in_month(int64_t year, int64_t month) {
  return month == 12 ? 31 : days_of_civil(year, month + 1, 1) - days_of_civil(year, month, 1);
}

std::optional<int64_t> product(int64_t a, int64_t b) {
  int64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}
std::optional<int64_t> sum(std::optional<int64_t> a, int64_t b) {
  int64_t out = 0;
  if (!a || __builtin_add_overflow(*a, b, &out)) return std::nullopt;
  return out;
}

// days * a day + rest, where only the whole may overflow: the first representable day is cut by the range.
std::optional<int64_t> instant(int64_t days, int64_t rest_us) {
  if (days < 0 && rest_us > 0) return sum(product(days + 1, kMicrosPerDay), rest_us - kMicrosPerDay);
  return sum(product(days, kMicrosPerDay), rest_us);
}

// The width of a unit of fixed length; 0 for the others.
int64_t width(DateUnit unit) {
  switch (unit) {
    case DateUnit::kMicrosecond: return 1;
    case DateUnit::kMillisecond: return kMicrosPerMilli;
    case DateUnit::kSecond: return kMicrosPerSecond;
    case DateUnit::kMinute: return kMicrosPerMinute;
    case DateUnit::kHour: return kMicrosPerHour;
    case DateUnit::kDay: return kMicrosPerDay;
    default: return 0;
  }
}

// The number of the unit that holds `us`, counted from any fixed one.
int64_t ordinal(DateUnit unit, int64_t us) {
  if (const int64_t w = width(unit); w != 0) return floor_div(us, w);
  if (unit == DateUnit::kWeek) return floor_div(floor_div(us, kMicrosPerDay) + 3, 7);  // 1970-01-01 was a Thursday
  const CivilTime c = civil_time(us);
  if (unit == DateUnit::kMonth) return c.year * 12 + c.month;
  if (unit == DateUnit::kQuarter) return c.year * 4 + (c.month - 1) / 3;
  return c.year;
}

}  // namespace

CivilTime civil_time(int64_t us) {
  const int64_t days = floor_div(us, kMicrosPerDay);
  const int64_t seconds = floor_div(us, kMicrosPerSecond) - days * 86'400;
  CivilTime out;
  civil_of_days(days, out.year, out.month, out.day);
  out.hour = seconds / 3600, out.minute = seconds / 60 % 60, out.second = seconds % 60;
  const int64_t from_monday = days + 3;  // 1970-01-01 was a Thursday
  out.day_of_week = from_monday - floor_div(from_monday, 7) * 7 + 1;
  out.day_of_year = days - days_of_civil(out.year, 1, 1) + 1;
  int64_t month = 0, day = 0;
  const int64_t thursday = days - out.day_of_week + 4;
  civil_of_days(thursday, out.iso_year, month, day);
  out.iso_week = (thursday - days_of_civil(out.iso_year, 1, 1)) / 7 + 1;
  return out;
}

std::optional<DateUnit> date_unit(std::string_view name) {
  const auto* const at = std::find(std::begin(kUnitNames), std::end(kUnitNames), name);
  if (at == std::end(kUnitNames)) return std::nullopt;
  return static_cast<DateUnit>(at - std::begin(kUnitNames));
}

std::string fault_of_date_unit(const std::string& name) {
  static const std::vector<std::string> kNames(std::begin(kUnitNames), std::end(kUnitNames));
  if (date_unit(name)) return {};
  return fmt::format("has no unit '{}'{}", name, did_you_mean(name, kNames));
}

std::optional<int64_t> date_trunc(DateUnit unit, int64_t us) {
  if (const int64_t w = width(unit); w != 0) return product(floor_div(us, w), w);
  const int64_t days = floor_div(us, kMicrosPerDay);
  const CivilTime c = civil_time(us);
  if (unit == DateUnit::kWeek) return product(days - (c.day_of_week - 1), kMicrosPerDay);
  const int64_t month = unit == DateUnit::kMonth ? c.month : unit == DateUnit::kQuarter ? (c.month - 1) / 3 * 3 + 1 : 1;
  return product(days_of_civil(c.year, month, 1), kMicrosPerDay);
}

std::optional<int64_t> date_diff(DateUnit unit, int64_t from, int64_t to) {
  int64_t out = 0;
  if (__builtin_sub_overflow(ordinal(unit, to), ordinal(unit, from), &out)) return std::nullopt;
  return out;
}

std::optional<int64_t> date_add(DateUnit unit, int64_t count, int64_t us) {
  if (const int64_t w = unit == DateUnit::kWeek ? 7 * kMicrosPerDay : width(unit); w != 0) {
    // The count alone may be too large although the sum is not: count in 128 bits.
    const auto at = static_cast<__int128>(count) * w + us;
    if (at < INT64_MIN || at > INT64_MAX) return std::nullopt;
    return static_cast<int64_t>(at);
  }
  const int64_t months_each = unit == DateUnit::kYear ? 12 : unit == DateUnit::kQuarter ? 3 : 1;
  if (count > 10'000'000 || count < -10'000'000) return std::nullopt;  // more than there are months
  const CivilTime c = civil_time(us);
  const int64_t months = c.year * 12 + c.month - 1 + count * months_each;
  const int64_t year = floor_div(months, 12), month = months - year * 12 + 1;
  const int64_t day = std::min(c.day, days_in_month(year, month));
  return instant(days_of_civil(year, month, day), (us % kMicrosPerDay + kMicrosPerDay) % kMicrosPerDay);
}

std::optional<int64_t> time_of_civil(const CivilTime& c) {
  if (c.year < -300'000 || c.year > 300'000 || c.month < 1 || c.month > 12 || c.day < 1 || c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 59)
    return std::nullopt;
  if (c.day > days_in_month(c.year, c.month)) return std::nullopt;
  return instant(days_of_civil(c.year, c.month, c.day), ((c.hour * 60 + c.minute) * 60 + c.second) * kMicrosPerSecond);
}

}  // namespace ms::feature
