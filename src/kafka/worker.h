// One thread for what must wait for the disk (topic creation, lookups by time), so that event loops never do.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace ms::kafka {

class Worker {
 public:
  explicit Worker(size_t queue_max);
  ~Worker();  // stops
  // False: the queue is full or the worker stopped; the job was destroyed.
  bool run(std::move_only_function<void()> job);
  void stop();  // runs what is running, destroys what waits, joins. Idempotent.

 private:
  void loop();
  const size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ms::kafka
