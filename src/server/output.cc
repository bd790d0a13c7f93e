#include "server/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ms::server {
namespace {

constexpr size_t kBarMin = 6, kBarMax = 24;

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_number(std::string_view cell) {
  const size_t digits = static_cast<size_t>(std::ranges::count_if(cell, [](char c) { return c >= '0' && c <= '9'; }));
  return digits > 0 && cell.find_first_not_of("0123456789.,-+e") == std::string_view::npos;
}

// " a, b, c" without what is empty.
std::string listed(std::initializer_list<std::string> parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!part.empty()) out += (out.empty() ? " " : ", ") + part;
  }
  return out;
}

// Whole seconds, rounded up: tenths would only flicker.
std::string human_left(double seconds) {
  const double whole = std::ceil(std::min(seconds, 1e9));
  return whole < 60 ? fmt::format("{:.0f} s", whole) : human_age(static_cast<int64_t>(whole) * 1'000);
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

std::string progress_text(const Progress& p, size_t width) {
  const auto fits = [&](const std::string& text) { return text.size() <= width; };
  const std::string rate = p.rows_per_second >= 1 ? fmt::format("{}/s", human_count(static_cast<int64_t>(p.rows_per_second))) : "";
  if (p.total == 0) {
    const std::string line = p.phase + (p.done == 0 ? " ..." : listed({human_count(static_cast<int64_t>(p.done)) + " rows", rate}));
    return line.substr(0, width);
  }
  const double share = std::min(1.0, static_cast<double>(p.done) / static_cast<double>(p.total));
  const std::string head = fmt::format("{} {:3} %", p.phase, static_cast<int>(share * 100));
  const std::string counts = fmt::format("{} of {} rows", human_count(static_cast<int64_t>(p.done)), human_count(static_cast<int64_t>(p.total)));
  const std::string left = p.done < p.total && p.seconds_left > 0 ? human_left(p.seconds_left) + " left" : "";
  for (const std::string& tail : {listed({counts, rate, left}), listed({rate, left}), listed({left})}) {
    if (!fits(head + tail)) continue;
    const size_t room = width - head.size() - tail.size();
    if (room < kBarMin + 3) return head + tail;
    const size_t bar = std::min(kBarMax, room - 3);
    const auto filled = static_cast<size_t>(share * static_cast<double>(bar));
    return head + " [" + std::string(filled, '#') + std::string(bar - filled, ' ') + "]" + tail;
  }
  return head.substr(0, width);
}

ProgressLine::ProgressLine(bool quiet) : on_(!quiet && is_terminal(STDERR_FILENO)) {}

ProgressLine::~ProgressLine() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void ProgressLine::show(const Progress& progress) {
  if (!on_) return;
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  // A line that wraps could not be erased again: one column stays free.
  fmt::print(stderr, "\r{}\x1b[K", progress_text(progress, known ? size.ws_col - 1u : 79u));
  std::fflush(stderr);
  shown_ = true;
}

}  // namespace ms::server
