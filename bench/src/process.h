// What another process takes, from /proc.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "bench/src/connect.h"

namespace ms::bench {

inline int64_t resident_bytes(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/statm");
  int64_t all = 0, pages = 0;
  if (!(in >> all >> pages)) die("cannot read the memory of process " + pid);
  return pages * sysconf(_SC_PAGESIZE);
}

// User and system time of the process and its threads so far, in steps of a clock tick (10 ms).
inline double cpu_seconds(const std::string& pid) {
  constexpr int kFieldsBetween = 11;  // the name and what comes before the two times
  std::ifstream in("/proc/" + pid + "/stat");
  const std::string line{std::istreambuf_iterator<char>(in), {}};
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) die("cannot read the CPU time of process " + pid);
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  int64_t user = 0, system = 0;
  if (!(fields >> user >> system)) die("cannot read the CPU time of process " + pid);
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace ms::bench
