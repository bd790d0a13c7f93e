// What is made of a request's times: histograms by API and stage, and a line for a slow one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/log_limit.h"
#include "base/metrics.h"
#include "kafka/request_times.h"
#include "kafka/wire.h"
#include "log/log.h"

namespace ms::kafka {

// The handles of one API; made once, so that nothing looks anything up while requests are answered.
struct RequestMetrics {
  explicit RequestMetrics(std::string_view api);
  void observe(const RequestTimes& times);  // thread-safe
  Metric& requests;
  Histogram& total;
  std::array<Histogram*, kStages> stages;
  std::array<Metric*, kStages> slow;  // by the slowest stage
};

// Thread-safe.
class RequestLog {
 public:
  // Requests that took at least `slow_us` (waiting for records or members apart) are slow; 0: none is. Slow ones are
  // counted, and give a line in the log, one a second at most.
  RequestLog(int64_t slow_us, const log::Log& log) : slow_us_(slow_us), log_(log) {}
  void answered(const ApiSpec& api, RequestMetrics& metrics, const RequestTrace& trace, const std::string& host);

 private:
  void write(const ApiSpec& api, const RequestTrace& trace, const std::string& host, int64_t left_out) const;
  std::string about(const Subject& subject) const;

  const int64_t slow_us_;
  const log::Log& log_;
  LogLimit limit_;
  std::atomic<int64_t> left_out_ = 0;  // since the last line
};

}  // namespace ms::kafka
