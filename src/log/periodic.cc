#include "log/periodic.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/logging.h"

namespace ms::log {

void Periodic::start(std::vector<Job> jobs) {
  if (std::ranges::none_of(jobs, [](const Job& job) { return job.interval_ms > 0; })) return;
  jobs_ = std::move(jobs);
  ended_us_.assign(jobs_.size(), system_clock().steady_us());
  thread_ = std::thread([this] { run(); });
}

void Periodic::hurry() {
  {
    const std::scoped_lock lock(mutex_);
    hurried_ = true;
  }
  wake_.notify_all();
}

void Periodic::closing() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
}

void Periodic::stop() {
  closing();
  if (thread_.joinable()) thread_.join();
}

int64_t Periodic::due_in(size_t job, int64_t now_us) const {
  return jobs_[job].interval_ms <= 0 ? INT64_MAX : ended_us_[job] + jobs_[job].interval_ms * kMicrosPerMilli - now_us;
}

void Periodic::run() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    const int64_t now_us = system_clock().steady_us();
    const bool hurried = std::exchange(hurried_, false);
    std::vector<size_t> due;
    int64_t wait_us = INT64_MAX;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const int64_t in = due_in(i, now_us);
      if (in <= 0 || (i == 0 && hurried)) due.push_back(i);
      wait_us = std::min(wait_us, in);
    }
    if (due.empty()) {
      wake_.wait_for(lock, std::chrono::microseconds(wait_us));
      continue;
    }
    for (const size_t i : due) {
      if (closing_) break;
      lock.unlock();
      const Result<> done = jobs_[i].run();
      ended_us_[i] = system_clock().steady_us();
      lock.lock();
      if (!done && !closing_) log_warn(jobs_[i].failed, {{"error", done.error().message}});
    }
  }
}

}  // namespace ms::log
