// A few threads for requests that wait for the disk or compute: bounded, with an orderly end.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ms::api {

class WorkerPool {
 public:
  using Job = std::move_only_function<void()>;
  WorkerPool(size_t threads, size_t queue_max);
  ~WorkerPool();  // stops

  // False, and the job is destroyed, when the queue is full or the pool is stopping. Thread-safe.
  bool submit(Job job);
  // Runs what has begun to its end, destroys the rest. Idempotent; one caller.
  void stop();

 private:
  void run();
  const size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ms::api
