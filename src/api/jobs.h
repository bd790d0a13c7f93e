// Long work that a client starts, watches and cancels: each job has a ULID, one state and one result.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "api/problem.h"
#include "base/clock.h"
#include "base/error.h"

namespace ms::api {

struct JobProgress {
  std::string phase;
  uint64_t done = 0, total = 0;
  double rows_per_second = 0;
  double seconds_left = 0;
};
using JobProgressSink = std::function<void(const JobProgress&)>;
// Returns the job's report. Must end soon after `stop` is requested, with kCancelled, leaving nothing behind.
using JobWork = std::move_only_function<Result<Json>(const JobProgressSink& progress, std::stop_token stop)>;

// Runs jobs one after the other on one thread of its own (their work uses several). Thread-safe.
class JobTable {
 public:
  explicit JobTable(const Clock& clock);
  ~JobTable();  // stops

  // The new job's id. Errors: kUnavailable when 64 jobs wait already.
  Result<std::string> start(std::string kind, JobWork work);
  // {"id", "kind", "state": "queued"|"running"|"done"|"failed"|"cancelled", "phase", "done", "total", "rows_per_second",
  //  "seconds_left", "created_at", "finished_at", "report", "error": {"code", "detail"}}. kNotFound: no such job, or forgotten.
  Result<Json> describe(const std::string& id) const;
  // The same, once the job's state or progress has changed, at the latest after `wait_ms` (at most 10 s).
  Result<Json> wait(const std::string& id, int64_t wait_ms);
  Json list() const;  // newest first
  // Asks the job to stop; a finished one stays as it is. Errors: kNotFound.
  Result<> cancel(const std::string& id);
  // Cancels everything and waits. Idempotent.
  void stop();

 private:
  static constexpr size_t kQueueMax = 64;
  static constexpr size_t kFinishedKept = 100;
  enum class State : uint8_t { kQueued, kRunning, kDone, kFailed, kCancelled };
  struct Job {
    std::string kind;
    State state = State::kQueued;
    JobWork work;
    std::stop_source stop;
    JobProgress progress;
    uint64_t changes = 0;  // of state and progress
    int64_t created_us = 0, finished_us = 0;
    Json report;
    std::optional<Error> error;
  };
  void run();
  void finish(const std::string& id, Result<Json> result);
  Json to_json(const std::string& id, const Job& job) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, changed_;
  std::map<std::string, std::unique_ptr<Job>> jobs_;
  std::deque<std::string> queue_, finished_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ms::api
