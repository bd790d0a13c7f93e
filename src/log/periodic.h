// Work that comes again and again, on a thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace ms::log {

class Periodic {
 public:
  struct Job {
    const char* failed;   // what the log says when it fails
    int64_t interval_ms;  // from its end to its next begin; 0: only when it is hurried
    std::function<Result<>()> run;
  };
  Periodic() = default;
  ~Periodic() { stop(); }
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  // Once. Of jobs that are due together the earlier ones run first. Without a job that has an interval there is no thread.
  void start(std::vector<Job> jobs);
  // The first job is due now. Thread-safe, before start() too.
  void hurry();
  // Jobs are told by whoever made them that they should end; what they return from then on is no news. Idempotent.
  void closing();
  void stop();  // closing(), and waits for the job that runs

 private:
  void run();
  int64_t due_in(size_t job, int64_t now_us) const;  // microseconds; not above 0: now

  std::vector<Job> jobs_;
  std::vector<int64_t> ended_us_;  // by the steady clock; the thread's alone
  std::mutex mutex_;
  std::condition_variable wake_;
  bool closing_ = false, hurried_ = false;
  std::thread thread_;
};

}  // namespace ms::log
