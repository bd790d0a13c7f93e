// Text for people: tables, sizes, ages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

std::string human_bytes(int64_t bytes);       // "1.2 MiB"
std::string human_count(int64_t count);       // "1,234,567"
std::string human_age(int64_t ms);            // "3.2 s", "5 min", "2 h 10 min", "3 d 4 h"
bool is_terminal(int fd);

// A line that is rewritten in place on stderr, only when that is a terminal and nothing is to be quiet.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine();  // erases it
  // "replaying  62 % [######    ] 1,200,000 of 3,000,000 rows, 512,000/s, 3 s left"
  void show(std::string_view phase, uint64_t done, uint64_t total, double rows_per_second, double seconds_left);

 private:
  bool on_;
  bool shown_ = false;
};

}  // namespace ms::server
