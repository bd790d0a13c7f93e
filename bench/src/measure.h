// What the benchmarks in one process share: CPU seconds of a piece of work, and checksums.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ms::bench {

struct Measured {
  double cpu_s = 0, wall_s = 0;
  uint64_t checksum = 0;
};

template <class Work>
Measured measure(Work&& work) {
  const double cpu = process_cpu_seconds();
  const int64_t wall = system_clock().steady_us();
  Measured out;
  out.checksum = work();
  out.cpu_s = process_cpu_seconds() - cpu;
  out.wall_s = static_cast<double>(system_clock().steady_us() - wall) / 1e6;
  return out;
}

inline uint64_t mix(uint64_t sum, int64_t value) { return (sum ^ static_cast<uint64_t>(value)) * 0x9FB21C651E98DF25ull + 1; }

}  // namespace ms::bench
