// One thread for what must wait for the disk (topic creation, lookups by time), so that event loops never do.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "kafka/fair_queue.h"

namespace ms::kafka {

class Worker {
 public:
  explicit Worker(size_t queue_max);
  ~Worker();  // stops
  // In the order of asking, and of different `whose` in turns. When the queue is full, who has most waiting loses a job: it is
  // destroyed, as are all after stop().
  void run(std::move_only_function<void()> job, const std::string& whose = {});
  void stop();  // runs what is running, destroys what waits, joins. Idempotent.

 private:
  using Job = std::move_only_function<void()>;
  void loop();
  std::mutex mutex_;
  std::condition_variable changed_;
  FairQueue<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ms::kafka
