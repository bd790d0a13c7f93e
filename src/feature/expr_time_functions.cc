// The functions of the language on times.
#include "base/types.h"
#include "feature/expr_functions.h"
#include "feature/expr_time.h"

namespace ms::feature {
namespace {

template <int64_t CivilTime::*Part>
int64_t part(Time t) { return civil_time(t.us).*Part; }
int64_t quarter(Time t) { return (civil_time(t.us).month - 1) / 3 + 1; }

template <int64_t Unit>
int64_t epoch(Time t) { return t.us / Unit - (t.us % Unit < 0 ? 1 : 0); }
Time from_epoch_us(int64_t us) { return {us}; }
template <int64_t Unit>
OrFails<Time> from_epoch(int64_t n) {
  Time out;
  if (__builtin_mul_overflow(n, Unit, &out.us)) return std::unexpected(Failed{});
  return out;
}

OrFails<Time> or_fails(std::optional<int64_t> us) {
  if (!us) return std::unexpected(Failed{});
  return Time{*us};
}
OrFails<Time> make_date(int64_t year, int64_t month, int64_t day) { return or_fails(time_of_civil({.year = year, .month = month, .day = day})); }
OrFails<Time> make_time(int64_t year, int64_t month, int64_t day, int64_t hour, int64_t minute, int64_t second) {
  return or_fails(time_of_civil({.year = year, .month = month, .day = day, .hour = hour, .minute = minute, .second = second}));
}

// The unit is a literal: one for all rows.
template <class F>
void by_unit(const Call& c, F f) {
  if (c.rows == 0) return;
  const DateUnit unit = *date_unit(c.args[0]->s(0));
  for (size_t r = 0; r < c.rows; ++r) {
    if (!c.out.own.valid(r)) continue;
    const std::optional<int64_t> value = f(unit, r);
    if (value) c.out.own.ints[r] = *value;
    else c.fail(r);
  }
}
void trunc(const Call& c) {
  by_unit(c, [&](DateUnit unit, size_t r) { return date_trunc(unit, c.args[1]->i(r)); });
}
void diff(const Call& c) {
  by_unit(c, [&](DateUnit unit, size_t r) { return date_diff(unit, c.args[1]->i(r), c.args[2]->i(r)); });
}
void add(const Call& c) {
  by_unit(c, [&](DateUnit unit, size_t r) { return date_add(unit, c.args[1]->i(r), c.args[2]->i(r)); });
}

}  // namespace

std::vector<ScalarFunction> time_functions() {
  using enum TypeKind;
  constexpr std::string_view kOutside = "a time outside the years -290308 to 294247";
  constexpr std::string_view kNoDate = "no such date or time";
  return {
      scalar<&part<&CivilTime::year>>("year"), scalar<&quarter>("quarter"), scalar<&part<&CivilTime::month>>("month"),
      scalar<&part<&CivilTime::iso_week>>("week"), scalar<&part<&CivilTime::iso_year>>("iso_year"), scalar<&part<&CivilTime::day>>("day"),
      scalar<&part<&CivilTime::day_of_week>>("day_of_week"), scalar<&part<&CivilTime::day_of_year>>("day_of_year"),
      scalar<&part<&CivilTime::hour>>("hour"), scalar<&part<&CivilTime::minute>>("minute"), scalar<&part<&CivilTime::second>>("second"),
      scalar<&epoch<kMicrosPerSecond>>("epoch_s"), scalar<&epoch<kMicrosPerMilli>>("epoch_ms"), scalar<&epoch<1>>("epoch_us"),
      scalar<&from_epoch<kMicrosPerSecond>>("from_epoch_s", kOutside), scalar<&from_epoch<kMicrosPerMilli>>("from_epoch_ms", kOutside),
      scalar<&from_epoch_us>("from_epoch_us"),
      scalar<&make_date>("make_timestamp", kNoDate), scalar<&make_time>("make_timestamp", kNoDate),
      {.name = "date_trunc", .in = {kString, kTimestamp}, .out = kTimestamp, .run = trunc, .fails = kOutside, .literal = 0, .check = fault_of_date_unit},
      {.name = "date_diff", .in = {kString, kTimestamp, kTimestamp}, .out = kInt64, .run = diff, .fails = "int64 overflow", .literal = 0, .check = fault_of_date_unit},
      {.name = "date_add", .in = {kString, kInt64, kTimestamp}, .out = kTimestamp, .run = add, .fails = kOutside, .literal = 0, .check = fault_of_date_unit},
  };
}

}  // namespace ms::feature
