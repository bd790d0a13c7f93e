#include "kafka/request_times.h"

namespace ms::kafka {

std::string_view to_string(Stage stage) {
  constexpr std::string_view kNames[] = {"read", "queue", "work", "log", "wait", "send"};
  static_assert(std::size(kNames) == kStages);
  return kNames[static_cast<size_t>(stage)];
}

int64_t RequestTimes::total_us() const {
  int64_t sum = 0;
  for (size_t i = 0; i < kStages; ++i)
    if (static_cast<Stage>(i) != Stage::kWait) sum += us_[i];
  return sum;
}

Stage RequestTimes::slowest() const {
  auto slowest = Stage::kRead;
  for (size_t i = 0; i < kStages; ++i)
    if (const auto stage = static_cast<Stage>(i); stage != Stage::kWait && us(stage) > us(slowest)) slowest = stage;
  return slowest;
}

}  // namespace ms::kafka
