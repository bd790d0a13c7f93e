#include "base/types.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace ms {
namespace {

using Days = std::chrono::sys_days;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

// Reads exactly `width` digits at `at`. -1 when they are not there.
int read_digits(std::string_view text, size_t at, size_t width) {
  if (at + width > text.size()) return -1;
  int value = 0;
  for (size_t i = at; i < at + width; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

Unexpected bad_time(std::string_view text) {
  return invalid(fmt::format("'{}' is not a time; write it as 2026-01-31T23:59:59.123456Z", text));
}

}  // namespace

std::string format_time(int64_t us) {
  const int64_t days = floor_div(us, kMicrosPerDay);
  if (days < -719528 || days > 2932896) return fmt::format("@{}us", us);
  const int64_t rest = us - days * kMicrosPerDay;
  const std::chrono::year_month_day date{Days{std::chrono::days{days}}};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), rest / kMicrosPerHour,
                     rest / kMicrosPerMinute % 60, rest / kMicrosPerSecond % 60, rest % kMicrosPerSecond);
}

Result<int64_t> parse_time(std::string_view text) {
  const int year = read_digits(text, 0, 4), month = read_digits(text, 5, 2), day = read_digits(text, 8, 2);
  if (year < 0 || month < 1 || day < 1 || text[4] != '-' || text[7] != '-') return bad_time(text);
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return bad_time(text);
  int64_t us = Days{date}.time_since_epoch().count() * kMicrosPerDay;
  if (text.size() == 10) return us;
  const int hour = read_digits(text, 11, 2), minute = read_digits(text, 14, 2);
  if ((text[10] != 'T' && text[10] != 't' && text[10] != ' ') || hour < 0 || minute < 0 || text[13] != ':' || hour > 23 ||
      minute > 59)
    return bad_time(text);
  us += hour * kMicrosPerHour + minute * kMicrosPerMinute;
  size_t at = 16;
  if (at < text.size() && text[at] == ':') {
    const int second = read_digits(text, 17, 2);
    if (second < 0 || second > 59) return bad_time(text);
    us += second * kMicrosPerSecond;
    at = 19;
    if (at < text.size() && text[at] == '.') {
      int64_t unit = kMicrosPerSecond / 10;
      size_t digits = 0;
      for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits, unit /= 10)
        us += unit * (text[at] - '0');
      if (digits < 1 || digits > 9) return bad_time(text);
    }
  }
  const std::string_view zone = text.substr(at);
  if (zone.empty() || zone == "Z" || zone == "z") return us;
  const int zone_hour = read_digits(zone, 1, 2), zone_minute = read_digits(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || zone_hour < 0 || zone_hour > 23 ||
      zone_minute < 0 || zone_minute > 59)
    return bad_time(text);
  const int64_t shift = zone_hour * kMicrosPerHour + zone_minute * kMicrosPerMinute;
  return zone[0] == '+' ? us - shift : us + shift;
}

Result<int64_t> parse_duration(std::string_view text) {
  const auto bad = [&] { return invalid(fmt::format("'{}' is not a duration; write it as 10s, 5m, 1h, 7d or 1h30m", text)); };
  int64_t total = 0;
  std::string_view rest = text;
  if (rest.empty()) return bad();
  while (!rest.empty()) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc{} || number < 0) return bad();
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    int64_t unit = 0;
    size_t width = 1;
    if (rest.starts_with("us")) unit = 1, width = 2;
    else if (rest.starts_with("ms")) unit = kMicrosPerMilli, width = 2;
    else if (rest.starts_with("s")) unit = kMicrosPerSecond;
    else if (rest.starts_with("m")) unit = kMicrosPerMinute;
    else if (rest.starts_with("h")) unit = kMicrosPerHour;
    else if (rest.starts_with("d")) unit = kMicrosPerDay;
    else return bad();
    rest.remove_prefix(width);
    int64_t part = 0;
    if (__builtin_mul_overflow(number, unit, &part) || __builtin_add_overflow(total, part, &total)) return bad();
  }
  return total;
}

std::string format_duration(int64_t us) {
  struct Unit {
    int64_t us;
    const char* name;
  };
  static constexpr Unit kUnits[] = {{kMicrosPerDay, "d"},    {kMicrosPerHour, "h"},  {kMicrosPerMinute, "m"},
                                    {kMicrosPerSecond, "s"}, {kMicrosPerMilli, "ms"}, {1, "us"}};
  if (us == 0) return "0s";
  std::string out;
  for (const Unit& unit : kUnits) {
    if (us / unit.us != 0) out += fmt::format("{}{}", us / unit.us, unit.name);
    us %= unit.us;
  }
  return out;
}

std::string Uuid::to_string() const {
  std::string out;
  for (size_t i = 0; i < 16; ++i) out += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  return out;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  const auto nibble = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  Uuid out;
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') break;
      continue;
    }
    const int value = nibble(text[i]);
    if (value < 0 || digits >= 32) break;
    out.bytes[digits / 2] = static_cast<uint8_t>(out.bytes[digits / 2] << 4 | value);
    ++digits;
  }
  if (digits != 32 || text.size() != 36) return invalid(fmt::format("'{}' is not a UUID", text));
  return out;
}

}  // namespace ms
