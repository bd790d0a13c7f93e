// How fast something has happened lately, as Kafka measures it for quotas: 11 samples of a second. Pure; times from any
// clock that does not go back.
#pragma once

#include <array>
#include <cstdint>

namespace ms::kafka {

class QuotaRate {
 public:
  static constexpr int64_t kSampleMs = 1'000;
  static constexpr size_t kSamples = 11;

  void record(double amount, int64_t now_ms);
  // Per second, over what the samples cover. That is 10 seconds at least, also when nothing is known of the time before.
  double per_second(int64_t now_ms) const;
  // How long to do nothing until the rate is `limit`, which is above 0; 0: it is not above it.
  int64_t throttle_ms(double limit, int64_t now_ms) const;
  // Nothing is left of it in the samples.
  bool over(int64_t now_ms) const;

 private:
  struct Sample {
    int64_t begin_ms = 0;
    double amount = 0;
    bool used = false;
  };
  struct Window {
    double amount = 0;
    int64_t covers_ms = 0;
  };
  static bool counts(const Sample& sample, int64_t now_ms);
  Window window(int64_t now_ms) const;

  std::array<Sample, kSamples> samples_;
  size_t current_ = 0;
};

}  // namespace ms::kafka
