#include "base/clock.h"

#include <ctime>

namespace ms {
namespace {

int64_t read_clock_us(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * kMicrosPerSecond + t.tv_nsec / 1000;
}

class SystemClock final : public Clock {
 public:
  int64_t wall_us() const override { return read_clock_us(CLOCK_REALTIME); }
  int64_t steady_us() const override { return read_clock_us(CLOCK_MONOTONIC); }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

double process_cpu_seconds() { return static_cast<double>(read_clock_us(CLOCK_PROCESS_CPUTIME_ID)) * 1e-6; }

}  // namespace ms
