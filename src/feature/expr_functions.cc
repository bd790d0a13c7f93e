#include "feature/expr_functions.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/types.h"

namespace ms::feature {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

size_t next_point(std::string_view text, size_t at) {
  for (++at; at < text.size() && continues(text[at]); ++at) {
  }
  return at;
}

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

std::optional<int64_t> micros_of_days(int64_t days) {
  int64_t us = 0;
  if (__builtin_mul_overflow(days, kMicrosPerDay, &us)) return std::nullopt;
  return us;
}

}  // namespace

int64_t text_length(std::string_view text) {
  int64_t points = 0;
  for (const char c : text) points += continues(c) ? 0 : 1;
  return points;
}

std::string_view text_part(std::string_view text, int64_t from, int64_t count) {
  if (count <= 0) return {};
  // Positions below 1 use up part of the count, as in SQL.
  if (from < 1) {
    int64_t end = 0;
    if (__builtin_add_overflow(from, count, &end)) end = std::numeric_limits<int64_t>::max();
    if (end <= 1) return {};
    count = end - 1, from = 1;
  }
  size_t start = 0;
  for (int64_t i = 1; i < from && start < text.size(); ++i) start = next_point(text, start);
  size_t stop = start;
  for (int64_t i = 0; i < count && stop < text.size(); ++i) stop = next_point(text, stop);
  return text.substr(start, stop - start);
}

bool text_like(std::string_view text, std::string_view pattern) {
  size_t t = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++, resume = t;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '_') {
      ++p, t = next_point(text, t);
      continue;
    }
    const size_t literal = p < pattern.size() && pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
    if (literal < pattern.size() && pattern[literal] == text[t]) {
      p = literal + 1, ++t;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1, resume = next_point(text, resume), t = resume;
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

std::string_view text_in_case(std::string_view text, bool upper, StringArena& arena) {
  if (text.empty()) return {};
  const char from = upper ? 'a' : 'A', to = upper ? 'z' : 'Z';
  char* out = arena.allocate(text.size());
  for (size_t i = 0; i < text.size(); ++i) out[i] = text[i] >= from && text[i] <= to ? static_cast<char>(text[i] ^ 0x20) : text[i];
  return {out, text.size()};
}

CivilTime civil_time(int64_t us) {
  const int64_t days = floor_div(us, kMicrosPerDay);
  const int64_t seconds = floor_div(us, kMicrosPerSecond) - days * 86'400;
  CivilTime out;
  civil_of_days(days, out.year, out.month, out.day);
  out.hour = seconds / 3600, out.minute = seconds / 60 % 60, out.second = seconds % 60;
  const int64_t from_monday = days + 3;  // 1970-01-01 was a Thursday
  out.day_of_week = from_monday - floor_div(from_monday, 7) * 7 + 1;
  return out;
}

std::optional<int64_t> truncate_time(std::string_view unit, int64_t us) {
  const auto to = [us](int64_t width) -> std::optional<int64_t> {
    int64_t out = 0;
    if (__builtin_mul_overflow(floor_div(us, width), width, &out)) return std::nullopt;
    return out;
  };
  if (unit == "second") return to(kMicrosPerSecond);
  if (unit == "minute") return to(kMicrosPerMinute);
  if (unit == "hour") return to(kMicrosPerHour);
  if (unit == "day") return to(kMicrosPerDay);
  const int64_t days = floor_div(us, kMicrosPerDay);
  const CivilTime c = civil_time(us);
  if (unit == "week") return micros_of_days(days - (c.day_of_week - 1));
  return micros_of_days(days_of_civil(c.year, unit == "month" ? c.month : 1, 1));
}

std::optional<int64_t> int_of_text(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> float_of_text(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || !((digits[0] >= '0' && digits[0] <= '9') || digits[0] == '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> int_of_float(double value) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return std::nullopt;
  return static_cast<int64_t>(value);
}

}  // namespace ms::feature
