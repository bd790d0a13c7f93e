#include "server/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ms::server {
namespace {

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_number(std::string_view cell) {
  const size_t digits = static_cast<size_t>(std::ranges::count_if(cell, [](char c) { return c >= '0' && c <= '9'; }));
  return digits > 0 && cell.find_first_not_of("0123456789.,-+e") == std::string_view::npos;
}

}  // namespace

std::string Table::text() const {
  const size_t columns = rows_[0].size();
  std::vector<size_t> widths(columns, 0);
  std::vector<bool> right(columns, rows_.size() > 1);
  for (size_t r = 0; r < rows_.size(); ++r) {
    for (size_t c = 0; c < columns; ++c) {
      widths[c] = std::max(widths[c], characters(rows_[r][c]));
      if (r > 0 && !is_number(rows_[r][c]) && rows_[r][c] != "-") right[c] = false;
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) {
      const std::string space(widths[c] - characters(row[c]), ' ');
      if (c > 0) line += "  ";
      line += right[c] ? space + row[c] : row[c] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string human_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_count(int64_t count) {
  std::string digits = std::to_string(count);
  for (size_t at = digits.size(); at > 3 + (count < 0);) digits.insert(at -= 3, ",");
  return digits;
}

std::string human_age(int64_t ms) {
  if (ms < 0) return "-" + human_age(-ms);
  if (ms < 60'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1e3);
  const int64_t minutes = ms / 60'000;
  if (minutes < 60) return fmt::format("{} min", minutes);
  if (minutes < 24 * 60) return fmt::format("{} h {} min", minutes / 60, minutes % 60);
  return fmt::format("{} d {} h", minutes / 1'440, minutes / 60 % 24);
}

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

ProgressLine::ProgressLine(bool quiet) : on_(!quiet && is_terminal(STDERR_FILENO)) {}

ProgressLine::~ProgressLine() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void ProgressLine::show(std::string_view phase, uint64_t done, uint64_t total, double rows_per_second, double seconds_left) {
  if (!on_) return;
  constexpr size_t kBar = 24;
  const double share = total ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) : 0;
  const auto filled = static_cast<size_t>(share * kBar);
  fmt::print(stderr, "\r\x1b[K{} {:3.0f} % [{}{}] {} of {} rows", phase, share * 100, std::string(filled, '#'), std::string(kBar - filled, ' '),
             human_count(static_cast<int64_t>(done)), human_count(static_cast<int64_t>(total)));
  if (rows_per_second > 0) fmt::print(stderr, ", {}/s", human_count(static_cast<int64_t>(rows_per_second)));
  if (seconds_left > 0) fmt::print(stderr, ", {} left", human_age(static_cast<int64_t>(seconds_left * 1e3)));
  std::fflush(stderr);
  shown_ = true;
}

}  // namespace ms::server
