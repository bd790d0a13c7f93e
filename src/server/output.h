// Text for people: tables, sizes, ages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/human_bytes.h"  // IWYU pragma: export

namespace ms::server {

// Columns two spaces apart; columns whose every cell is a number are aligned right. Widths count characters, not bytes.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  size_t rows() const { return rows_.size() - 1; }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string human_count(int64_t count);  // "1,234,567"
std::string human_age(int64_t ms);       // "3.2 s", "5 min", "2 h 10 min", "3 d 4 h"
bool is_terminal(int fd);

struct Progress {
  std::string phase;
  uint64_t done = 0, total = 0;  // total 0: nobody knows yet
  double rows_per_second = 0, seconds_left = 0;
};
// "replaying  62 % [######    ] 1,200,000 of 3,000,000 rows, 512,000/s, 4 s left" in at most `width` characters: the bar
// shrinks first, then the counts go, then the rate.
std::string progress_text(const Progress& progress, size_t width);

// A line that is rewritten in place on stderr, only when that is a terminal and nothing is to be quiet.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine();  // erases it
  void show(const Progress& progress);
  void show(std::string_view what) { show(Progress{.phase = std::string(what)}); }

 private:
  bool on_;
  bool shown_ = false;
};

}  // namespace ms::server
