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
#include <vector>

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
  // The same for `done`, once the job's state or progress has changed, at the latest after `wait_ms` (at most 10 s); at once when
  // it has ended or too many watch already. Does not wait itself: a thread of the table's own calls `done`, which must be quick.
  using Watch = std::move_only_function<void(Result<Json>)>;
  void watch(const std::string& id, int64_t wait_ms, Watch done);
  Json list() const;  // newest first
  // Asks the job to stop; one that waits is cancelled at once, a finished one stays as it is. Errors: kNotFound.
  Result<> cancel(const std::string& id);
  // Cancels everything, answers who watches, and waits. Idempotent.
  void stop();

 private:
  static constexpr size_t kQueueMax = 64;
  static constexpr size_t kFinishedKept = 100;
  static constexpr size_t kWatchersMax = 1000;
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
  struct Watcher {
    std::string id;
    uint64_t seen = 0;  // the job's changes
    int64_t until_us = 0;
    Watch done;
  };
  struct Told {
    Watch done;
    Result<Json> job;
  };
  void run();
  void run_watchers();
  std::vector<Told> take_due(int64_t now_us);
  Result<Json> describe_locked(const std::string& id) const;
  void finish(const std::string& id, Result<Json> result);
  void finish_locked(const std::string& id, Result<Json> result);
  Json to_json(const std::string& id, const Job& job) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, changed_;
  std::map<std::string, std::unique_ptr<Job>> jobs_;
  std::deque<std::string> queue_, finished_;
  std::vector<Watcher> watchers_;
  bool stopping_ = false;
  std::thread thread_, watch_thread_;
};

// 202 with the job that start() made and its address, or the error.
void answer_started(const JobTable& jobs, const Result<std::string>& id, io::HttpReply& reply);

}  // namespace ms::api
