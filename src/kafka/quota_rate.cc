#include "kafka/quota_rate.h"

#include <algorithm>
#include <cmath>

namespace ms::kafka {

bool QuotaRate::counts(const Sample& sample, int64_t now_ms) {
  return sample.used && now_ms - sample.begin_ms < static_cast<int64_t>(kSamples) * kSampleMs;
}

void QuotaRate::record(double amount, int64_t now_ms) {
  if (samples_[current_].used && now_ms - samples_[current_].begin_ms >= kSampleMs) current_ = (current_ + 1) % kSamples;
  Sample& sample = samples_[current_];
  if (!sample.used || now_ms - sample.begin_ms >= kSampleMs) sample = {.begin_ms = now_ms, .amount = 0, .used = true};
  sample.amount += amount;
}

QuotaRate::Window QuotaRate::window(int64_t now_ms) const {
  Window window;
  int64_t oldest_ms = now_ms;
  for (const Sample& sample : samples_) {
    if (!counts(sample, now_ms)) continue;
    window.amount += sample.amount;
    oldest_ms = std::min(oldest_ms, sample.begin_ms);
  }
  constexpr int64_t kFullMin = kSamples - 1;
  const int64_t elapsed_ms = now_ms - oldest_ms;
  window.covers_ms = elapsed_ms + std::max<int64_t>(kFullMin - elapsed_ms / kSampleMs, 0) * kSampleMs;
  return window;
}

double QuotaRate::per_second(int64_t now_ms) const {
  const Window seen = window(now_ms);
  return seen.amount * 1'000 / static_cast<double>(seen.covers_ms);
}

int64_t QuotaRate::throttle_ms(double limit, int64_t now_ms) const {
  const Window seen = window(now_ms);
  const double wait_ms = seen.amount * 1'000 / limit - static_cast<double>(seen.covers_ms);
  constexpr double kLongest = 1e12;  // what a client can be told is cut elsewhere
  return wait_ms > 0 ? static_cast<int64_t>(std::ceil(std::min(wait_ms, kLongest))) : 0;
}

bool QuotaRate::over(int64_t now_ms) const {
  return std::ranges::none_of(samples_, [&](const Sample& sample) { return counts(sample, now_ms); });
}

}  // namespace ms::kafka
